#include "base/store/ledger.h"

#include <gtest/gtest.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/core/text.h"
#include "base/io/io.h"
#include "base/store/ledger_test_support.h"

namespace sekisho::store {
namespace {
using namespace test;

TEST(Ledger, AppendsAndReads) {
  Folder folder;
  core::FixedClock clock(kNoon);
  {
    auto ledger = open({.folder = folder.path, .clock = &clock});
    for (int i = 0; i < 100; ++i) {
      const auto at = ledger->append_now({16, 0, "record " + std::to_string(i)});
      ASSERT_TRUE(at.ok()) << at.error().text();
      EXPECT_EQ(at->seq, i + 2u);  // the head was 1
      const auto back = ledger->read(*at);
      ASSERT_TRUE(back.ok()) << back.error().text();
      EXPECT_EQ(back->fields, "record " + std::to_string(i));
      EXPECT_EQ(back->time_us, kNoon * 1'000'000);
    }
    const auto report = ledger->verify();
    expect_ok(report);
    EXPECT_EQ(report.records, 101u);
  }
  auto report = Ledger::verify_folder(folder.path);
  ASSERT_TRUE(report.ok());
  expect_ok(*report);
  EXPECT_EQ(report->records, 102u);  // and the closing head
  EXPECT_EQ(report->heads, 2u);
  auto ledger = open({.folder = folder.path, .clock = &clock});
  EXPECT_TRUE(ledger->open_problems().empty());
  EXPECT_EQ(ledger->append_now({16, 0, "again"})->seq, 103u);
  EXPECT_EQ(all(*ledger).size(), 103u);
}

TEST(Ledger, OneWriterOnly) {
  Folder folder;
  auto ledger = open({.folder = folder.path});
  auto second = Ledger::open({.folder = folder.path});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, StoreErrorKind::kLocked);
  const std::string holder = "process " + std::to_string(::getpid()) + " (test_base_store) holds it; stop it";
  EXPECT_NE(second.error().text().find(holder), std::string::npos) << second.error().text();
  EXPECT_EQ(Ledger::verify_folder(folder.path).error().kind, StoreErrorKind::kLocked);
}

TEST(Ledger, KeysAreMadeOnceAndGuarded) {
  Folder folder;
  open({.folder = folder.path})->append_now({16, 0, "x"}).ok();
  const std::string key = folder.path + "/ledger.key";
  struct stat info {};
  ASSERT_EQ(::stat(key.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ::chmod(key.c_str(), 0644);
  auto refused = Ledger::open({.folder = folder.path});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kKey);
  EXPECT_EQ(refused.error().file, key);
  ::chmod(key.c_str(), 0600);
  fs::rename(key, key + ".away");
  EXPECT_EQ(Ledger::open({.folder = folder.path}).error().kind, StoreErrorKind::kKey);
  // A key of somebody else does not fit the identity.
  spit(key, "ed25519 " + std::string(64, 'a') + "\n");
  ::chmod(key.c_str(), 0600);
  EXPECT_EQ(Ledger::open({.folder = folder.path}).error().kind, StoreErrorKind::kKey);
  fs::rename(key + ".away", key);
  EXPECT_TRUE(Ledger::open({.folder = folder.path}).ok());
}

TEST(Ledger, DaysRollOverAndAreAnchored) {
  Folder folder;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .clock = &clock});
  for (int day = 0; day < 5; ++day) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ledger->append_now({16, 0, std::to_string(day)}).ok());
    clock.advance_ms(86'400'000);
  }
  ASSERT_TRUE(ledger->append_now({16, 0, "5"}).ok());
  EXPECT_TRUE(fs::exists(folder.path + "/2027-01-15.000.log"));
  EXPECT_TRUE(fs::exists(folder.path + "/2027-01-20.000.log"));
  auto report = ledger->verify();
  expect_ok(report);
  EXPECT_EQ(report.anchors, 5u);
  EXPECT_EQ(report.segments, 6u);
  ledger.reset();
  // Days that pass while nobody serves are anchored at the next start.
  clock.advance_ms(3 * 86'400'000);
  ledger = open({.folder = folder.path, .clock = &clock});
  ASSERT_TRUE(ledger->append_now({16, 0, "8"}).ok());
  report = ledger->verify();
  expect_ok(report);
  EXPECT_EQ(report.anchors, 6u);
  // A clock that goes back does not open an old day again.
  clock.advance_ms(-86'400'000);
  EXPECT_EQ(ledger->append_now({16, 0, "9"})->day, day_of(clock.now_us()) + 1);
  expect_ok(ledger->verify());
}

