// The stream side of the server: lines, data, answers. What each command does stands in server_commands.cc.
#include "mail/smtp/server.h"

#include <algorithm>
#include <cassert>

namespace sekisho::smtp {
namespace {
// A TLS record of type handshake (RFC 8446 section 5.1) where SMTP should stand.
constexpr char kTlsHandshake = 0x16;

bool names_unknown_recipient(const Reply& reply) {
  // RFC 3463: 5.1.1 bad destination mailbox address.
  return reply.code >= 500 && reply.enhanced == "5.1.1";
}

struct Refusal {
  std::string_view finding;
  Reply reply;
};
Refusal refusal_of(DataFault fault) {
  switch (fault) {
    case DataFault::kBareLineEnd:
      return {"bare_line_end", {550, "5.5.2", {"Bare CR or LF in the message"}}};
    case DataFault::kNul:
      return {"nul_octet", {550, "5.6.0", {"NUL in the message"}}};
    case DataFault::kLineTooLong:
      return {"line_too_long", {554, "5.6.0", {"A line of the message is too long"}}};
    case DataFault::kTooBig:
      return {"size_exceeded", {552, "5.3.4", {"Message size exceeds the limit"}}};
    case DataFault::kNoMemory:
    case DataFault::kNone:
      break;
  }
  return {"", {452, "4.3.1", {"Insufficient system storage"}}};
}
}  // namespace

Server::Server(const ServerSettings& settings, OctetPool& pool)
    : settings_(settings), pool_(pool), lines_(settings.command_line_bytes) {
  set_capabilities({});
}

void Server::set_capabilities(const Capabilities& offered) {
  offered_ = offered;
  offered_.size_limit_bytes = std::min(offered.size_limit_bytes, settings_.data.size_bytes);
  offered_.recipient_limit = std::min(offered.recipient_limit, settings_.recipient_limit);
}

Action Server::start() {
  question_ = Question::kConnect;
  return AskConnect{};
}

Action Server::feed(std::string_view& input) {
  assert(question_ == Question::kNone);
  while (true) {
    if (std::holds_alternative<Ended>(state_)) {
      input = {};
      return Close{};
    }
    if (input.empty()) return NeedInput{};
    std::optional<Action> action = take(input);
    if (action) return std::move(*action);
  }
}

std::optional<Action> Server::take(std::string_view& input) {
  if (auto* reading = std::get_if<Reading>(&state_)) return read_data(*reading, input);
  if (auto* chunked = std::get_if<Chunked>(&state_); chunked && chunked->open) return read_chunk(*chunked, input);
  if (auto* discarding = std::get_if<Discarding>(&state_)) {
    discard(*discarding, input);
    return std::nullopt;
  }
  return take_line(input);
}

std::optional<Action> Server::take_line(std::string_view& input) {
  if (!std::exchange(saw_input_, true) && input.front() == kTlsHandshake) {
    say_and_end("554 5.5.1 This port speaks SMTP, TLS comes by STARTTLS\r\n");
    return std::nullopt;
  }
  LineReader::Piece piece;
  lines_.next(input, piece);
  const LineFaults& faults = lines_.faults();
  // RFC 5321 section 2.3.8: servers must not take anything but CRLF as a line end. What follows a bare CR or LF might
  // be meant as another command by whoever wrote it, so nothing more is read.
  if (faults.bare()) {
    ++events_.bare_line_end;
    say_and_end("550 5.5.2 Bare CR or LF received\r\n");
    return std::nullopt;
  }
  if (lines_.length() > settings_.command_discard_bytes) {
    say_and_end("500 5.5.2 Line too long\r\n");
    return std::nullopt;
  }
  if (!piece.ends) {
    line_ += piece.octets;
    return std::nullopt;
  }
  if (faults.too_long || faults.nul) {
    std::string().swap(line_);
    if (faults.nul) ++events_.nul;
    refuse(faults.nul ? "500 5.5.2 NUL in a command\r\n" : "500 5.5.2 Line too long\r\n");
    return std::nullopt;
  }
  if (line_.empty()) return run(piece.octets, !input.empty());
  std::string line;
  line.swap(line_);
  line += piece.octets;
  return run(line, !input.empty());
}

std::optional<Action> Server::read_data(Reading& reading, std::string_view& input) {
  if (reading.data.feed(input)) return end_of_data(reading.data, false);
  if (reading.data.endless()) {
    reset_ = true;
    refuse_and_end(DataFault::kTooBig);
  }
  return std::nullopt;
}

std::optional<Action> Server::end_of_data(DataReader& data, bool counted) {
  const DataFault fault = data.fault();
  if (fault == DataFault::kNone) {
    ++events_.messages;
    question_ = Question::kMessage;
    Action ask = AskMessage{data.take_octets(), data.take_lease()};
    state_ = Ready{};
    return ask;
  }
  state_ = Ready{};
  reset_ = true;
  refuse_message(fault, counted);
  return std::nullopt;
}

void Server::refuse_message(DataFault fault, bool end_is_certain) {
  if (fault == DataFault::kBareLineEnd) ++events_.bare_line_end;
  if (fault == DataFault::kNul) ++events_.nul;
  Refusal refusal = refusal_of(fault);
  if (refusal.finding.empty()) return say(result(refusal.reply));
  const Reply reply = witnessed(refusal.finding, std::move(refusal.reply));
  // Whoever relayed a message with these may have seen another end of it than we do: then what follows is still its
  // text. Counted octets end where they end.
  const bool lenient_end = fault == DataFault::kBareLineEnd || fault == DataFault::kNul;
  if (lenient_end && !end_is_certain) return say_and_end(result(reply));
  say(result(reply));
  count_error();
}

std::string Server::result(const Reply& reply) const {
  std::string out = reply.format();
  if (!settings_.lmtp) return out;
  const std::string one = out;
  for (std::uint32_t i = 1; i < due_; ++i) out += one;
  return out;
}

void Server::refuse_and_end(DataFault fault) {
  Refusal refusal = refusal_of(fault);
  say_and_end(witnessed(refusal.finding, std::move(refusal.reply)).format());
}

void Server::answer(const std::optional<Reply>& reply) {
  const bool refused = reply && !reply->positive();
  switch (std::exchange(question_, Question::kNone)) {
    case Question::kNone:
      assert(false);
      return;
    case Question::kConnect:
      // RFC 5321 section 3.1: 554 in place of the greeting; here the connection ends with it.
      if (refused) return say_and_end(reply->format());
      greet();
      break;
    case Question::kClient:
      // The session is at its greeting again, for another client.
      if (refused) return say_and_end(reply->format());
      extended_ = false;
      errors_ = unknown_ = 0;
      greet();
      break;
    case Question::kHelo:
      if (refused) {
        refuse(*reply);
        break;
      }
      say_capabilities();
      state_ = Ready{};
      break;
    case Question::kMail:
      if (refused) {
        state_ = Ready{};
        refuse(*reply);
        break;
      }
      say(reply ? reply->format() : "250 2.1.0 Ok\r\n");
      break;
    case Question::kRcpt:
      answer_rcpt(reply);
      break;
    case Question::kMessage:
      answer_message(reply);
      break;
  }
  // RFC 5321 section 3.8: 421 says that the channel is closing.
  if (reply && (reply->close || reply->code == 421)) state_ = Ended{};
}

void Server::answer_rcpt(const std::optional<Reply>& reply) {
  auto& envelope = std::get<Envelope>(state_);
  if (!reply || reply->positive()) {
    ++envelope.accepted;
    ++events_.recipients;
    return say(reply ? reply->format() : "250 2.1.5 Ok\r\n");
  }
  if (names_unknown_recipient(*reply)) {
    ++events_.unknown_recipients;
    say(reply->format());
    if (++unknown_ < settings_.unknown_recipient_limit) return;
    ++events_.dha;
    return say_and_end("421 4.7.0 Too many unknown recipients\r\n");
  }
  // Temporary refusals are no errors: a transaction carries recipients of one class, the others are told to come again.
  if (reply->temporary() && ++envelope.over_limit > settings_.recipient_flood_limit)
    return say_and_end("421 4.7.0 Too many recipients\r\n");
  refuse(*reply);
}

void Server::answer_message(const std::optional<Reply>& reply) {
  assert(reply);
  if (!reply) return say("451 4.3.0 Local error in processing\r\n");
  if (!reply->positive()) {
    say(result(*reply));
    if (!reply->temporary()) count_error();
    return;
  }
  count_message();
  say(result(*reply));
}

void Server::count_message() {
  ++events_.accepted;
  junk_ = 0;
  errors_ /= 2;
  unknown_ /= 2;
}

void Server::answer_each(const std::vector<Reply>& replies) {
  assert(question_ == Question::kMessage && settings_.lmtp && replies.size() == due_);
  question_ = Question::kNone;
  const Reply missing{451, "4.3.0", {"Local error in processing"}};
  bool any_accepted = false;
  // RFC 2033 section 4.2: one for each successful RCPT, in their order.
  for (std::uint32_t i = 0; i < due_; ++i) {
    const Reply& reply = i < replies.size() ? replies[i] : missing;
    any_accepted |= reply.positive();
    say(reply.format());
  }
  if (any_accepted) count_message();
}

void Server::tls_started() {
  // RFC 3207 section 4.2: what the client said before, the EHLO argument too, is discarded.
  tls_active_ = true;
  extended_ = false;
  state_ = Greeted{};
  lines_ = LineReader(settings_.command_line_bytes);
  std::string().swap(line_);
}

void Server::give_up(std::string_view reason_421) {
  if (std::holds_alternative<Ended>(state_)) return;
  if (looks_ended()) {
    ++events_.bare_line_end;
    return refuse_and_end(DataFault::kBareLineEnd);
  }
  std::string reply("421 ");
  (reply += reason_421) += "\r\n";
  say_and_end(reply);
}

std::uint64_t Server::data_octets() const {
  if (const auto* reading = std::get_if<Reading>(&state_)) return reading->data.seen();
  if (const auto* chunked = std::get_if<Chunked>(&state_)) return chunked->data.seen();
  const auto* discarding = std::get_if<Discarding>(&state_);
  return discarding ? discarding->size - discarding->left : 0;
}

bool Server::between_chunks() const {
  const auto* chunked = std::get_if<Chunked>(&state_);
  return chunked && !chunked->open;
}

bool Server::looks_ended() const {
  const auto* reading = std::get_if<Reading>(&state_);
  return reading && reading->data.looks_ended();
}

void Server::say_and_end(std::string_view reply) {
  say(reply);
  state_ = Ended{};
}

Reply Server::witnessed(std::string_view finding, Reply reply, const Path* mail_from) {
  if (witness_) witness_->refused(finding, reply, mail_from);
  return reply;
}

void Server::refuse(std::string_view reply) {
  say(reply);
  count_error();
}

void Server::refuse(const Reply& reply) {
  say(reply.format());
  if (!reply.temporary()) count_error();
}

// The refusal itself is always told, so that no verdict turns into a 421 and comes again.
void Server::count_error() {
  ++events_.errors;
  if (++errors_ >= settings_.error_limit) say_and_end("421 4.7.0 Too many errors\r\n");
}

bool Server::count_junk() {
  if (++junk_ < settings_.junk_limit) return true;
  say_and_end("421 4.7.0 Too many commands without a message\r\n");
  return false;
}

void Server::drop_transaction() {
  if (in_transaction())
    reset_ = true;
  else if (!std::holds_alternative<Failed>(state_))
    return;
  state_ = Ready{};
}

}  // namespace sekisho::smtp
