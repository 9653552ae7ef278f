#include "service/doctor/raw_client.h"

#include <algorithm>

#include "base/core/text.h"

namespace sekisho::doctor {
namespace {
constexpr std::size_t kMaxLine = 4096, kMaxLines = 200;
}

std::string RawReply::text() const {
  if (code == 0) return closed ? "the connection was closed" : "no reply";
  return core::printable(lines.empty() ? std::to_string(code) : lines.back());
}

core::Task<std::unique_ptr<RawClient>> RawClient::open(transfer::Options options, std::string& failure) {
  const std::int64_t deadline = io::now_ms() + kReplyMs;
  auto connecting = options.unix_path.empty() ? io::Socket::connect(options.address, deadline)
                                              : io::Socket::connect_unix(options.unix_path, deadline);
  auto socket = co_await connecting;
  if (!socket) {
    failure = std::string(io::word(socket.error()));
    co_return nullptr;
  }
  socket->set_no_delay();
  std::unique_ptr<RawClient> client(new RawClient(std::move(*socket)));
  client->helo_ = (options.kind == transfer::Kind::kLmtp ? "LHLO " : "EHLO ") + options.helo_domain;
  const RawReply greeting = co_await client->reply();
  client->greeting_ = greeting.text();
  if (greeting.code != 220) {
    failure = "greeting: " + greeting.text();
    co_return nullptr;
  }
  const bool greeted = co_await client->hello();
  if (!greeted) {
    failure = "it refuses " + client->helo_;
    co_return nullptr;
  }
  co_return std::move(client);
}

core::Task<bool> RawClient::hello() {
  const RawReply answer = co_await say(helo_);
  extensions_.clear();
  for (std::size_t i = 1; i < answer.lines.size(); ++i)
    if (answer.lines[i].size() > 4) extensions_.push_back(answer.lines[i].substr(4));
  co_return answer.code == 250;
}

core::Task<bool> RawClient::write(std::string_view octets) {
  const auto written = co_await socket_.write(octets, io::now_ms() + kReplyMs);
  co_return written.ok();
}

std::optional<std::string> RawClient::take_line() {
  const auto end = input_.find('\n');
  if (end == std::string::npos) return {};
  std::string line = input_.substr(0, end);
  input_.erase(0, end + 1);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

core::Task<RawReply> RawClient::reply(std::int64_t wait_ms) {
  const std::int64_t deadline = io::now_ms() + wait_ms;
  RawReply out;
  for (;;) {
    while (auto line = take_line()) {
      out.lines.push_back(*line);
      const bool last = line->size() < 4 || (*line)[3] != '-';
      if (!last && out.lines.size() < kMaxLines) continue;
      out.code = static_cast<int>(core::parse_uint(std::string_view(*line).substr(0, 3), 999).value_or(0));
      co_return out;
    }
    if (input_.size() > kMaxLine) co_return out;
    char block[2048];
    auto got = co_await socket_.read(block, deadline);
    if (!got) {
      out.closed = got.error() != io::IoError::kTimeout;
      co_return out;
    }
    input_.append(block, *got);
  }
}

core::Task<RawReply> RawClient::say(std::string line) {
  line += "\r\n";
  const bool written = co_await write(line);
  if (!written) co_return RawReply{0, {}, true};
  co_return co_await reply();
}

core::Task<std::string> RawClient::secure(io::TlsContext& context, std::string name) {
  const RawReply answer = co_await say("STARTTLS");
  if (answer.code != 220) co_return "STARTTLS: " + answer.text();
  if (!input_.empty()) co_return "octets in the clear behind its 220";
  auto up = co_await socket_.start_tls_client(context, name, io::now_ms() + kReplyMs);
  if (!up) co_return socket_.tls_error().empty() ? std::string(io::word(up.error())) : socket_.tls_error();
  const bool greeted = co_await hello();
  co_return greeted ? "" : "it refuses EHLO inside TLS";
}

core::Task<void> RawClient::quit() {
  co_await socket_.write("QUIT\r\n", io::now_ms() + 100);
  socket_.close();
}

bool RawClient::offers(std::string_view keyword) const {
  return std::any_of(extensions_.begin(), extensions_.end(), [&](const std::string& line) {
    return core::iequals(std::string_view(line).substr(0, line.find(' ')), keyword);
  });
}

std::string RawClient::value_of(std::string_view keyword) const {
  for (const auto& line : extensions_)
    if (core::iequals(std::string_view(line).substr(0, line.find(' ')), keyword) && line.find(' ') != std::string::npos)
      return line.substr(line.find(' ') + 1);
  return {};
}

}  // namespace sekisho::doctor
