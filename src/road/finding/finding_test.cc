#include "road/finding/finding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace sekisho::road {
namespace {

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(FindingTexts, CodesAreUniqueInTheirRoom) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& row : finding_texts())
    EXPECT_TRUE(seen.insert({row.room, row.code}).second) << row.room << " " << row.code;
}

TEST(FindingTexts, BothLanguagesSayIt) {
  for (const auto& row : finding_texts()) {
    EXPECT_FALSE(row.en.empty() || row.ja.empty()) << row.code;
    EXPECT_LE(count(row.en, "%s"), 1u) << row.code;
    EXPECT_EQ(count(row.en, "%s"), count(row.ja, "%s")) << row.code;
    EXPECT_EQ(count(row.en, "%"), count(row.en, "%s")) << row.code;
    const auto foreign = [](char c) { return static_cast<unsigned char>(c) > 127; };
    EXPECT_TRUE(std::any_of(row.ja.begin(), row.ja.end(), foreign)) << row.code << " is not Japanese";
  }
}

TEST(FindingTexts, EveryTableIsJoined) {
  const auto road = std::filesystem::path(TESTDATA).parent_path().parent_path();
  std::size_t rows = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(road)) {
    if (entry.path().filename() != "findings.def") continue;
    std::ifstream in(entry.path());
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    rows += count("\n" + text, "\nFINDING(");
  }
  EXPECT_EQ(rows, finding_texts().size()) << "a room with a findings.def is missing in finding.cc";
}

TEST(Explain, PutsTheEvidenceIn) {
  const Text text = explain({"author", "from_multiple", AuthResult::kNone, "2"});
  EXPECT_EQ(text.en, "The header has more than one From field (2).");
  EXPECT_EQ(text.ja, "From フィールドが複数あります (2)。");
  EXPECT_EQ(explain({"author", "no_such_code", AuthResult::kNone, "x"}).en, "no_such_code: x");
}

TEST(AuthResult, Words) {
  EXPECT_EQ(word(AuthResult::kNone), "none");
  EXPECT_EQ(word(AuthResult::kPermError), "permerror");
}

}  // namespace
}  // namespace sekisho::road
