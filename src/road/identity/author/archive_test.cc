// Real mails, where their archive lies beside the sources: an honest sender must not be called ambiguous.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "road/identity/author/author.h"

namespace sekisho::author {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string path = (fs::temp_directory_path() / "sekisho-mail-XXXXXX").string();
    path_ = ::mkdtemp(path.data()) ? path : "";
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct Counts {
  std::size_t mails = 0, parsed = 0, with_domain = 0, ambiguous = 0;
};

void count(const fs::path& file, Counts& counts) {
  std::ifstream in(file, std::ios::binary);
  const std::string octets((std::istreambuf_iterator<char>(in)), {});
  core::Budget budget;
  ++counts.mails;
  const auto message = mail::Message::from_file(octets, budget);
  if (!message) return;
  ++counts.parsed;
  const Author author = evaluate(**message, budget);
  if (author.author_domain) ++counts.with_domain;
  for (const auto& finding : author.findings) counts.ambiguous += finding.code == "from_ambiguous";
}

TEST(Archive, HonestMailHasOneAuthor) {
  const std::string archive = SHARED_DIR "/mail/sekisho-mail-sa.tar.zst";
  if (!fs::exists(archive)) GTEST_SKIP() << "no mail archive beside the sources: nothing was read";
  const Folder folder;
  const std::string command = "tar --zstd -C " + folder.path().string() + " -xf " + archive;
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "the mail archive cannot be unpacked here (tar, zstd)";
  Counts ham, odd;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    const std::string path = entry.path().string();
    if (!entry.is_regular_file() || entry.path().extension() != ".eml") continue;
    if (path.find("/ham/") != std::string::npos) count(entry.path(), ham);
    if (path.find("/ja-testmails/") != std::string::npos) count(entry.path(), odd);
  }
  EXPECT_GT(ham.mails, 2000u);
  EXPECT_EQ(ham.parsed, ham.mails);
  EXPECT_EQ(ham.with_domain, ham.mails);
  EXPECT_EQ(ham.ambiguous, 0u);
  EXPECT_GT(odd.mails, 20u);
  EXPECT_EQ(odd.ambiguous, 0u);
}

}  // namespace
}  // namespace sekisho::author
