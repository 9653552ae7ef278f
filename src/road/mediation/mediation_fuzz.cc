// A stranger's header through the changes of a list and of a forwarder: what is written is read as it was meant, all
// other fields stay octet for octet, and nothing else appears.
// covers: apply.cc plan.cc
#include <algorithm>
#include <cstdlib>
#include <set>
#include <vector>

#include "base/core/text.h"
#include "mail/address/mailbox.h"
#include "road/mediation/mediation.h"

using namespace sekisho;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}

const mediation::Settings& settings() {
  static const mediation::Settings all = [] {
    mediation::Settings out;
    out.keys = std::make_shared<signing::KeyTable>();
    out.lists.push_back({*mail::Domain::parse("lists.example"), "", *mail::Address::parse("friends@lists.example"),
                         "Friends, \"all\" of us"});
    out.resent = mediation::Resent::kSender;
    out.forward_address = *mail::Address::parse("forward@own.example");
    out.authserv_id = "mx.own.example";
    return out;
  }();
  return all;
}

// Fields of the new header that are not fields of the old one, in its order, and names of those that are gone.
struct Difference {
  std::vector<std::string> added, gone;
};
Difference difference(const mail::Message& before, const mail::Message& after) {
  Difference out;
  std::multiset<std::string_view> left;
  for (const auto& field : before.fields()) left.insert(core::trim_fws(field.raw));  // the last may lack its CRLF
  for (const auto& field : after.fields()) {
    const auto at = left.find(core::trim_fws(field.raw));
    if (at == left.end())
      out.added.push_back(core::to_lower(field.name));
    else
      left.erase(at);
  }
  for (const auto& field : before.fields())
    if (const auto at = left.find(core::trim_fws(field.raw)); at != left.end()) {
      out.gone.push_back(core::to_lower(field.name));
      left.erase(at);
    }
  return out;
}

bool names(const mail::Message& message, const std::string& address) {
  core::Budget budget;
  const auto* field = message.first("Reply-To");
  const auto list = mail::parse_mailboxes(field ? field->value : std::string_view(), budget);
  return std::any_of(list.mailboxes.begin(), list.mailboxes.end(),
                     [&](const auto& m) { return m.address && core::iequals(m.address->text(), address); });
}

void go(const std::shared_ptr<const mail::Message>& message, mediation::Path path, std::string_view mail_from) {
  core::Budget budget;
  const auto author = author::evaluate(*message, budget, false);
  const mediation::Facts facts{*message, author, mail_from, dmarc::Policy::kReject, nullptr};
  const auto plan = mediation::plan(facts, settings(), path);
  const auto made = mediation::apply(message, plan, settings(), nullptr, {"mx.own.example", 0, {}}, 1'767'225'600,
                                     "Thu, 1 Jan 2026 00:00:00 +0000");
  if (!made) return;
  const auto has = [&](mediation::Change change) {
    return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const auto& step) { return step.change == change; });
  };
  must(made->message->body().size() == message->body().size());
  const Difference changed = difference(*message, *made->message);
  std::set<std::string> may;
  if (has(mediation::Change::kMungeFrom)) may.insert("from");
  if (has(mediation::Change::kKeepAuthor)) may.insert("reply-to");
  if (has(mediation::Change::kSender)) may.insert("sender");
  if (has(mediation::Change::kResent)) may.insert({"resent-date", "resent-from", "resent-sender", "resent-message-id"});
  for (const auto& name : changed.added) must(may.contains(name));
  for (const auto& name : changed.gone) must(name == "from" || name == "reply-to");
  must(changed.added.size() <= may.size());
  if (!has(mediation::Change::kMungeFrom)) return;
  core::Budget again;
  const auto now = author::evaluate(*made->message, again, false);
  must(now.addresses.size() == 1 && now.addresses.front().text() == "friends@lists.example");
  must(now.author_domain && now.author_domain->text() == "lists.example");
  must(names(*made->message, author.addresses.front().text()));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  core::Budget budget;
  std::string octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto message = mail::Message::parse(octets, budget);
  if (!message) return 0;
  constexpr mediation::Path kPaths[] = {mediation::Path::kList, mediation::Path::kForward, mediation::Path::kThirdParty,
                                        mediation::Path::kOwn};
  go(*message, kPaths[data[0] % 4], data[0] & 4 ? "bounce@lists.example" : "a@bank.example");
  return 0;
}
