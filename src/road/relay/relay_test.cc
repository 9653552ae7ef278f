#include "road/relay/relay.h"

#include <gtest/gtest.h>

namespace sekisho::relay {
namespace {

const std::vector<core::Network> kRelays = {*core::Network::parse("192.0.2.0/28"),
                                            *core::Network::parse("2001:db8:1::/48")};

std::string from(const std::string& helo, const std::string& ip) {
  return "Received: from " + helo + " (unknown [" + ip +
         "])\r\n\tby mx2.example.org (Postfix) with ESMTP id 1; date\r\n";
}
std::string told(const std::string& header, const char* peer = "192.0.2.2") {
  core::Budget budget;
  const auto message = mail::Message::parse(header + "From: a@b.example\r\n\r\nx\r\n", budget);
  const Origin o = find(**message, kRelays, *core::IpAddress::parse(peer), "mx2.example.org");
  const char* words[] = {"client", "relay", "unknown"};
  return std::string(words[static_cast<int>(o.found)]) + " " + o.ip.text() + " " + o.helo + " " +
         std::to_string(o.fields);
}

TEST(Relay, TheFirstAddressThatIsNotTrusted) {
  EXPECT_EQ(told(from("client.example", "198.51.100.7")), "client 198.51.100.7 client.example 1");
  EXPECT_EQ(told(from("mx3.example.org", "192.0.2.3") + from("client.example", "198.51.100.7")),
            "client 198.51.100.7 client.example 2");
  EXPECT_EQ(told(from("mx3.example.org", "IPv6:2001:db8:1::3") + from("c.example", "IPv6:2001:db8:9::1")),
            "client 2001:db8:9::1 c.example 2");
}
TEST(Relay, WhatStandsBelowTheClientIsTheClientsOwn) {
  const std::string forged = from("mx9.example.org", "192.0.2.9") + from("bank.example", "203.0.113.1");
  EXPECT_EQ(told(from("client.example", "198.51.100.7") + forged), "client 198.51.100.7 client.example 1");
  // A client that calls itself like a relay, by name or by literal, is what its address is.
  EXPECT_EQ(told(from("[192.0.2.3]", "198.51.100.7") + forged), "client 198.51.100.7 [192.0.2.3] 1");
}
TEST(Relay, OtherFieldsAboveDoNotMatter) {
  EXPECT_EQ(told("X-Filter: yes\r\nreceived-spf: pass\r\nX-Received: from x (y [203.0.113.1]) by z; date\r\n" +
                 from("client.example", "198.51.100.7")),
            "client 198.51.100.7 client.example 1");
}
TEST(Relay, MailThatBeginsAtTheRelay) {
  EXPECT_EQ(told(""), "relay 192.0.2.2 mx2.example.org 0");
  const std::string local = "Received: by mx2.example.org (Postfix, from userid 0)\r\n\tid 1; date\r\n";
  EXPECT_EQ(told(local), "relay 192.0.2.2 mx2.example.org 1");
  // What a local program wrote below is believed as little as what a client wrote.
  EXPECT_EQ(told(local + from("bank.example", "203.0.113.1")), "relay 192.0.2.2 mx2.example.org 1");
  EXPECT_EQ(told(from("mx3.example.org", "192.0.2.3") + local), "relay 192.0.2.3 mx3.example.org 2");
  EXPECT_EQ(told(from("mx3.example.org", "192.0.2.3")), "relay 192.0.2.3 mx3.example.org 1");
}
TEST(Relay, AFilterOnTheRelaysOwnMachine) {
  const std::string filter = from("localhost", "127.0.0.1");
  EXPECT_EQ(told(filter + from("client.example", "198.51.100.7")), "client 198.51.100.7 client.example 2");
  EXPECT_EQ(told(from("localhost", "IPv6:::1") + from("c.example", "198.51.100.7")), "client 198.51.100.7 c.example 2");
  EXPECT_EQ(told(filter), "relay 192.0.2.2 mx2.example.org 1");
}
TEST(Relay, WhatCannotBeReadIsNotGuessed) {
  EXPECT_EQ(told("Received: from [203.0.113.1] by mx2.example.org; date\r\n" + from("c.example", "198.51.100.7")),
            "unknown 192.0.2.2 mx2.example.org 0");
  std::string many;
  for (int i = 0; i < 30; ++i) many += from("mx3.example.org", "192.0.2.3");
  EXPECT_EQ(told(many + from("c.example", "198.51.100.7")), "unknown 192.0.2.2 mx2.example.org 20");
}

}  // namespace
}  // namespace sekisho::relay
