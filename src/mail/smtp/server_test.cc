// What must hold for any octets: a reference machine, cuts that change nothing, and no bare CR or LF ever accepted.
#include "mail/smtp/server.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "mail/smtp/test_driver.h"

namespace sekisho::smtp {
namespace {

// The reference: what code each command gets, told as plainly as possible. It knows none of the server's parts.
struct Reference {
  bool helo = false, mail = false, tried = false, chunked = false, failed = false;
  bool over = false, cut = false;  // cut: a 421 follows the reply
  int accepted = 0, errors = 0, unknown = 0, junk = 0;

  int end(int code) { return over = true, code; }
  int error(int code) {
    if (++errors >= 20) over = cut = true;
    return code;
  }
  int junk_or(int code) { return ++junk >= 100 ? end(421) : code; }
  void reset() { mail = tried = chunked = failed = false, accepted = 0; }

  int step(const std::string& command) {
    if (command == "EHLO c" || command == "helo c") {
      reset();
      const bool again = std::exchange(helo, true);
      return again ? junk_or(250) : 250;
    }
    if (command == "EHLO" || command == "RSET x" || command == "VRFY") return error(501);
    if (command == "MAIL FROM:<a@sender.example>" || command == "MAIL FROM:<>") {
      if (!helo || mail || failed) return error(503);
      return mail = true, 250;
    }
    if (command == "MAIL FROM:<a@sender.example> X=1") return error(!helo || mail || failed ? 503 : 555);
    if (command == "MAIL FROM:<later@sender.example>") return !helo || mail || failed ? error(503) : 451;
    if (command.starts_with("RCPT")) return rcpt(command);
    if (command == "DATA") return data();
    if (command == "BDAT x") return end(501);
    if (command.starts_with("BDAT")) return bdat(command);
    if (command == "RSET") return reset(), junk_or(250);
    if (command == "NOOP") return junk_or(250);
    if (command == "VRFY x") return junk_or(252);
    if (command == "HELP") return junk_or(214);
    if (command == "QUIT") return end(221);
    if (command == "GET / HTTP/1.0") return end(554);
    if (command == "EXPN x" || command == "STARTTLS") return error(502);
    return error(500);
  }

  int rcpt(const std::string& command) {
    if (!mail || chunked) return error(503);
    tried = true;
    if (command == "RCPT TO:<>") return error(501);
    if (accepted >= 2) return 452;
    if (command == "RCPT TO:<v@other.example>") return error(550);
    if (command == "RCPT TO:<other@dest.example>") return 451;
    if (command == "RCPT TO:<nobody@dest.example>") {
      if (++unknown >= 20) over = cut = true;
      return 550;
    }
    return ++accepted, 250;
  }

  // DATA with its message sent behind 354: "." alone ends it, "bad" has a bare LF.
  int data() {
    if (chunked) reset(), failed = true;
    if (!mail || !tried) return error(503);
    return accepted == 0 ? error(554) : 354;
  }
  int message(bool bad) {
    reset();
    if (bad) return end(550);
    return taken();
  }
  int taken() {
    junk = 0, errors /= 2, unknown /= 2;
    return 250;
  }