TEST(Ledger, AClockThatLeapsDoesNotTakeTheLedgerAway) {
  Folder folder;
  core::FixedClock clock(kNoon);
  constexpr std::int64_t kDayMs = 86'400'000;
  constexpr int kKept = 90;
  auto ledger = open({.folder = folder.path, .clock = &clock});
  for (int day = 0; day < 100; day += 10, clock.advance_ms(10 * kDayMs)) {
    ASSERT_TRUE(ledger->append_now({16, 0, std::to_string(day)}).ok());
  }
  const auto retain = [&] { return ledger->retain(day_of(clock.now_us()) - kKept)->size(); };
  EXPECT_EQ(ledger->doubted_days(), 0);
  EXPECT_EQ(retain(), 1u);  // in order: day 0 is over
  clock.advance_ms(400 * kDayMs);
  EXPECT_EQ(ledger->doubted_days(), 410);
  EXPECT_EQ(retain(), 0u);
  for (int day = 0; day < 5; ++day, clock.advance_ms(kDayMs)) {
    ASSERT_TRUE(ledger->append_now({16, 0, "later"}).ok());
    EXPECT_EQ(retain(), 0u) << day;
  }
  ledger = nullptr;
  ledger = open({.folder = folder.path, .clock = &clock});  // a restart changes nothing
  EXPECT_EQ(retain(), 0u);
  ASSERT_TRUE(ledger->append_now({16, 0, "later"}).ok());
  clock.advance_ms(kDayMs);  // six days of work behind the leap, and this one: it is believed
  EXPECT_EQ(ledger->doubted_days(), 0);
  EXPECT_EQ(retain(), 9u);
  ledger->flush();
  expect_ok(ledger->verify());
}

TEST(Ledger, RetentionTakesWholeDaysAndTheRestVerifies) {
  Folder folder;
  core::FixedClock clock(kNoon);
  auto ledger = open({.folder = folder.path, .clock = &clock});
  const std::int32_t first = day_of(clock.now_us());
  for (int day = 0; day < 4; ++day) {
    ASSERT_TRUE(ledger->recipient_hash(clock.now_us(), "User@dest.example", true));
    ASSERT_TRUE(ledger->append_now({16, 0, std::to_string(day)}).ok());
    clock.advance_ms(86'400'000);
  }
  ASSERT_TRUE(ledger->append_now({16, 0, "4"}).ok());
  const auto gone = ledger->retain(first + 2);
  ASSERT_TRUE(gone.ok()) << gone.error().text();
  EXPECT_EQ(*gone, (std::vector<std::string>{"2027-01-15", "2027-01-16"}));
  ledger->flush();
  EXPECT_FALSE(fs::exists(folder.path + "/2027-01-16.000.log"));
  EXPECT_FALSE(fs::exists(folder.path + "/2027-01-16.rcpt"));
  EXPECT_FALSE(ledger->recipient_hash(kNoon * 1'000'000, "user@dest.example", false));
  EXPECT_EQ(texts(*ledger), (std::vector<std::string>{"2", "3", "4"}));
  expect_ok(ledger->verify());
  EXPECT_TRUE(ledger->retain(first + 2)->empty());
  EXPECT_EQ(ledger->retain(first + 100)->size(), 2u);  // never the day that is written
  ledger.reset();
  expect_ok(*Ledger::verify_folder(folder.path));
  // Who unlinks a day by hand is told on: no signed word of retention.
  ledger = open({.folder = folder.path, .clock = &clock});
  clock.advance_ms(86'400'000);
  ASSERT_TRUE(ledger->append_now({16, 0, "5"}).ok());
  fs::remove(folder.path + "/2027-01-19.000.log");
  EXPECT_TRUE(has(ledger->verify().problems, ProblemKind::kMissingSegment));
}

