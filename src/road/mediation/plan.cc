#include <algorithm>

#include "base/core/text.h"
#include "mail/received/received.h"
#include "road/identity/domainkeys/domainkeys.h"
#include "road/mediation/mediation.h"

namespace sekisho::mediation {
namespace {

std::optional<mail::Address> address_in(std::string_view text) {
  auto parsed = mail::Address::parse(core::trim_fws(text));
  if (!parsed) return std::nullopt;
  return std::move(*parsed);
}

// RFC 2919 section 3: the identifier stands in the last angle brackets.
std::string list_id_in(std::string_view value) {
  const auto close = value.rfind('>');
  const auto open = close == std::string_view::npos ? close : value.rfind('<', close);
  const auto inner = open == std::string_view::npos ? value : value.substr(open + 1, close - open - 1);
  return core::to_lower(core::trim_fws(inner));
}

bool is_srs(std::string_view local) {
  return (core::istarts_with(local, "SRS0") || core::istarts_with(local, "SRS1")) && local.size() > 4 &&
         (local[4] == '=' || local[4] == '+' || local[4] == '-');
}

road::Finding why(std::string_view code, std::string evidence) {
  return {"mediation", code, road::AuthResult::kNone, core::printable(evidence, 200)};
}

class Planner {
 public:
  Planner(const Facts& facts, const Settings& settings, Path path) : facts_(facts), settings_(settings) {
    plan_.path = path;
  }

  Plan run() {
    switch (plan_.path) {
      case Path::kOwn:
        own();
        break;
      case Path::kForward:
        forward();
        break;
      case Path::kList:
        list();
        break;
      case Path::kThirdParty:
        third_party();
        break;
    }
    return std::move(plan_);
  }

 private:
  void step(Change change, std::string value, std::string detail, std::string_view code,
            const signing::SigningKey* key = nullptr) {
    auto finding = why(code, value);
    plan_.steps.push_back({change, std::move(value), std::move(detail), std::move(finding), key});
  }
  void remark(std::string_view code, std::string evidence = "") { plan_.remarks.push_back(why(code, evidence)); }

  void sign(const std::vector<const signing::SigningKey*>& keys, std::string_view code) {
    for (const auto* key : keys)
      if (key->dkim) step(Change::kSignDkim, key->domain.text(), key->selector, code, key);
  }

  void own() {
    const auto& author = facts_.author;
    if (!author.author_domain) return;
    const auto keys = author.addresses.size() == 1 ? settings_.keys->select(author.addresses.front())
                                                   : settings_.keys->select(*author.author_domain);
    sign(keys, "mediation_own");
    // RFC 4870 section 3.2.1: DomainKeys speaks of Sender where there is one.
    core::Budget budget;
    const auto sending = domainkeys::sending_address(facts_.message, budget);
    if (!sending) return;
    for (const auto* key : settings_.keys->select(*sending))
      if (key->domainkeys)
        step(Change::kSignDomainKeys, key->domain.text(), key->selector, "mediation_domainkeys", key);
  }

  void seal(std::string_view code) {
    if (!settings_.sealer) return;
    if (facts_.chain && !facts_.chain->sealable)
      return remark("mediation_not_sealable", "the newest seal says cv=fail");
    if (facts_.chain && facts_.chain->instance >= arc::kMaxSets)
      return remark("mediation_not_sealable", "there are 50 sets already");
    step(Change::kSeal, settings_.sealer->domain.text(), settings_.sealer->selector, code);
  }

  // Who forwards: the mailbox that Postfix and others note in Delivered-To, topmost first, where it is one of ours.
  // Only what was written here since the mail came: below the first Received from another machine it is the sender's,
  // who would have us say that anybody of ours sends it again.
  std::optional<mail::Address> forwarder() const {
    for (const mail::HeaderField& field : facts_.message.fields()) {
      if (core::iequals(field.name, "Received") && received::parse(field.value).kind != received::Kind::kLocal) break;
      auto address = core::iequals(field.name, "Delivered-To") ? address_in(field.value) : std::nullopt;
      if (address && !settings_.keys->select(address->domain()).empty()) return address;
    }
    return settings_.forward_address;
  }

  void forward() {
    remark("mediation_forward_body");
    const auto who = settings_.resent == Resent::kOff ? std::nullopt : forwarder();
    if (who) {
      const bool sender = settings_.resent == Resent::kSender && settings_.forward_address;
      step(Change::kResent, who->text(), sender ? settings_.forward_address->text() : "", "mediation_forward_resent");
    }
    seal("mediation_forward_seal");
  }