  // "BDAT size [LAST]" with its octets behind it; one with '\n' alone among them is bad.
  int bdat(const std::string& command) {
    const bool last = command.find(" LAST\r\n") != std::string::npos, empty = command.starts_with("BDAT 0");
    if (!helo) return error(503);
    if (failed) return failed = !last, junk_or(503);
    if (!mail) return error(503);
    const int refusal = !tried ? 503 : accepted == 0 ? 554 : command.ends_with("x\ny") ? 550 : 0;
    if (refusal) return reset(), failed = !last, error(refusal);
    if (last) return reset(), taken();
    chunked = true;
    return empty ? junk_or(250) : 250;
  }
};

TEST(Server, AgreesWithReference) {
  const std::vector<std::string> commands = {"EHLO c",
                                             "helo c",
                                             "EHLO",
                                             "MAIL FROM:<a@sender.example>",
                                             "MAIL FROM:<a@sender.example>",
                                             "MAIL FROM:<>",
                                             "MAIL FROM:<a@sender.example> X=1",
                                             "MAIL FROM:<later@sender.example>",
                                             "RCPT TO:<user@dest.example>",
                                             "RCPT TO:<user@dest.example>",
                                             "RCPT TO:<user2@dest.example>",
                                             "RCPT TO:<>",
                                             "RCPT TO:<v@other.example>",
                                             "RCPT TO:<other@dest.example>",
                                             "RCPT TO:<nobody@dest.example>",
                                             "DATA",
                                             "DATA",
                                             "DATA",
                                             "BDAT 9\r\nVRFY x\r\n.",
                                             "BDAT 8\r\n\r\nRSET\r\n",
                                             "BDAT 3 LAST\r\n.\r\n",
                                             "BDAT 3 LAST\r\nabc",
                                             "BDAT 0",
                                             "BDAT 0 LAST\r\n",
                                             "BDAT 3\r\nx\ny",
                                             "BDAT 3 LAST\r\nx\ny",
                                             "BDAT x",
                                             "RSET",
                                             "RSET x",
                                             "NOOP",
                                             "NOOP",
                                             "NOOP",
                                             "NOOP",
                                             "VRFY",
                                             "VRFY x",
                                             "HELP",
                                             "EXPN x",
                                             "STARTTLS",
                                             "XYZZY",
                                             "",
                                             "QUIT",
                                             "GET / HTTP/1.0"};
  std::mt19937 random(25);
  ServerSettings settings;
  settings.recipient_limit = 2;
  std::map<int, int> seen;
  int steps = 0;
  while (steps < 100'000) {
    TestDriver driver(settings);
    Reference reference;
    std::vector<std::string> said;
    while (!reference.over && steps < 100'000) {
      // Rare endings, so that the limits are reached too.
      std::string command = commands[random() % commands.size()];
      if ((command == "QUIT" || command[0] == 'G' || command == "BDAT x") && random() % 8) command = "NOOP";
      said.push_back(command);
      std::vector<int> expected = {reference.step(command)};
      driver.replies.clear();
      driver.feed(command.find('\n') == std::string::npos ? command + "\r\n" : command);
      if (expected[0] == 354) {
        const bool bad = random() % 4 == 0;
        expected.push_back(reference.message(bad));
        driver.feed(bad ? "x\ny\r\n.\r\n" : "x\r\n.\r\n", 1 + random() % 4);
      }
      if (reference.cut) expected.push_back(421);
      ASSERT_EQ(driver.codes(), expected) << testing::PrintToString(said);
      ASSERT_EQ(driver.closed, reference.over) << testing::PrintToString(said);
      for (const int code : expected) ++seen[code];
      ++steps;
    }
  }
  for (const int code : {214, 221, 250, 252, 354, 421, 451, 452, 500, 501, 502, 503, 550, 554, 555})
    EXPECT_GT(seen[code], 0) << code;
}

std::string random_octets(std::mt19937& random, const std::vector<std::string>& tokens, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += tokens[random() % tokens.size()];
  return out;
}

const std::string kOpening = "EHLO c\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n";

TEST(Server, CutsChangeNothing) {
  const std::vector<std::string> tokens = {"EHLO c\r\n",
                                           "MAIL FROM:<a@sender.example>\r\n",
                                           "RCPT TO:<user@dest.example>\r\n",
                                           "RCPT TO:<nobody@dest.example>\r\n",
                                           "DATA\r\n",
                                           "x\r\n",
                                           ".\r\n",
                                           "\r\n.\r\n",
                                           "\r\n",
                                           "..",
                                           "NOOP\r\n",
                                           "RSET\r\n",
                                           "y",
                                           "z\r\n",
                                           "\xe3\x81\x82",
                                           "\n",
                                           "\r",
                                           std::string(1, '\0'),
                                           std::string(700, 'a'),
                                           kOpening};
  std::mt19937 random(2920);
  ServerSettings settings;
  settings.data.line_bytes = 1000;
  settings.data.size_bytes = 3000;
  int compared = 0;
  for (int round = 0; round < 3'000; ++round) {
    // Half of the rounds without faults.
    std::vector<std::string> given(tokens.begin(), tokens.end());
    if (round % 2) given.erase(given.begin() + 15, given.begin() + 18);
    const std::string octets = kOpening + random_octets(random, given, 40);
    TestDriver whole(settings), single(settings), pieces(settings);
    whole.feed(octets);
    single.feed(octets, 1);
    pieces.feed(octets, 2 + random() % 97);
    // A refused DATA closes only when octets came together with it, so such rounds may differ in what follows.
    const bool cut_matters = whole.replies.find("\r\n503 5.5.1 Send") != std::string::npos ||
                             whole.replies.find("554 5.5.1 No valid") != std::string::npos;
    if (!cut_matters) {
      ++compared;
      ASSERT_EQ(whole.replies, single.replies) << testing::PrintToString(octets);
      ASSERT_EQ(whole.replies, pieces.replies) << testing::PrintToString(octets);
    }
    // A cut never lets in more.
    ASSERT_LE(whole.messages.size(), single.messages.size());
    for (std::size_t i = 0; i < whole.messages.size(); ++i) ASSERT_EQ(whole.messages[i], single.messages[i]);
  }
  EXPECT_GT(compared, 500);
}

// The truth about one DATA, found by plain searching in the whole.
struct Truth {
  bool ended = false, clean = false;
  std::string message;
};
Truth truth_of(const std::string& octets) {
  const std::string all = "\r\n" + octets;
  const std::size_t end = all.find("\r\n.\r\n");
  Truth out;
  if (end == std::string::npos) return out;
  out.ended = true;
  std::string text = all.substr(0, end + 2);
  out.clean = text.find('\0') == std::string::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out.clean = false;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) out.clean = false;
  }
  for (std::size_t at = 0; (at = text.find("\r\n.", at)) != std::string::npos; at += 2) text.erase(at + 2, 1);
  out.message = text.substr(2);
  return out;
}

