#include "transfer/maildir.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "transfer/fake_hop.h"

namespace sekisho::transfer {
namespace {
namespace fs = std::filesystem;

struct Folder {
  fs::path path;
  Folder() {
    char name[] = "/tmp/sekisho-maildir-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
};
Options options(const fs::path& folder) {
  Options out;
  out.kind = Kind::kMaildir;
  out.folder = folder.string();
  out.helo_domain = "mx.example";
  return out;
}
std::vector<fs::path> files(const fs::path& folder) {
  std::vector<fs::path> out;
  if (fs::exists(folder))
    for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path());
  return out;
}
std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
core::Task<std::vector<RcptOutcome>> send(Options to, Envelope envelope, std::string octets, Edits edits) {
  NextHop hop(std::move(to), bench().clock, bench().random, bench().pool);
  co_return co_await relay(hop, std::move(envelope), std::move(octets), std::move(edits));
}

TEST(MailboxFolder, NeverLeavesItsPlace) {
  EXPECT_EQ(mailbox_folder("User@Dest.Example", "mx"), "dest.example/user");
  EXPECT_EQ(mailbox_folder("a..b.@docomo.ne.jp", "mx"), "docomo.ne.jp/a..b.");
  EXPECT_EQ(mailbox_folder("postmaster", "mx.example"), "mx.example/postmaster");
  EXPECT_EQ(mailbox_folder("../../etc/x@dest.example", "mx"), "dest.example/%2e.%2f..%2fetc%2fx");
  EXPECT_EQ(mailbox_folder("user@dest.example.", "mx"), "dest.example/user");
  EXPECT_EQ(mailbox_folder("\xe5\x8f\x97@\xe4\xbe\x8b\xe3\x81\x88.example", "mx"), "xn--r8jz45g.example/%e5%8f%97");
  EXPECT_EQ(mailbox_folder("..@..", "mx"), "%2e/%2e.");
  EXPECT_EQ(mailbox_folder(".@dest.example", "mx"), "dest.example/%2e");
  EXPECT_EQ(mailbox_folder("\"a b\"@dest.example", "mx"), "dest.example/%22a%20b%22");
  EXPECT_EQ(mailbox_folder("a%2f@dest.example", "mx"), "dest.example/a%252f");
  EXPECT_FALSE(mailbox_folder("@dest.example", "mx"));
  EXPECT_FALSE(mailbox_folder("a@", "mx"));
  EXPECT_FALSE(mailbox_folder("a@.", "mx"));
  EXPECT_FALSE(mailbox_folder(std::string(200, 'a') + "@dest.example", "mx"));
}

TEST(UniqueFile, EscapesTheHost) {
  EXPECT_EQ(unique_file(1'700'000'000'000'042, 0xabcd, "h/o:st"),
            "1700000000.M42P" + std::to_string(getpid()) + "R000000000000abcd.h\\057o\\072st");
}

TEST(Maildir, DeliversByteExactToEachRecipient) {
  const Folder folder;
  const std::string octets = "Received: x\r\nSubject: a\r\n\r\n.dot\r\n..\r\nbody \xe3\x81\x82\r\n";
  Envelope envelope{"a@sender.example", {"user@dest.example", "Alice@dest.example"}, false, 0};
  const auto outcomes = io::run(send(options(folder.path), envelope, octets, {{"X-Added: 1"}, {}}));
  for (const RcptOutcome& each : outcomes) {
    EXPECT_EQ(each.outcome, Outcome::kDelivered);
    EXPECT_FALSE(each.queue_id.empty());
  }
  for (const char* user : {"user", "alice"}) {
    const fs::path box = folder.path / "dest.example" / user;
    const auto found = files(box / "new");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(contents(found[0]), "Return-Path: <a@sender.example>\r\nX-Added: 1\r\n" + octets);
    struct stat facts {};
    ASSERT_EQ(stat(found[0].c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, 0600u);
    EXPECT_TRUE(files(box / "tmp").empty());
    EXPECT_TRUE(fs::is_directory(box / "cur"));
  }
}

TEST(Maildir, AMissingFolderIsTemporary) {
  const auto outcomes =
      io::run(send(options("/nonexistent/mail"), {"", {"user@dest.example"}, false, 0}, "A: b\r\n\r\n", {}));
  EXPECT_EQ(outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(outcomes[0].reply.code, 451);
}

TEST(Maildir, AFileInTheWayIsTemporary) {
  const Folder folder;
  std::ofstream(folder.path / "dest.example") << "x";
  const auto outcomes = io::run(send(options(folder.path), {"", {"user@dest.example"}, false, 0}, "A: b\r\n\r\n", {}));
  EXPECT_EQ(outcomes[0].outcome, Outcome::kTemporary);
}

TEST(Maildir, AFullDiskIs452AndLeavesNothingBehind) {
  const Folder folder;
  if (mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "no right to mount a tmpfs";
  const std::string big = "Subject: big\r\n\r\n" + std::string(900, 'x') + "\r\n";
  std::string octets = big;
  while (octets.size() < 200'000) octets += std::string(900, 'x') + "\r\n";
  const auto outcomes = io::run(send(options(folder.path), {"", {"user@dest.example"}, false, 0}, octets, {}));
  const auto small = io::run(send(options(folder.path), {"", {"user@dest.example"}, false, 0}, big, {}));
  const auto left = files(folder.path / "dest.example/user/tmp");
  const auto arrived = files(folder.path / "dest.example/user/new");
  umount(folder.path.c_str());
  EXPECT_EQ(outcomes[0].outcome, Outcome::kTemporary);
  EXPECT_EQ(outcomes[0].reply.code, 452);
  EXPECT_EQ(outcomes[0].reply.enhanced, "4.3.1");
  EXPECT_EQ(small[0].outcome, Outcome::kDelivered);
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(arrived.size(), 1u);
}

}  // namespace
}  // namespace sekisho::transfer
