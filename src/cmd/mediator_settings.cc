#include "cmd/mediator_settings.h"

#include <algorithm>

#include "base/core/text.h"
#include "mail/srs/secrets.h"

namespace sekisho::cmd {

namespace {

class MediatorReader {
 public:
  MediatorReader(const config::Values& values, std::vector<config::Problem>& problems,
                 std::vector<config::Problem>& warnings)
      : values_(values), problems_(problems), warnings_(warnings) {}

  MediatorSettings read() {
    MediatorSettings out;
    endpoints("mediator.listen", out.doors.socketmap);
    endpoints("mediator.tcp_forward_listen", out.doors.tcp_forward);
    endpoints("mediator.tcp_reverse_listen", out.doors.tcp_reverse);
    out.doors.unix_socketmap = values_.text("mediator.listen_unix");
    if (!out.doors.any()) {
      if (values_.given("mediator.srs_domain") || values_.given("mediator.secret_file"))
        tell(warnings_, values_.given("mediator.srs_domain") ? "mediator.srs_domain" : "mediator.secret_file",
             "nothing asks for it: set mediator.listen, as in [\"127.0.0.1:10003\"]");
      return out;
    }
    out.limits.sessions = static_cast<std::size_t>(values_.number("mediator.connections_count"));
    out.limits.idle_ms = values_.number("mediator.idle_ms");
    out.limits.request_ms = values_.number("mediator.request_ms");
    clients(out);
    out.policy = policy();
    return out;
  }

 private:
  void tell(std::vector<config::Problem>& into, const std::string& key, const std::string& what) {
    // What is missing is missed by the door that asks for it.
    std::uint32_t line = values_.line(key);
    for (const char* door : {"listen", "listen_unix", "tcp_forward_listen", "tcp_reverse_listen"})
      if (line == 0) line = values_.line(std::string("mediator.") + door);
    into.push_back({values_.file(), std::max<std::uint32_t>(line, 1), key + ": " + what});
  }
  void problem(const std::string& key, const std::string& what) { tell(problems_, key, what); }

  void endpoints(const std::string& key, std::vector<io::Endpoint>& into) {
    for (const auto& value : values_.texts(key)) {
      const auto at = io::Endpoint::parse(value);
      if (!at) continue;  // told by the table
      into.push_back(*at);
      if (!at->ip.is_loopback() && !values_.given("mediator.clients"))
        problem(key, at->text() +
                         " is no loopback address: set mediator.clients, so that not everybody makes addresses "
                         "that we believe");
    }
  }

  void clients(MediatorSettings& out) {
    for (const auto& value : values_.texts("mediator.clients")) {
      const auto network = core::Network::parse(value);
      if (!network)
        problem("mediator.clients", "\"" + core::printable(value) + "\" is not a network, as in 192.0.2.0/24");
      else if (network->bits == 0)
        problem("mediator.clients", "the whole Internet is in it: anybody could make addresses that we believe");
      else
        out.limits.from.push_back(*network);
    }
  }

  std::shared_ptr<const mediator::Policy> policy() {
    auto out = std::make_shared<mediator::Policy>();
    const std::string& name = values_.text("mediator.srs_domain");
    out->srs_domain = mail::Domain::parse(name);
    if (name.empty())
      problem("mediator.srs_domain", "is missing: the domain of the rewritten return paths, as in \"srs.example.org\"");
    else if (!out->srs_domain)
      problem("mediator.srs_domain", "\"" + core::printable(name) + "\" is not a domain name, as in srs.example.org");
    for (std::size_t i = 0; i < values_.count("local_domain"); ++i)
      if (const auto own = mail::Domain::parse(values_.text("local_domain[" + std::to_string(i) + "].name")))
        out->kept.insert(*own);
    for (const auto& text : values_.texts("mediator.exclude_domains")) exclude(text, *out);
    secrets(*out);
    return out;
  }

  void exclude(const std::string& text, mediator::Policy& out) {
    const bool below = text.starts_with('.');
    const auto domain = mail::Domain::parse(std::string_view(text).substr(below ? 1 : 0));
    if (!domain)
      problem("mediator.exclude_domains", "\"" + core::printable(text) +
                                              "\" is neither a domain name nor one with a dot before it, as in "
                                              ".example.org");
    else
      (below ? out.kept_below : out.kept).insert(*domain);
  }

  void secrets(mediator::Policy& out) {
    const std::string& path = values_.text("mediator.secret_file");
    if (path.empty())
      return problem("mediator.secret_file",
                     "is missing: make one with sekisho srs secret --new FILE and name it here");
    auto file = srs::read_secrets(path);
    if (!file) return problem("mediator.secret_file", file.error());
    for (const auto& warning : file->warnings) tell(warnings_, "mediator.secret_file", warning);
    out.rewriter = std::make_shared<const srs::Rewriter>(
        std::move(file->secrets),
        srs::Options{static_cast<std::size_t>(values_.number("mediator.hash_length")),
                     values_.text("mediator.separator").front(), values_.number("mediator.max_age_days")});
  }

  const config::Values& values_;
  std::vector<config::Problem>&problems_, &warnings_;
};

}  // namespace

MediatorSettings read_mediator(const config::Values& values, std::vector<config::Problem>& problems,
                               std::vector<config::Problem>& warnings) {
  return MediatorReader(values, problems, warnings).read();
}

}  // namespace sekisho::cmd