TEST(Ledger, RecipientHashes) {
  Folder folder;
  auto ledger = open({.folder = folder.path});
  const auto a = ledger->recipient_hash(kNoon * 1'000'000, "User@Dest.example", true);
  ASSERT_TRUE(a);
  EXPECT_EQ(a, ledger->recipient_hash(kNoon * 1'000'000 + 5, "user@dest.example", false));
  EXPECT_NE(a, ledger->recipient_hash(kNoon * 1'000'000 + kDayUs, "user@dest.example", true));
  EXPECT_NE(a, ledger->recipient_hash(kNoon * 1'000'000, "user2@dest.example", true));
  EXPECT_FALSE(ledger->recipient_hash(0, "user@dest.example", false));
  // The library's own HMAC says the same.
  const auto secret = core::unhex(core::trim_fws(*read_file(folder.path + "/2027-01-15.rcpt")));
  ASSERT_TRUE(secret);
  const std::string plain = "user@dest.example";
  unsigned char digest[32];
  ASSERT_TRUE(HMAC(EVP_sha256(), secret->data(), 32, reinterpret_cast<const unsigned char*>(plain.data()), plain.size(),
                   digest, nullptr));
  EXPECT_TRUE(std::equal(a->begin(), a->end(), reinterpret_cast<const char*>(digest)));
}

TEST(Ledger, ThreadsKeepTheirOrder) {
  Folder folder;
  auto ledger = open({.folder = folder.path, .head_records = 50});
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const std::string text = std::to_string(t) + ":" + std::to_string(i);
        if (i % 3 == 0)
          ledger->append_lazy({16, 0, text});
        else
          EXPECT_TRUE(ledger->append_now({16, 0, text}).ok());
      }
    });
  for (auto& thread : threads) thread.join();
  ledger->flush();
  std::map<std::string, int> last;
  for (const auto& text : texts(*ledger)) {
    const auto colon = text.find(':');
    const int i = std::stoi(text.substr(colon + 1));
    EXPECT_EQ(i, last[text.substr(0, colon)]++);
  }
  EXPECT_EQ(texts(*ledger).size(), 720u);
  const auto report = ledger->verify();
  expect_ok(report);
  EXPECT_GT(report.heads, 10u);
}

core::Task<void> append_one(Ledger& ledger, int i, std::vector<std::uint64_t>& seqs) {
  const std::thread::id before = std::this_thread::get_id();
  Record record{16, 0, std::to_string(i)};
  auto at = co_await ledger.append(std::move(record));
  EXPECT_TRUE(at.ok());
  EXPECT_EQ(before, std::this_thread::get_id());
  seqs.push_back(at->seq);
}

core::Task<void> append_many(Ledger& ledger, std::vector<std::uint64_t>& seqs) {
  for (int round = 0; round < 5; ++round) {
    std::vector<core::Task<bool>> tasks;
    auto one = [](Ledger& l, int i, std::vector<std::uint64_t>& s) -> core::Task<bool> {
      co_await append_one(l, i, s);
      co_return true;
    };
    for (int i = 0; i < 40; ++i) tasks.push_back(one(ledger, i, seqs));
    auto joined = core::when_all(std::move(tasks));
    co_await joined;
  }
}

TEST(Ledger, TasksAreResumedOnTheirLoop) {
  Folder folder;
  auto ledger = open({.folder = folder.path});
  std::vector<std::uint64_t> seqs;
  io::run(append_many(*ledger, seqs));
  EXPECT_EQ(seqs.size(), 200u);
  EXPECT_LT(ledger->counts().commits, 60u);  // they shared commits
  expect_ok(ledger->verify());
}

TEST(Ledger, KilledProcessLosesNothingAcknowledged) {
  for (int round = 0; round < 5; ++round) {
    Folder folder;
    int pipe_fd[2];
    ASSERT_EQ(::pipe(pipe_fd), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto ledger = Ledger::open({.folder = folder.path});
      for (std::uint32_t i = 0;; ++i) {
        if (!(*ledger)->append_now({16, 0, std::to_string(i)}).ok()) ::_exit(1);
        if (::write(pipe_fd[1], &i, sizeof i) != sizeof i) ::_exit(1);
      }
    }
    ::close(pipe_fd[1]);
    std::uint32_t acknowledged = 0, got;
    while (::read(pipe_fd[0], &got, sizeof got) == sizeof got) {
      acknowledged = got;
      if (got >= 20u + 7u * static_cast<unsigned>(round)) ::kill(child, SIGKILL);
    }
    ::close(pipe_fd[0]);
    ::waitpid(child, nullptr, 0);
    auto ledger = open({.folder = folder.path});
    const auto kept = texts(*ledger);
    ASSERT_GT(kept.size(), acknowledged);
    for (std::uint32_t i = 0; i <= acknowledged; ++i) EXPECT_EQ(kept[i], std::to_string(i));
  }
}

}  // namespace
}  // namespace sekisho::store
