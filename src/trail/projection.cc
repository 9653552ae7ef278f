#include "trail/projection.h"

#include <openssl/sha.h>

#include <algorithm>
#include <set>

#include "base/core/text.h"

namespace sekisho::trail {

IndexValue index_octets(std::string_view octets) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(octets.data()), octets.size(), digest);
  IndexValue out{};
  std::copy_n(digest, out.size(), out.begin());
  return out;
}

IndexValue index_text(std::string_view text) { return index_octets(core::to_lower(text)); }

IndexValue index_ip(const core::IpAddress& ip) {
  IndexValue out{};
  std::copy(ip.octets().begin(), ip.octets().end(), out.begin());
  return out;
}

IndexValue index_id(const TransactionId& id) {
  IndexValue out{};
  std::copy(id.octets.begin(), id.octets.end(), out.begin());
  return out;
}

std::string_view bare_message_id(std::string_view text) {
  text = core::trim_fws(text);
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>') text = text.substr(1, text.size() - 2);
  return text;
}

namespace {
class Entries {
 public:
  Entries(const store::Position& at, std::int64_t time_us, std::uint16_t type, std::vector<store::IndexEntry>& out)
      : at_(at), time_us_(time_us), type_(type), out_(out) {}

  void story(const TransactionId& id, bool begins) {
    id_ = index_id(id);
    if (id == TransactionId()) return;
    add(Key::kStory, id_);
    if (begins) add(Key::kTime, {});
  }
  void add(Key key, const IndexValue& value) {
    out_.push_back({{static_cast<std::uint8_t>(key), value, time_us_, at_.seq}, at_, type_, id_});
  }
  void client(const Client& client) {
    const std::set<core::IpAddress> all{client.ip, client.peer_ip, client.relay_ip};
    for (const auto& ip : all)
      if (ip != core::IpAddress()) add(Key::kClientIp, index_ip(ip));
  }
  void mail_from(const std::string& address) { add(Key::kMailFrom, index_text(address)); }
  void recipients(const std::vector<Recipient>& list) {
    for (const auto& recipient : list)
      if (recipient.hash != RecipientHash{}) add(Key::kRecipient, recipient.hash);
  }
  void domains(const std::set<std::string>& names) {
    for (const auto& name : names)
      if (!name.empty()) add(Key::kDomain, index_text(name));
  }

  void operator()(const Decided& event) {
    story(event.transaction, true);
    client(event.client);
    mail_from(event.mail_from);
    recipients(event.recipients);
    if (!event.message_id.empty()) add(Key::kMessageId, index_text(bare_message_id(event.message_id)));
    if (event.digest != Digest{}) add(Key::kDigest, index_octets({event.digest.data(), event.digest.size()}));
    std::set<std::string> names{core::to_lower(event.author_domain), domain_of(event.mail_from)};
    for (const auto& method : event.authentication) names.insert(core::to_lower(method.domain));
    domains(names);
  }
  void operator()(const Outcome& event) {
    story(event.transaction, false);
    if (!event.queue_id.empty()) add(Key::kQueueId, index_text(event.queue_id));
  }
  void operator()(const Refused& event) {
    story(event.session, true);
    client(event.client);
    mail_from(event.mail_from);
    recipients(event.recipients);
    std::set<std::string> names{domain_of(event.mail_from)};
    for (const auto& sender : event.senders) {
      mail_from(sender.mail_from);
      names.insert(domain_of(sender.mail_from));
    }
    domains(names);
  }
  void operator()(const SessionSummary& event) {
    story(event.session, true);
    client(event.client);
  }
  template <class T>
  void operator()(const T&) {}

 private:
  static std::string domain_of(std::string_view address) {
    const auto at = address.rfind('@');
    return at == std::string_view::npos ? std::string() : core::to_lower(address.substr(at + 1));
  }

  const store::Position& at_;
  std::int64_t time_us_;
  std::uint16_t type_;
  std::vector<store::IndexEntry>& out_;
  IndexValue id_{};
};
}  // namespace

void apply(const store::Position& at, std::int64_t time_us, const Event& event, std::vector<store::IndexEntry>& out) {
  Entries entries(at, time_us, type_of(event), out);
  std::visit(entries, event);
}

}  // namespace sekisho::trail
