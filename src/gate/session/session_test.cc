#include "gate/session/session.h"

#include <gtest/gtest.h>

#include "../tests/support/gate_client.h"
#include "../tests/support/self_signed.h"

namespace sekisho::session {
namespace {
using core::Task;

const std::string kMail = "Subject: x\r\n\r\nhello\r\n.\r\n";
const std::string kEnvelope = "MAIL FROM:<a..b.@docomo.ne.jp>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n";

// Greeting, EHLO, envelope: up to and with 354.
Task<bool> open_data(TestClient& client) {
  std::string text = co_await client.reply();
  if (!text.starts_with("220 ")) co_return false;
  text = co_await client.say("EHLO client.sender.example");
  if (!text.starts_with("250-")) co_return false;
  co_await client.send(kEnvelope);
  for (const char* code : {"250 ", "250 ", "354 "}) {
    text = co_await client.reply();
    if (!text.starts_with(code)) co_return false;
  }
  co_return true;
}

Task<void> one_mail(TestPlace& place) {
  TestClient client = co_await place.enter();
  EXPECT_TRUE(co_await open_data(client));
  co_await client.send(kMail + "QUIT\r\n");
  std::string text = co_await client.reply();
  EXPECT_EQ(text, "250 2.0.0 Taken\r\n");
  text = co_await client.reply();
  EXPECT_EQ(text, "221 2.0.0 Bye\r\n");
  text = co_await client.reply();
  EXPECT_EQ(text, "closed");
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, OneMail) {
  TestPlace place;
  io::run(one_mail(place));
  const TestBook& book = *place.book;
  ASSERT_EQ(book.mails.size(), 1u);
  EXPECT_EQ(book.mails[0].mail_from, "a..b.@docomo.ne.jp");
  EXPECT_EQ(book.mails[0].header, "Subject: x\r\n");
  ASSERT_EQ(book.helos.size(), 1u);
  EXPECT_EQ(book.helos[0].helo_domain, "client.sender.example");
  EXPECT_EQ(book.helos[0].client.ip.text(), "127.0.0.1");
  EXPECT_EQ(book.helos[0].started_us, 1'768'435'200'000'000);
  ASSERT_EQ(book.closed.size(), 1u);
  EXPECT_EQ(book.closed[0].end, SessionEnd::kQuit);
  EXPECT_EQ(book.closed[0].events.accepted, 1u);
  EXPECT_EQ(book.closed[0].events.early_talker, 0u);
  EXPECT_EQ(book.closed[0].octets_in, 28 + kEnvelope.size() + kMail.size() + 6);
  EXPECT_EQ(place.pool.used(), 0u);
}

Task<void> early_talk(TestPlace& place) {
  TestClient client = co_await place.enter();
  co_await client.send("EHLO early.example\r\nQUIT\r\n");
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, EarlyTalkerIsKnownAtHelo) {
  TestPlace place;
  place.settings.greet_pause_ms = 500;
  io::run(early_talk(place));
  ASSERT_EQ(place.book->helos.size(), 1u);
  EXPECT_EQ(place.book->helos[0].events.early_talker, 1u);
  EXPECT_EQ(place.book->closed.at(0).events.early_talker, 1u);
}

Task<void> refused_at_connect(TestPlace& place) {
  TestClient client = co_await place.enter();
  std::string text = co_await client.reply();
  EXPECT_EQ(text, "554 5.7.1 Not you\r\n");
  text = co_await client.reply();
  EXPECT_EQ(text, "closed");
  client.socket.close();
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, RefusedAtConnect) {
  TestPlace place;
  place.book->refuse_connect = true;
  io::run(refused_at_connect(place));
  EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kRefused);
}

Task<void> over_tls(TestPlace& place) {
  auto context = io::TlsContext::client();
  TestClient client = co_await place.enter();
  std::string text = co_await client.reply();
  text = co_await client.say("EHLO in.clear");
  EXPECT_NE(text.find("STARTTLS"), std::string::npos);
  text = co_await client.say("MAIL FROM:<a@sender.example>");
  text = co_await client.say("STARTTLS");
  EXPECT_TRUE(text.starts_with("220 ")) << text;
  const auto up = co_await client.socket.start_tls_client(*context, "mx.sekisho.example", io::now_ms() + 3'000);
  EXPECT_TRUE(up.ok());
  text = co_await client.say("RCPT TO:<user@dest.example>");
  EXPECT_TRUE(text.starts_with("503 ")) << text;
  text = co_await client.say("EHLO in.tls");
  EXPECT_EQ(text.find("STARTTLS"), std::string::npos);
  co_await client.send(kEnvelope);
  for (int i = 0; i < 3; ++i) text = co_await client.reply();
  EXPECT_TRUE(text.starts_with("354 ")) << text;
  // Larger than a TLS record and than a buffer.
  std::string body;
  for (int i = 0; i < 5'000; ++i) body += "a line of some length for the body\r\n";
  co_await client.send("Subject: tls\r\n\r\n" + body + ".\r\n");
  text = co_await client.reply();
  EXPECT_EQ(text, "250 2.0.0 Taken\r\n");
  text = co_await client.say("QUIT");
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, StartTlsForgetsAndGoesOn) {
  static const test::SelfSigned files("mx.sekisho.example");
  TestPlace place;
  auto context = io::TlsContext::server(files.certificate, files.key);
  ASSERT_TRUE(context);
  place.settings.tls = *context;
  place.settings.smtp.starttls = true;
  io::run(over_tls(place));
  const TestBook& book = *place.book;
  ASSERT_EQ(book.helos.size(), 2u);
  EXPECT_FALSE(book.helos[0].tls);
  ASSERT_TRUE(book.helos[1].tls);
  EXPECT_TRUE(book.helos[1].tls->version.starts_with("TLSv1."));
  EXPECT_EQ(book.helos[1].helo_domain, "in.tls");
  EXPECT_EQ(book.resets, 1);
  ASSERT_EQ(book.mails.size(), 1u);
  EXPECT_GT(book.mails[0].size, 170'000u);
}

Task<void> slow_command(TestPlace& place) {
  TestClient client = co_await place.enter();
  std::string text = co_await client.reply();
  // Single octets do not prolong the time a command line has.
  const std::int64_t began_ms = io::now_ms();
  bool open = true;
  for (int i = 0; i < 100 && open && client.unread.empty(); ++i) {
    open = co_await client.send("a");
    text = co_await client.reply(20);
    if (text != "silence") break;
  }
  EXPECT_EQ(text, "421 4.4.2 Timeout\r\n");
  EXPECT_LT(io::now_ms() - began_ms, 10'000);
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, CommandTimeout) {
  TestPlace place;
  place.settings.command_timeout_ms = 200;
  io::run(slow_command(place));
  EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kTimeout);
}

Task<void> say_in_data(TestPlace& place, std::string octets, std::string expected) {
  TestClient client = co_await place.enter();
  EXPECT_TRUE(co_await open_data(client));
  co_await client.send(octets);
  const std::string text = co_await client.reply();
  EXPECT_EQ(text, expected);
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, DataTimeouts) {
  TestPlace place;
  place.settings.data_timeout_ms = 200;
  place.settings.quiet_ms = 30;
  io::run(say_in_data(place, "Subject: x\r\n", "421 4.4.2 Timeout\r\n"));
  io::run(say_in_data(place, "Subject: x\n\n.\n", "550 5.5.2 Bare CR or LF in the message\r\n"));
  EXPECT_TRUE(place.book->mails.empty());
  EXPECT_EQ(place.pool.used(), 0u);
}

Task<void> trickle(TestPlace& place) {
  TestClient client = co_await place.enter();
  EXPECT_TRUE(co_await open_data(client));
  std::string text = "silence";
  for (int i = 0; i < 200 && text == "silence"; ++i) {
    co_await client.send("ab");
    text = co_await client.reply(10);
  }
  EXPECT_EQ(text, "421 4.4.2 Timeout\r\n");
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, TrickledDataEnd) {
  TestPlace place;
  place.settings.data_grace_ms = 1'000;
  place.settings.data_octets_per_s = 10'000;
  io::run(trickle(place));
}

// The replies between its chunks do not give a message more time.
Task<void> trickle_chunks(TestPlace& place) {
  TestClient client = co_await place.enter();
  std::string text = co_await client.say("EHLO client.sender.example");
  text = co_await client.say("MAIL FROM:<sender@sender.example>");
  text = co_await client.say("RCPT TO:<user@dest.example>");
  int chunks = 0;
  while (text.starts_with("250") && ++chunks < 400) {
    const auto slept = co_await io::sleep_until(io::now_ms() + 10);
    EXPECT_TRUE(slept.ok());
    co_await client.send("BDAT 1\r\na");
    text = co_await client.reply();
  }
  EXPECT_EQ(text, "421 4.4.2 Timeout\r\n");
  EXPECT_GT(chunks, 3);
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, TrickledChunksEnd) {
  TestPlace place;
  place.settings.data_grace_ms = 1'000;
  place.settings.data_octets_per_s = 10'000;
  io::run(trickle_chunks(place));
  EXPECT_TRUE(place.book->mails.empty());
  EXPECT_EQ(place.pool.used(), 0u);
}

// Two messages by BDAT in one write: each is the road's, in order.
Task<void> chunks(TestPlace& place) {
  TestClient client = co_await place.enter();
  std::string text = co_await client.reply();
  text = co_await client.say("EHLO client.sender.example");
  const std::string envelope = "MAIL FROM:<sender@sender.example>\r\nRCPT TO:<user@dest.example>\r\n";
  co_await client.send(envelope + "BDAT 12\r\nSubject: 1\r\nBDAT 3 LAST\r\n\r\nx" + envelope +
                       "BDAT 15 LAST\r\nSubject: 2\r\n\r\nx" + "BDAT 4 LAST\r\nQUITNOOP\r\n");
  const std::vector<std::string> wanted = {"250", "250", "250", "250", "250", "250", "250", "503", "250"};
  for (const std::string& want : wanted) {
    text = co_await client.reply();
    EXPECT_TRUE(text.starts_with(want)) << want << ' ' << text;
  }
  text = co_await client.say("QUIT");
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, Chunks) {
  TestPlace place;
  io::run(chunks(place));
  ASSERT_EQ(place.book->mails.size(), 2u);
  EXPECT_EQ(place.book->mails[0].header, "Subject: 1\r\n");
  EXPECT_EQ(place.book->mails[1].size, 17u);
  EXPECT_EQ(place.pool.used(), 0u);
}

Task<void> lost(TestPlace& place) {
  TestClient client = co_await place.enter();
  EXPECT_TRUE(co_await open_data(client));
  co_await client.send("Subject: x\r\n\r\nx\r\n.\r");
  client.socket.close();
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, ClientLostInData) {
  TestPlace place;
  io::run(lost(place));
  EXPECT_TRUE(place.book->mails.empty());
  EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kLost);
  EXPECT_EQ(place.pool.used(), 0u);
}

Task<void> never_reads(TestPlace& place) {
  TestClient client = co_await place.enter();
  std::string commands;
  for (int i = 0; i < 20'000; ++i) commands += "NOOP\r\n";
  const auto written = co_await client.socket.write(commands, io::now_ms() + 300);
  EXPECT_TRUE(co_await place.all_gone(4'000)) << written.ok();
}

TEST(Session, ClientThatNeverReads) {
  TestPlace place;
  place.settings.write_timeout_ms = 200;
  io::run(never_reads(place));
  EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kRefused);
}

Task<void> drained(TestPlace& place) {
  TestClient idle = co_await place.enter();
  TestClient busy = co_await place.enter();
  std::string text = co_await idle.reply();
  EXPECT_TRUE(co_await open_data(busy));
  place.roster->drain();
  text = co_await idle.reply();
  EXPECT_EQ(text, "421 4.3.2 Service shutting down\r\n");
  co_await busy.send(kMail);
  text = co_await busy.reply();
  EXPECT_EQ(text, "250 2.0.0 Taken\r\n");
  text = co_await busy.reply();
  EXPECT_EQ(text, "421 4.3.2 Service shutting down\r\n");
  EXPECT_TRUE(co_await place.all_gone());
}

TEST(Session, DrainLetsTransactionsEnd) {
  TestPlace place;
  io::run(drained(place));
  EXPECT_EQ(place.book->mails.size(), 1u);
  EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kShutdown);
  EXPECT_EQ(place.book->closed.at(1).end, SessionEnd::kShutdown);
}

Task<void> too_complex(TestPlace& place) {
  std::string header;
  for (int i = 0; i < 20'000; ++i) header += "Cc: a@b.example\r\n";
  co_await say_in_data(place, header + "\r\nx\r\n.\r\nQUIT\r\n", "554 5.6.0 The message header is too complex\r\n");
}

TEST(Session, MessageBeyondTheBudget) {
  TestPlace place;
  io::run(too_complex(place));
  EXPECT_EQ(place.book->resets, 1);
  EXPECT_TRUE(place.book->mails.empty());
}

Task<void> stopped(TestPlace& place) {
  TestClient client = co_await place.enter();
  std::string text = co_await client.reply();
  io::Loop::current().stop();
  text = co_await client.reply();
}

TEST(Session, LoopStops) {
  TestPlace place;
  io::run(stopped(place));
  EXPECT_EQ(place.roster->size(), 0u);
  EXPECT_EQ(place.book->closed.at(0).end, SessionEnd::kShutdown);
}

}  // namespace
}  // namespace sekisho::session
