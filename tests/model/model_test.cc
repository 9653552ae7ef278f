// Random command sequences against the reference machine: the same codes, the same messages, and to the next hop never
// a bare CR or LF nor an unstuffed dot. MODEL_STEPS, MODEL_SEED: how many commands, from which seed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "machine.h"
#include "mail/smtp/test_driver.h"
#include "transfer/data_writer.h"

namespace sekisho::model {
namespace {

const std::vector<Command> kCommands = {
    {"EHLO client.example", Verb::kHelo, 250},
    {"HELO client.example", Verb::kHelo, 250},
    {"EHLO", Verb::kHelo, 501},
    {"EHLO two words", Verb::kHelo, 501},
    {"MAIL FROM:<a@sender.example>", Verb::kMail, 250},
    {"MAIL FROM:<a@sender.example> SIZE=100 BODY=8BITMIME", Verb::kMail, 250},
    {"MAIL FROM:<>", Verb::kMail, 250},
    {"MAIL FROM:<a@sender.example> SIZE=99999999999", Verb::kMail, 552},
    {"MAIL FROM:<a@sender.example> NOSUCH=1", Verb::kMail, 555},
    {"MAIL FROM:a@sender.example>", Verb::kMail, 501},
    {"MAIL FROM:<later@sender.example>", Verb::kMail, 451},
    {"RCPT TO:<user@dest.example>", Verb::kRcpt, 250},
    {"RCPT TO:<user@dest.example>", Verb::kRcpt, 250},
    {"RCPT TO:<Postmaster>", Verb::kRcpt, 250},
    {"RCPT TO:<>", Verb::kRcpt, 501},
    {"RCPT TO:<user@dest.example> NOSUCH=1", Verb::kRcpt, 555},
    {"RCPT TO:<v@other.example>", Verb::kRcpt, 550},
    {"RCPT TO:<other@dest.example>", Verb::kRcpt, 451},
    {"RCPT TO:<nobody@dest.example>", Verb::kRcpt, 551},
    {"DATA", Verb::kData, 0},
    {"DATA", Verb::kData, 0},
    {"DATA", Verb::kData, 0},
    {"DATA now", Verb::kData, 501},
    {"BDAT", Verb::kBdat, 0},
    {"BDAT", Verb::kBdat, 0},
    {"RSET", Verb::kRset, 250},
    {"RSET x", Verb::kRset, 501},
    {"NOOP", Verb::kNoop, 250},
    {"NOOP", Verb::kNoop, 250},
    {"NOOP what ever", Verb::kNoop, 250},
    {"VRFY", Verb::kVrfy, 501},
    {"VRFY user", Verb::kVrfy, 252},
    {"HELP", Verb::kHelp, 214},
    {"STARTTLS", Verb::kTls, 0},
    {"EXPN list", Verb::kAlien, 502},
    {"AUTH PLAIN AA==", Verb::kAlien, 502},
    {"XYZZY", Verb::kAlien, 500},
    {"", Verb::kAlien, 500},
    {std::string("NO\0OP", 5), Verb::kAlien, 500},
    {std::string(3000, 'N'), Verb::kAlien, 500},
    {"QUIT now", Verb::kQuit, 501},
    {"QUIT", Verb::kQuit, 221, true},
    {"GET / HTTP/1.0", Verb::kAlien, 554, true},
    {"Subject: hello", Verb::kAlien, 554, true},
    {"RCPT TO:<user@dest.example>", Verb::kRcpt, 250},  // often enough for more than are allowed
    {"RCPT TO:<user@dest.example>", Verb::kRcpt, 250},
    {"RCPT TO:<user@dest.example>", Verb::kRcpt, 250},
    {"NOOP\nMAIL FROM:<b@bank.example>", Verb::kAlien, 550, true},
    {"RSET\rMAIL FROM:<b@bank.example>", Verb::kAlien, 550, true},
};
const std::vector<std::string> kText = {"a",    "Subject: x\r\n", "\r\n", ".",        "..",  ".\r\n",     "\r\n.",
                                        "\r\n", "line\r\n",       "\xe3", "QUIT\r\n", "...", "\r\n..\r\n"};
const std::vector<std::string> kFaults = {"\n",      "\r",    std::string(1, '\0'), "\n.\n", "\r.\r", "\r\n.\n",
                                          "\n.\r\n", "\r\r\n"};

bool bare_or_nul(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return true;
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return true;
  }
  return false;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at) + 2;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

class Walk {
 public:
  Walk(std::uint64_t seed, std::size_t steps) : random_(seed), steps_left_(steps) {}

