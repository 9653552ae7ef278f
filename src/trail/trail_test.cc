#include "trail/trail.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/io/io.h"

namespace sekisho::trail {
namespace {
namespace fs = std::filesystem;
constexpr std::int64_t kNoon = 1'800'014'400, kDay = 86'400;

struct Folder {
  Folder() {
    char name[] = "/tmp/trail-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

TransactionId id_of(std::uint8_t n) {
  TransactionId id;
  id.octets.fill(n);
  return id;
}

Decided mail(std::uint8_t n) {
  Decided d;
  d.transaction = id_of(n);
  d.session = id_of(static_cast<std::uint8_t>(100 + n));
  d.client = {*core::IpAddress::parse("192.0.2." + std::to_string(n)),
              static_cast<std::uint16_t>(40000 + n),
              *core::IpAddress::parse("198.51.100.1"),
              25,
              "mail.sender.example",
              "",
              ""};
  d.mail_from = "Bounce" + std::to_string(n) + "@sender.example";
  d.recipients = {{{}, "", "User" + std::to_string(n) + "@dest.example", ""}, {{}, "", "all@dest.example", ""}};
  d.message_id = "<Mail-" + std::to_string(n) + "@author.example>";
  d.author_address = "a@author.example";
  d.author_domain = "author.example";
  d.size_bytes = 1000u + n;
  d.digest.fill(static_cast<char>(n));
  d.findings = {{"dkim", "body_hash", "fail", "s1"}, {"author", "from_multiple", "none", ""}};
  d.authentication = {{"spf", "pass", "sender.example", "ip4"}, {"dkim", "pass", "signer.example", "s1"}};
  d.action = d.would_be = "accept";
  d.reasons = {{"identity", "dmarc", "dmarc_fail", "tag", "author.example", true}};
  d.lawful_basis = "legitimate_business_act";
  d.stage_times = {{"identity", 1200}, {"content", 0}};
  d.mode = "enforce";
  d.road = "inbound";
  return d;
}

Outcome outcome(std::uint8_t n) {
  Outcome o;
  o.transaction = id_of(n);
  o.action = "accept";
  o.reply = "250 2.0.0 taken";
  o.delivered = true;
  o.next_hop = "postfix";
  o.next_hop_reply = "250 2.0.0 Ok: queued as 4Qx" + std::to_string(n);
  o.queue_id = "4Qx" + std::to_string(n);
  return o;
}

class TrailTest : public ::testing::Test {
 protected:
  TrailSettings settings() {
    TrailSettings s;
    s.ledger.folder = folder_.path + "/ledger";
    s.ledger.clock = &clock_;
    s.ledger.min_free_bytes = 1;
    s.index_folder = folder_.path + "/index";
    return s;
  }
  void open(TrailSettings s) {
    trail_.reset();
    auto opened = Trail::open(std::move(s));
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    trail_ = std::move(*opened);
  }
  void open() { open(settings()); }
  Found find(const Query& query) {
    auto found = trail_->find_now(query, "a test", "tester");
    EXPECT_TRUE(found.ok()) << (found ? "" : word(found.error()));
    if (!found) return {};
    for (const auto& problem : found->problems) ADD_FAILURE() << problem;
    EXPECT_TRUE(found->complete);
    return std::move(*found);
  }
  std::string ids(const Query& query) {
    std::string out;
    for (const auto& story : find(query).stories) out += std::to_string(story.id.octets[0]) + " ";
    return out;
  }
  void write(int from, int to) {
    for (int n = from; n <= to; ++n) {
      ASSERT_TRUE(trail_->record_now(mail(static_cast<std::uint8_t>(n))).ok());
      trail_->record_lazy(outcome(static_cast<std::uint8_t>(n)));
      clock_.advance_ms(1000);
    }
    trail_->ledger().flush();
  }
  // Every way to ask, for mail 3 of 1..5 written at kNoon.
  void ask_all_ways() {
    EXPECT_EQ(ids({.transaction = id_of(3)}), "3 ");
    EXPECT_EQ(ids({.message_id = "mail-3@author.example"}), "3 ");
    EXPECT_EQ(ids({.message_id = "<Mail-3@author.example>"}), "3 ");
    EXPECT_EQ(ids({.queue_id = "4Qx3"}), "3 ");
    EXPECT_EQ(ids({.mail_from = "bounce3@sender.example"}), "3 ");
    EXPECT_EQ(ids({.rcpt_to = "USER3@dest.example"}), "3 ");
    EXPECT_EQ(ids({.rcpt_to = "all@dest.example"}), "5 4 3 2 1 ");
    EXPECT_EQ(ids({.client_ip = core::IpAddress::parse("192.0.2.3")}), "3 ");
    EXPECT_EQ(ids({.client_ip = core::IpAddress::parse("192.0.2.3"), .client_port = std::uint16_t{40003}}), "3 ");
    EXPECT_EQ(ids({.client_ip = core::IpAddress::parse("192.0.2.3"), .client_port = std::uint16_t{40004}}), "");
    for (const char* domain : {"sender.example", "author.example", "SIGNER.example"})
      EXPECT_EQ(ids({.domain = domain}), "5 4 3 2 1 ") << domain;
    EXPECT_EQ(ids({.domain = "example"}), "");
    EXPECT_EQ(ids({.digest = mail(3).digest}), "3 ");
    const std::int64_t start = kNoon * 1'000'000;
    EXPECT_EQ(ids({.from_us = start + 1'000'000, .to_us = start + 3'000'000}), "4 3 2 ");
    EXPECT_EQ(ids({.domain = "sender.example", .from_us = start + 3'000'000}), "5 4 ");
    EXPECT_EQ(ids({.mail_from = "bounce3@sender.example", .domain = "author.example"}), "3 ");
    EXPECT_EQ(ids({.mail_from = "bounce3@sender.example", .domain = "other.example"}), "");
    const auto two = find({.domain = "sender.example", .limit = 2});
    EXPECT_EQ(two.stories.size(), 2u);
    EXPECT_TRUE(two.more);
  }

  Folder folder_;
  core::FixedClock clock_{kNoon};
  std::unique_ptr<Trail> trail_;
};

TEST_F(TrailTest, FindsAtOnceAndAfterCheckpoints) {
  open();
  write(1, 5);
  ask_all_ways();  // out of memory
  trail_.reset();
  clock_ = core::FixedClock(kNoon + 100);
  open();
  EXPECT_TRUE(trail_->reports().empty());
  ask_all_ways();  // out of the index
  const auto story = find({.transaction = id_of(3)}).stories.at(0);
  EXPECT_EQ(story.state, StoryState::kDelivered);
  ASSERT_TRUE(story.decided() && story.outcome());
  Decided wanted = mail(3);
  for (auto& recipient : wanted.recipients) recipient.address.clear(), recipient.domain = "dest.example";
  Decided got = *story.decided();
  for (auto& recipient : got.recipients) {
    EXPECT_NE(recipient.hash, RecipientHash{});
    recipient.hash = {};
  }
  EXPECT_EQ(got, wanted);
  EXPECT_EQ(*story.outcome(), outcome(3));
  EXPECT_EQ(find({.message_id = "nobody@author.example"}).stories.size(), 0u);
}

TEST_F(TrailTest, IndexThrownAwayDamagedOrAheadIsRebuilt) {
  open();
  write(1, 5);
  trail_.reset();
  fs::remove_all(folder_.path + "/index");
  open();
  ask_all_ways();
  trail_.reset();
  for (const auto& entry : fs::directory_iterator(folder_.path + "/index")) {
    if (entry.path().filename().string().find("MANIFEST") == std::string::npos) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);
    file.write("garbage", 7);
  }
  open();
  ASSERT_EQ(trail_->reports().size(), 1u);
  EXPECT_NE(trail_->reports()[0].find("thrown away"), std::string::npos);
  ask_all_ways();
  trail_.reset();
  std::ofstream(folder_.path + "/index.opening").put('x');  // an opening that never ended
  open();
  EXPECT_EQ(trail_->reports().size(), 1u);
  ask_all_ways();
  trail_.reset();
  fs::remove_all(folder_.path + "/ledger");  // another ledger under the same index
  open();
  EXPECT_EQ(trail_->reports().size(), 1u);
  EXPECT_EQ(ids({.domain = "sender.example"}), "");
}

TEST_F(TrailTest, OutcomeAfterACrashIsUnknown) {
  open();
  ASSERT_TRUE(trail_->record_now(mail(1)).ok());
  EXPECT_EQ(find({.transaction = id_of(1)}).stories.at(0).state, StoryState::kPending);
  open();
  EXPECT_EQ(find({.transaction = id_of(1)}).stories.at(0).state, StoryState::kUnknown);
  ASSERT_TRUE(trail_->record_now(mail(2)).ok());
  EXPECT_EQ(find({.transaction = id_of(2)}).stories.at(0).state, StoryState::kPending);
  Outcome failed = outcome(2);
  failed.delivered = false;
  trail_->record_lazy(failed);
  trail_->ledger().flush();
  EXPECT_EQ(find({.transaction = id_of(2)}).stories.at(0).state, StoryState::kNotDelivered);
}

TEST_F(TrailTest, RefusedAndSessions) {
  open();
  Refused refused;
  refused.session = id_of(50);
  refused.client = mail(9).client;
  refused.mail_from = "spam@bad.example";
  refused.senders = {{"more@worse.example"}};
  refused.recipients = {{{}, "", "user@dest.example", ""}};
  refused.rejected = 100000;
  refused.reply = "550 5.7.1 no";
  SessionSummary session;
  session.session = id_of(50);
  session.client = refused.client;
  session.transactions = 3;
  session.early_talker = true;
  trail_->record_lazy(refused);
  trail_->record_lazy(session);
  ASSERT_TRUE(trail_->record_now(mail(1)).ok());
  session.session = mail(1).session;
  session.early_talker = false;
  trail_->record_lazy(session);
  trail_->ledger().flush();
  const auto found = find({.client_ip = refused.client.ip});
  ASSERT_EQ(found.stories.size(), 1u);  // a session that carried mail is told with its mails
  const auto by_recipient = find({.rcpt_to = "user@dest.example"});
  ASSERT_EQ(by_recipient.stories.size(), 1u);
  EXPECT_EQ(by_recipient.stories[0].state, StoryState::kRefused);
  EXPECT_EQ(by_recipient.stories[0].events.size(), 2u);
  EXPECT_EQ(ids({.domain = "bad.example"}), "50 ");
  EXPECT_EQ(ids({.mail_from = "more@worse.example"}), "50 ");
  EXPECT_EQ(ids({.domain = "worse.example"}), "50 ");
  const auto with_session = find({.transaction = id_of(1)}).stories.at(0);
  EXPECT_EQ(with_session.events.size(), 2u);
}

TEST_F(TrailTest, ReasonsAreAskedAndRecorded) {
  auto s = settings();
  s.reason_required = true;
  open(s);
  write(1, 1);
  EXPECT_EQ(trail_->find_now({.mail_from = "x@y.example"}, " ", "joe").error(), TrailError::kReasonRequired);
  EXPECT_TRUE(trail_->find_now({.transaction = id_of(1)}, "", "joe").ok());
  EXPECT_TRUE(trail_->find_now({.rcpt_to = "user1@dest.example"}, "ticket 12", "joe").ok());
  EXPECT_EQ(trail_->find_now({}, "why", "joe").error(), TrailError::kNothingAsked);
  trail_->ledger().flush();
  std::vector<QueryAsked> asked;
  (void)trail_->ledger().scan({}, [&](const store::Stored& record) {
    const auto event = decode(record.type, record.fields);
    if (event)
      if (const auto* query = std::get_if<QueryAsked>(&*event)) asked.push_back(*query);
    return true;
  });
  ASSERT_GE(asked.size(), 2u);
  EXPECT_EQ(asked[1].why, "ticket 12");
  EXPECT_EQ(asked[1].found, 1u);
  EXPECT_EQ(asked[1].subject.find("user1"), std::string::npos);  // the recipient stands as a hash
}

TEST_F(TrailTest, DaysAndRetention) {
  open();
  for (std::uint8_t n = 1; n <= 4; ++n) {
    ASSERT_TRUE(trail_->record_now(mail(n)).ok());
    clock_.advance_ms(kDay * 1000);
  }
  ASSERT_TRUE(trail_->record_now(mail(5)).ok());
  EXPECT_EQ(ids({.rcpt_to = "all@dest.example"}), "5 4 3 2 1 ");
  const auto gone = trail_->retain(store::day_of(kNoon * 1'000'000) + 2);
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->size(), 2u);
  EXPECT_EQ(ids({.rcpt_to = "all@dest.example"}), "5 4 3 ");
  EXPECT_EQ(ids({.domain = "sender.example"}), "5 4 3 ");
  EXPECT_TRUE(trail_->ledger().verify().ok());
  open();
  EXPECT_EQ(ids({.domain = "sender.example"}), "5 4 3 ");
  fs::remove_all(folder_.path + "/index");
  open();
  EXPECT_EQ(ids({.domain = "sender.example"}), "5 4 3 ");
}

TEST_F(TrailTest, DamagedRecordIsToldByFind) {
  open();
  write(1, 3);
  trail_.reset();
  const std::string path = folder_.path + "/ledger/2027-01-15.000.log";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::string octets((std::istreambuf_iterator<char>(file)), {});
  const auto at = octets.find("Bounce2");
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at));
  file.put('X');
  file.close();
  open();
  ASSERT_EQ(trail_->reports().size(), 1u);
  const auto found = trail_->find_now({.transaction = id_of(2)}, "", "");
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->problems.size(), 2u);  // the record itself, and the gap that open saw
  for (const auto& problem : found->problems) EXPECT_NE(problem.find(path), std::string::npos);
  // An index made anew has nothing of it; an answer says that something is missing.
  trail_.reset();
  fs::remove_all(folder_.path + "/index");
  open();
  const auto other = trail_->find_now({.message_id = "mail-2@author.example"}, "", "");
  EXPECT_TRUE(other->stories.empty());
  EXPECT_EQ(other->problems.size(), 1u);
}

