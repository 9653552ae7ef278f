// What each command does, in the order of the verb table: check, then proceed.
#include <algorithm>
#include <string>

#include "mail/smtp/server.h"

namespace sekisho::smtp {

void Server::greet() {
  // RFC 5321 section 4.2: the domain is the first word of the greeting.
  ((output_ += "220 ") += settings_.host_name) += settings_.lmtp ? " LMTP Sekisho\r\n" : " ESMTP Sekisho\r\n";
  state_ = Greeted{};
}

void Server::say_capabilities() {
  output_ += extended_ ? "250-" : "250 ";
  (output_ += settings_.host_name) += "\r\n";
  if (!extended_) return;
  output_ += "250-PIPELINING\r\n";
  ((output_ += "250-SIZE ") += std::to_string(offered_.size_limit_bytes)) += "\r\n";
  if (offered_.eight_bit_mime) output_ += "250-8BITMIME\r\n";
  output_ += "250-CHUNKING\r\n";
  if (offered_.smtp_utf8) output_ += "250-SMTPUTF8\r\n";
  if (offered_.dsn) output_ += "250-DSN\r\n";
  if (offered_.submitter) output_ += "250-SUBMITTER\r\n";
  // RFC 8689 section 2: only where it can be kept, and that takes TLS here too.
  if (offered_.require_tls && tls_active_) output_ += "250-REQUIRETLS\r\n";
  // RFC 9422 section 4: what this session will be held to.
  (output_ += "250-LIMITS RCPTMAX=") += std::to_string(offered_.recipient_limit);
  ((output_ += " MAILMAX=") += std::to_string(settings_.mail_limit)) += "\r\n";
  // RFC 3207 section 4.2: not offered once TLS is active.
  if (settings_.starttls && !tls_active_) output_ += "250-STARTTLS\r\n";
  if (xclient_) ((output_ += "250-XCLIENT ") += kXclientAttributes) += "\r\n";
  output_ += "250 ENHANCEDSTATUSCODES\r\n";
}

std::optional<Action> Server::run(std::string_view line, bool more_behind) {
  const CommandLine command = split_command(line);
  switch (command.verb) {
    case Verb::kEhlo:
    case Verb::kHelo:
    case Verb::kLhlo:
      return run_greeting(command, more_behind);
    case Verb::kMail:
      return run_mail(command.argument);
    case Verb::kRcpt:
      return run_rcpt(command.argument);
    case Verb::kData:
      return run_data(command.argument, more_behind);
    case Verb::kBdat:
      return run_bdat(command.argument);
    case Verb::kStartTls:
      return run_starttls(command.argument, more_behind);
    case Verb::kXclient:
      return run_xclient(command.argument);
    default:
      run_small(command.verb, command.argument);
      return std::nullopt;
  }
}

void Server::run_small(Verb verb, std::string_view argument) {
  const bool takes_none = verb == Verb::kRset || verb == Verb::kQuit;
  if (takes_none && !argument.empty()) return refuse("501 5.5.4 No argument belongs here\r\n");
  switch (verb) {
    case Verb::kRset:
      drop_transaction();
      if (count_junk()) say("250 2.0.0 Ok\r\n");
      return;
    case Verb::kNoop:
      if (count_junk()) say("250 2.0.0 Ok\r\n");
      return;
    case Verb::kVrfy:
      if (argument.empty()) return refuse("501 5.5.4 Syntax: VRFY address\r\n");
      // RFC 5321 section 3.5.3: 252 where an address is not verified; a harvester learns nothing.
      if (count_junk()) say("252 2.1.5 Not verified, but mail to it will be tried\r\n");
      return;
    case Verb::kHelp:
      if (count_junk()) say("214 2.0.0 EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; see RFC 5321\r\n");
      return;
    case Verb::kQuit:
      quit_ = true;
      return say_and_end("221 2.0.0 Bye\r\n");
    case Verb::kHttp:
      ++events_.http;
      return say_and_end("554 5.5.1 This is no web server\r\n");
    case Verb::kField:
      // What follows would be the rest of a message, which may look like commands.
      ++events_.stray_text;
      return say_and_end("554 5.5.1 A message stands where a command belongs\r\n");
    case Verb::kKnown:
      return refuse("502 5.5.1 Command not implemented\r\n");
    default:
      return refuse("500 5.5.2 Command not recognized\r\n");
  }
}

std::optional<Action> Server::run_greeting(const CommandLine& command, bool more_behind) {
  const bool lhlo = command.verb == Verb::kLhlo;
  if (lhlo == settings_.lmtp) return run_helo(command.verb != Verb::kHelo, command.argument, more_behind);
  // RFC 2033 section 4.1: neither protocol may be taken for the other.
  refuse(lhlo ? "500 5.5.2 Command not recognized\r\n" : "500 5.5.1 This is LMTP, say LHLO\r\n");
  return std::nullopt;
}

std::optional<Action> Server::run_helo(bool extended, std::string_view argument, bool more_behind) {
  // RFC 2920 section 3.1: EHLO can only be the last command of a group.
  if (more_behind) ++events_.unauth_pipelining;
  auto command = parse_helo(extended, argument);
  if (!command) {
    refuse(command.error());
    return std::nullopt;
  }
  // RFC 5321 section 4.1.4: EHLO in a session that goes on means RSET too.
  drop_transaction();
  if (!std::holds_alternative<Greeted>(state_) && !count_junk()) return std::nullopt;
  extended_ = extended;
  question_ = Question::kHelo;
  return AskHelo{std::move(*command)};
}

std::optional<Action> Server::run_mail(std::string_view argument) {
  // RFC 9422 section 4.1: every MAIL counts, whatever became of it.
  if (++mails_ > settings_.mail_limit) {
    say_and_end("421 4.7.0 Too many transactions in this session\r\n");
    return std::nullopt;
  }
  if (std::holds_alternative<Greeted>(state_)) {
    refuse("503 5.5.1 Send EHLO first\r\n");
    return std::nullopt;
  }
  if (in_transaction() || std::holds_alternative<Failed>(state_)) {
    // RFC 5321 section 4.1.4: MAIL must not be sent while a transaction is open.
    refuse("503 5.5.1 A transaction is open already\r\n");
    return std::nullopt;
  }
  auto command = parse_mail(argument, offered_, tls_active_);
  if (!command) {
    Reply refusal = command.error();
    if (refusal.code == 552) {  // a mail that could be named: whoever watches wants to know whose
      Capabilities any_size = offered_;
      any_size.size_limit_bytes = UINT64_MAX;
      const auto named = parse_mail(argument, any_size, tls_active_);
      refusal = witnessed("size_exceeded", std::move(refusal), named ? &named->path : nullptr);
    }
    refuse(refusal);
    return std::nullopt;
  }
  if (pool_.used() + command->parameters.size.value_or(0) > pool_.limit()) {
    if (count_junk()) say("452 4.3.1 Insufficient system storage\r\n");
    return std::nullopt;
  }
  state_ = Envelope{command->parameters};
  question_ = Question::kMail;
  return AskMail{std::move(*command)};
}

std::optional<Action> Server::run_rcpt(std::string_view argument) {
  auto* envelope = std::get_if<Envelope>(&state_);
  if (!envelope) {
    refuse(in_transaction() ? "503 5.5.1 The message has begun\r\n" : "503 5.5.1 Send MAIL first\r\n");
    return std::nullopt;
  }
  envelope->tried = true;
  auto command = parse_rcpt(argument, offered_, envelope->parameters.smtp_utf8);
  if (!command) {
    refuse(command.error());
    return std::nullopt;
  }
  if (envelope->accepted >= offered_.recipient_limit) {
    // RFC 5321 section 4.5.3.1.10: 452 for too many recipients; the client sends to those accepted and comes again.
    // Cutting it off early would lose the same mail again on each retry, so only a flood ends the session.
    if (++envelope->over_limit > settings_.recipient_flood_limit) {
      say_and_end("421 4.7.0 Too many recipients\r\n");
    } else {
      say("452 4.5.3 Too many recipients\r\n");
    }
    return std::nullopt;
  }
  question_ = Question::kRcpt;
  return AskRcpt{std::move(*command)};
}

std::optional<Action> Server::run_data(std::string_view argument, bool more_behind) {
  // RFC 2920 section 3.1: DATA is the last command of its group, because 354 must be awaited.
  if (more_behind) ++events_.unauth_pipelining;
  const auto* envelope = std::get_if<Envelope>(&state_);
  const auto* chunked = std::get_if<Chunked>(&state_);
  std::string_view refusal;
  if (chunked || std::holds_alternative<Failed>(state_)) {
    // RFC 3030 section 2: DATA and BDAT do not mix; RSET is needed then.
    refusal = "503 5.5.1 BDAT has begun, send RSET first\r\n";
    if (chunked) {
      reset_ = true;
      state_ = Failed{chunked->data.seen()};
    }
  } else if (!envelope) {
    refusal = "503 5.5.1 Send MAIL first\r\n";
  } else if (!envelope->tried) {
    refusal = "503 5.5.1 Send RCPT first\r\n";
  } else if (!argument.empty()) {
    refusal = "501 5.5.4 No argument belongs here\r\n";
  } else if (envelope->accepted == 0) {
    // RFC 2033 section 4.2 wants 503.
    refusal = settings_.lmtp ? "503 5.5.1 No valid recipients\r\n" : "554 5.5.1 No valid recipients\r\n";
  }
  if (!refusal.empty()) {
    // The message behind a refused DATA must not be read as commands.
    more_behind ? say_and_end(refusal) : refuse(refusal);
    return std::nullopt;
  }
  DataLimits limits = settings_.data;
  limits.size_bytes = offered_.size_limit_bytes;
  const std::uint64_t hint = envelope->parameters.size.value_or(0);
  due_ = envelope->accepted;
  state_ = Reading{DataReader(limits, OctetLease(&pool_), hint)};
  say("354 End data with <CR><LF>.<CR><LF>\r\n");
  return std::nullopt;
}

// XCLIENT_README: at any time but in the middle of a transaction.
std::optional<Action> Server::run_xclient(std::string_view argument) {
  if (!xclient_) {
    ++events_.xclient_denied;
    refuse("550 5.7.0 XCLIENT is not for you\r\n");
    return std::nullopt;
  }
  if (in_transaction()) {
    refuse("503 5.5.1 A transaction is open\r\n");
    return std::nullopt;
  }
  auto command = parse_xclient(argument);
  if (!command) {
    refuse(command.error());
    return std::nullopt;
  }
  if (!count_junk()) return std::nullopt;
  question_ = Question::kClient;
  return AskClient{std::move(*command)};
}

std::optional<Action> Server::run_starttls(std::string_view argument, bool more_behind) {
  std::string_view refusal;
  if (!settings_.starttls) {
    refusal = "502 5.5.1 STARTTLS is not offered\r\n";
  } else if (!argument.empty()) {
    // RFC 3207 section 4: no parameters.
    refusal = "501 5.5.4 No argument belongs here\r\n";
  } else if (tls_active_) {
    refusal = "503 5.5.1 TLS is active already\r\n";
  } else if (std::holds_alternative<Greeted>(state_)) {
    refusal = "503 5.5.1 Send EHLO first\r\n";
  }
  if (!refusal.empty()) {
    refuse(refusal);
    return std::nullopt;
  }
  if (more_behind) {
    // Somebody in the middle may have put commands behind STARTTLS to have them run inside TLS: nothing of them
    // survives.
    ++events_.starttls_injection;
    say_and_end("554 5.5.1 Octets behind STARTTLS\r\n");
    return std::nullopt;
  }
  say("220 2.0.0 Ready to start TLS\r\n");
  drop_transaction();
  return StartTls{};
}

}  // namespace sekisho::smtp
