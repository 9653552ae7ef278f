#pragma once
// For tests: a next hop on loopback that answers as the test says.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/io/io.h"
#include "transfer/transfer.h"

namespace sekisho::transfer {

struct Answer {
  std::string text = "250 2.0.0 Ok\r\n";
  enum class After : unsigned char { kGo, kClose, kReset, kHalfClose } after = After::kGo;
  int delay_ms = 0;
};
Answer say(std::string line);  // adds the CRLF
Answer hang_up(Answer::After how);

class FakeHop : public std::enable_shared_from_this<FakeHop> {
 public:
  // Asked for each line and for "" (the greeting) and "." (the end of a message). connection counts from 1.
  using Script = std::function<Answer(const std::string& line, int connection)>;
  static std::shared_ptr<FakeHop> start(Script script = {}, std::string unix_path = "");

  Options options(Kind kind = Kind::kSmtp) const;
  void stop() { listener_.cancel(); }

  std::vector<std::string> lines;     // all commands, of all connections
  std::vector<std::string> messages;  // as sent, dot-stuffed, without the final dot
  int connections = 0;
  int open = 0;
  std::size_t reads = 0;  // how many times octets arrived
  bool pipelining = true;
  std::shared_ptr<io::TlsContext> tls;
  std::string inject_after_starttls;  // sent in the clear together with the 220
  bool injected = false;

  // What a well-behaved hop says.
  Answer usual(const std::string& line) const;
  FakeHop(io::Listener listener, Script script) : listener_(std::move(listener)), script_(std::move(script)) {}

 private:
  static core::Task<void> serve(std::shared_ptr<FakeHop> hop);
  static core::Task<void> session(std::shared_ptr<FakeHop> hop, int fd);
  core::Task<bool> answer(io::Socket& socket, std::string line, int connection, bool& data);

  io::Listener listener_;
  std::string unix_path_;
  Script script_;
};

std::string unstuff(std::string_view data);  // the message a receiver gets out of it
std::shared_ptr<const mail::Message> message(std::string octets);

// What a NextHop needs.
struct Bench {
  core::SystemClock clock;
  core::SystemRandom random;
  io::Pool pool{1};
};
Bench& bench();

// open() and send() in one.
core::Task<std::vector<RcptOutcome>> relay(NextHop& hop, Envelope envelope, std::string octets, Edits edits = {});

}  // namespace sekisho::transfer
