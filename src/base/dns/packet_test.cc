#include "base/dns/packet.h"

#include <gtest/gtest.h>

#include "base/dns/cache.h"
#include "base/dns/dns_test_support.h"
#include "base/dns/record.h"
#include "base/dns/reply.h"

namespace sekisho::dns {
namespace {

using namespace std::string_literals;

PacketError error_of(std::string_view packet) {
  core::Budget budget;
  const auto message = decode(packet, budget);
  EXPECT_FALSE(message.ok());
  return message ? PacketError{255} : message.error();
}
Message decoded(std::string_view packet) {
  core::Budget budget;
  auto message = decode(packet, budget);
  EXPECT_TRUE(message.ok()) << (message ? 0 : static_cast<int>(message.error()));
  return message ? *message : Message();
}

Message sample() {
  Message m;
  m.header.id = 0xbeef;
  m.header.response = m.header.recursion_desired = m.header.recursion_available = true;
  m.questions.push_back({name("www.example"), Type::kMx});
  m.answers.push_back({name("www.example"), Type::kCname, kClassIn, 300, name("mail.example").wire()});
  m.answers.push_back({name("mail.example"), Type::kMx, kClassIn, 60, "\0\12"s + name("mx.mail.example").wire()});
  m.answers.push_back({name("mail.example"), Type::kMx, kClassIn, 70, "\0\24"s + name("mx2.mail.example").wire()});
  m.authorities.push_back({name("example"), Type::kSoa, kClassIn, 900,
                           name("ns.example").wire() + name("h.example").wire() + std::string(19, '\0') + "\x1e"});
  m.additionals.push_back({name("mx.mail.example"), Type::kA, kClassIn, 60, "\xc0\0\2\1"s});
  m.edns.emplace();
  m.edns->dnssec_ok = true;
  m.edns->options = "\0\3\0\1x"s;
  return m;
}

TEST(Packet, RoundTrip) {
  const Message m = sample();
  const std::string octets = encode(m);
  EXPECT_EQ(decoded(octets), m);
  EXPECT_LT(octets.size(), 190u);  // names are compressed
  Message plain = m;
  plain.edns.reset();
  EXPECT_EQ(decoded(encode(plain)), plain);
  Message extended = m;
  extended.header.rcode = Rcode::kBadVers;
  EXPECT_EQ(decoded(encode(extended)), extended);
}

TEST(Packet, QueryHasEdnsAndAd) {
  const Message m = decoded(encode_query(7, name("a.example"), Type::kTxt));
  EXPECT_EQ(m.header.id, 7);
  EXPECT_TRUE(m.header.recursion_desired);
  EXPECT_TRUE(m.header.authenticated);
  EXPECT_EQ(m.edns->size_bytes, 1232);
  EXPECT_EQ(m.questions[0], (Question{name("a.example"), Type::kTxt}));
  EXPECT_FALSE(decoded(encode_query(7, name("a.example"), Type::kTxt, 0)).edns);
}

TEST(Packet, TruncatesRecordByRecord) {
  Message m = sample();
  for (int i = 0; i < 50; ++i)
    m.answers.push_back({name("mail.example"), Type::kTxt, kClassIn, 1, text_rdata("0123456789")});
  const std::string octets = encode(m, 512);
  EXPECT_LE(octets.size(), 512u);
  const Message cut = decoded(octets);
  EXPECT_TRUE(cut.header.truncated);
  EXPECT_TRUE(cut.edns.has_value());
  EXPECT_GT(cut.answers.size(), 10u);
  EXPECT_TRUE(cut.authorities.empty());
}

TEST(Packet, RefusesBadNames) {
  const std::string head = "\0\1\0\0\0\1\0\0\0\0\0\0"s;
  EXPECT_EQ(error_of(""), PacketError::kShort);
  EXPECT_EQ(error_of(head.substr(0, 11)), PacketError::kShort);
  EXPECT_EQ(error_of(head), PacketError::kCounts);
  EXPECT_EQ(error_of(head + "\x3f"
                            "abcdefgh"),
            PacketError::kShort);
  EXPECT_EQ(error_of(head + "\x40"
                            "abcdefgh"),
            PacketError::kName);
  EXPECT_EQ(error_of(head + "\xc0\x0c\0\1\0\1"s), PacketError::kName);       // points at itself
  EXPECT_EQ(error_of(head + "\1a\xc0\x0c\0\1\0\1"s), PacketError::kName);    // loop
  EXPECT_EQ(error_of(head + "\xc0\x12\0\1\0\1\1a\0"s), PacketError::kName);  // forward
  std::string long_name = head;
  for (int i = 0; i < 33; ++i) long_name += "\7abcdefg";
  EXPECT_EQ(error_of(long_name + "\0\0\1\0\1"s), PacketError::kName);
  EXPECT_EQ(error_of(head + "\1a\0\0\1\0\1z"s), PacketError::kTrailing);
  EXPECT_EQ(error_of("\0\1\0\0\xff\xff\0\0\0\0\0\0\1a\0\0\1\0\1"s), PacketError::kCounts);
}

TEST(Packet, RefusesBadRecords) {
  const std::string head = "\0\1\x80\0\0\0\0\1\0\0\0\0"s;
  const std::string a = "\1a\0\0\1\0\1\0\0\0\1\0\4\1\2\3\4"s;
  EXPECT_EQ(decoded(head + a).answers.size(), 1u);
  EXPECT_EQ(error_of(head + a.substr(0, a.size() - 1)), PacketError::kShort);
  EXPECT_EQ(error_of(head + "\1a\0\0\5\0\1\0\0\0\1\0\4\1x\0z"s), PacketError::kRdata);  // octets behind the name
  EXPECT_EQ(error_of(head + "\1a\0\0\5\0\1\0\0\0\1\0\2\1x\0"s), PacketError::kRdata);   // name goes on behind RDATA
  EXPECT_EQ(error_of(head + "\0\0\x29\4\xd0\0\0\0\0\0\0"s), PacketError::kOpt);         // OPT as an answer
  const std::string two = "\0\1\x80\0\0\0\0\0\0\0\0\2"s + "\0\0\x29\4\xd0\0\0\0\0\0\0"s + "\0\0\x29\4\xd0\0\0\0\0\0\0"s;
  EXPECT_EQ(error_of(two), PacketError::kOpt);
  core::Budget few;
  few.parts = 1;
  EXPECT_EQ(decode(encode(sample()), few).error(), PacketError::kTooMuch);
}

// Whatever a forger changes in a reply: it is refused, or what was understood is what would be said again.
TEST(Packet, EachOctetChangedOrCutOff) {
  const std::string octets = encode(sample());
  std::size_t understood = 0;
  for (std::size_t at = 0; at < octets.size(); ++at) {
    (void)error_of(octets.substr(0, at));
    for (int value = 0; value < 256; ++value) {
      std::string changed = octets;
      changed[at] = static_cast<char>(value);
      core::Budget budget, again;
      const auto message = decode(changed, budget);
      if (!message) continue;
      ++understood;
      const auto back = decode(encode(*message), again);
      ASSERT_TRUE(back.ok()) << at << ' ' << value;
      ASSERT_EQ(*back, *message) << at << ' ' << value;
      (void)make_answer(*message, name("www.example"), Type::kMx);
    }
  }
  EXPECT_GT(understood, octets.size() * 16);  // ids, TTLs, letters of names
}

// Each name is paid for: a packet of pointers to pointers costs its sender as much as it costs us.
TEST(Packet, PointersOfPointers) {
  const auto chain = [](std::size_t pointers, std::size_t records) {
    std::string out =
        "\0\1\x80\0\0\0"s + static_cast<char>(records >> 8) + static_cast<char>(records & 255) + "\0\0\0\0"s;
    out += "\0\0\x63\0\1\0\0\0\0"s + static_cast<char>(2 * pointers >> 8) + static_cast<char>(2 * pointers & 255);
    const std::size_t first = out.size();
    out += "\xc0\x0c"s;  // the first record's owner, the root
    for (std::size_t i = 1; i < pointers; ++i) put16(out, static_cast<std::uint32_t>(0xc000 | (first + 2 * i - 2)));
    for (std::size_t i = 1; i < records; ++i) {
      put16(out, static_cast<std::uint32_t>(0xc000 | (first + 2 * pointers - 2)));
      out += "\0\x63\0\1\0\0\0\0\0\0"s;
    }
    return out;
  };
  EXPECT_EQ(decoded(chain(126, 2)).answers.size(), 2u);
  EXPECT_EQ(error_of(chain(127, 2)), PacketError::kName);
  core::Budget budget;
  budget.parts = 10'000, budget.steps = 200'000;
  EXPECT_EQ(decode(chain(126, 5000), budget).error(), PacketError::kTooMuch);
}

TEST(Reply, BelongsToItsQuery) {
  const std::string query = encode_query(0x1234, name("a.example"), Type::kA);
  Message m;
  m.header.id = 0x1234;
  m.header.response = true;
  m.questions.push_back({name("a.example"), Type::kA});
  EXPECT_TRUE(belongs_to(query, encode(m), true));
  m.header.id = 0x1235;
  EXPECT_FALSE(belongs_to(query, encode(m), false));
  m.header.id = 0x1234;
  m.questions[0].type = Type::kTxt;
  EXPECT_FALSE(belongs_to(query, encode(m), false));
  m.questions[0] = {name("b.example"), Type::kA};
  EXPECT_FALSE(belongs_to(query, encode(m), false));
  m.header.response = false;
  EXPECT_FALSE(belongs_to(query, encode(m), false));
  EXPECT_FALSE(belongs_to(query, "", false));
  EXPECT_TRUE(belongs_to(query, "\x12\x34\x80\1\0\0\0\0\0\0\0\0"s, false));
  EXPECT_FALSE(belongs_to(query, "\x12\x34\x80\0\0\0\0\0\0\0\0\0"s, false));
  std::string mixed = query;
  mixed[13] = 'A';
  m.header.response = true;
  m.questions[0] = {name("a.example"), Type::kA};
  EXPECT_TRUE(belongs_to(mixed, encode(m), false));
  EXPECT_FALSE(belongs_to(mixed, encode(m), true));
}

TEST(Reply, FollowsTheChain) {
  const Answer answer = make_answer(sample(), name("www.example"), Type::kMx);
  EXPECT_EQ(answer.code, Code::kRecords);
  EXPECT_EQ(answer.canonical, name("mail.example"));
  EXPECT_EQ(answer.exchanges.size(), 2u);
  EXPECT_EQ(answer.ttl_s, 60u);
  Message nothing = sample();
  nothing.answers.resize(1);
  const Answer none = make_answer(nothing, name("www.example"), Type::kMx);
  EXPECT_EQ(none.code, Code::kNoData);
  EXPECT_EQ(none.ttl_s, 30u);  // SOA MINIMUM
  bool unfinished = false;
  nothing.authorities.clear();
  EXPECT_EQ(make_answer(nothing, name("www.example"), Type::kMx).ttl_s, 0u);
  EXPECT_EQ(make_answer(nothing, name("www.example"), Type::kMx, &unfinished).ttl_s, 300u);
  EXPECT_TRUE(unfinished);
}

TEST(Reply, FaultsAreTemporary) {
  const Name asked = name("x0.example");
  Message m;
  for (int i = 0; i < 9; ++i) {
    m.answers.push_back({name("x" + std::to_string(i) + ".example"), Type::kCname, kClassIn, 5,
                         name("x" + std::to_string(i + 1) + ".example").wire()});
  }
  EXPECT_EQ(make_answer(m, asked, Type::kA).code, Code::kMalformed);
  m.answers.resize(8);
  EXPECT_EQ(make_answer(m, asked, Type::kA).code, Code::kNoData);
  m.answers.push_back({name("x3.example"), Type::kCname, kClassIn, 5, name("x0.example").wire()});
  EXPECT_EQ(make_answer(m, asked, Type::kA).code, Code::kMalformed);
  Message bad;
  bad.answers.push_back({asked, Type::kA, kClassIn, 5, "abc"});
  EXPECT_EQ(make_answer(bad, asked, Type::kA).code, Code::kMalformed);
  Message referral;
  referral.authorities.push_back({name("example"), Type::kNs, kClassIn, 5, name("ns.example").wire()});
  EXPECT_EQ(make_answer(referral, asked, Type::kA).code, Code::kServFail);
  Message refused;
  refused.header.rcode = Rcode::kRefused;
  EXPECT_EQ(make_answer(refused, asked, Type::kA).code, Code::kServFail);
  Message other;  // who answers with what nobody asked for has not said that there is nothing
  other.answers.push_back({name("bank.example"), Type::kA, kClassIn, 5, "abcd"});
  EXPECT_EQ(make_answer(other, asked, Type::kA).code, Code::kMalformed);
  other.answers.push_back({asked, Type::kTxt, kClassIn, 5, "\1x"});
  EXPECT_EQ(make_answer(other, asked, Type::kA).code, Code::kNoData);
}

TEST(Cache, KeepsWithinItsOctets) {
  core::SeededRandom random(1);
  Cache cache(200'000, random);
  auto answer = std::make_shared<Answer>();
  answer->texts.emplace_back(100, 'x');
  for (int i = 0; i < 5000; ++i) {
    cache.put(name("n" + std::to_string(i) + ".example"), Type::kTxt, answer, 1000);
    (void)cache.find(name("n0.example"), Type::kTxt, 0);
  }
  EXPECT_LE(cache.bytes(), 200'000u);
  EXPECT_GT(cache.entries(), 100u);
  EXPECT_TRUE(cache.find(name("n0.example"), Type::kTxt, 999));  // used all the time, so kept
  EXPECT_FALSE(cache.find(name("n0.example"), Type::kA, 999));
  EXPECT_FALSE(cache.find(name("n0.example"), Type::kTxt, 1000));
  cache.clear();
  EXPECT_EQ(cache.entries(), 0u);
}

}  // namespace
}  // namespace sekisho::dns
