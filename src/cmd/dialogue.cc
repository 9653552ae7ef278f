#include "cmd/dialogue.h"

namespace sekisho::cmd {

namespace {
constexpr std::int64_t kWaitMs = 60'000;
}

core::Task<std::optional<Dialogue>> Dialogue::open(io::Endpoint to, std::optional<core::IpAddress> from) {
  auto socket = co_await io::Socket::connect(to, io::now_ms() + kWaitMs, from);
  if (!socket) co_return std::nullopt;
  co_return Dialogue(std::move(*socket));
}

core::Task<std::string> Dialogue::reply() {
  char buffer[4096];
  for (;;) {
    for (auto end = carry_.find("\r\n"); end != std::string::npos; end = carry_.find("\r\n")) {
      std::string line = carry_.substr(0, end);
      carry_.erase(0, end + 2);
      if (line.size() < 4 || line[3] != '-') co_return line;
    }
    const std::span<char> room(buffer);
    auto n = co_await socket_.read(room, io::now_ms() + kWaitMs);
    if (!n) co_return std::string();
    carry_.append(buffer, *n);
  }
}

core::Task<bool> Dialogue::send(std::string octets) {
  auto sent = co_await socket_.write(octets, io::now_ms() + kWaitMs);
  co_return sent.ok();
}

core::Task<std::string> Dialogue::say(std::string line) {
  line += "\r\n";
  const bool sent = co_await send(std::move(line));
  if (!sent) co_return std::string();
  co_return co_await reply();
}

std::string with_crlf(const std::string& octets) {
  std::string out;
  out.reserve(octets.size() + octets.size() / 40);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r')) out += '\r';
    out += octets[i];
  }
  return out;
}

std::string dot_stuffed(const std::string& octets) {
  std::string out;
  out.reserve(octets.size() + 64);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '.' && (i == 0 || (i > 1 && octets[i - 1] == '\n' && octets[i - 2] == '\r'))) out += '.';
    out += octets[i];
  }
  if (out.size() < 2 || out.compare(out.size() - 2, 2, "\r\n") != 0) out += "\r\n";
  return out + ".\r\n";
}

core::Task<std::string> send_mail(io::Endpoint to, LabMail mail) {
  auto dialogue = co_await Dialogue::open(to, core::IpAddress::parse(mail.ip));
  if (!dialogue) co_return std::string();
  std::string answer = co_await dialogue->reply();
  if (answer.empty() || answer[0] != '2') co_return answer;
  std::string from = "MAIL FROM:<" + mail.mail_from + ">";
  if (mail.size) from += " SIZE=" + std::to_string(*mail.size);
  const std::string lines[] = {"EHLO " + mail.helo, from, "RCPT TO:<" + mail.rcpt + ">", "DATA"};
  for (const auto& line : lines) {
    answer = co_await dialogue->say(line);
    if (answer.empty() || answer[0] > '3') co_return answer;
  }
  const std::string octets = mail.raw ? mail.octets + "\r\n.\r\n" : dot_stuffed(mail.octets);
  const bool sent = co_await dialogue->send(octets);
  if (!sent) co_return std::string();
  answer = co_await dialogue->reply();
  const std::string bye = co_await dialogue->say("QUIT");
  co_return answer;
}

}  // namespace sekisho::cmd
