// The forged-From cases that lie beside the sources; said aloud when they are not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "road/identity/author/author.h"

namespace sekisho::author {
namespace {

namespace json = boost::json;

// The file holds one character per octet.
std::string octets_of(const json::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else {
      out.push_back(static_cast<char>((c & 0x03) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f)));
    }
  }
  return out;
}

void check(const json::object& test) {
  core::Budget budget;
  std::vector<std::string> codes;
  std::string domain = "none";
  const auto message = mail::Message::parse(octets_of(test.at("message").as_string()), budget);
  if (message) {
    const Author author = evaluate(**message, budget);
    for (const auto& finding : author.findings) codes.emplace_back(finding.code);
    if (author.author_domain) domain = author.author_domain->text();
  } else {
    codes.emplace_back(finding_of(message.error()).code);
  }
  const json::object& expect = test.at("expect").as_object();
  const auto* flags = expect.if_contains("flags_any");
  if (!flags) {
    EXPECT_THAT(codes, testing::IsEmpty());
    return;
  }
  bool hit = false;
  for (const auto& flag : flags->as_array()) {
    for (const auto& code : codes) hit = hit || flag.as_string() == std::string_view(code);
  }
  EXPECT_TRUE(hit) << testing::PrintToString(codes);
  EXPECT_NE(domain, "bank.example");
}

TEST(Cases, ForgedFrom) {
  std::ifstream in(SHARED_DIR "/cases/from.json");
  if (!in) GTEST_SKIP() << "no case set beside the sources: nothing was checked";
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const json::value cases = json::parse(text);
  for (const auto& test : cases.as_array()) {
    SCOPED_TRACE(std::string(test.at("title").as_string()));
    check(test.as_object());
  }
}

}  // namespace
}  // namespace sekisho::author
