#include "gate/egress/record.h"

#include <algorithm>

#include "base/core/text.h"
#include "gate/egress/tell.h"
#include "mail/address/utf8.h"

namespace sekisho::egress {
namespace {

trail::Recipient recipient_of(const smtp::Path& path) {
  trail::Recipient out;
  out.address = path.text;
  out.domain = path.address ? path.address->domain().text() : "";
  return out;
}

}  // namespace

trail::Decided decided_of(const Config& config, const session::SessionFacts& facts, const Mail& mail,
                          const std::vector<smtp::Path>& rcpts, const mail::Message& message, const Mended& mended) {
  trail::Decided out;
  out.transaction = mail.id;
  out.session = facts.id;
  out.client.ip = facts.client.ip;
  out.client.port = facts.client.port;
  out.client.local_ip = facts.local.ip;
  out.client.local_port = facts.local.port;
  out.client.helo_domain = core::printable(facts.helo_domain, 255);
  out.mail_from = mail::address_text(mail.path.text);
  for (const auto& path : rcpts) out.recipients.push_back(recipient_of(path));
  out.message_id = mail::message_id(message);
  if (!mended.author.addresses.empty())
    out.author_address = core::printable(mended.author.addresses.front().text(), 320);
  if (mended.author.author_domain) out.author_domain = mended.author.author_domain->text();
  out.size_bytes = message.size();
  out.digest = mended.digest;
  for (const auto& step : mended.plan.steps)
    out.changes.push_back({std::string(mediation::word(step.change)), core::printable(step.value, 320),
                           core::printable(step.detail, 120), std::string(step.why.code)});
  out.action = out.would_be = "accept";
  out.lawful_basis = "legitimate_business_act";
  out.mode = mended.observed ? "observe" : "enforce";
  out.road = "outbound";
  out.config_id = config.id;
  return out;
}

trail::Outcome outcome_of(const Mail& mail, const std::vector<smtp::Path>& rcpts, const std::vector<Told>& told,
                          std::int64_t duration_us) {
  using transfer::Outcome;
  trail::Outcome out;
  out.transaction = mail.id;
  out.action = "accept";
  out.duration_us = static_cast<std::uint64_t>(std::max<std::int64_t>(duration_us, 0));
  out.delivered = !told.empty() && std::all_of(told.begin(), told.end(),
                                               [](const Told& t) { return t.outcome.outcome == Outcome::kDelivered; });
  // One who is not served stands for all.
  const Told* first = nullptr;
  for (const Told& t : told) {
    if (!first || (first->outcome.outcome == Outcome::kDelivered && t.outcome.outcome != Outcome::kDelivered))
      first = &t;
    if (out.queue_id.empty()) out.queue_id = core::printable(t.outcome.queue_id, 128);
    out.duplicate |= t.outcome.outcome == Outcome::kUnknown;
  }
  if (!first) return out;
  out.next_hop = core::printable(first->host, 300);
  out.next_hop_reply = text_of(first->outcome.reply);
  out.reply = text_of(first->reply);
  if (told.size() > 1)
    for (std::size_t i = 0; i < told.size() && i < rcpts.size(); ++i) {
      trail::Recipient recipient = recipient_of(rcpts[i]);
      recipient.reply = text_of(told[i].reply);
      out.recipients.push_back(std::move(recipient));
    }
  return out;
}

}  // namespace sekisho::egress
