#include "road/action/action.h"

#include <gtest/gtest.h>

#include "base/core/budget.h"

namespace sekisho::action {
namespace {

std::string received_spf(const std::string& helo, const std::string& mail_from) {
  core::Budget budget;
  const auto message = *mail::Message::parse("From: a@sender.example\r\n\r\nx\r\n", budget);
  const Settings settings{"mx.sekisho.example", "mx.sekisho.example", {}};
  Arrival arrival;
  arrival.client_ip = *core::IpAddress::parse("192.0.2.1");
  arrival.helo = helo;
  arrival.mail_from = mail_from;
  for (const std::string& field : write_headers(*message, {}, {}, settings, arrival).added)
    if (field.starts_with("Received-SPF:")) return field;
  return "";
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", from), text.size());
    longest = std::max(longest, end - from);
    from = end + 2;
  }
  return longest;
}

// RFC 5322 section 2.1.1: 998 octets a line at most, whatever a client called itself.
TEST(ReceivedSpf, IsFoldedBetweenItsPairs) {
  const std::string quotes = "\"" + std::string(120, '\\') + "; ; \"@sender.example";
  for (const std::string& helo : {std::string("a.example"), std::string(255, '"'), std::string(255, ';')})
    for (const std::string& from : {std::string(), std::string(200, 'a') + "@sender.example", quotes}) {
      const std::string field = received_spf(helo, from);
      EXPECT_LT(longest_line(field), 700u) << field;
      std::string unfolded = field;
      for (std::size_t at; (at = unfolded.find("\r\n\t")) != std::string::npos;) {
        EXPECT_EQ(unfolded[at - 1], ';') << field;
        unfolded.replace(at, 3, " ");
      }
      EXPECT_EQ(unfolded.find_first_of("\r\n\t"), std::string::npos) << field;
    }
  EXPECT_NE(received_spf("a.example", "b@sender.example").find("\r\n\t"), std::string::npos);
}

}  // namespace
}  // namespace sekisho::action
