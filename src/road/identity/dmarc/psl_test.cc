#include "road/identity/dmarc/psl.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>

namespace sekisho::dmarc {
namespace {

// One line checkPublicSuffix('name', 'registrable' or null); nothing for comments and the null input.
struct Expected {
  std::string name, registrable;
};
std::optional<Expected> read_line(const std::string& line) {
  if (line.rfind("checkPublicSuffix('", 0) != 0) return std::nullopt;
  std::vector<std::string> quoted;
  for (std::size_t at = line.find('\''); at != std::string::npos; at = line.find('\'', at + 1)) {
    const auto end = line.find('\'', at + 1);
    quoted.push_back(line.substr(at + 1, end - at - 1));
    at = end;
  }
  return Expected{quoted[0], quoted.size() > 1 ? quoted[1] : ""};
}

TEST(PublicSuffixList, ConformanceSuite) {
  const std::string folder = std::string(SHARED_DIR) + "/conformance/psl";
  std::ifstream tests(folder + "/test_psl.txt");
  if (!tests) GTEST_SKIP() << "skipped: no " << folder << " here";
  const auto list = PublicSuffixList::load(folder + "/public_suffix_list.dat");
  ASSERT_TRUE(list);
  int passed = 0, total = 0;
  for (std::string line; std::getline(tests, line);) {
    const auto expected = read_line(line);
    if (!expected) continue;
    ++total;
    const auto domain = mail::Domain::parse(expected->name);
    const auto got = domain ? list->organizational_domain(*domain) : std::nullopt;
    const auto want = mail::Domain::parse(expected->registrable);
    EXPECT_EQ(got, want) << line;
    passed += got == want;
  }
  EXPECT_EQ(total, 77);
  std::cout << "public suffix suite: " << passed << "/" << total << "\n";
}

TEST(PublicSuffixList, SystemListKnowsSuffixes) {
  const auto list = PublicSuffixList::system();
  ASSERT_TRUE(list);
  const auto org = [&](const char* name) {
    const auto domain = list->organizational_domain(*mail::Domain::parse(name));
    return domain ? domain->text() : "";
  };
  EXPECT_EQ(org("a.b.example.CO.JP."), "example.co.jp");
  EXPECT_EQ(org("co.jp"), "");
  EXPECT_EQ(org("a.foo.kobe.jp"), "a.foo.kobe.jp");
  EXPECT_EQ(org("www.city.kobe.jp"), "city.kobe.jp");
  EXPECT_EQ(org("example"), "");
  EXPECT_EQ(org("a.b.example"), "b.example");
  EXPECT_TRUE(list->is_registry_suffix(*mail::Domain::parse("co.jp")));
  EXPECT_FALSE(list->is_registry_suffix(*mail::Domain::parse("example")));
  EXPECT_FALSE(list->is_registry_suffix(*mail::Domain::parse("uk.com")));
  EXPECT_TRUE(list->is_public_suffix(*mail::Domain::parse("uk.com")));
}

TEST(PublicSuffixList, UnreadableFileIsNothing) { EXPECT_FALSE(PublicSuffixList::load("/nonexistent/list.dat")); }

}  // namespace
}  // namespace sekisho::dmarc
