#include "transfer/data_writer.h"

#include <gtest/gtest.h>

#include "transfer/fake_hop.h"

namespace sekisho::transfer {
namespace {

std::optional<std::string> written(std::string_view octets, std::size_t cut = SIZE_MAX, Form form = Form::kDotStuffed) {
  DataWriter writer(form);
  std::string out;
  for (; !octets.empty(); octets.remove_prefix(std::min(cut, octets.size())))
    if (!writer.append(octets.substr(0, cut), out)) return {};
  if (!writer.finish(out)) return {};
  return out;
}

TEST(DataWriter, StuffsDotsAndEndsWithOne) {
  for (std::size_t cut = 1; cut < 9; ++cut) {
    EXPECT_EQ(written("", cut), ".\r\n");
    EXPECT_EQ(written("a\r\n", cut), "a\r\n.\r\n");
    EXPECT_EQ(written("a", cut), "a\r\n.\r\n");
    EXPECT_EQ(written(".\r\n", cut), "..\r\n.\r\n");
    EXPECT_EQ(written("a\r\n.b\r\n..\r\n", cut), "a\r\n..b\r\n...\r\n.\r\n");
    EXPECT_EQ(written("\r\n\r\n.\r\n\r\n", cut), "\r\n\r\n..\r\n\r\n.\r\n");
    EXPECT_EQ(written("a\r\n.b", cut, Form::kPlain), "a\r\n.b\r\n");
  }
}

TEST(DataWriter, RefusesWhatCouldSmuggle) {
  using std::string_view_literals::operator""sv;
  for (const auto bad : {"a\n"sv, "a\rb\r\n"sv, "a\r"sv, "a\r\n.\rb"sv, "a\n.\n"sv, "a\r\r\n"sv, "\n"sv, "\r"sv,
                         "a\0b\r\n"sv, "a\n.\r\nMAIL FROM:<>\r\n"sv, "a\r.\r\n"sv})
    for (std::size_t cut = 1; cut < 6; ++cut) EXPECT_FALSE(written(bad, cut)) << bad << " cut at " << cut;
}

TEST(IsWholeField, TakesOneFieldOnly) {
  for (const char* good : {"A: b", "A: b\r\n", "A:", "A: b\r\n\tc\r\n d\r\n", "X-Y_z!: 1"})
    EXPECT_TRUE(is_whole_field(good)) << good;
  using std::string_view_literals::operator""sv;
  for (const auto bad : {""sv, ":"sv, "A"sv, "A b: c"sv, "A: b\r\nC: d"sv, "A: b\r\n\r\n"sv, "A: b\n c"sv, "A: b\rc"sv,
                         "A: \0"sv, "A: b\r\n\r\nbody"sv, " A: b"sv})
    EXPECT_FALSE(is_whole_field(bad)) << bad;
}

std::string streamed(std::shared_ptr<const mail::Message> mail, Edits edits, std::size_t chunk) {
  MessageStream stream(std::move(mail), std::move(edits), Form::kDotStuffed);
  std::string out;
  for (;;) {
    auto more = stream.next(out, chunk);
    if (!more) return "fault";
    if (*more) return out;
  }
}

TEST(MessageStream, KeepsEveryOctetButTheEdits) {
  const std::string octets =
      "Received: a\r\n\tb\r\nAuthentication-Results: mx.example;\r\n spf=pass\r\nFrom : x@y\r\nSubject: "
      "\xe3\x81\x82\r\n\r\n.\r\n..x\r\n"
      "last line without an end";
  const auto mail = message(octets);
  for (const std::size_t chunk : {1, 7, 64, 100000}) {
    EXPECT_EQ(unstuff(streamed(mail, {}, chunk)), octets + "\r\n\r\n") << "the last line is the dot without its dot";
    Edits edits{{"Received: new", "X-A: 1\r\n"}, {mail->first("authentication-results")}};
    std::string want = "Received: new\r\nX-A: 1\r\n" + octets + "\r\n\r\n";
    want.erase(want.find("Authentication"), std::string("Authentication-Results: mx.example;\r\n spf=pass\r\n").size());
    EXPECT_EQ(unstuff(streamed(mail, edits, chunk)), want);
    Edits injection{{"X: a\r\nBcc: b"}, {}};
    EXPECT_EQ(streamed(mail, injection, chunk), "fault");
  }
  EXPECT_EQ(streamed(message("From: a\r\n"), {}, 100), "From: a\r\n.\r\n");
  EXPECT_EQ(streamed(message("\r\nbody\r\n"), {}, 100), "\r\nbody\r\n.\r\n");
  EXPECT_EQ(streamed(message(""), {}, 100), ".\r\n");
}

}  // namespace
}  // namespace sekisho::transfer
