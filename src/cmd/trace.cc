// sekisho trace QUERY...
#include <boost/json.hpp>
#include <cstdio>

#include "cmd/commands.h"
#include "cmd/live.h"
#include "cmd/present.h"
#include "cmd/story.h"

namespace sekisho::cmd {

namespace {

// key=value words, so that one line of a complaint can be typed as it is; a bare word is looked at for what it is.
std::string take_word(const std::string& word, boost::json::object& query) {
  static constexpr const char* kKeys[] = {"message_id", "queue_id", "mail_from",  "rcpt_to",
                                          "client_ip",  "domain",   "transaction"};
  const auto equals = word.find('=');
  for (const char* key : kKeys)
    if (equals != std::string::npos && word.substr(0, equals) == key) return query[key] = word.substr(equals + 1), "";
  if (core::IpAddress::parse(word)) return query["client_ip"] = word, "";
  if (core::TransactionId::parse(word)) return query["transaction"] = word, "";
  if (word.size() > 2 && word.front() == '<' && word.back() == '>') return query["message_id"] = word, "";
  if (word.find('@') != std::string::npos) return query["message_id"] = word, "";
  if (word.find('.') != std::string::npos) return query["domain"] = word, "";
  return "'" + word +
         "' is not understood; write it as key=value with one of message_id queue_id mail_from rcpt_to client_ip "
         "domain transaction";
}

}  // namespace

int trace(const Arguments& arguments) {
  std::string file, from, to, reason, message_id, queue_id, ip, domain, transaction;
  std::optional<std::string> mail_from, rcpt;
  std::vector<std::string> words;
  std::int64_t limit = 20, port = -1;
  bool json = false;
  Cli cli("trace", "Who sent this, and what became of it? All that is given must hold. The query itself is recorded.",
          "  sekisho trace -c sekisho.toml --message-id '<1@sender.example>'\n"
          "  sekisho trace -c sekisho.toml --client-ip 192.0.2.1 --client-port 40123 --from '2026-11-24 05:00' --to "
          "'2026-11-24 06:00'\n"
          "  sekisho trace -c sekisho.toml --queue-id 4Xyz --reason 'complaint 4711' --json\n"
          "  sekisho trace -c sekisho.toml sender.example");
  cli.rest("QUERY", words, "a Message-ID, IP address, domain or transaction id, or key=value words");
  cli.text("-c,--config", file, "the config file of the server", true);
  cli.text("--message-id", message_id, "Message-ID, with or without angle brackets");
  cli.text("--queue-id", queue_id, "the next hop's queue id");
  cli.octets("--mail-from", mail_from, "envelope sender; '' is the null return path");
  cli.octets("--rcpt-to", rcpt, "envelope recipient");
  cli.text("--client-ip", ip, "the client's address");
  cli.number("--client-port", port, 0, 65535, "and its port (RFC 6302)");
  cli.text("--domain", domain, "of the envelope sender, of the author, or proven");
  cli.text("--transaction", transaction, "transaction or session id");
  cli.text("--from", from, "not before: epoch seconds, 2026-11-24[ 05:00[:00]] UTC, or -2h");
  cli.text("--to", to, "not after");
  cli.text("--reason", reason, "why you ask; recorded, and required where trace.reason_required is set");
  cli.number("--limit", limit, 1, 10000, "stories at most, newest first");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;

  boost::json::object query{{"verb", "trace"}, {"reason", utf8(reason)}, {"by_whom", who_asks()}, {"limit", limit}};
  const std::pair<const char*, std::string> given[] = {{"message_id", message_id},
                                                       {"queue_id", queue_id},
                                                       {"client_ip", ip},
                                                       {"domain", domain},
                                                       {"transaction", transaction}};
  for (const auto& [key, value] : given)
    if (!value.empty()) query[key] = utf8(value);
  if (mail_from) query["mail_from"] = utf8(*mail_from);
  if (rcpt) query["rcpt_to"] = utf8(*rcpt);
  if (port >= 0) query["client_port"] = port;
  for (const auto& [key, value] : {std::pair<const char*, std::string>{"from_us", from}, {"to_us", to}}) {
    const std::string fault = put_time(query, key, value);
    if (!fault.empty()) return cli.usage_error(fault);
  }
  for (const auto& word : words) {
    const std::string fault = take_word(utf8(word), query);
    if (!fault.empty()) return cli.usage_error(fault);
  }
  const auto answer = ask_live("trace", file, query);
  if (!answer) return 2;
  const auto& stories = answer->at("stories").as_array();
  if (json) {
    print_json(*answer);
  } else {
    for (const auto& story : stories) std::printf("%s\n", story_text(story.as_object()).c_str());
    if (stories.empty()) std::puts("not found");
    if (answer->at("more").as_bool()) std::printf("(there are more: --limit)\n");
    if (!answer->at("complete").as_bool()) std::printf("(the index is being rebuilt: older mails may be missing)\n");
    for (const auto& p : answer->at("problems").as_array())
      std::fprintf(stderr, "problem: %s\n", std::string(p.as_string()).c_str());
  }
  return stories.empty() ? 1 : 0;
}

}  // namespace sekisho::cmd
