// SUBMITTER of MAIL (RFC 4405).
#include <gtest/gtest.h>

#include "mail/smtp/command.h"

namespace sekisho::smtp {
namespace {

Capabilities offering(bool submitter) {
  Capabilities out;
  out.submitter = submitter;
  return out;
}
std::string said(std::string_view parameter, bool offered = true) {
  const auto mail = parse_mail("FROM:<a@b.example> " + std::string(parameter), offering(offered));
  if (!mail) return std::to_string(mail.error().code) + " " + mail.error().enhanced;
  return mail->parameters.submitter ? mail->parameters.submitter->text() : "";
}

TEST(Submitter, IsAMailboxInXtext) {
  EXPECT_EQ(said("SUBMITTER=bob@almamater.example"), "bob@almamater.example");
  EXPECT_EQ(said("submitter=b+2Bx@Almamater.Example"), "b+x@almamater.example");
  EXPECT_EQ(said("SUBMITTER=+22b+20x+22@c.example"), "\"b x\"@c.example");
  EXPECT_EQ(said(""), "");
}

TEST(Submitter, RefusesWhatIsNone) {
  for (const char* bad :
       {"SUBMITTER", "SUBMITTER=", "SUBMITTER=bob", "SUBMITTER=<bob@c.example>", "SUBMITTER=bob@",
        "SUBMITTER=@c.example", "SUBMITTER=bob@c..example", "SUBMITTER=b+2bx@c.example", "SUBMITTER=b+@c.example",
        "SUBMITTER=b+0D+0A@c.example", "SUBMITTER=b+00@c.example", "SUBMITTER=a@[192.0.2.1]",
        "SUBMITTER=a@c.example,b@d.example", "SUBMITTER=a@c.example SUBMITTER=a@c.example", "SUBMITTER=a=b@c.example",
        "SUBMITTER=+7F@c.example", "SUBMITTER=+E3@c.example"})
    EXPECT_EQ(said(bad), "501 5.5.4") << bad;
  EXPECT_EQ(said("SUBMITTER=" + std::string(300, 'a') + "@c.example"), "501 5.5.4");
}

TEST(Submitter, IsForThoseWhoWereOfferedIt) { EXPECT_EQ(said("SUBMITTER=bob@almamater.example", false), "555 5.5.4"); }

}  // namespace
}  // namespace sekisho::smtp
