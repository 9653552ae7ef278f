// Disks that fail and files that were damaged: nothing acknowledged is lost, nothing wrong is read in silence.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/store/ledger.h"
#include "base/store/ledger_test_support.h"
#include "base/store/segment.h"

namespace sekisho::store {
namespace {
using namespace test;
const std::string kSegment = "/2027-01-15.000.log";

TEST(FailingDisk, AFailedFsyncIsNeverAskedAgain) {
  Folder folder;
  FailingFiles files;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .files = &files, .clock = &clock});
  std::vector<std::string> wanted;
  for (int i = 0; i < 30; ++i) {
    if (i % 4 == 3) files.fail_syncs = 1;
    ASSERT_TRUE(ledger->append_now({16, 0, std::to_string(i)}).ok()) << i;
    wanted.push_back(std::to_string(i));
  }
  EXPECT_EQ(files.syncs_after_failure, 0);
  EXPECT_EQ(texts(*ledger), wanted);
  EXPECT_EQ(ledger->counts().rewrites, 7u);
  expect_ok(ledger->verify());
  ledger.reset();
  expect_ok(*Ledger::verify_folder(folder.path));
  EXPECT_TRUE(fs::exists(folder.path + "/2027-01-15.007.log"));
}

// The negative control: the same disk under a writer that asks the fsync again loses what it acknowledged.
TEST(FailingDisk, AWriterThatAsksAgainLosesRecords) {
  Folder folder;
  FailingFiles files;
  const std::string path = folder.path + "/naive.log";
  const int fd = *files.open(path, O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(files.write(fd, "first", 0).ok());
  ASSERT_TRUE(files.sync(fd).ok());
  files.fail_syncs = 1;
  ASSERT_TRUE(files.write(fd, "second", 5).ok());
  ASSERT_FALSE(files.sync(fd).ok());
  EXPECT_TRUE(files.sync(fd).ok());  // "durable now", says the disk
  files.close(fd);
  EXPECT_EQ(slurp(path), "first");
  EXPECT_EQ(files.syncs_after_failure, 1);
}

TEST(FailingDisk, FailedWritesGoToANewSegment) {
  Folder folder;
  FailingFiles files;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .files = &files, .clock = &clock});
  std::vector<std::string> wanted;
  for (int i = 0; i < 20; ++i) {
    if (i % 5 == 4) files.fail_writes = 1;
    ASSERT_TRUE(ledger->append_now({16, 0, std::string(500, 'x') + std::to_string(i)}).ok()) << i;
    wanted.push_back(std::string(500, 'x') + std::to_string(i));
  }
  EXPECT_EQ(texts(*ledger), wanted);
  ledger.reset();
  expect_ok(*Ledger::verify_folder(folder.path));
}

TEST(FailingDisk, FullDiskIsToldByFileAndHealsItself) {
  Folder folder;
  FailingFiles files;
  files.error = ENOSPC;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .files = &files, .clock = &clock});
  ASSERT_TRUE(ledger->append_now({16, 0, "before"}).ok());
  files.fail_writes = -1;
  ledger->append_lazy({16, 0, "lazy 1"});
  const auto refused = ledger->append_now({16, 0, "refused"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kNoSpace);
  EXPECT_NE(refused.error().file.find(".log"), std::string::npos);
  EXPECT_EQ(refused.error().os_error, ENOSPC);
  ledger->append_lazy({16, 0, "lazy 2"});
  EXPECT_FALSE(ledger->append_now({16, 0, "refused too"}).ok());
  files.fail_writes = 0;
  ASSERT_TRUE(ledger->append_now({16, 0, "after"}).ok());
  EXPECT_EQ(texts(*ledger), (std::vector<std::string>{"before", "lazy 1", "lazy 2", "after"}));
  expect_ok(ledger->verify());
  ledger.reset();
  expect_ok(*Ledger::verify_folder(folder.path));
}

TEST(FailingDisk, SegmentsThatCannotBeMade) {
  Folder folder;
  FailingFiles files;
  auto ledger = open({.folder = folder.path, .files = &files});
  files.fail_opens = -1;
  EXPECT_FALSE(ledger->append_now({16, 0, "a"}).ok());
  files.fail_opens = 0;
  EXPECT_TRUE(ledger->append_now({16, 0, "b"}).ok());
  EXPECT_EQ(texts(*ledger), std::vector<std::string>{"b"});
}

