#include "gate/session/session.h"

#include <sys/socket.h>

#include <algorithm>

#include "base/log/log.h"
#include "base/proxy/proxy.h"
#include "gate/session/buffer.h"

namespace sekisho::session {
namespace {
constexpr std::size_t kFlushAt = 16384;
constexpr std::size_t kBigBytes = 1u << 20;  // parsing more takes milliseconds
// After a refusal octets still under way are read for a while: a close with unread octets would become a RST, which can
// destroy the last reply before the client has read it.
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::uint64_t kLingerOctets = 4u << 20;

bool has_octets(int fd) {
  char octet;
  return ::recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

std::optional<smtp::Reply> reply_of(Step step) {
  if (auto* verdict = std::get_if<Verdict>(&step)) return std::move(verdict->reply);
  return std::nullopt;
}
}  // namespace

class Session final : public smtp::RefusalWitness {
 public:
  Session(int fd, io::Endpoint local, const Shared& shared, Roster& roster)
      : shared_(shared), roster_(roster), socket_(fd), server_(shared.settings.smtp, shared.pool) {
    next_ = roster_.first_;
    if (next_) next_->previous_ = this;
    roster_.first_ = this;
    ++roster_.size_;
    const Settings& settings = shared.settings;
    started_ms_ = io::now_ms();
    facts_.started_us = shared.clock.now_us();
    facts_.id = core::TransactionId::make(facts_.started_us / 1000, settings.node, shared.random);
    facts_.listener = settings.listener;
    facts_.peer = facts_.client = socket_.remote();
    facts_.local = local.port != 0 ? local : socket_.local();
  }
  ~Session() override {
    if (next_) next_->previous_ = previous_;
    (previous_ ? previous_->next_ : roster_.first_) = next_;
    --roster_.size_;
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  core::Task<void> run();
  void refused(std::string_view finding, smtp::Reply& reply, const smtp::Path* mail_from) override {
    facts();
    road_->at_refused(finding, reply, mail_from);
  }
  void drain_now() {
    if (idle_) socket_.cancel();
  }
  Session* next() const { return next_; }

 private:
  core::Task<bool> read_proxy_header();
  void take_proxy_header(const proxy::Header& header);
  void refuse_proxy(std::string_view why);
  bool may_xclient() const { return !facts_.unnamed && core::in_any(shared_.settings.xclient_from, facts_.client.ip); }
  core::Task<void> watch_for_early_talk();
  core::Task<bool> act(smtp::Action action);
  core::Task<void> ask_connect();
  core::Task<void> ask_client(smtp::XclientCommand command);
  core::Task<void> ask_helo(smtp::HeloCommand command);
  core::Task<void> ask_message(std::string octets, smtp::OctetLease lease);
  core::Task<bool> start_tls();
  core::Task<bool> more_input();
  core::Task<bool> read_some();
  core::Task<bool> flush();
  core::Task<void> finish();
  void give_up(io::IoError error);
  std::int64_t deadline();
  bool too_slow() const;
  void end(SessionEnd how) {
    if (!end_) end_ = how;
  }
  const SessionFacts& facts() {
    facts_.events = server_.events();
    return facts_;
  }

  const Shared& shared_;
  Roster& roster_;
  Session* next_ = nullptr;
  Session* previous_ = nullptr;
  io::Socket socket_;
  smtp::Server server_;
  SessionFacts facts_;
  std::unique_ptr<Road> road_;
  Buffer buffer_;
  std::string_view input_;  // into buffer_
  std::int64_t started_ms_ = 0;
  std::int64_t line_since_ms_ = 0;  // when the wait for this command line began
  std::int64_t data_since_ms_ = 0;  // when the message began to come, the replies between its chunks included
  std::uint64_t octets_in_ = 0, octets_out_ = 0;
  std::optional<SessionEnd> end_;
  bool idle_ = false;  // waits for a command outside a transaction
  bool in_data_ = false;
  bool full_read_ = false;  // the last read filled the buffer: more is likely there
};

core::Task<void> Session::run() {
  road_ = shared_.make_road(facts_);
  server_.set_witness(this);
  if (core::in_any(shared_.settings.proxy_from, facts_.peer.ip)) {
    const bool named = co_await read_proxy_header();
    if (!named) co_return co_await finish();
  }
  server_.allow_xclient(may_xclient());
  smtp::Action action = server_.start();
  line_since_ms_ = io::now_ms();
  while (!end_) {
    const bool going_on = co_await act(std::move(action));
    if (!going_on) break;
    if (server_.output().size() >= kFlushAt) {
      const bool written = co_await flush();
      if (!written) break;
    }
    action = server_.feed(input_);
    if (server_.take_reset()) road_->at_reset();
  }
  co_await finish();
}

// The header comes before anything else, and not one octet behind it is taken here: those are the client's, and when
// they are there before the greeting, that client did not wait for it.
core::Task<bool> Session::read_proxy_header() {
  proxy::Reader reader;
  const std::int64_t until_ms = io::now_ms() + shared_.settings.proxy_timeout_ms;
  while (reader.needs() > 0) {
    buffer_.release();
    idle_ = true;
    const auto ready = co_await socket_.wait_readable(until_ms);
    idle_ = false;
    if (!ready && ready.error() != io::IoError::kTimeout) co_return give_up(ready.error()), false;
    if (!ready) co_return refuse_proxy("no header in time"), false;
    const auto into = buffer_.borrow().first(std::min(reader.needs(), Buffer::kSize));
    const auto read = co_await socket_.read(into, 0);
    if (!read && read.error() == io::IoError::kTimeout) continue;
    if (!read) co_return give_up(read.error()), false;
    octets_in_ += *read;
    reader.feed({into.data(), *read});
  }
  buffer_.release();
  if (reader.fault() != proxy::Fault::kNone) co_return refuse_proxy(proxy::word(reader.fault())), false;
  take_proxy_header(reader.header());
  co_return true;
}

void Session::take_proxy_header(const proxy::Header& header) {
  if (!header.names_client) return void(facts_.unnamed = true);
  facts_.client = {header.client_ip, header.client_port};
  facts_.local = {header.local_ip, header.local_port};
  facts_.named_by = SessionFacts::NamedBy::kProxy;
}

// 421 and not 5xx: it is the proxy's or our setting that is wrong, and no mail should be lost by it.
void Session::refuse_proxy(std::string_view why) {
  ++server_.events().proxy_refused;
  log::write<log::Event::k_proxy_refused>(log::name(facts_.peer.text()), log::name(why));
  server_.give_up("4.3.5 A PROXY header is expected of you");
  end(SessionEnd::kRefused);
}

core::Task<void> Session::watch_for_early_talk() {
  const std::int64_t pause_ms = road_->greet_at_once() || may_xclient() ? 0 : shared_.settings.greet_pause_ms;
  if (pause_ms > 0 && !has_octets(socket_.fd())) {
    idle_ = true;
    const auto waited = co_await socket_.wait_readable(io::now_ms() + pause_ms);
    idle_ = false;
    facts_.patient = !waited && waited.error() == io::IoError::kTimeout;
    if (!waited && !facts_.patient) co_return give_up(waited.error());
  }
  // RFC 5321 section 3.1: the client waits for the greeting. One that did not is worth remembering.
  if (has_octets(socket_.fd())) server_.events().early_talker = 1;
}

// False when the session is over.
core::Task<bool> Session::act(smtp::Action action) {
  if (std::holds_alternative<smtp::NeedInput>(action)) co_return co_await more_input();
  if (std::holds_alternative<smtp::Close>(action)) {
    end(server_.quit() ? SessionEnd::kQuit : SessionEnd::kRefused);
    co_return false;
  }
  if (std::holds_alternative<smtp::StartTls>(action)) co_return co_await start_tls();
  if (input_.empty()) buffer_.release();
  if (auto* mail = std::get_if<smtp::AskMail>(&action)) {
    facts();
    Step step = co_await road_->at_mail_from(mail->command.path, mail->command.parameters);
    server_.answer(reply_of(std::move(step)));
  } else if (auto* rcpt = std::get_if<smtp::AskRcpt>(&action)) {
    facts();
    Step step = co_await road_->at_rcpt_to(rcpt->command.path, rcpt->command.parameters);
    server_.answer(reply_of(std::move(step)));
  } else if (auto* client = std::get_if<smtp::AskClient>(&action)) {
    co_await ask_client(std::move(client->command));
  } else if (auto* helo = std::get_if<smtp::AskHelo>(&action)) {
    co_await ask_helo(std::move(helo->command));
  } else if (auto* message = std::get_if<smtp::AskMessage>(&action)) {
    co_await ask_message(std::move(message->octets), std::move(message->lease));
  } else {
    co_await ask_connect();
  }
  line_since_ms_ = io::now_ms();
  in_data_ = false;
  co_return !end_;
}

core::Task<void> Session::ask_connect() {
  Step step = co_await road_->at_connect(facts());
  if (std::holds_alternative<Continue>(step)) co_await watch_for_early_talk();
  if (!end_) server_.answer(reply_of(std::move(step)));
}

core::Task<void> Session::ask_client(smtp::XclientCommand command) {
  if (command.address.given) {
    // An address nobody has stands for one that is not known: it proves nothing and shares its limits with its like.
    facts_.client = {command.address.value.value_or(core::IpAddress()), 0};
    facts_.unnamed = !command.address.value;
    facts_.named_by = SessionFacts::NamedBy::kXclient;
  }
  if (command.port.given) facts_.client.port = command.port.value.value_or(0);
  if (command.local_address.value) facts_.local.ip = *command.local_address.value;
  if (command.local_port.value) facts_.local.port = *command.local_port.value;
  facts_.helo_domain = command.helo.value.value_or("");
  facts_.extended_helo = command.extended.value.value_or(false);
  facts_.patient = false;
  // Judged by whom the session is for now: who was let in by XCLIENT names nobody else.
  server_.allow_xclient(may_xclient());
  server_.events().early_talker = 0;
  Step step = co_await road_->at_connect(facts());
  server_.answer(reply_of(std::move(step)));
}

core::Task<void> Session::ask_helo(smtp::HeloCommand command) {
  facts_.helo_domain = std::move(command.domain);
  facts_.extended_helo = command.extended;
  Step step = co_await road_->at_helo(facts());
  server_.set_capabilities(road_->capabilities());
  server_.answer(reply_of(std::move(step)));
}

core::Task<void> Session::ask_message(std::string octets, smtp::OctetLease lease) {
  core::Budget budget;
  core::Result<std::shared_ptr<const mail::Message>, mail::MessageError> message =
      core::error(mail::MessageError::kTooComplex);
  std::function<void()> parse = [&] { message = mail::Message::parse(std::move(octets), budget); };
  if (shared_.workers && octets.size() > kBigBytes)
    co_await shared_.workers->run(std::move(parse));
  else
    parse();
  if (!message) {
    road_->at_reset();
    server_.answer(smtp::Reply{554, "5.6.0", {"The message header is too complex"}});
    co_return;
  }
  facts();
  if (shared_.settings.smtp.lmtp) {
    const std::vector<smtp::Reply> replies = co_await road_->at_message_each(std::move(*message));
    server_.answer_each(replies);
  } else {
    smtp::Reply reply = co_await road_->at_message(std::move(*message));
    server_.answer(std::move(reply));
  }
  lease.release();
}

core::Task<bool> Session::start_tls() {
  const bool written = co_await flush();
  if (!written) co_return false;
  // RFC 3207 section 4.2: nothing read in the clear survives. The core has let no octet stand behind STARTTLS.
  input_ = {};
  buffer_.release();
  if (!shared_.settings.tls) {
    end(SessionEnd::kTls);
    co_return false;
  }
  socket_.set_no_delay();
  const auto done =
      co_await socket_.start_tls_server(*shared_.settings.tls, io::now_ms() + shared_.settings.tls_handshake_ms);
  if (!done) {
    end(SessionEnd::kTls);
    co_return false;
  }
  facts_.tls = socket_.tls();
  facts_.helo_domain.clear();
  facts_.extended_helo = false;
  server_.tls_started();
  line_since_ms_ = io::now_ms();
  co_return true;
}

core::Task<bool> Session::more_input() {
  if (!server_.output().empty()) {
    const bool written = co_await flush();
    if (!written) co_return false;
    line_since_ms_ = io::now_ms();
  }
  if (in_data_ != server_.reading_data()) {
    in_data_ = !in_data_;
    line_since_ms_ = data_since_ms_ = io::now_ms();
  }
  if (roster_.draining() && !server_.in_transaction()) {
    server_.give_up("4.3.2 Service shutting down");
    end(SessionEnd::kShutdown);
    co_return false;
  }
  co_return co_await read_some();
}

// The commands' deadline stands from the end of the last one, so that single octets do not prolong it.
std::int64_t Session::deadline() {
  const Settings& settings = shared_.settings;
  if (!in_data_) {
    const std::int64_t until_ms = line_since_ms_ + settings.command_timeout_ms;
    return server_.in_transaction() ? until_ms : std::min(until_ms, started_ms_ + settings.session_ms);
  }
  std::int64_t wait_ms = server_.looks_ended() ? settings.quiet_ms : settings.data_timeout_ms;
  if (server_.between_chunks()) wait_ms = settings.command_timeout_ms;
  return std::min(io::now_ms() + wait_ms, data_since_ms_ + settings.data_total_ms);
}

bool Session::too_slow() const {
  const std::int64_t elapsed_ms = io::now_ms() - data_since_ms_;
  if (!in_data_ || elapsed_ms < shared_.settings.data_grace_ms) return false;
  return server_.data_octets() < static_cast<std::uint64_t>(elapsed_ms) / 1000 * shared_.settings.data_octets_per_s;
}

core::Task<bool> Session::read_some() {
  const std::int64_t until_ms = deadline();
  if (too_slow()) {
    give_up(io::IoError::kTimeout);
    co_return false;
  }
  // A full buffer before means that more is likely there; a deadline in the past makes read() not wait.
  if (full_read_) {
    auto tried = co_await socket_.read(buffer_.borrow(), 0);
    if (tried || tried.error() != io::IoError::kTimeout) {
      if (!tried) give_up(tried.error());
      if (tried) input_ = std::string_view(buffer_.borrow().data(), *tried);
      full_read_ = tried && *tried == Buffer::kSize;
      octets_in_ += input_.size();
      co_return tried.ok();
    }
  }
  for (;;) {
    buffer_.release();
    idle_ = !server_.in_transaction();
    const auto ready = co_await socket_.wait_readable(until_ms);
    idle_ = false;
    if (!ready) {
      give_up(ready.error());
      co_return false;
    }
    // Only tried: a TLS record that is not whole yet must not hold the buffer.
    auto read = co_await socket_.read(buffer_.borrow(), 0);
    if (!read && read.error() == io::IoError::kTimeout) continue;
    if (!read) {
      give_up(read.error());
      co_return false;
    }
    input_ = std::string_view(buffer_.borrow().data(), *read);
    full_read_ = *read == Buffer::kSize;
    octets_in_ += *read;
    co_return true;
  }
}

// The input will not go on. The reply, if one is due, is written by finish().
void Session::give_up(io::IoError error) {
  if (error == io::IoError::kTimeout) {
    server_.give_up("4.4.2 Timeout");
    end(SessionEnd::kTimeout);
  } else if (error == io::IoError::kCancelled) {
    server_.give_up("4.3.2 Service shutting down");
    end(SessionEnd::kShutdown);
  } else {
    server_.output().clear();
    end(error == io::IoError::kTls ? SessionEnd::kTls : SessionEnd::kLost);
  }
}

core::Task<bool> Session::flush() {
  std::string& output = server_.output();
  if (output.empty()) co_return true;
  const auto written = co_await socket_.write(output, io::now_ms() + shared_.settings.write_timeout_ms);
  octets_out_ += output.size();
  output.clear();
  if (!written) end(written.error() == io::IoError::kTimeout ? SessionEnd::kTimeout : SessionEnd::kLost);
  co_return written.ok();
}

core::Task<void> Session::finish() {
  const SessionEnd how = end_.value_or(SessionEnd::kLost);
  SessionSummary summary;
  input_ = {};
  const bool written = co_await flush();
  if (written && how == SessionEnd::kRefused) {
    socket_.shutdown_write();
    const std::int64_t until_ms = io::now_ms() + kLingerMs;
    for (std::uint64_t rest = kLingerOctets; rest > 0;) {
      auto read = co_await socket_.read(buffer_.borrow(), until_ms);
      if (!read) break;
      rest -= std::min<std::uint64_t>(rest, *read);
    }
  }
  buffer_.release();
  socket_.close();
  summary.end = how;
  summary.duration_ms = io::now_ms() - started_ms_;
  summary.octets_in = octets_in_;
  summary.octets_out = octets_out_;
  summary.events = facts().events;
  co_await road_->at_close(summary);
}

void Roster::drain() {
  draining_ = true;
  for (Session* session = first_; session; session = session->next()) session->drain_now();
}

core::Task<void> serve(int fd, io::Endpoint local, std::shared_ptr<const Shared> shared,
                       std::shared_ptr<Roster> roster) {
  Session session(fd, local, *shared, *roster);
  co_await session.run();
}

}  // namespace sekisho::session
