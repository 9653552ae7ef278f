// sekisho dmarc show --organizational-domain NAME --method tree|psl
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/io/io.h"
#include "cmd/commands.h"
#include "cmd/present.h"
#include "cmd/resolving.h"
#include "cmd/show.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::cmd {

namespace {

std::string_view word(dmarc::Shown::Status status) {
  switch (status) {
    case dmarc::Shown::Status::kFound:
      return "found";
    case dmarc::Shown::Status::kPublicSuffix:
      return "public_suffix";
    case dmarc::Shown::Status::kTemporary:
      return "temperror";
    case dmarc::Shown::Status::kTooComplex:
      return "too_complex";
  }
  return "";
}

void print(const dmarc::Shown& shown, const mail::Domain& asked, bool json, const std::string& method) {
  if (json) {
    boost::json::array steps;
    for (const auto& s : shown.steps)
      steps.push_back({{"domain", s.domain.text()},
                       {"record", s.text.empty() ? boost::json::value(nullptr) : boost::json::value(utf8(s.text))},
                       {"several", s.several}});
    const auto& found = shown.organizational_domain;
    print_json(boost::json::object{
        {"domain", asked.text()},
        {"method", method},
        {"status", word(shown.status)},
        {"organizational_domain", found ? boost::json::value(found->text()) : boost::json::value(nullptr)},
        {"steps", steps}});
    return;
  }
  std::printf("%s\n", shown.organizational_domain ? shown.organizational_domain->text().c_str()
                                                  : std::string(word(shown.status)).c_str());
  for (const auto& s : shown.steps)
    std::printf("  dig +short _dmarc.%s txt   %s\n", s.domain.text().c_str(),
                s.several        ? "(several records)"
                : s.text.empty() ? "-"
                                 : utf8(s.text).c_str());
}

}  // namespace

int dmarc(const Arguments& arguments) {
  const auto older = [](const std::string& a) { return a.starts_with("--organizational-domain"); };
  if (wants_show(arguments) && std::none_of(arguments.begin(), arguments.end(), older)) return show_dmarc(arguments);
  std::string verb, name, method = "tree", psl_file, zone, resolver_text;
  bool json = false;
  Cli cli("dmarc",
          "show: the organizational domain of a name, and the records on the way. `dmarc show NAME` decodes all of a "
          "name's\n"
          "policy and has a help of its own: `sekisho dmarc show --help`.",
          "  sekisho dmarc show --organizational-domain mail.example.org --method tree\n"
          "  sekisho dmarc show --organizational-domain www.example.co.jp --method psl --json");
  cli.positional("VERB", verb, "show");
  cli.text("--organizational-domain", name, "the name to look at", true);
  cli.choice("--method", method, {"tree", "psl"}, "tree: DNS tree walk (RFC 9989); psl: public suffix list (RFC 7489)");
  cli.text("--psl", psl_file, "public suffix list file; the system's when left out");
  cli.text("--zone", zone, "master file laid over the DNS");
  cli.text("--resolver", resolver_text, "ask this resolver, HOST:PORT");
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  if (verb != "show") return cli.usage_error("there is no verb '" + verb + "': show");
  const auto domain = mail::Domain::parse(name);
  if (!domain) {  // the question is well formed, the answer is that such a name belongs to nobody
    if (json)
      print_json(boost::json::object{{"domain", utf8(name)},
                                     {"method", method},
                                     {"status", "not_a_domain"},
                                     {"organizational_domain", nullptr},
                                     {"steps", boost::json::array{}}});
    else
      std::printf("not a domain name\n");
    return 1;
  }
  const auto psl = psl_file.empty() ? dmarc::PublicSuffixList::system() : dmarc::PublicSuffixList::load(psl_file);
  if (!psl)
    return cli.usage_error((psl_file.empty() ? std::string("the system's public suffix list") : psl_file) +
                           " cannot be read");
  auto resolver = make_resolver(zone, resolver_text);
  if (!resolver) return cli.usage_error(resolver.error());
  dmarc::Options options;
  options.method = method == "psl" ? dmarc::Method::kPsl : dmarc::Method::kTree;
  options.psl = &*psl;
  core::Budget budget;
  const auto shown = io::run(dmarc::show(*domain, **resolver, options, budget));
  print(shown, *domain, json, method);
  switch (shown.status) {
    case dmarc::Shown::Status::kFound:
      return 0;
    case dmarc::Shown::Status::kTemporary:
      return 3;
    default:
      return 1;
  }
}

}  // namespace sekisho::cmd