TEST(FailingDisk, FailedRenames) {
  Folder folder;
  FailingFiles files;
  files.fail_renames = -1;
  auto refused = Ledger::open({.folder = folder.path, .files = &files});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().file, folder.path + "/ledger.key");
  files.fail_renames = 0;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .files = &files, .clock = &clock});
  ASSERT_TRUE(ledger->append_now({16, 0, "a"}).ok());
  files.fail_renames = -1;  // neither head note nor anchor can be written: records still are
  clock.advance_ms(86'400'000);
  ASSERT_TRUE(ledger->append_now({16, 0, "b"}).ok());
  EXPECT_TRUE(has(ledger->verify().problems, ProblemKind::kBadAnchor));
  ledger.reset();
  files.fail_renames = 0;
  ledger = open({.folder = folder.path, .files = &files, .clock = &clock});  // the missing anchor is made up for
  expect_ok(ledger->verify());
}

TEST(FailingDisk, ShortWritesAreContinued) {
  Folder folder;
  FailingFiles files;
  files.largest_write = 7;
  auto ledger = open({.folder = folder.path, .files = &files});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ledger->append_now({16, 0, std::string(100, 'y')}).ok());
  expect_ok(ledger->verify());
}

TEST(FailingDisk, ShortOfDisk) {
  Folder folder;
  EXPECT_TRUE(open({.folder = folder.path, .min_free_bytes = 1ull << 60})->short_of_disk());
  EXPECT_FALSE(open({.folder = folder.path, .min_free_bytes = 1})->short_of_disk());
}

// A ledger as a killed process leaves it: ten records, no closing head; without the zeros of its reserve.
std::string killed(const std::string& folder, core::Clock& clock, std::vector<Position>& positions) {
  auto ledger = open({.folder = folder, .clock = &clock});
  for (int i = 0; i < 10; ++i) positions.push_back(*ledger->append_now({16, 0, "record number " + std::to_string(i)}));
  std::string octets = slurp(folder + kSegment);
  EXPECT_GT(octets.size(), 64u * 1024);  // the reserve is there
  octets.resize(positions.back().offset + frame_size(15));
  ledger.reset();
  spit(folder + kSegment, octets);
  fs::remove(folder + "/head");
  return octets;
}

TEST(Reserve, IsGoneFromAClosedSegment) {
  Folder folder;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .clock = &clock});
  ASSERT_TRUE(ledger->append_now({16, 0, "first day"}).ok());
  EXPECT_GT(fs::file_size(folder.path + kSegment), 64u * 1024);
  clock.advance_ms(86'400'000);
  ASSERT_TRUE(ledger->append_now({16, 0, "second day"}).ok());
  EXPECT_LT(fs::file_size(folder.path + kSegment), 1024u);
  ledger.reset();
  EXPECT_LT(fs::file_size(folder.path + "/2027-01-16.000.log"), 1024u);
  const auto report = Ledger::verify_folder(folder.path);
  expect_ok(*report);
  EXPECT_EQ(report->superseded_bytes, 0u);
}

TEST(Reserve, OfAKilledWriterIsTheEnd) {
  Folder folder;
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  const std::string whole = killed(folder.path, clock, positions);
  for (const std::size_t zeros : {1u, 60u, 4096u, 65'536u, 300'000u}) {
    spit(folder.path + kSegment, whole + std::string(zeros, '\0'));
    fs::remove(folder.path + "/head");
    fs::remove(folder.path + "/tip");
    const auto report = Ledger::verify_folder(folder.path);
    expect_ok(*report);
    EXPECT_EQ(report->records, 11u);
    EXPECT_EQ(report->superseded_bytes, 0u);
    auto ledger = open({.folder = folder.path, .clock = &clock});
    EXPECT_TRUE(ledger->open_problems().empty()) << zeros;
    EXPECT_EQ(fs::file_size(folder.path + kSegment), whole.size());
    EXPECT_EQ(texts(*ledger).size(), 10u);
    ASSERT_TRUE(ledger->append_now({16, 0, "more"}).ok());
    expect_ok(ledger->verify());
    ledger.reset();
    expect_ok(*Ledger::verify_folder(folder.path));
    EXPECT_FALSE(fs::exists(folder.path + "/saved"));
  }
}

