#pragma once
// For tests: a server with a road that answers by simple rules, so that dialogues run without sockets.
#include <string>
#include <string_view>
#include <vector>

#include "mail/smtp/server.h"

namespace sekisho::smtp {

struct TestDriver {
  explicit TestDriver(ServerSettings given = {}, std::uint64_t pool_octets = 64u << 20)
      : settings(std::move(given)), pool(pool_octets), server(settings, pool) {
    handle(server.start());
  }

  // Feeds in pieces of at most `chunk` octets. What comes after the session's end or behind STARTTLS is dropped.
  void feed(std::string_view octets, std::size_t chunk = SIZE_MAX) {
    while (!octets.empty() && !closed) {
      std::string_view piece = octets.substr(0, chunk);
      octets.remove_prefix(piece.size());
      do handle(server.feed(piece));
      while (!piece.empty() && !closed);
      if (server.ended() && !closed) handle(server.feed(piece));
    }
  }

  void handle(Action action) {
    if (std::holds_alternative<Close>(action)) closed = true;
    if (std::holds_alternative<StartTls>(action)) {
      ++handshakes;
      server.tls_started();
    }
    if (std::holds_alternative<AskConnect>(action)) server.answer(connect_reply);
    if (auto* client = std::get_if<AskClient>(&action)) {
      clients.push_back(client->command);
      server.allow_xclient(xclient_again);
      server.answer(connect_reply);
    }
    if (std::holds_alternative<AskHelo>(action)) {
      server.set_capabilities(capabilities);
      server.answer(std::nullopt);
    }
    if (auto* mail = std::get_if<AskMail>(&action)) {
      mail_from.push_back(mail->command.path.text);
      parameters = mail->command.parameters;
      server.answer(mail->command.path.text == "later@sender.example" ? std::optional(Reply{451, "4.7.1", {"Later"}})
                                                                      : std::nullopt);
    }
    if (auto* rcpt = std::get_if<AskRcpt>(&action)) server.answer(decide(rcpt->command));
    if (auto* message = std::get_if<AskMessage>(&action)) {
      messages.push_back(std::move(message->octets));
      server.answer(message_reply);
    }
    if (server.take_reset()) ++resets;
    replies += server.output();
    server.output().clear();
  }

  std::optional<Reply> decide(const RcptCommand& command) {
    const Path& path = command.path;
    rcpt_to.push_back(path.text);
    rcpt_parameters.push_back(command.parameters);
    if (path.kind == Path::Kind::kPostmaster) return std::nullopt;
    if (path.kind == Path::Kind::kLiteral || path.address->domain().text() != "dest.example")
      return Reply{550, "5.7.1", {"Relaying denied"}};
    if (path.local().starts_with("nobody")) return Reply{550, "5.1.1", {"No such user"}};
    if (path.local().starts_with("other")) return Reply{451, "4.5.3", {"Another policy, come again"}};
    return std::nullopt;
  }

  // The codes of the reply lines that end a reply, in order.
  std::vector<int> codes() const {
    std::vector<int> out;
    for (std::size_t at = 0; at < replies.size(); at = replies.find('\n', at) + 1)
      if (replies[at + 3] == ' ') out.push_back(std::stoi(replies.substr(at, 3)));
    return out;
  }

  ServerSettings settings;
  OctetPool pool;
  Server server;
  Capabilities capabilities;  // told at each HELO
  std::optional<Reply> connect_reply;
  Reply message_reply{250, "2.0.0", {"Taken"}};
  std::string replies;
  std::vector<XclientCommand> clients;
  bool xclient_again = false;
  std::vector<std::string> mail_from, rcpt_to, messages;
  MailParameters parameters;  // of the last MAIL
  std::vector<RcptParameters> rcpt_parameters;
  int handshakes = 0, resets = 0;
  bool closed = false;
};

}  // namespace sekisho::smtp
