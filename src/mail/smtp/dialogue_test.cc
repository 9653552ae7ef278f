// Runs testdata/dialogues/*.dialogue. The language:
//   # comment            ! name value   a setting, before the first line that speaks
//   C: text              the client sends text and CRLF; \r \n \0 \t \\ and \xHH are octets
//   C+ text              the same without CRLF;   C* 30 text   thirty times
//   S: regex             the next reply line matches it whole
//   S* 20 regex          the next twenty do
//   S@ regex             all lines of the next reply do
//   S.                   no further reply line is there
//   message: text        the next message that arrived is this (escapes as above)
//   no message           none is left
//   event name           counted at least once
//   quiet                the client waits too long
//   tls                  a handshake was done
//   closed | open
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

// gcc 12 warns of std::regex under its sanitizers.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <regex>

#include "base/core/text.h"
#include "mail/smtp/test_driver.h"

namespace sekisho::smtp {
namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x') {
      out += *core::unhex(text.substr(i + 1, 2));
      i += 2;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
  }
  return out;
}

class Dialogue {
 public:
  void run(const std::filesystem::path& file) {
    std::ifstream in(file);
    ASSERT_TRUE(in) << file;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      SCOPED_TRACE(file.filename().string() + ":" + std::to_string(number) + ": " + line);
      if (line.empty() || line[0] == '#') continue;
      line[0] == '!' ? set(line.substr(2)) : step(line);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  TestDriver& driver() {
    if (!driver_) {
      driver_.emplace(settings_, pool_octets_);
      driver_->capabilities = offered_;
    }
    return *driver_;
  }

  void set(const std::string& line) {
    std::istringstream in(line);
    std::string name;
    std::uint64_t value = 0;
    in >> name >> value;
    if (name == "starttls")
      settings_.starttls = value != 0;
    else if (name == "size_bytes")
      settings_.data.size_bytes = value;
    else if (name == "line_bytes")
      settings_.data.line_bytes = value;
    else if (name == "discard_bytes")
      settings_.data.discard_bytes = value;
    else if (name == "recipient_limit")
      settings_.recipient_limit = value;
    else if (name == "recipient_flood_limit")
      settings_.recipient_flood_limit = value;
    else if (name == "smtp_utf8")
      offered_.smtp_utf8 = value != 0;
    else if (name == "dsn")
      offered_.dsn = value != 0;
    else if (name == "require_tls")
      offered_.require_tls = value != 0;
    else if (name == "hop_recipients")
      offered_.recipient_limit = value;
    else if (name == "mail_limit")
      settings_.mail_limit = value;
    else if (name == "pool_octets")
      pool_octets_ = value;
    else
      FAIL() << "unknown setting";
  }

  void step(const std::string& line) {
    const std::string rest = line.size() > 3 ? line.substr(3) : "";
    if (line.starts_with("C: ")) return driver().feed(unescape(rest) + "\r\n");
    if (line.starts_with("C+ ")) return driver().feed(unescape(rest));
    if (line.starts_with("C* "))
      return repeat(rest, [&](const std::string& text) { driver().feed(unescape(text) + "\r\n"); });
    if (line.starts_with("S: ")) return expect_line(rest);
    if (line.starts_with("S@ ")) return expect_reply(rest);
    if (line.starts_with("S* ")) return repeat(rest, [&](const std::string& regex) { expect_line(regex); });
    if (line.starts_with("message: ")) return expect_message(unescape(line.substr(9)));
    if (line == "quiet") return quiet();
    expect_state(line);
  }

  void expect_state(const std::string& line) {
    if (line == "S.") {
      EXPECT_EQ(driver().replies.substr(read_), "");
    } else if (line == "no message") {
      EXPECT_EQ(driver().messages.size(), message_);
    } else if (line.starts_with("event ")) {
      EXPECT_GT(event(line.substr(6)), 0u);
    } else if (line == "tls") {
      EXPECT_GT(driver().handshakes, 0);
    } else if (line == "closed" || line == "open") {
      EXPECT_EQ(driver().closed, line == "closed");
    } else {
      FAIL() << "unknown step";
    }
  }

  template <class F>
  void repeat(const std::string& rest, F each) {
    std::size_t used = 0;
    const int count = std::stoi(rest, &used);
    for (int i = 0; i < count; ++i) each(rest.substr(used + 1));
  }

  void quiet() {
    driver().server.give_up("4.4.2 Timeout");
    std::string_view none;
    driver().handle(driver().server.feed(none));
  }

  void expect_line(const std::string& regex) {
    const std::string& all = driver().replies;
    const std::size_t end = all.find("\r\n", read_);
    ASSERT_NE(end, std::string::npos) << "no reply";
    const std::string line = all.substr(read_, end - read_);
    read_ = end + 2;
    EXPECT_TRUE(std::regex_match(line, std::regex(regex))) << "got: " << line;
  }

  void expect_reply(const std::string& regex) {
    for (bool more = true; more && !testing::Test::HasFatalFailure();) {
      more = driver().replies.substr(read_, 4).find('-') == 3;
      expect_line(regex);
    }
  }

  void expect_message(const std::string& octets) {
    ASSERT_LT(message_, driver().messages.size()) << "no message";
    EXPECT_EQ(driver().messages[message_++], octets);
  }

  std::uint32_t event(const std::string& name) {
    const SessionEvents& e = driver().server.events();
    if (name == "unauth_pipelining") return e.unauth_pipelining;
    if (name == "starttls_injection") return e.starttls_injection;
    if (name == "http") return e.http;
    if (name == "dha") return e.dha;
    if (name == "stray_text") return e.stray_text;
    if (name == "bare_line_end") return e.bare_line_end;
    if (name == "nul") return e.nul;
    ADD_FAILURE() << "unknown event";
    return 0;
  }

  ServerSettings settings_{.host_name = "mx.sekisho.example"};
  std::uint64_t pool_octets_ = 64u << 20;
  Capabilities offered_;
  std::optional<TestDriver> driver_;
  std::size_t read_ = 0, message_ = 0;
};

TEST(Dialogues, All) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA "/dialogues")) {
    Dialogue().run(entry.path());
    ++count;
  }
  EXPECT_GE(count, 20);
}

}  // namespace
}  // namespace sekisho::smtp
