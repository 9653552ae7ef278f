#include "base/config/config.h"

#include <gtest/gtest.h>

namespace sekisho::config {
namespace {

const Table& table() {
  static const Table t({
      {"mx.listen", Kind::kEndpoints, "127.0.0.1:2525", "", "", "where", ""},
      {"mx.message_bytes", Kind::kInt, "10485760", "1024..1073741824", "bytes", "size", ""},
      {"mx.tls_key", Kind::kPath, "", "", "", "key", ""},
      {"server.mode", Kind::kText, "enforce", "enforce|observe", "", "mode", ""},
      {"server.quiet", Kind::kBool, "false", "", "", "quiet", ""},
      {"local_domain[].name", Kind::kText, "!", "", "", "name", ""},
      {"local_domain[].recipients", Kind::kTexts, "", "", "", "who", ""},
  });
  return t;
}
std::string first_problem(std::string_view toml) {
  const auto r = parse(toml, "etc/x.toml", table());
  return r.ok() ? "" : r.error().front().text();
}

TEST(Config, DefaultsAndValues) {
  const auto r = parse(
      "[server]\nmode = 'observe'\n[mx]\ntls_key='k.pem'\n[[local_domain]]\nname='a.example'\n[[local_domain]]\n"
      "name='b.example'\nrecipients=['x']\n",
      "etc/x.toml", table());
  ASSERT_TRUE(r.ok()) << r.error().front().text();
  EXPECT_EQ(r->text("server.mode"), "observe");
  EXPECT_EQ(r->line("server.mode"), 2u);
  EXPECT_EQ(r->number("mx.message_bytes"), 10485760);
  EXPECT_EQ(r->texts("mx.listen"), std::vector<std::string>{"127.0.0.1:2525"});
  EXPECT_EQ(r->text("mx.tls_key"), "etc/k.pem");
  ASSERT_EQ(r->count("local_domain"), 2u);
  EXPECT_EQ(r->text("local_domain[1].name"), "b.example");
  EXPECT_TRUE(r->texts("local_domain[0].recipients").empty());
  EXPECT_EQ(r->show("local_domain[1].recipients"), "[\"x\"]");
}
TEST(Config, ErrorsNameFileLineAndWhatIsAllowed) {
  EXPECT_EQ(
      first_problem("[server]\nmod = 'observe'\n"),
      "etc/x.toml:2: server.mod: unknown key; did you mean server.mode? (`sekisho config explain` lists all keys)");
  EXPECT_EQ(first_problem("[server]\n\nmode = 'loud'\n"),
            "etc/x.toml:3: server.mode: \"loud\" is not allowed, allowed: enforce|observe");
  EXPECT_EQ(first_problem("[server]\nquiet = 'no'\n"), "etc/x.toml:2: server.quiet: wrong type, wanted true or false");
  EXPECT_EQ(first_problem("[mx]\nmessage_bytes = 1\n"),
            "etc/x.toml:2: mx.message_bytes: 1 is out of range, allowed: 1024..1073741824 bytes");
  EXPECT_NE(first_problem("[mx]\nlisten = ['localhost:25']\n").find("is not an address with a port"),
            std::string::npos);
  EXPECT_EQ(first_problem("[[local_domain]]\n"),
            "etc/x.toml:1: local_domain[0].name: missing, it must be given (a text): name");
  EXPECT_NE(first_problem("[server\n").find("etc/x.toml:1: not TOML"), std::string::npos);
  EXPECT_NE(first_problem("[mx]\nlisten = [1]\n").find("wrong type"), std::string::npos);
}
TEST(Config, ATableHeaderThatBeginsLikeNoKeyIsToldAndDoesNotEndTheProcess) {
  for (int c = 1; c < 256; ++c)
    for (const std::string open : {"[", "[[", " [ "}) {
      const auto r = parse("\n" + open + static_cast<char>(c) + "a]\nx = 1\n", "x.toml", table());
      EXPECT_FALSE(r.ok()) << c;
    }
  EXPECT_EQ(first_problem("\n[$x]\n"),
            "etc/x.toml:2: not TOML: behind '[' a name must follow, as in [mx] or [[next_hop]]");
}
TEST(Config, OutsideQuotesOnlyAsciiInsideAnything) {
  EXPECT_EQ(first_problem("[server]\nmodé = 'observe'\n"),
            "etc/x.toml:2: not TOML: outside of quotes only printable ASCII may stand, here is \\xc3");
  const auto r = parse(
      "# 関所 [$x]\n[server] # é\nmode = \"observe\" # [\n[[local_domain]]\nname = \"\"\"\n[$ 関 \\\" "
      "x\"\"\"\nrecipients = ['é', \"[\"]\n",
      "x.toml", table());
  ASSERT_TRUE(r.ok()) << r.error().front().text();
  EXPECT_EQ(r->text("local_domain[0].name"), "[$ 関 \" x");
  EXPECT_EQ(first_problem("# 関所\n[server] # é\nmode = \"observe\" # [\n"), "");
}
TEST(Config, WhatConfusesTheParserIsAMistakeInTheFile) {
  EXPECT_NE(first_problem("ocal_d = [}}}}\n\"b\"]}}}}\n").find("not TOML"), std::string::npos);
}
TEST(Config, AllProblemsAtOnce) {
  const auto r = parse("a=1\n[mx]\nmessage_bytes=1\n", "x", table());
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().size(), 2u);
}
TEST(Config, MissingFile) {
  const auto r = load("/nonexistent/x.toml", table());
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.error().front().message.find("cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace sekisho::config