  // One session; false when something differs.
  void session() {
    smtp::ServerSettings settings;
    settings.recipient_limit = 5;
    settings.starttls = random_() % 2 == 0;
    smtp::TestDriver driver(settings);
    Machine machine;
    machine.starttls = settings.starttls;
    read_offer(settings, machine);
    said_.clear();
    std::size_t messages = 0;
    while (!machine.over && steps_left_ > 0) {
      driver.replies.clear();
      machine.codes.clear();
      expected_.clear();
      bool whole = false;
      const std::string octets = group(machine, whole);
      said_ += octets;
      driver.feed(octets, whole || random_() % 2 ? SIZE_MAX : 1 + random_() % 40);
      ASSERT_EQ(driver.codes(), machine.codes) << shown();
      ASSERT_EQ(driver.closed, machine.over) << shown();
      ASSERT_EQ(driver.messages.size() - messages, expected_.size()) << shown();
      for (std::size_t i = 0; i < expected_.size(); ++i, ++messages) {
        ASSERT_EQ(driver.messages[messages], expected_[i]) << shown();
        next_hop(driver.messages[messages]);
        if (testing::Test::HasFatalFailure()) return;
      }
      for (const int code : machine.codes) ++seen_[code];
    }
    ++sessions_;
  }

  bool done() const { return steps_left_ == 0; }
  std::size_t sessions_ = 0, messages_ = 0;
  std::map<int, std::size_t> seen_;

 private:
  // What this server offers decides what a client may expect.
  static void read_offer(const smtp::ServerSettings& settings, Machine& machine) {
    smtp::TestDriver other(settings);
    other.feed("EHLO c\r\n");
    machine.chunking = other.replies.find("CHUNKING") != std::string::npos;
    const std::size_t at = other.replies.find("MAILMAX=");
    if (at != std::string::npos) machine.mail_max = std::stoi(other.replies.substr(at + 8));
    machine.codes = {220};
  }

  // Up to six commands in one packet; the machine goes along. whole: it must not be cut, for what stands behind counts.
  std::string group(Machine& machine, bool& whole) {
    std::string out;
    std::size_t count = 1 + random_() % 6;
    while (count-- > 0 && steps_left_ > 0 && !machine.over) {
      --steps_left_;
      Command command = kCommands[random_() % kCommands.size()];
      if (command.ends && random_() % 8) command = kCommands[27];
      if (command.verb == Verb::kBdat) {
        out += chunk(machine);
        continue;
      }
      const bool alone = command.verb == Verb::kData || command.verb == Verb::kTls;
      const bool behind = alone && random_() % 8 == 0;
      out += letters(command) + "\r\n";
      machine.step(command, behind);
      if (command.verb == Verb::kHelo && !machine.over) chunk_text_.clear();
      if (command.verb == Verb::kData && machine.codes.back() == 354) out += message(machine, whole);
      if (!machine.mail) chunk_text_.clear();
      if (!behind) {
        if (alone) return out;
        continue;
      }
      whole = true;
      // Whatever comes: the octets of a refused message must not be run.
      if (machine.over) return out + "MAIL FROM:<b@bank.example>\r\n";
    }
    return out;
  }

  std::string letters(const Command& command) {
    std::string text = command.text;
    const std::size_t verb = text.find(' ');
    if (command.ends || text.empty() || command.verb == Verb::kAlien) return text;
    for (std::size_t i = 0; i < std::min(verb, text.size()); ++i)
      if (random_() % 2) text[i] = static_cast<char>(std::tolower(text[i]));
    if (random_() % 8 == 0) text += " ";
    return text;
  }

  std::string text(bool fault) {
    std::string out;
    for (std::size_t i = random_() % 12; i > 0; --i) out += kText[random_() % kText.size()];
    if (fault) out.insert(random_() % (out.size() + 1), kFaults[random_() % kFaults.size()]);
    return out;
  }

