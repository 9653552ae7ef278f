// dkim, domainkeys and arc show.
#include <algorithm>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "cmd/files.h"
#include "cmd/show.h"
#include "road/identity/arc/arc.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/identity/signature/key.h"

namespace sekisho::cmd {
namespace {

using Status = Sheet::Status;
using Tags = std::vector<std::pair<std::string, std::string>>;
constexpr unsigned kMinBits = 1024, kGoodBits = 2048;  // RFC 8301 section 3.2
const Tags kKeyDefaults{{"v", "DKIM1"}, {"k", "rsa"}, {"h", "*"}, {"s", "*"}, {"t", ""}};
const Tags kPolicyDefaults{{"o", "~"}, {"t", ""}};

std::string_view problem_of(signature::KeyError error) {
  switch (error) {
    case signature::KeyError::kSyntax:
      return "key_syntax";
    case signature::KeyError::kVersion:
      return "key_version";
    case signature::KeyError::kUnknownType:
      return "key_type";
    case signature::KeyError::kTooLong:
      return "key_too_long";
    case signature::KeyError::kRevoked:
      return "key_revoked";
    case signature::KeyError::kUnusable:
    case signature::KeyError::kTooLarge:
      break;
  }
  return "key_unusable";
}

std::string value_of(const Tags& tags, std::string_view name) {
  for (const auto& [tag, value] : tags)
    if (tag == name) return value;
  return "";
}

void judge_key(std::string_view text, std::string_view method, ShownSection& section, Sheet& sheet) {
  core::Budget budget;
  const auto tags = split_tags(text);
  const auto record = signature::KeyRecord::parse(text, budget);
  if (!record) {
    const auto code = problem_of(record.error());
    const std::string tag = code == "key_version" ? value_of(tags, "v") : code == "key_type" ? value_of(tags, "k") : "";
    return sheet.problem(code, core::printable(tag.empty() ? section.name : tag), Status::kInvalid);
  }
  const auto key = signature::PublicKey::load(record->type, record->key);
  if (!key) return sheet.problem(problem_of(key.error()), section.name, Status::kInvalid);
  const std::string bits = std::to_string((*key)->bits());
  const bool rsa = record->type == signature::KeyType::kRsa;
  section.rows.push_back({"", bits + " bits", false, {}, {"size of the key", "鍵の長さ"}});
  if (rsa && (*key)->bits() < kMinBits) sheet.problem("key_short", bits, Status::kInvalid);
  if (rsa && (*key)->bits() >= kMinBits && (*key)->bits() < kGoodBits) sheet.problem("key_small", bits);
  if (record->testing) sheet.problem("key_testing", section.name);
  if (method == "domainkeys") {
    if (!rsa) sheet.problem("key_not_rsa", section.name, Status::kInvalid);
    return;
  }
  if (!record->allows_sha256) sheet.problem("key_sha1", core::printable(value_of(tags, "h")), Status::kInvalid);
  if (!record->for_mail) sheet.problem("key_not_mail", core::printable(value_of(tags, "s")), Status::kInvalid);
  if (record->granularity && *record->granularity != "*")
    sheet.problem("key_granularity", core::printable(*record->granularity));
}

void add_defaults(std::string_view family, const Tags& defaults, const Tags& tags, ShownSection& section) {
  const auto has = [&](const std::string& name) {
    return std::any_of(tags.begin(), tags.end(), [&](const auto& tag) { return tag.first == name; });
  };
  for (const auto& [tag, value] : tags) section.rows.push_back({tag, value, false, {}, meaning(family, tag, value)});
  for (const auto& [tag, value] : defaults)
    if (!has(tag)) section.rows.push_back({tag, value, true, {}, meaning(family, tag, "")});
}

}  // namespace

core::Task<void> show_key(std::string key_name, std::string_view method, std::string note, dns::Resolver& resolver,
                          Sheet& sheet) {
  const auto name = mail::Domain::parse(key_name);
  if (!name) {
    sheet.problem("show_no_name", core::printable(key_name), Status::kNone);
    co_return;
  }
  core::Budget budget;
  auto asking = resolver.lookup(name->name(), dns::Type::kTxt, budget);
  const dns::AnswerPtr answer = co_await asking;
  ShownSection& section = sheet.ask(name->text(), *answer);
  section.note = std::move(note);
  if (dns::is_temporary(answer->code)) co_return;
  if (answer->texts.empty()) {
    sheet.problem("show_none", name->text(), Status::kNone);
    co_return;
  }
  if (answer->texts.size() > 1) sheet.problem("key_several", name->text(), Status::kInvalid);
  section.record = answer->texts.front();
  add_defaults("dkim", kKeyDefaults, split_tags(section.record), section);
  judge_key(section.record, method, section, sheet);
}

namespace {

bool is_key_name(const mail::Domain& domain) { return domain.text().find("._domainkey.") != std::string::npos; }

std::string key_name(const Asked& asked, const mail::Domain& domain) {
  if (is_key_name(domain)) return domain.text();
  return asked.selector.empty() ? "" : asked.selector + "._domainkey." + domain.text();
}

constexpr std::string_view kNoSelector =
    "the DNS does not list selectors: give --selector (s= of a signature), or the whole name as in "
    "s1._domainkey.example.org";

core::Task<std::string> decode_dkim(const Asked& asked, const mail::Domain& domain, dns::Resolver& resolver,
                                    Sheet& sheet) {
  sheet.evidence = Evidence::kSignature;
  const std::string name = key_name(asked, domain);
  if (name.empty()) co_return std::string(kNoSelector);
  auto showing = show_key(name, "dkim", "", resolver, sheet);
  co_await showing;
  co_return std::string();
}

void add_policy(const dns::Answer& answer, const std::string& name, Sheet& sheet) {
  ShownSection& section = sheet.ask(name, answer);
  if (dns::is_temporary(answer.code)) return;
  core::Budget budget;
  for (const auto& text : answer.texts)
    if (section.record.empty() && domainkeys::parse_policy(text, budget)) section.record = text;
  add_defaults("domainkeys", kPolicyDefaults, split_tags(section.record), section);
  if (section.record.empty()) sheet.problem("domainkeys_policy_none", name);
}

// The policy of the domain, and a key where a selector is named.
core::Task<std::string> decode_domainkeys(const Asked& asked, const mail::Domain& domain, dns::Resolver& resolver,
                                          Sheet& sheet) {
  sheet.evidence = Evidence::kSignature;
  const std::string text = domain.text();
  const std::string owner = is_key_name(domain) ? text.substr(text.find("._domainkey.") + 12) : text;
  const auto policy = mail::Domain::parse("_domainkey." + owner);
  if (!policy) co_return "_domainkey." + owner + " is too long for a name";
  core::Budget budget;
  auto asking = resolver.lookup(policy->name(), dns::Type::kTxt, budget);
  const dns::AnswerPtr answer = co_await asking;
  add_policy(*answer, policy->text(), sheet);
  const std::string key = key_name(asked, domain);
  if (!key.empty()) {
    auto showing = show_key(key, "domainkeys", "", resolver, sheet);
    co_await showing;
  } else if (sheet.sections.front().record.empty()) {
    sheet.problem("show_none", policy->text(), Status::kNone);
  }
  sheet.problem("domainkeys_historic", owner);
  co_return std::string();
}

core::Task<std::string> decode_chain(const Asked& asked, dns::Resolver& resolver, Sheet& sheet) {
  core::Budget budget;
  const auto message = read_message(asked.mail, budget);
  if (!message) co_return message.error();
  arc::Options options;
  options.now_s = asked.now ? asked.now : core::SystemClock().now_s();
  auto verifying = arc::verify(**message, resolver, options, budget);
  const arc::Evaluation chain = co_await verifying;
  std::vector<std::string> shown;
  boost::json::array sets;
  for (const auto& set : chain.sets) {
    const std::string number = "i=" + std::to_string(set.instance);
    const Tags keys{{"seal", set.seal_key}, {"message signature", set.message_key}};
    for (const auto& [what, key] : keys) {
      if (key.empty() || std::find(shown.begin(), shown.end(), key) != shown.end()) continue;
      shown.push_back(key);
      auto showing = show_key(key, "arc", number + " " + what, resolver, sheet);
      co_await showing;
    }
    const std::string results = core::printable(core::trim_fws(set.results), 300);
    sheet.remarks.push_back({number + "  sealed by " + set.sealer + ", who saw: " + results,
                             number + "  " + set.sealer + " が封印。その検証結果: " + results});
    sets.push_back(
        {{"instance", set.instance}, {"sealer", set.sealer}, {"signer", set.signer}, {"results", utf8(results)}});
  }
  if (chain.result == road::AuthResult::kNone) sheet.problem("show_none", "ARC-Seal", Status::kNone);
  if (chain.result == road::AuthResult::kFail)
    sheet.problem("arc_chain", core::printable(chain.reason), Status::kInvalid);
  if (chain.result == road::AuthResult::kTempError)
    sheet.problem("arc_chain", core::printable(chain.reason), Status::kTemporary);
  sheet.remarks.push_back({"chain     " + std::string(road::word(chain.result)) + ": " + core::printable(chain.reason),
                           "連鎖      " + std::string(road::word(chain.result))});
  sheet.more["chain"] = {{"result", road::word(chain.result)}, {"reason", utf8(chain.reason)}, {"sets", sets}};
  co_return std::string();
}

core::Task<std::string> decode_arc(const Asked& asked, const mail::Domain& domain, dns::Resolver& resolver,
                                   Sheet& sheet) {
  sheet.evidence = Evidence::kSignature;
  if (!asked.mail.empty()) {
    auto decoding = decode_chain(asked, resolver, sheet);
    co_return co_await decoding;
  }
  const std::string name = key_name(asked, domain);
  if (name.empty()) co_return std::string(kNoSelector) + "; or the --mail that was sealed";
  auto showing = show_key(name, "arc", "", resolver, sheet);
  co_await showing;
  co_return std::string();
}

}  // namespace

int show_dkim(const Arguments& arguments) {
  ShowCommand command{
      "dkim", "The record of a DKIM key (RFC 6376 section 3.6.1), tag by tag.",
      "  sekisho dkim show s1._domainkey.example.org\n  sekisho dkim show example.org --selector s1 --json"};
  command.selector = true;
  command.decode = decode_dkim;
  return run_show(command, arguments);
}

int show_domainkeys(const Arguments& arguments) {
  ShowCommand command{
      "domainkeys", "A domain's DomainKeys policy (RFC 4870 section 3.6), and a key when its selector is given.",
      "  sekisho domainkeys show example.org\n  sekisho domainkeys show example.org --selector s1 --json"};
  command.selector = true;
  command.decode = decode_domainkeys;
  return run_show(command, arguments);
}

int show_arc(const Arguments& arguments) {
  ShowCommand command{"arc", "The key of a sealer (RFC 8617), or all sets of a mail with the keys they need.",
                      "  sekisho arc show s1._domainkey.lists.example.org\n  sekisho arc show --mail mail.eml --json"};
  command.selector = command.mail = true;
  command.decode = decode_arc;
  return run_show(command, arguments);
}

}  // namespace sekisho::cmd
