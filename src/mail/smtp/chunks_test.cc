// BDAT beside DATA: the same message must come out, whatever the chunks and the cuts; nothing in a chunk is ever run.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "mail/smtp/test_driver.h"

namespace sekisho::smtp {
namespace {

const std::string kEnvelope = "MAIL FROM:<a@sender.example>\r\nRCPT TO:<user@dest.example>\r\n";
const std::string kEnvelopeOpening = "EHLO c\r\n" + kEnvelope;

std::string pick(std::mt19937& random, const std::vector<std::string>& tokens, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += tokens[random() % tokens.size()];
  return out;
}

std::string by_data(const std::string& message) {
  std::string text = "\r\n" + message;
  for (std::size_t at = 0; (at = text.find("\r\n.", at)) != std::string::npos; at += 4) text.insert(at + 2, ".");
  if (!text.ends_with("\r\n")) text += "\r\n";
  return "DATA\r\n" + text.substr(2) + ".\r\n";
}

// chunks[i]: where the i-th chunk ends; the last one is the rest, sometimes an empty one.
std::string by_chunks(std::mt19937& random, const std::string& message, std::size_t& count) {
  std::string out;
  std::size_t at = 0;
  count = 0;
  const auto chunk = [&](std::size_t size, bool last) {
    ((out += "BDAT ") += std::to_string(size)) += last ? " LAST\r\n" : "\r\n";
    out += message.substr(at, size);
    at += size;
    ++count;
  };
  while (at < message.size() && random() % 4)
    chunk(std::min<std::size_t>(1 + random() % 40, message.size() - at), false);
  chunk(message.size() - at, true);
  return out;
}

struct Result {
  std::vector<std::string> messages;
  std::vector<int> codes;
  bool closed;
  int resets;
  std::uint64_t held;
};
Result run(const ServerSettings& settings, const std::string& octets, std::size_t cut) {
  TestDriver driver(settings, 60'000);
  driver.feed(kEnvelopeOpening);
  driver.replies.clear();
  driver.feed(octets, cut);
  return {driver.messages, driver.codes(), driver.closed, driver.resets, driver.pool.used()};
}

const std::vector<std::string> kClean = {
    "\r\n",         ".",        "..", "\r\n.\r\n",          "a",     "bc", "QUIT\r\n", "RSET\r\n", "BDAT 5 LAST\r\n",
    "\xe3\x81\x82", "DATA\r\n", " ",  std::string(90, 'x'), "\r\n.."};

bool near_limit(const std::string& message, std::size_t limit) {
  std::size_t start = 0;
  for (std::size_t end = 0; end != std::string::npos; start = end + 2) {
    end = message.find("\r\n", start);
    const std::size_t size = std::min(end, message.size()) - start + 2;
    if (size + 3 >= limit && size <= limit + 3) return true;
  }
  return false;
}

TEST(Chunks, SameMessageAsByData) {
  std::vector<std::string> faulty = kClean;
  for (const char* octets : {"\r", "\n", "\r\r\n", "\n.\r\n"}) faulty.emplace_back(octets);
  faulty.emplace_back(1, '\0');
  std::mt19937 random(3030);
  ServerSettings settings;
  settings.data.size_bytes = 600;
  settings.data.line_bytes = 200;
  int taken = 0, refused = 0, many = 0;
  for (int round = 0; round < 6'000; ++round) {
    const std::string message = pick(random, round % 4 ? kClean : faulty, random() % 24);
    // The stuffed dot and a final CRLF count for a line's limit, too; what is that near is not compared.
    if (near_limit(message, settings.data.line_bytes)) continue;
    std::size_t chunks = 0;
    const std::string counted = by_chunks(random, message, chunks);
    const Result data = run(settings, by_data(message), 1 + random() % 60);
    const Result bdat = run(settings, counted, 1 + random() % 60);
    SCOPED_TRACE(testing::PrintToString(counted));
    ASSERT_EQ(data.messages, bdat.messages);
    ASSERT_EQ(bdat.codes.size(), chunks);
    ASSERT_EQ(data.codes.front(), 354);
    ASSERT_EQ(bdat.held, 0u);
    many += chunks > 3;
    if (!data.messages.empty()) {
      ASSERT_EQ(data.codes.back(), 250);
      for (const int code : bdat.codes) ASSERT_EQ(code, 250);
      ++taken;
      continue;
    }
    ++refused;
    // One chunk: the very same refusal. Several: the first that has a fault gets one, the rest is read away.
    const auto first = std::find_if(bdat.codes.begin(), bdat.codes.end(), [](int code) { return code != 250; });
    ASSERT_NE(first, bdat.codes.end());
    if (chunks == 1) {
      ASSERT_EQ(data.codes.back(), bdat.codes.back());
    }
    ASSERT_TRUE(std::all_of(first + 1, bdat.codes.end(), [](int code) { return code == 503; }));
    ASSERT_FALSE(bdat.closed);
    ASSERT_EQ(bdat.resets, 1);
  }
  EXPECT_GT(taken, 3'000);
  EXPECT_GT(refused, 500);
  EXPECT_GT(many, 500);
}

// Every octet a client may send, so that sizes are true, too small, too big and beyond all counting.
TEST(Chunks, CutsChangeNothing) {
  const std::vector<std::string> tokens = {"BDAT 5\r\n", "BDAT 5 LAST\r\n", "BDAT 0\r\n", "BDAT 0 LAST\r\n",
                                           "BDAT 90 LAST\r\n", "BDAT 300\r\n", "RSET\r\n", "NOOP\r\n", "EHLO c\r\n",
                                           kEnvelope, kEnvelope, "abcde", "\r\n", "a\r\n", "bcde\r\n.\r", "\n",
                                           "\xff\xfe", "VRFY x\r\n",
                                           // Half a command that no other token completes: octets that come behind a
                                           // refused DATA end the session, so there the cuts do count.
                                           "NOO"};
  std::mt19937 random(2920);
  ServerSettings settings;
  settings.data.size_bytes = 400;
  settings.data.discard_bytes = 700;
  std::size_t messages = 0;
  for (int round = 0; round < 4'000; ++round) {
    const std::string octets = pick(random, tokens, 40);
    TestDriver whole(settings), single(settings), pieces(settings);
    for (TestDriver* each : {&whole, &single, &pieces}) each->feed(kEnvelopeOpening);
    whole.feed(octets);
    single.feed(octets, 1);
    pieces.feed(octets, 2 + random() % 97);
    ASSERT_EQ(whole.replies, single.replies) << testing::PrintToString(octets);
    ASSERT_EQ(whole.replies, pieces.replies) << testing::PrintToString(octets);
    ASSERT_EQ(whole.messages, single.messages);
    ASSERT_EQ(whole.closed, single.closed);
    messages += whole.messages.size();
  }
  EXPECT_GT(messages, 400u);
}

// Chunks of one octet and a message of many: no quadratic work, no memory but the message's.
TEST(Chunks, ManySmallOnes) {
  TestDriver driver;
  driver.feed(kEnvelopeOpening);
  std::string octets;
  for (int i = 0; i < 50'000; ++i) octets += "BDAT 2\r\n\r\n";
  driver.feed(octets, 16384);
  EXPECT_TRUE(driver.server.between_chunks());
  EXPECT_EQ(driver.server.data_octets(), 100'000u);
  EXPECT_LE(driver.pool.used(), 262'144u);
  driver.feed("BDAT 0 LAST\r\n");
  ASSERT_EQ(driver.messages.size(), 1u);
  EXPECT_EQ(driver.messages[0].size(), 100'000u);
  EXPECT_EQ(driver.pool.used(), 0u);
}

TEST(Chunks, AnnouncedSizesReserveNothing) {
  TestDriver driver({}, 1u << 20);
  driver.feed(kEnvelopeOpening + "BDAT 10000000 LAST\r\n");
  EXPECT_LE(driver.pool.used(), 262'144u);
  driver.server.give_up("4.4.2 Timeout");
  EXPECT_TRUE(driver.server.ended());
  EXPECT_EQ(driver.pool.used(), 0u);
  EXPECT_TRUE(driver.messages.empty());
}

}  // namespace
}  // namespace sekisho::smtp
