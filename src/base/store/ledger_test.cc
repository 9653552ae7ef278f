#include "base/store/ledger.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace sekisho::store {
namespace {
namespace fs = std::filesystem;

struct Folder {
  Folder() {
    char name[] = "/tmp/ledger-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

std::unique_ptr<Ledger> open(LedgerSettings settings) {
  auto ledger = Ledger::open(std::move(settings));
  EXPECT_TRUE(ledger.ok()) << ledger.error().text();
  return ledger ? std::move(*ledger) : nullptr;
}

std::vector<Stored> all(const Ledger& ledger, ScanReport* report = nullptr) {
  std::vector<Stored> out;
  auto got = ledger.scan(0, INT32_MIN, [&](const Stored& record) { return out.push_back(record), true; });
  if (report) *report = got;
  return out;
}

TEST(Ledger, AppendsAndReads) {
  Folder folder;
  core::FixedClock clock(1'800'000'000);
  {
    auto ledger = open({.folder = folder.path, .clock = &clock});
    for (int i = 0; i < 100; ++i) {
      const auto at = ledger->append_now({16, 0, "record " + std::to_string(i)});
      ASSERT_TRUE(at.ok()) << at.error().text();
      EXPECT_EQ(at->seq, i + 2u);  // the head was 1
      const auto back = ledger->read(*at);
      ASSERT_TRUE(back.ok()) << back.error().text();
      EXPECT_EQ(back->fields, "record " + std::to_string(i));
    }
    const auto report = ledger->verify();
    for (const auto& problem : report.problems) ADD_FAILURE() << problem.file << ' ' << problem.text;
    EXPECT_EQ(report.records, 101u);
  }
  auto report = Ledger::verify_folder(folder.path);
  ASSERT_TRUE(report.ok());
  for (const auto& problem : report->problems) ADD_FAILURE() << problem.file << ' ' << problem.text;
  EXPECT_EQ(report->records, 102u);
  auto ledger = open({.folder = folder.path, .clock = &clock});
  EXPECT_TRUE(ledger->open_problems().empty());
  EXPECT_EQ(ledger->append_now({16, 0, "again"})->seq, 103u);
  EXPECT_EQ(all(*ledger).size(), 103u);
}

}  // namespace
}  // namespace sekisho::store