TEST(Server, AcceptsNoBareLineEnd) {
  const std::vector<std::string> tokens = {"\r",   "\n", "\r\n", ".", "\r\n.\r\n", "a", "MAIL FROM:<b@bank.example>",
                                           "\r\n", "b"};
  std::mt19937 random(550);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::vector<std::string> some(tokens.begin() + (round % 3 ? 2 : 0), tokens.end());
    const std::string octets = random_octets(random, some, 1 + random() % 12);
    const Truth truth = truth_of(octets);
    TestDriver driver;
    driver.feed(kOpening);
    driver.feed(octets, 1 + random() % 5);
    if (!truth.ended || !truth.clean) {
      ASSERT_TRUE(driver.messages.empty()) << testing::PrintToString(octets);
      refused += truth.ended;
    } else {
      ASSERT_EQ(driver.messages.size(), 1u) << testing::PrintToString(octets);
      ASSERT_EQ(driver.messages[0], truth.message) << testing::PrintToString(octets);
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(Server, EndlessLinesCostNoMemory) {
  TestDriver driver;
  driver.feed("HELO ");
  const std::string block(16384, 'a');
  for (int i = 0; i < 64; ++i) driver.feed(block);
  EXPECT_TRUE(driver.closed);
  EXPECT_EQ(driver.codes().back(), 500);

  TestDriver data;
  data.feed(kOpening);
  for (int i = 0; i < 2048; ++i) {
    data.feed(block);
    ASSERT_LE(data.pool.used(), 2u << 20);
  }
  EXPECT_EQ(data.pool.used(), 0u);
  data.feed("\r\n.\r\n");
  EXPECT_EQ(data.codes().back(), 554);
  EXPECT_TRUE(data.messages.empty());
}

TEST(Server, LeaseGoesWithTheMessage) {
  TestDriver driver;
  driver.feed(kOpening + std::string(100'000, 'a') + "\r\n");
  EXPECT_GE(driver.pool.used(), 100'000u);
  driver.feed(".\r\n");
  EXPECT_EQ(driver.pool.used(), 0u);
}

struct Witness : RefusalWitness {
  void refused(std::string_view finding, Reply& reply, const Path* mail_from) override {
    seen += std::string(finding) + (mail_from ? " of " + mail_from->text : "") + "\n";
    reply.lines.back() += " [code]";
  }
  std::string seen;
};

TEST(Server, AWitnessIsToldOfMessagesThatTheCoreRefuses) {
  Witness witness;
  for (const std::string data : {"a\rb\r\n", "a\nb\r\n"}) {
    TestDriver driver;
    driver.server.set_witness(&witness);
    driver.feed(kOpening + data + ".\r\n");
    EXPECT_TRUE(driver.replies.ends_with("Bare CR or LF in the message [code]\r\n")) << driver.replies;
  }
  ServerSettings small;
  small.data.size_bytes = 1000;
  TestDriver driver(small);
  driver.server.set_witness(&witness);
  driver.feed("EHLO c\r\nMAIL FROM:<big@b.example> SIZE=1001\r\n");
  EXPECT_TRUE(driver.replies.ends_with("552 5.3.4 Message size exceeds the limit [code]\r\n")) << driver.replies;
  driver.feed("MAIL FROM:<a@b.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n" + std::string(1001, 'x') +
              "\r\n.\r\n");
  EXPECT_TRUE(driver.replies.ends_with("552 5.3.4 Message size exceeds the limit [code]\r\n")) << driver.replies;
  driver.feed("NOOP\r\nWHAT\r\n");  // what refuses no message is not told
  EXPECT_EQ(driver.codes().back(), 500);
  EXPECT_EQ(witness.seen, "bare_line_end\nbare_line_end\nsize_exceeded of big@b.example\nsize_exceeded\n");
}

TEST(Server, ANulIsToldToo) {
  Witness witness;
  TestDriver driver;
  driver.server.set_witness(&witness);
  driver.feed(kOpening + std::string("a\0b\r\n.\r\n", 8));
  EXPECT_TRUE(driver.replies.ends_with("550 5.6.0 NUL in the message [code]\r\n")) << driver.replies;
  EXPECT_EQ(witness.seen, "nul_octet\n");
}

// Who promises a big mail and stalls holds nothing; who stalls later holds little more than came.
TEST(Server, APromisedSizeReservesNothing) {
  TestDriver driver;
  driver.feed("EHLO c\r\nMAIL FROM:<a@b.example> SIZE=10000000\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n");
  EXPECT_EQ(driver.codes().back(), 354);
  EXPECT_EQ(driver.pool.used(), 0u);
  driver.feed("x\r\n");
  EXPECT_LE(driver.pool.used(), 16u << 10);
  driver.feed(std::string(17'000, 'x') + "\r\n");
  EXPECT_LE(driver.pool.used(), 256u << 10);
  driver.feed(".\r\n");
  EXPECT_EQ(driver.messages.at(0).size(), 17'005u);
}

TEST(Server, RefusalInPlaceOfTheGreeting) {
  ServerSettings settings;
  OctetPool pool(1 << 20);
  Server server(settings, pool);
  ASSERT_TRUE(std::holds_alternative<AskConnect>(server.start()));
  server.answer(Reply{554, "5.7.1", {"No"}});
  std::string_view input("EHLO x\r\n");
  EXPECT_TRUE(std::holds_alternative<Close>(server.feed(input)));
  EXPECT_EQ(server.output(), "554 5.7.1 No\r\n");
}

TEST(Server, ReplyMayCloseAfterAnything) {
  TestDriver driver;
  driver.message_reply = Reply{250, "2.0.0", {"Taken"}, true};
  driver.feed(kOpening + "x\r\n.\r\nNOOP\r\n");
  EXPECT_TRUE(driver.closed);
  EXPECT_EQ(driver.codes().back(), 250);
}

TEST(Server, Code421Closes) {
  TestDriver driver;
  driver.message_reply = Reply{421, "4.3.2", {"Going down"}};
  driver.feed(kOpening + "x\r\n.\r\nNOOP\r\n");
  EXPECT_TRUE(driver.closed);
  EXPECT_EQ(driver.codes().back(), 421);
}

TEST(Server, ParametersGoOnAsTheyCame) {
  TestDriver driver;
  driver.capabilities.dsn = driver.capabilities.smtp_utf8 = true;
  driver.feed(
      "EHLO c\r\nMAIL FROM:<a@sender.example> ENVID=Q+2B1 ret=hdrs SMTPUTF8 BODY=8BITMIME\r\n"
      "RCPT TO:<user@dest.example> NOTIFY=Success,DELAY ORCPT=rfc822;Bob+2Bx@dest.example\r\n"
      "RCPT TO:<user2@dest.example> ORCPT=utf-8;\xe5\x8f\x97@dest.example\r\n");
  EXPECT_EQ(driver.parameters.envid, "Q+2B1");
  EXPECT_EQ(driver.parameters.ret, "HDRS");
  EXPECT_TRUE(driver.parameters.smtp_utf8);
  EXPECT_EQ(driver.parameters.body, BodyType::kEightBitMime);
  ASSERT_EQ(driver.rcpt_parameters.size(), 2u);
  EXPECT_EQ(driver.rcpt_parameters[0].notify, "Success,DELAY");
  EXPECT_EQ(driver.rcpt_parameters[0].orcpt, "rfc822;Bob+2Bx@dest.example");
  EXPECT_EQ(driver.rcpt_parameters[1].orcpt, "utf-8;\xe5\x8f\x97@dest.example");
}

TEST(Reply, WritesOnlyPrintableLines) {
  const Reply reply{550, "5.7.1", {"first", "second\r\n250 forged", "\xe6\x97\xa5"}};
  EXPECT_EQ(reply.format(), "550-5.7.1 first\r\n550-5.7.1 second\\x0d\\x0a250 forged\r\n550 5.7.1 \\xe6\\x97\\xa5\r\n");
  EXPECT_EQ((Reply{220, "", {}}).format(), "220 \r\n");
  EXPECT_EQ((Reply{7, "", {"x"}}).format(), "451 x\r\n");
  EXPECT_LE((Reply{550, "5.7.1", {std::string(5000, 'x')}}).format().size(), 512u);
}

}  // namespace
}  // namespace sekisho::smtp
