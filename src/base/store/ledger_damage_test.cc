// Damage anywhere: one bit flipped at 10,000 places, files cut at each record's edge. It is always told, and no record
// is ever read that was not written.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/store/ledger.h"
#include "base/store/ledger_test_support.h"
#include "base/store/segment.h"

namespace sekisho::store {
namespace {
using namespace test;
constexpr std::size_t kKeptZeros = 64;

std::size_t count_from(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Three days: a finished one, one with a part that was given up, one that a killed process left behind.
class DamagedLedger : public testing::Test {
 protected:
  void SetUp() override {
    FailingFiles files;
    {
      auto ledger = open({.folder = folder_.path, .head_records = 3, .files = &files, .clock = &clock_});
      write(*ledger, 3);
      clock_.advance_ms(86'400'000);
      write(*ledger, 1);
      files.fail_syncs = 1;
      write(*ledger, 1);
      clock_.advance_ms(86'400'000);
      write(*ledger, 4);
      remember(*ledger);
      for (const auto& entry : fs::directory_iterator(folder_.path)) {
        const std::string name = entry.path().filename();
        if (!entry.is_regular_file() || name == "lock") continue;
        std::string octets = slurp(entry.path());
        // Of the reserve's zeros a few are enough: most flipped bits shall meet records.
        if (name.ends_with(".log"))
          octets.resize(std::min(octets.size(), octets.find_last_not_of('\0') + 1 + kKeptZeros));
        files_[name] = std::move(octets);
      }
    }
    restore();
    const auto report = Ledger::verify_folder(folder_.path);
    expect_ok(*report);  // the control: undamaged, nothing is told
    EXPECT_EQ(report->segments, 4u);
    EXPECT_EQ(report->anchors, 2u);
    EXPECT_GE(report->heads, 5u);
  }

  void write(Ledger& ledger, int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(ledger.append_now({16, 0, "record number " + std::to_string(number_++)}).ok());
  }
  void remember(const Ledger& ledger) {
    for (const auto& record : all(ledger)) records_[record.at.seq] = record;
  }
  void restore() {
    for (const auto& entry : fs::directory_iterator(folder_.path)) fs::remove_all(entry.path());
    for (const auto& [name, octets] : files_) spit(folder_.path + "/" + name, octets);
    fs::permissions(folder_.path + "/ledger.key", fs::perms::owner_read | fs::perms::owner_write);
  }

  // What a reader sees: only records that were written, each as it was. True when something was told.
  bool told_and_true(const std::string& what) {
    const auto scan = Ledger::scan_folder(folder_.path, [&](const Stored& record) {
      const auto known = records_.find(record.at.seq);
      const bool same = known != records_.end() && known->second.fields == record.fields &&
                        known->second.type == record.type && known->second.time_us == record.time_us;
      if (!same) ADD_FAILURE() << what << ": another record was read as seq " << record.at.seq;
      return same;
    });
    if (!scan || !scan->problems.empty()) return true;
    const auto report = Ledger::verify_folder(folder_.path);
    return !report || !report->ok();
  }

  Folder folder_{quick_place()};
  core::FixedClock clock_{kNoon};
  int number_ = 0;
  std::map<std::string, std::string> files_;
  std::map<std::uint64_t, Stored> records_;
};

TEST_F(DamagedLedger, OneBitAnywhereIsTold) {
  std::vector<std::pair<std::string, std::size_t>> places;  // file and bit
  for (const auto& [name, octets] : files_) {
    // The secrets do not bear on what is read: the seed is looked at by open, a day's key by nobody but retention.
    if (name == "ledger.key" || name.ends_with(".rcpt")) continue;
    for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) places.emplace_back(name, bit);
  }
  std::shuffle(places.begin(), places.end(), std::mt19937_64(7));
  const std::size_t wanted = count_from("DAMAGE_POSITIONS", 10'000);
  ASSERT_GE(places.size(), 10'000u);
  places.resize(std::min(places.size(), wanted));
  std::size_t silent = 0;
  for (const auto& [name, bit] : places) {
    std::string octets = files_[name];
    octets[bit / 8] = static_cast<char>(octets[bit / 8] ^ (1 << (bit % 8)));
    spit(folder_.path + "/" + name, octets);
    const std::string what = name + " bit " + std::to_string(bit);
    if (!told_and_true(what)) {
      ADD_FAILURE() << what << " was flipped and nothing is told";
      if (++silent > 5) break;
    }
    spit(folder_.path + "/" + name, files_[name]);
  }
  EXPECT_FALSE(told_and_true("whole again"));
}

TEST_F(DamagedLedger, ACutAtAnyRecordsEdgeIsTold) {
  std::size_t cuts = 0;
  for (const auto& [name, octets] : files_) {
    if (!name.ends_with(".log")) continue;
    std::vector<std::uint64_t> edges = {0, 8, kSegmentHead};
    for (const auto& [seq, record] : records_) {
      if (day_text(record.at.day) + ".00" + std::to_string(record.at.part) + ".log" == name)
        edges.push_back(record.at.offset);
    }
    for (const std::uint64_t edge : edges) {
      spit(folder_.path + "/" + name, std::string_view(octets).substr(0, edge));
      EXPECT_TRUE(told_and_true(name + " cut at " + std::to_string(edge))) << name << " cut at " << edge;
      ++cuts;
      if (edge <= kSegmentHead) continue;
      // A server that is started on it says so too, and goes on.
      {
        auto ledger = open({.folder = folder_.path, .clock = &clock_});
        const auto report = ledger->verify();
        EXPECT_FALSE(report.ok()) << name << " cut at " << edge;
        EXPECT_TRUE(ledger->append_now({16, 0, "goes on"}).ok());
      }
      restore();
    }
    restore();
  }
  EXPECT_GE(cuts, records_.size());
}

// The negative control: without the noted end, records cut off behind the last signed head are missed by nobody.
TEST_F(DamagedLedger, WithoutTheNotedEndACutIsNotSeen) {
  std::string name;
  for (const auto& [file, octets] : files_)
    if (file.ends_with(".log")) name = file;
  const Stored& end = records_.rbegin()->second;
  ASSERT_EQ(end.type, 16);
  spit(folder_.path + "/" + name, std::string_view(files_[name]).substr(0, end.at.offset));
  EXPECT_TRUE(has(Ledger::verify_folder(folder_.path)->problems, ProblemKind::kShortOfHead));
  fs::remove(folder_.path + "/tip");
  EXPECT_TRUE(Ledger::verify_folder(folder_.path)->ok());
}

TEST_F(DamagedLedger, AFlippedKeyIsNotOpened) {
  const std::string& key = files_["ledger.key"];
  for (std::size_t bit = 0; bit < key.size() * 8; bit += 11) {
    std::string octets = key;
    octets[bit / 8] = static_cast<char>(octets[bit / 8] ^ (1 << (bit % 8)));
    spit(folder_.path + "/ledger.key", octets);
    // A letter in the other case would be the same key: a changed file is a damaged one all the same.
    EXPECT_FALSE(Ledger::open({.folder = folder_.path, .clock = &clock_}).ok()) << bit;
  }
}

}  // namespace
}  // namespace sekisho::store