  void list() {
    const List* list = list_of(facts_.message, facts_.mail_from, settings_);
    if (!list && !settings_.lists.empty()) list = &settings_.lists.front();  // asked for by hand
    if (!list) return remark("mediation_no_key", "a list ([[egress_list]])");
    const auto& author = facts_.author;
    const std::string domain = author.author_domain ? author.author_domain->text() : "";
    const bool strict = facts_.policy && *facts_.policy != dmarc::Policy::kNone;
    // A list's own notices are no mail of others.
    const bool foreign = author.author_domain && !author.author_domain->is_at_or_below(list->domain);
    if (strict && foreign && author.addresses.size() == 1) {
      step(Change::kMungeFrom, list->address.text(), list->name, "mediation_list_munged");
      plan_.steps.back().why = why("mediation_list_munged", domain + " p=" + std::string(dmarc::word(*facts_.policy)));
      step(Change::kKeepAuthor, author.addresses.front().text(), "", "mediation_list_author");
    } else {
      if (foreign) remark(facts_.policy ? "mediation_list_from_kept" : "mediation_list_policy_unknown", domain);
      if (!facts_.message.first("Sender")) step(Change::kSender, list->address.text(), "", "mediation_list_sender");
    }
    const auto keys = settings_.keys->select(list->domain);
    sign(keys, "mediation_list_sign");
    if (keys.empty()) remark("mediation_no_key", list->domain.text());
    seal("mediation_list_seal");
  }

  void third_party() {
    const auto sender = address_in(facts_.mail_from);
    if (!sender) return;
    if (!facts_.message.first("Sender")) step(Change::kSender, sender->text(), "", "mediation_third_sender");
    const auto keys = settings_.keys->select(sender->domain());
    sign(keys, "mediation_third_sign");
    if (keys.empty()) remark("mediation_no_key", sender->domain().text());
  }

  const Facts& facts_;
  const Settings& settings_;
  Plan plan_;
};

}  // namespace

std::string_view word(Path path) {
  constexpr std::string_view kWords[] = {"own", "forward", "list", "third-party"};
  return kWords[static_cast<std::size_t>(path)];
}
std::string_view word(Change change) {
  constexpr std::string_view kWords[] = {"dkim", "domainkeys", "arc", "sender", "resent", "from", "reply_to"};
  return kWords[static_cast<std::size_t>(change)];
}

namespace {
bool bears(const List& list, std::string_view list_id) {
  if (list.list_id == list_id) return true;
  const auto named = list.list_id.empty() ? mail::Domain::parse(list_id) : std::nullopt;
  return named && named->is_at_or_below(list.domain);
}
}  // namespace

// A List-Id alone proves nothing: anybody can write one, and a mail that is only forwarded must not get the list's
// signature by it. The return path is set by the list manager. A list that is subscribed to another may leave the
// other's List-Id where it is; between two of ours the return path tells ("friends+bounces@").
const List* list_of(const mail::Message& message, std::string_view mail_from, const Settings& settings) {
  if (settings.lists.empty()) return nullptr;
  const auto from = address_in(mail_from);
  if (!from || is_srs(from->local())) return nullptr;  // a forwarder's, also where its domain is below the list's
  const auto fields = message.all("List-Id");
  const List* found = nullptr;
  for (std::size_t i = 0; i < std::min<std::size_t>(fields.size(), 10); ++i) {
    const std::string id = list_id_in(fields[i]->value);
    for (const List& list : settings.lists) {
      if (!from->domain().is_at_or_below(list.domain) || !bears(list, id)) continue;
      if (core::istarts_with(from->local(), list.address.local())) return &list;
      if (!found) found = &list;
    }
  }
  return found;
}

Path path_of(const Facts& facts, const Settings& settings) {
  if (list_of(facts.message, facts.mail_from, settings)) return Path::kList;
  const auto& author = facts.author;
  if (author.author_domain && !settings.keys->select(*author.author_domain).empty()) return Path::kOwn;
  if (author.author_domain && author.addresses.size() == 1 && !settings.keys->select(author.addresses.front()).empty())
    return Path::kOwn;
  const auto from = address_in(facts.mail_from);
  const bool ours = from && !settings.keys->select(from->domain()).empty();
  return ours && !is_srs(from->local()) ? Path::kThirdParty : Path::kForward;
}

bool asks_policy(Path path) { return path == Path::kList; }
bool asks_chain(Path path, const Settings& settings) {
  return settings.sealer && (path == Path::kList || path == Path::kForward);
}

Plan plan(const Facts& facts, const Settings& settings) { return plan(facts, settings, path_of(facts, settings)); }
Plan plan(const Facts& facts, const Settings& settings, Path as) { return Planner(facts, settings, as).run(); }

}  // namespace sekisho::mediation
