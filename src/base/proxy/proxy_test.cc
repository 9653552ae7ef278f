#include "base/proxy/proxy.h"

#include <gtest/gtest.h>

namespace sekisho::proxy {
namespace {

using namespace std::string_literals;

std::string v2(std::uint8_t command, std::uint8_t family, const std::string& block, int said_length = -1) {
  const auto length = said_length < 0 ? block.size() : static_cast<std::size_t>(said_length);
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(length >> 8);
  out += static_cast<char>(length & 255);
  return out + block;
}
const std::string kInet("\xC0\0\x02\x01\x0A\0\0\x01\x9C\x40\0\x19", 12);  // 192.0.2.1:40000 -> 10.0.0.1:25
const std::string kInet6 =
    "\x20\x01\x0D\xB8"s + std::string(11, '\0') + "\x01" + std::string(15, '\0') + "\x01\x9C\x40\0\x19"s;

struct Read {
  Fault fault;
  Header header;
  std::size_t taken;
  bool whole;
};
// Gives the reader what it needs, in pieces, out of a stream that goes on behind the header.
Read read(std::string_view stream, std::size_t piece = SIZE_MAX) {
  Reader reader;
  std::size_t at = 0;
  while (reader.needs() > 0 && at < stream.size()) {
    const auto octets = stream.substr(at, std::min(piece, reader.needs()));
    reader.feed(octets);
    at += octets.size();
  }
  return {reader.fault(), reader.header(), at, reader.needs() == 0};
}

void expect_client(const std::string& octets, const char* ip, const char* local) {
  for (std::size_t piece = 1; piece <= octets.size(); ++piece) {
    const Read got = read(octets + "EHLO x\r\n", piece);
    ASSERT_EQ(got.fault, Fault::kNone) << octets;
    EXPECT_TRUE(got.whole && got.header.names_client);
    EXPECT_EQ(got.header.client_ip.text(), ip);
    EXPECT_EQ(got.header.local_ip.text(), local);
    EXPECT_EQ(got.header.client_port, 40000);
    EXPECT_EQ(got.header.local_port, 25);
    EXPECT_EQ(got.taken, octets.size()) << "the rest is the client's";
  }
}
void expect_fault(const std::string& octets, Fault fault) {
  for (std::size_t piece : {SIZE_MAX, std::size_t{1}}) EXPECT_EQ(read(octets, piece).fault, fault) << octets;
}
void expect_no_client(const std::string& octets) {
  for (std::size_t piece : {SIZE_MAX, std::size_t{1}}) {
    const Read got = read(octets + "220", piece);
    EXPECT_EQ(got.fault, Fault::kNone) << octets;
    EXPECT_TRUE(got.whole);
    EXPECT_FALSE(got.header.names_client);
    EXPECT_EQ(got.taken, octets.size());
  }
}

TEST(Proxy, VersionTwo) {
  expect_client(v2(0x21, 0x11, kInet), "192.0.2.1", "10.0.0.1");
  expect_client(v2(0x21, 0x21, kInet6), "2001:db8::1", "::1");
  const std::string mapped = std::string(10, '\0') + "\xFF\xFF\xC0\0\x02\x01"s;
  expect_client(v2(0x21, 0x21, mapped + mapped + "\x9C\x40\0\x19"s), "192.0.2.1", "192.0.2.1");
}
TEST(Proxy, TlvsAreSteppedOver) {
  expect_client(v2(0x21, 0x11, kInet + "\x02\0\x05hello\x04\0\0"s), "192.0.2.1", "10.0.0.1");
  // TLVs that lie about their length are nobody's business: the block's own length counts.
  expect_client(v2(0x21, 0x11, kInet + "\x02\xFF\xFFx"s), "192.0.2.1", "10.0.0.1");
  const std::string longest = v2(0x21, 0x21, kInet6 + std::string(65535 - 36, 'x'));
  const Read got = read(longest + "EHLO", 7777);
  EXPECT_EQ(got.fault, Fault::kNone);
  EXPECT_EQ(got.taken, longest.size());
  EXPECT_EQ(got.header.client_ip.text(), "2001:db8::1");
}
TEST(Proxy, ProxiesOnTheirOwnAccount) {
  expect_no_client(v2(0x20, 0x00, ""));          // a health check
  expect_no_client(v2(0x20, 0x11, kInet));       // LOCAL: whatever the block says
  expect_no_client(v2(0x20, 0xFF, "anything"));  // even with families nobody knows
  expect_no_client(v2(0x21, 0x31, std::string(216, 'p')));
  expect_no_client("PROXY UNKNOWN\r\n");
  expect_no_client("PROXY UNKNOWN ffff:f 1 2 whatever it is\r\n");
}
TEST(Proxy, VersionTwoFaults) {
  expect_fault(v2(0x21, 0x00, ""), Fault::kFamily);     // PROXY without a client
  expect_fault(v2(0x21, 0x12, kInet), Fault::kFamily);  // UDP
  expect_fault(v2(0x21, 0x32, ""), Fault::kFamily);
  expect_fault(v2(0x21, 0x41, kInet), Fault::kFamily);
  expect_fault(v2(0x21, 0x11, kInet.substr(0, 11)), Fault::kLength);
  expect_fault(v2(0x21, 0x21, kInet), Fault::kLength);
  expect_fault(v2(0x21, 0x11, ""), Fault::kLength);
  expect_fault(v2(0x11, 0x11, kInet), Fault::kVersion);
  expect_fault(v2(0x22, 0x11, kInet), Fault::kVersion);
  std::string wrong = v2(0x21, 0x11, kInet);
  for (std::size_t i = 0; i < 12; ++i) {
    std::string changed = wrong;
    changed[i] ^= 1;
    expect_fault(changed, Fault::kNotProxy);
  }
}
TEST(Proxy, ALengthThatIsNotKeptIsWaitedFor) {
  const Read got = read(v2(0x21, 0x11, kInet, 4000));
  EXPECT_FALSE(got.whole);
  EXPECT_EQ(got.fault, Fault::kNone);
}
TEST(Proxy, VersionOne) {
  expect_client("PROXY TCP4 192.0.2.1 10.0.0.1 40000 25\r\n", "192.0.2.1", "10.0.0.1");
  expect_client("PROXY TCP6 2001:db8::1 ::1 40000 25\r\n", "2001:db8::1", "::1");
  expect_client("PROXY TCP6 ::ffff:192.0.2.1 ::1 40000 25\r\n", "192.0.2.1", "::1");
}
TEST(Proxy, VersionOneFaults) {
  for (const char* line :
       {"PROXY TCP4 192.0.2.1 10.0.0.1 40000\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 40000 25 \r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.1 40000 25\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 40000 25 1\r\n",
        "PROXY TCP4 2001:db8::1 ::1 40000 25\r\n", "PROXY TCP6 192.0.2.1 10.0.0.1 40000 25\r\n",
        "PROXY TCP4 192.0.2.01 10.0.0.1 40000 25\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 70000 25\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 040 25\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 -1 25\r\n",
        "PROXY UDP4 192.0.2.1 10.0.0.1 40000 25\r\n", "PROXY tcp4 192.0.2.1 10.0.0.1 40000 25\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 40000 25\n", "PROXY TCP4 192.0.2.1\r10.0.0.1 40000 25\r\n",
        "PROXY unknown\r\nEHLO x\r\n", "PROXY \r\nEHLO a\r\n"})
    expect_fault(line, Fault::kSyntax);
  expect_fault("PROXY TCP4 " + std::string(200, '1'), Fault::kLength);
  expect_fault("PROXY UNKNOWN" + std::string(93, ' ') + "\r\n", Fault::kLength);  // 108 octets
  expect_no_client("PROXY UNKNOWN" + std::string(92, ' ') + "\r\n");
  expect_fault("EHLO client.example\r\n", Fault::kNotProxy);
  expect_fault("proxy TCP4 192.0.2.1 10.0.0.1 40000 25\r\n", Fault::kNotProxy);
  expect_fault("\r\nEHLO client.example\r\n", Fault::kNotProxy);
}
TEST(Proxy, NothingIsTakenBehindAFault) {
  EXPECT_LE(read("EHLO client.example\r\n").taken, 15u);
  EXPECT_EQ(read("EHLO client.example\r\n", 1).taken, 1u);
}

}  // namespace
}  // namespace sekisho::proxy
