#include "transfer/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/core/text.h"

namespace sekisho::transfer {
namespace {
constexpr std::size_t kReadOctets = 4096;
constexpr std::int64_t kConnectMs = 30'000;
constexpr std::int64_t kLastWordsMs = 50;

std::string safe_name(const std::string& name) {
  const bool clean = !name.empty() && name.size() <= 255 &&
                     std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
  return clean ? name : "localhost";
}

// The words of an EHLO line, one after the other.
std::string_view take_word(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest = core::trim(rest.substr(word.size()));
  return word;
}

// RFC 9422 section 3: limits that are not known are skipped; a number has at most six digits and is not 0.
void parse_limits(std::string_view rest, Capabilities& out) {
  while (!rest.empty()) {
    const std::string_view word = take_word(rest);
    const std::string_view name = word.substr(0, word.find('='));
    const auto limit = core::parse_uint(word.substr(std::min(name.size() + 1, word.size())), 999'999);
    if (!limit || *limit == 0) continue;
    const auto value = static_cast<std::uint32_t>(*limit);
    if (core::iequals(name, "MAILMAX")) out.mail_max = value;
    if (core::iequals(name, "RCPTMAX")) out.rcpt_max = value;
    if (core::iequals(name, "RCPTDOMAINMAX")) out.rcpt_domain_max = value;
  }
}

std::string words_of(const smtp::Reply& reply) {
  const std::string text = reply.lines.empty() ? "" : core::printable(reply.lines.front(), 200);
  return std::to_string(reply.code) + " " + reply.enhanced + (reply.enhanced.empty() ? "" : " ") + text;
}

std::uint32_t parse_xforward(std::string_view rest) {
  constexpr std::pair<std::string_view, std::uint32_t> kNames[] = {
      {"NAME", kXforwardName}, {"ADDR", kXforwardAddr},   {"PORT", kXforwardPort},    {"PROTO", kXforwardProto},
      {"HELO", kXforwardHelo}, {"IDENT", kXforwardIdent}, {"SOURCE", kXforwardSource}};
  std::uint32_t out = 0;
  while (!rest.empty()) {
    const std::string_view word = take_word(rest);
    for (const auto& [name, bit] : kNames)
      if (core::iequals(word, name)) out |= bit;
  }
  return out;
}
}  // namespace

Failure failure(io::IoError error) {
  using io::IoError;
  const auto reply = [](const char* enhanced, std::string text) {
    return smtp::Reply{451, enhanced, {std::move(text)}};
  };
  switch (error) {
    case IoError::kTimeout:
      return {error, reply("4.4.2", "The next hop did not answer in time")};
    case IoError::kEof:
    case IoError::kReset:
      return {error, reply("4.4.2", "The next hop closed the connection")};
    case IoError::kTls:
      return {error, reply("4.7.5", "TLS with the next hop failed")};
    case IoError::kCancelled:
      return {error, reply("4.3.2", "Shutting down, try again later")};
    case IoError::kLimit:
      return {error, reply("4.3.1", "Out of resources, try again later")};
    default:
      return {error, reply("4.4.1", "The next hop cannot be reached")};
  }
}
Failure protocol_failure(std::string text) { return {io::IoError::kOther, {451, "4.5.0", {std::move(text)}}}; }

Capabilities parse_capabilities(const smtp::Reply& reply) {
  Capabilities out;
  for (std::size_t i = 1; i < reply.lines.size(); ++i) {
    const std::string_view line = core::trim(reply.lines[i]);
    const auto space = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, space);
    const std::string_view rest = core::trim(line.substr(space));
    if (core::iequals(word, "PIPELINING")) out.pipelining = true;
    if (core::iequals(word, "8BITMIME")) out.eight_bit_mime = true;
    if (core::iequals(word, "SMTPUTF8")) out.smtp_utf8 = true;
    if (core::iequals(word, "DSN")) out.dsn = true;
    if (core::iequals(word, "STARTTLS")) out.starttls = true;
    if (core::iequals(word, "REQUIRETLS")) out.require_tls = true;
    if (core::iequals(word, "LIMITS")) parse_limits(rest, out);
    if (core::iequals(word, "XFORWARD")) out.xforward = parse_xforward(rest);
    // RFC 1870 section 4: SIZE without a number, or with 0, names no limit.
    if (core::iequals(word, "SIZE")) {
      const auto limit = core::parse_uint(rest);
      if (limit && *limit > 0) out.size_limit_bytes = limit;
    }
  }
  return out;
}

core::Task<core::Result<void, Failure>> Session::write(std::string_view octets, std::int64_t deadline_ms) {
  auto written = co_await socket_.write(octets, std::min(deadline_ms, until_ms));
  if (!written) co_return core::error(failure(written.error()));
  co_return core::Result<void, Failure>{};
}

core::Task<core::Result<smtp::Reply, Failure>> Session::read_reply(std::int64_t deadline_ms) {
  for (;;) {
    std::string_view rest = input_;
    const ReplyParser::State state = parser_.feed(rest);
    input_.erase(0, input_.size() - rest.size());
    if (state == ReplyParser::State::kDone) co_return parser_.take();
    if (state == ReplyParser::State::kBad) co_return core::error(protocol_failure("The next hop does not speak SMTP"));
    std::array<char, kReadOctets> buffer;
    auto got = co_await socket_.read(buffer, std::min(deadline_ms, until_ms));
    if (!got) co_return core::error(failure(got.error()));
    input_.assign(buffer.data(), *got);
  }
}

core::Task<std::optional<smtp::Reply>> Session::last_words() {
  auto reply = co_await read_reply(io::now_ms() + kLastWordsMs);
  std::optional<smtp::Reply> out;
  if (reply) out = std::move(*reply);
  co_return out;
}

void Session::rest() {
  input_.clear();
  input_.shrink_to_fit();
}

core::Task<void> Session::quit() {
  co_await socket_.write("QUIT\r\n", io::now_ms() + 1);
  socket_.close();
}

core::Task<core::Result<smtp::Reply, Failure>> Session::ask(std::string line, std::int64_t timeout_ms) {
  line += "\r\n";
  auto written = co_await write(line, io::now_ms() + timeout_ms);
  if (!written) co_return core::error(written.error());
  co_return co_await read_reply(io::now_ms() + timeout_ms);
}

core::Task<core::Result<void, Failure>> Session::greet(const Options& options) {
  auto greeting = co_await read_reply(io::now_ms() + options.timeout_ms);
  if (!greeting) co_return core::error(greeting.error());
  if (greeting->code / 100 != 2) {
    // RFC 5321 section 3.1: 554 means "no SMTP service here". That is about this host, not about the mail.
    smtp::Reply reply = *greeting;
    if (reply.code >= 500) reply = {451, "4.4.1", {"The next hop refuses our connection: " + words_of(reply)}};
    co_return core::error(Failure{io::IoError::kRefused, std::move(reply)});
  }
  co_return co_await hello(options);
}

core::Task<core::Result<void, Failure>> Session::hello(const Options& options) {
  const std::string name = safe_name(options.helo_domain);
  const bool lmtp = options.kind == Kind::kLmtp;
  auto reply = co_await ask((lmtp ? "LHLO " : "EHLO ") + name, options.timeout_ms);
  if (!reply) co_return core::error(reply.error());
  capabilities_ = parse_capabilities(*reply);
  const auto tls = socket_.tls();
  capabilities_.proven = tls && (tls->verified || (options.tls == Tls::kRequired && options.tls_context));
  if (reply->code / 100 == 5 && !lmtp) {
    // RFC 5321 section 3.2: a server that does not know EHLO is greeted with HELO.
    capabilities_ = {};
    reply = co_await ask("HELO " + name, options.timeout_ms);
    if (!reply) co_return core::error(reply.error());
  }
  if (reply->code / 100 == 2) co_return core::Result<void, Failure>{};
  if (reply->temporary()) co_return core::error(Failure{io::IoError::kOther, std::move(*reply)});
  co_return core::error(protocol_failure("The next hop refuses our greeting: " + words_of(*reply)));
}

core::Task<core::Result<void, Failure>> Session::secure(const Options& options) {
  auto reply = co_await ask("STARTTLS", options.timeout_ms);
  if (!reply) co_return core::error(reply.error());
  if (reply->code != 220) co_return core::error(failure(io::IoError::kTls));
  // RFC 3207 section 4.2: what came in the clear before TLS must not be taken for a reply under TLS.
  if (!input_.empty()) co_return core::error(failure(io::IoError::kTls));
  static const std::shared_ptr<io::TlsContext> unverified = io::TlsContext::client();
  auto context = options.tls_context ? options.tls_context : unverified;
  const std::int64_t deadline = std::min(io::now_ms() + options.timeout_ms, until_ms);
  auto up = co_await socket_.start_tls_client(*context, options.tls_name, deadline);
  if (!up) {
    Failure fault = failure(up.error() == io::IoError::kCancelled ? up.error() : io::IoError::kTls);
    if (const std::string why = socket_.tls_error(); !why.empty()) fault.reply.lines.front() += ": " + why;
    co_return core::error(std::move(fault));
  }
  co_return co_await hello(options);
}

core::Task<core::Result<std::unique_ptr<Session>, Failure>> Session::open_once(const Options& options, bool tls,
                                                                               std::int64_t until_ms) {
  const std::int64_t deadline = std::min(io::now_ms() + std::min(options.timeout_ms, kConnectMs), until_ms);
  auto connecting = options.unix_path.empty() ? io::Socket::connect(options.address, deadline)
                                              : io::Socket::connect_unix(options.unix_path, deadline);
  auto socket = co_await connecting;
  if (!socket) co_return core::error(failure(socket.error()));
  socket->set_no_delay();
  std::unique_ptr<Session> session(new Session(std::move(*socket)));
  session->until_ms = until_ms;
  auto greeted = co_await session->greet(options);
  if (!greeted) co_return core::error(greeted.error());
  if (!tls) co_return std::move(session);
  if (session->capabilities_.starttls) {
    auto secured = co_await session->secure(options);
    if (!secured) co_return core::error(secured.error());
  } else if (options.tls != Tls::kOpportunistic) {
    Failure missing = failure(io::IoError::kTls);
    missing.reply.lines = {"The next hop does not offer STARTTLS"};
    co_return core::error(std::move(missing));
  }
  co_return std::move(session);
}

core::Task<core::Result<std::unique_ptr<Session>, Failure>> Session::open(const Options& options,
                                                                          std::int64_t until_ms) {
  auto first = co_await open_once(options, options.tls != Tls::kOff, until_ms);
  // RFC 7435 section 3: opportunistic security falls back rather than fail.
  if (first || options.tls != Tls::kOpportunistic || first.error().io != io::IoError::kTls) co_return std::move(first);
  co_return co_await open_once(options, false, until_ms);
}

}  // namespace sekisho::transfer
