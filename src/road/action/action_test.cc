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

// RFC 3848 and RFC 6531 section 4.3: the word after "with".
TEST(Received, SaysHowItCame) {
  const auto word = [](bool esmtp, bool utf8, const std::string& tls) {
    Arrival arrival;
    arrival.client_ip = *core::IpAddress::parse("192.0.2.1");
    arrival.esmtp = esmtp;
    arrival.utf8 = utf8;
    arrival.tls = tls;
    const std::string field = write_trace({"mx.sekisho.example", "mx.sekisho.example", {}}, arrival).added.front();
    const std::size_t at = field.find(" with ") + 6;
    return field.substr(at, field.find(' ', at) - at);
  };
  EXPECT_EQ(word(false, false, ""), "SMTP");
  EXPECT_EQ(word(true, false, ""), "ESMTP");
  EXPECT_EQ(word(true, false, "TLSv1.3 X"), "ESMTPS");
  EXPECT_EQ(word(true, true, ""), "UTF8SMTP");
  EXPECT_EQ(word(true, true, "TLSv1.3 X"), "UTF8SMTPS");
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
