#include "transfer/fake_hop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/core/text.h"

namespace sekisho::transfer {

Answer say(std::string line) { return {line + "\r\n"}; }
Answer hang_up(Answer::After how) { return {"", how}; }
Bench& bench() {
  static Bench only;
  return only;
}

std::shared_ptr<FakeHop> FakeHop::start(Script script, std::string unix_path) {
  auto bound = unix_path.empty() ? io::Listener::bind(*io::Endpoint::parse("127.0.0.1:0"))
                                 : io::Listener::bind_unix(unix_path, 0600);
  auto hop = std::make_shared<FakeHop>(std::move(*bound), std::move(script));
  hop->unix_path_ = std::move(unix_path);
  io::spawn(serve(hop));
  return hop;
}
Options FakeHop::options(Kind kind) const {
  Options out;
  out.name = "fake";
  out.kind = kind;
  out.address = listener_.local();
  out.unix_path = unix_path_;
  out.helo_domain = "gate.example";
  out.timeout_ms = 20000;
  return out;
}
core::Task<void> FakeHop::serve(std::shared_ptr<FakeHop> hop) {
  for (;;) {
    auto fd = co_await hop->listener_.accept();
    if (!fd) co_return;
    io::spawn(session(hop, *fd));
  }
}

Answer FakeHop::usual(const std::string& line) const {
  if (line.empty()) return say("220 hop.example ESMTP");
  if (core::istarts_with(line, "EHLO") || core::istarts_with(line, "LHLO"))
    return say("250-hop.example\r\n250-8BITMIME\r\n250-SIZE 10485760\r\n" + std::string(tls ? "250-STARTTLS\r\n" : "") +
               std::string(pipelining ? "250-PIPELINING\r\n" : "") + "250 ENHANCEDSTATUSCODES");
  if (core::istarts_with(line, "STARTTLS")) return say("220 2.0.0 go");
  if (core::istarts_with(line, "DATA")) return say("354 go");
  if (line == ".") return say("250 2.0.0 Ok: queued as 4XyZ12abc");
  if (core::istarts_with(line, "QUIT")) return {"221 2.0.0 bye\r\n", Answer::After::kClose};
  return say("250 2.1.0 Ok");
}

core::Task<bool> FakeHop::answer(io::Socket& socket, std::string line, int connection, bool& data) {
  Answer answer = script_ ? script_(line, connection) : Answer{};
  if (!script_ || answer.text == "usual") answer = usual(line);
  if (answer.delay_ms > 0) co_await io::sleep_until(io::now_ms() + answer.delay_ms);
  const bool starttls = core::istarts_with(line, "STARTTLS") && answer.text.starts_with("220");
  if (starttls) answer.text += inject_after_starttls;
  if (!answer.text.empty()) co_await socket.write(answer.text, io::now_ms() + 20000);
  data = core::istarts_with(line, "DATA") && answer.text.starts_with("354");
  if (answer.after == Answer::After::kReset) {
    const linger hard{1, 0};
    setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  if (answer.after == Answer::After::kHalfClose) {
    socket.shutdown_write();
    co_return true;
  }
  if (answer.after != Answer::After::kGo) co_return false;
  if (!starttls || !tls) co_return true;
  auto up = co_await socket.start_tls_server(*tls, io::now_ms() + 20000);
  co_return up.ok();
}

core::Task<void> FakeHop::session(std::shared_ptr<FakeHop> hop, int fd) {
  io::Socket socket(fd);
  socket.set_no_delay();
  const int connection = ++hop->connections;
  struct Count {
    int& open;
    explicit Count(int& o) : open(o) { ++open; }
    ~Count() { --open; }
  } count(hop->open);
  bool data = false;
  bool go = co_await hop->answer(socket, "", connection, data);
  std::string input, body;
  std::vector<char> buffer(65536);
  while (go) {
    auto got = co_await socket.read(buffer, io::now_ms() + 10000);
    if (!got) co_return;
    ++hop->reads;
    input.append(buffer.data(), *got);
    for (std::size_t end; go && (end = input.find("\r\n")) != std::string::npos;) {
      const std::string line = input.substr(0, end);
      input.erase(0, end + 2);
      if (data && line != ".") {
        body += line + "\r\n";
        continue;
      }
      if (data) hop->messages.push_back(std::exchange(body, ""));
      if (!data) hop->lines.push_back(line);
      data = false;
      go = co_await hop->answer(socket, line, connection, data);
    }
  }
}

std::string unstuff(std::string_view data) {
  std::string out;
  while (!data.empty()) {
    const auto end = std::min(data.find("\r\n"), data.size() - 2) + 2;
    std::string_view line = data.substr(0, end);
    if (line.starts_with('.')) line.remove_prefix(1);
    out += line;
    data.remove_prefix(end);
  }
  return out;
}

std::shared_ptr<const mail::Message> message(std::string octets) {
  core::Budget budget;
  auto parsed = mail::Message::parse(std::move(octets), budget);
  EXPECT_TRUE(parsed.ok());
  return *parsed;
}

core::Task<std::vector<RcptOutcome>> relay(NextHop& hop, Envelope envelope, std::string octets, Edits edits) {
  auto transaction = co_await hop.open(std::move(envelope));
  co_return co_await transaction.send(message(std::move(octets)), std::move(edits));
}

}  // namespace sekisho::transfer