TEST_F(TrailTest, CheckpointsWhileWritingAndAsking) {
  auto s = settings();
  s.checkpoint_records = 50;
  s.checkpoint_ms = 5;
  open(s);
  std::thread asking([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(trail_->find_now({.domain = "sender.example"}, "", "").ok());
  });
  for (int i = 0; i < 400; ++i) {
    Decided d = mail(static_cast<std::uint8_t>(1 + i % 250));
    d.transaction.octets[1] = static_cast<std::uint8_t>(i / 250);
    d.message_id = "<m" + std::to_string(i) + "@x.example>";
    ASSERT_TRUE(trail_->record_now(d).ok());
    EXPECT_EQ(trail_->find_now({.message_id = "m" + std::to_string(i) + "@x.example"}, "", "")->stories.size(), 1u)
        << i;
  }
  asking.join();
}

// Killed at any moment, with small checkpoints: what was acknowledged is found, and the index is never ahead or beside.
TEST_F(TrailTest, KilledProcess) {
  for (int round = 0; round < 4; ++round) {
    int pipe_fd[2];
    ASSERT_EQ(::pipe(pipe_fd), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto s = settings();
      s.checkpoint_records = 7;
      auto trail = Trail::open(s);
      for (std::uint8_t n = 1; n < 200; ++n) {
        if (!(*trail)->record_now(mail(n)).ok()) ::_exit(1);
        (*trail)->record_lazy(outcome(n));
        if (::write(pipe_fd[1], &n, 1) != 1) ::_exit(1);
      }
      ::_exit(0);
    }
    ::close(pipe_fd[1]);
    std::uint8_t acknowledged = 0, got;
    while (::read(pipe_fd[0], &got, 1) == 1) {
      acknowledged = got;
      if (got == 11 + round * 13) ::kill(child, SIGKILL);
    }
    ::close(pipe_fd[0]);
    ::waitpid(child, nullptr, 0);
    open();
    for (std::uint8_t n = 1; n <= acknowledged; ++n) {
      Query query;
      query.message_id = mail(n).message_id;
      const auto found = find(query);
      ASSERT_EQ(found.stories.size(), 1u) << int(n);
      EXPECT_TRUE(found.stories[0].state == StoryState::kDelivered || n == acknowledged) << int(n);
    }
    EXPECT_TRUE(trail_->ledger().verify().ok());
    trail_.reset();
    fs::remove_all(folder_.path + "/ledger");
    fs::remove_all(folder_.path + "/index");
  }
}

core::Task<void> through_tasks(Trail& trail) {
  Event event = mail(1);
  auto at = co_await trail.record(std::move(event));
  EXPECT_TRUE(at.ok());
  Query query;
  query.message_id = "mail-1@author.example";
  auto found = co_await trail.find(std::move(query), std::string(), std::string());
  EXPECT_TRUE(found.ok());
  EXPECT_EQ(found->stories.size(), 1u);
}

TEST_F(TrailTest, Tasks) {
  io::Pool pool(1);
  auto s = settings();
  s.pool = &pool;
  open(s);
  io::run(through_tasks(*trail_));
  trail_.reset();
}

}  // namespace
}  // namespace sekisho::trail