  // A message as it stands on the wire, with its end; it has no other end before.
  std::string message(Machine& machine, bool& whole) {
    for (;;) {
      std::string body = text(random_() % 6 == 0);
      body += body.empty() || body.ends_with("\r\n") ? "" : "\r\n";
      const std::string wire = body + ".\r\n";
      if (("\r\n" + wire).find("\r\n.\r\n") != wire.size() - 3) continue;
      const bool clean = !bare_or_nul(body);
      machine.message(clean);
      if (!clean) whole = whole || false;
      if (clean) {
        std::string kept;
        for (const auto& line : lines_of(body)) kept += line.front() == '.' ? line.substr(1) : line;
        expected_.push_back(kept);
      }
      return wire;
    }
  }

  // A chunk ends its last line, so that what is delivered is what was sent to the octet.
  std::string chunk(Machine& machine) {
    const bool last = random_() % 2, bad = random_() % 8 == 0;
    std::string body = random_() % 6 ? text(bad) : "";
    if (!body.empty() && !body.ends_with("\r\n")) body += "\r\n";
    const bool clean = !bare_or_nul(body);
    const std::size_t before = machine.codes.size();
    const bool in_order = machine.mail && !machine.failed;
    machine.chunk(last, body.empty(), clean);
    const bool taken = in_order && machine.codes.size() > before && machine.codes[before] == 250;
    chunk_text_ = taken ? chunk_text_ + body : "";
    if (taken && last) expected_.push_back(std::exchange(chunk_text_, ""));
    return "BDAT " + std::to_string(body.size()) + (last ? " LAST" : "") + "\r\n" + (machine.chunking ? body : "");
  }

  // What leaves for the next hop.
  void next_hop(const std::string& message) {
    transfer::DataWriter writer(transfer::Form::kDotStuffed);
    std::string wire;
    for (std::size_t at = 0; at < message.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random_() % 17, message.size() - at);
      ASSERT_TRUE(writer.append(message.substr(at, size), wire).ok()) << shown();
      at += size;
    }
    ASSERT_TRUE(writer.finish(wire).ok()) << shown();
    ASSERT_FALSE(bare_or_nul(wire)) << shown();
    std::string back;
    const auto lines = lines_of(wire);
    ASSERT_FALSE(lines.empty());
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
      ASSERT_NE(lines[i], ".\r\n") << "an end before the end: " << shown();
      ASSERT_FALSE(lines[i].front() == '.' && lines[i][1] != '.') << "an unstuffed dot: " << shown();
      back += lines[i].front() == '.' ? lines[i].substr(1) : lines[i];
    }
    ASSERT_EQ(lines.back(), ".\r\n") << shown();
    ASSERT_EQ(back, message) << shown();
    ++messages_;
  }

  std::string shown() const { return testing::PrintToString(said_); }

  std::mt19937_64 random_;
  std::size_t steps_left_;
  std::string said_, chunk_text_;
  std::vector<std::string> expected_;
};

std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Model, TheServerDoesWhatTheMachineDoes) {
  const std::uint64_t seed = number("MODEL_SEED", 5321), steps = number("MODEL_STEPS", 100'000);
  Walk walk(seed, steps);
  while (!walk.done()) {
    walk.session();
    if (HasFatalFailure()) return;
  }
  std::printf("seed %llu: %llu commands in %zu sessions, %zu messages to the next hop: 0 differences\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(steps), walk.sessions_,
              walk.messages_);
  for (const int code : {214, 220, 221, 250, 252, 354, 421, 451, 452, 500, 501, 502, 503, 550, 552, 554, 555})
    EXPECT_GT(walk.seen_[code], 0u) << code;
  EXPECT_GT(walk.messages_, steps / 2000);
}

// The negative control: a machine that believes one thing otherwise is found out.
TEST(Model, ADifferenceIsSeen) {
  Machine strict, lenient;
  strict.step({"EHLO c", Verb::kHelo, 250}, false);
  lenient.step({"EHLO c", Verb::kHelo, 250}, false);
  strict.step({"DATA", Verb::kData, 0}, false);
  smtp::TestDriver driver;
  driver.replies.clear();
  driver.feed("EHLO c\r\nDATA\r\n");
  EXPECT_EQ(driver.codes(), strict.codes);
  lenient.mail = lenient.tried = true, lenient.accepted = 1;
  lenient.step({"DATA", Verb::kData, 0}, false);
  EXPECT_NE(driver.codes(), lenient.codes);
}

}  // namespace
}  // namespace sekisho::model
