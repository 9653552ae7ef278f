#include "road/identity/domainkeys/canonicalize.h"

#include <algorithm>
#include <unordered_map>

#include "base/core/text.h"
#include "mail/address/mailbox.h"

namespace sekisho::domainkeys {
namespace {

constexpr bool is_fws(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// "nofws": all folding white space goes, also within the lines. Line ends at the end of the body never come out, and
// with an empty body neither does the line between header and body.
class Body final : public mail::BodySink {
 public:
  Body(Canon canon, signature::Digest& digest) : canon_(canon), digest_(digest) {}
  void update(std::string_view octets) override {
    std::size_t from = 0;
    for (std::size_t at = 0; at < octets.size(); ++at) {
      const char c = octets[at];
      const bool line_end = c == '\r' || c == '\n';
      if (!line_end && !(canon_ == Canon::kNofws && is_fws(c))) {
        if (held_ > 0) flush();
        continue;
      }
      out(octets.substr(from, at - from));
      from = at + 1;
      if (c == '\n') ++held_;
    }
    out(octets.substr(from));
  }
  void finish() {
    if (started_) digest_.update("\r\n");
  }

 private:
  void out(std::string_view span) {
    if (!span.empty()) digest_.update(span);
  }
  void flush() {
    started_ = true;
    for (; held_ > 0; --held_) digest_.update("\r\n");
  }
  Canon canon_;
  signature::Digest& digest_;
  std::uint64_t held_ = 1;  // the empty line before the body
  bool started_ = false;
};

void append(Canon canon, std::string_view raw, std::string& out) {
  if (canon == Canon::kSimple) {
    out += raw;
    return;
  }
  std::copy_if(raw.begin(), raw.end(), std::back_inserter(out), [](char c) { return !is_fws(c); });
  out += "\r\n";
}

// RFC 4870 section 3.3, h=: "in the order presented to the signing algorithm"; "a verifier must include all occurrences
// of that header", of which a name that is there more than once takes the lowest first.
std::vector<const mail::HeaderField*> listed_fields(const mail::Message& message, std::size_t first,
                                                    const std::vector<std::string>& names) {
  std::unordered_map<std::string, std::vector<const mail::HeaderField*>> fields;
  for (std::size_t i = first; i < message.fields().size(); ++i) {
    const auto& field = message.fields()[i];
    fields[core::to_lower(std::string(field.name))].push_back(&field);
  }
  std::unordered_map<std::string_view, std::size_t> mentions;
  for (const auto& name : names) ++mentions[name];
  std::vector<const mail::HeaderField*> out;  // from the last to the first
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    const auto found = fields.find(*name);
    const bool last_mention = --mentions[*name] == 0;
    if (found == fields.end()) continue;
    auto& left = found->second;
    do {
      if (left.empty()) break;
      out.push_back(left.back());
      left.pop_back();
    } while (last_mention);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::optional<std::string> signed_digest(const mail::Message& message, std::size_t first,
                                         const std::vector<std::string>* names, Canon canon, core::Budget& budget) {
  std::string header;
  const auto& fields = message.fields();
  std::uint64_t cost = names ? names->size() * 16 : 0;
  for (std::size_t i = first; i < fields.size(); ++i) cost += fields[i].raw.size() + 16;
  if (!budget.take_steps(cost)) return {};
  if (names) {
    for (const auto* field : listed_fields(message, first, *names)) append(canon, field->raw, header);
  } else {
    for (std::size_t i = first; i < fields.size(); ++i) append(canon, fields[i].raw, header);
  }
  if (!budget.take_steps(message.body().size() / 8)) return {};
  signature::Digest digest(signature::Hash::kSha1);
  digest.update(header);
  Body body(canon, digest);
  message.body().hash_into(body);
  body.finish();
  return digest.finish();
}

Sender find_sender(const mail::Message& message, core::Budget& budget) {
  Sender out;
  for (const char* name : {"Sender", "From"}) {
    out.field = message.first(name);
    if (!out.field) continue;
    out.header = name;
    const auto list = mail::parse_mailboxes(out.field->value, budget);
    if (!list.mailboxes.empty()) out.address = list.mailboxes.front().address;
    break;
  }
  return out;
}

}  // namespace sekisho::domainkeys