TEST(Reserve, ATornRecordInFrontOfItIsCutSavedAndTold) {
  Folder folder;
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  const std::string whole = killed(folder.path, clock, positions);
  const std::uint64_t end = positions[9].offset;
  const std::string path = folder.path + kSegment;
  for (std::uint64_t size = end; size < whole.size(); size += 3) {
    spit(path, whole.substr(0, size) + std::string(70'000, '\0'));
    fs::remove(folder.path + "/head");
    fs::remove(folder.path + "/tip");
    // What a record's own zeros were cannot be told from the reserve's.
    std::size_t content = size;
    while (content > end && whole[content - 1] == '\0') --content;
    auto report = Ledger::verify_folder(folder.path);
    EXPECT_EQ(has(report->problems, ProblemKind::kTornTail), content != end) << size;
    auto ledger = open({.folder = folder.path, .clock = &clock});
    EXPECT_EQ(fs::file_size(path), end) << size;
    EXPECT_EQ(texts(*ledger).size(), 9u);
    ASSERT_EQ(ledger->open_problems().size(), content == end ? 0u : 1u) << size;
    if (content == end) continue;
    EXPECT_NE(ledger->open_problems()[0].text.find(std::to_string(content - end) + " octets"), std::string::npos);
    EXPECT_EQ(slurp(folder.path + "/saved/2027-01-15.000.log." + std::to_string(end) + ".tail"),
              whole.substr(end, content - end));
  }
}

TEST(Reserve, WhatStandsInItIsTold) {
  Folder folder;
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  const std::string whole = killed(folder.path, clock, positions);
  for (const std::size_t at : {0u, 1u, 5u, 4095u, 69'999u}) {
    std::string octets = whole + std::string(70'000, '\0');
    octets[whole.size() + at] = 4;
    spit(folder.path + kSegment, octets);
    EXPECT_TRUE(has(Ledger::verify_folder(folder.path)->problems, ProblemKind::kTornTail)) << at;
  }
  // Zeros with a record behind them are damage, not an end.
  std::string octets = whole;
  std::fill(octets.begin() + static_cast<std::ptrdiff_t>(positions[4].offset),
            octets.begin() + static_cast<std::ptrdiff_t>(positions[5].offset), '\0');
  spit(folder.path + kSegment, octets + std::string(70'000, '\0'));
  EXPECT_TRUE(has(Ledger::verify_folder(folder.path)->problems, ProblemKind::kDamaged));
  auto ledger = open({.folder = folder.path, .clock = &clock});
  EXPECT_TRUE(has(ledger->open_problems(), ProblemKind::kDamaged));
  EXPECT_EQ(texts(*ledger).size(), 8u);  // the record and the one that is built on it
}

TEST(Reserve, ADiskWithoutRoomForItStillTakesRecords) {
  Folder folder;
  FailingFiles files;
  files.fail_reserves = -1;
  files.error = ENOSPC;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .files = &files, .clock = &clock});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ledger->append_now({16, 0, std::string(9000, 'x')}).ok()) << i;
  EXPECT_EQ(ledger->counts().rewrites, 0u);
  expect_ok(ledger->verify());
  ledger.reset();
  expect_ok(*Ledger::verify_folder(folder.path));
}

TEST(Damage, TornTailAtEachOctetIsCutSavedAndTold) {
  Folder folder(quick_place());
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  const std::string whole = killed(folder.path, clock, positions);
  const std::string path = folder.path + kSegment;
  for (std::uint64_t size = positions[7].offset; size < whole.size(); ++size) {
    spit(path, std::string_view(whole).substr(0, size));
    fs::remove(folder.path + "/head");
    fs::remove(folder.path + "/tip");  // as if the machine had lost power with it
    std::size_t kept = 0;
    while (kept < 10 && (kept + 1 < 10 ? positions[kept + 1].offset : whole.size()) <= size) ++kept;
    const std::uint64_t end = positions[kept].offset;
    auto ledger = open({.folder = folder.path, .clock = &clock});
    EXPECT_EQ(texts(*ledger).size(), kept) << size;
    ASSERT_EQ(ledger->open_problems().size(), end == size ? 0u : 1u) << size;
    if (end != size) {
      // Zeros at the end cannot be told from those of a reserve.
      const std::size_t content = whole.substr(0, size).find_last_not_of('\0') + 1;
      const auto& problem = ledger->open_problems()[0];
      EXPECT_EQ(problem.kind, ProblemKind::kTornTail);
      EXPECT_EQ(problem.file, path);
      EXPECT_EQ(problem.offset, end);
      EXPECT_NE(problem.text.find(std::to_string(content - end) + " octets"), std::string::npos) << problem.text;
      EXPECT_EQ(slurp(folder.path + "/saved/2027-01-15.000.log." + std::to_string(end) + ".tail"),
                whole.substr(end, content - end));
    }
    if (size % 16 == 0) {
      EXPECT_TRUE(ledger->append_now({16, 0, "new"}).ok());
      expect_ok(ledger->verify());
    }
  }
}

TEST(Damage, OneFlippedBitAnywhereIsAlwaysTold) {
  Folder folder(quick_place());
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  const std::string whole = killed(folder.path, clock, positions);
  const std::string path = folder.path + kSegment;
  ASSERT_TRUE(Ledger::verify_folder(folder.path)->ok());  // the control: undamaged, nothing is told
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string octets = whole;
    octets[at] = static_cast<char>(octets[at] ^ (1 << (at % 8)));
    spit(path, octets);
    std::vector<std::string> read;
    const auto scan = Ledger::scan_folder(folder.path, [&](const Stored& record) {
      if (record.type == 16) read.push_back(record.fields);
      return true;
    });
    ASSERT_TRUE(scan.ok());
    EXPECT_FALSE(scan->problems.empty()) << at;
    EXPECT_FALSE(Ledger::verify_folder(folder.path)->ok()) << at;
    EXPECT_GE(read.size(), 8u) << at;  // a bit in a chain costs the two records it joins
    for (const auto& text : read) EXPECT_NE(whole.find(text), std::string::npos) << at;
    if (at % 23 != 0) continue;
    auto ledger = open({.folder = folder.path, .clock = &clock});
    EXPECT_FALSE(ledger->open_problems().empty()) << at;
    EXPECT_TRUE(ledger->append_now({16, 0, "record number 10"}).ok());
    if (at < positions[9].offset) {
      EXPECT_FALSE(ledger->verify().ok()) << at;
    }
    for (const auto& position : positions) {
      const auto record = ledger->read(position);
      const std::uint64_t begin = position.offset - kChainSize;
      if (at < begin || at >= position.offset + frame_size(15))
        EXPECT_TRUE(record.ok() || position.seq == positions[9].seq) << at;
      else if (record.ok())
        ADD_FAILURE() << "read in silence: " << at;
    }
  }
}

TEST(Damage, WholeRecordsCutOffTheEndAreTold) {
  Folder folder;
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  {
    auto ledger = open({.folder = folder.path, .clock = &clock});
    for (int i = 0; i < 10; ++i) positions.push_back(*ledger->append_now({16, 0, "x"}));
  }
  fs::resize_file(folder.path + kSegment, positions[5].offset);
  EXPECT_TRUE(has(Ledger::verify_folder(folder.path)->problems, ProblemKind::kShortOfHead));
  auto ledger = open({.folder = folder.path, .clock = &clock});
  EXPECT_TRUE(has(ledger->open_problems(), ProblemKind::kShortOfHead));
  EXPECT_GT(ledger->append_now({16, 0, "y"})->seq, positions[9].seq);  // a seq is never given twice
  EXPECT_TRUE(has(ledger->verify().problems, ProblemKind::kSeqGap));
}

TEST(Damage, ForgedRecordInAFieldIsNotTakenForOne) {
  // A field that carries what looks like a whole frame: after damage before it the reader must not fall for it.
  Folder folder;
  core::FixedClock clock(kNoon);
  std::string fake(kChainSize, 'p');
  Chain chain;
  chain.fill('p');
  ChainHasher hasher(Salt{});
  encode_frame(fake, chain, hasher, {1000, 0, 16}, "forged");
  Position at;
  {
    auto ledger = open({.folder = folder.path, .clock = &clock});
    at = *ledger->append_now({16, 0, fake});
    ASSERT_TRUE(ledger->append_now({16, 0, "behind"}).ok());
  }
  std::string octets = slurp(folder.path + kSegment);
  octets[at.offset + 3] ^= 1;
  spit(folder.path + kSegment, octets);
  std::vector<std::string> read;
  auto report = Ledger::scan_folder(folder.path, [&](const Stored& r) {
    if (r.type == 16) read.push_back(r.fields);
    return true;
  });
  EXPECT_EQ(read, std::vector<std::string>{"behind"});
  EXPECT_EQ(report->problems.size(), 1u);
}

// Somebody with write access and without the key changes a record and makes the whole chain anew.
TEST(Tampering, ARewrittenChainDoesNotHaveTheSignatures) {
  Folder folder;
  core::FixedClock clock(kNoon);
  std::vector<Position> positions;
  const std::string whole = killed(folder.path, clock, positions);
  const std::string identity = slurp(folder.path + "/ledger.pub");
  Salt salt;
  const auto raw = core::unhex(identity.substr(identity.find("salt ") + 5, 32));
  std::copy(raw->begin(), raw->end(), salt.begin());
  ASSERT_TRUE(Ledger::verify_folder(folder.path)->ok());
  MemorySource source(whole);
  SegmentReader reader(source, salt, whole.size());
  ChainHasher hasher(salt);
  Chain chain{};
  std::string forged = whole.substr(0, kSegmentHead);
  Frame frame;
  while (reader.next(frame) == Step::kFrame) {
    std::string fields(frame.fields);
    if (frame.type == kTypeHead && forged.size() > kSegmentHead) ADD_FAILURE() << "one head only";
    if (fields == "record number 3") fields = "record number X";
    encode_frame(forged, chain, hasher, frame, fields);
  }
  // Behind the head nothing is signed yet: the chain holds. The next head of the true chain does not fit it.
  // But the noted end, which whoever changes all files makes anew, does not.
  spit(folder.path + kSegment, forged);
  EXPECT_TRUE(has(Ledger::verify_folder(folder.path)->problems, ProblemKind::kBrokenChain));
  fs::remove(folder.path + "/tip");
  EXPECT_TRUE(Ledger::verify_folder(folder.path)->ok());
  {
    spit(folder.path + kSegment, whole);
    auto ledger = open({.folder = folder.path, .head_records = 3, .clock = &clock});
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(ledger->append_now({16, 0, "more"}).ok());
  }
  const std::string longer = slurp(folder.path + kSegment);
  MemorySource longer_source(longer);
  SegmentReader again(longer_source, salt, longer.size());
  forged = longer.substr(0, kSegmentHead);
  chain = {};
  while (again.next(frame) == Step::kFrame) {
    std::string fields(frame.fields);
    if (fields == "record number 3") fields = "record number X";
    encode_frame(forged, chain, hasher, frame, fields);
  }
  spit(folder.path + kSegment, forged);
  const auto report = Ledger::verify_folder(folder.path);
  EXPECT_TRUE(has(report->problems, ProblemKind::kBadSignature));
  EXPECT_FALSE(has(report->problems, ProblemKind::kDamaged));
}

TEST(Tampering, AnchorsAndPartsAreMissed) {
  Folder folder;
  core::FixedClock clock(kNoon);
  {
    auto ledger = open({.folder = folder.path, .clock = &clock});
    for (int day = 0; day < 4; ++day) {
      ASSERT_TRUE(ledger->append_now({16, 0, "x"}).ok());
      clock.advance_ms(86'400'000);
    }
    ASSERT_TRUE(ledger->append_now({16, 0, "x"}).ok());
  }
  ASSERT_TRUE(Ledger::verify_folder(folder.path)->ok());
  const auto without = [&](const std::string& name) {
    fs::rename(folder.path + name, folder.path + "/away");
    const auto problems = Ledger::verify_folder(folder.path)->problems;
    fs::rename(folder.path + "/away", folder.path + name);
    return problems;
  };
  EXPECT_TRUE(has(without("/2027-01-16.anchor"), ProblemKind::kBadAnchor));
  EXPECT_TRUE(has(without("/2027-01-16.000.log"), ProblemKind::kMissingSegment));
  EXPECT_TRUE(has(without("/2027-01-15.000.log"), ProblemKind::kMissingSegment));
  EXPECT_TRUE(has(without("/2027-01-19.000.log"), ProblemKind::kShortOfHead));
  const std::string anchor = slurp(folder.path + "/2027-01-16.anchor");
  for (std::size_t at = 0; at < anchor.size(); at += 5) {
    std::string changed = anchor;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    spit(folder.path + "/2027-01-16.anchor", changed);
    EXPECT_FALSE(Ledger::verify_folder(folder.path)->ok()) << at;
  }
  spit(folder.path + "/2027-01-16.anchor", anchor);
  // An anchor of another day in its place.
  spit(folder.path + "/2027-01-16.anchor", slurp(folder.path + "/2027-01-17.anchor"));
  EXPECT_TRUE(has(Ledger::verify_folder(folder.path)->problems, ProblemKind::kBadAnchor));
}

}  // namespace
}  // namespace sekisho::store
