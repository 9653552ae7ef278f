#include "mail/message/message.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/core/text.h"
#include "mail/message/header.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kOctetsPerStep = 8;  // searching for line ends is many times cheaper than looking at each octet

std::size_t find(std::string_view text, char c, std::size_t from) {
  if (from >= text.size()) return text.size();
  const void* hit = std::memchr(text.data() + from, c, text.size() - from);
  return hit ? static_cast<std::size_t>(static_cast<const char*>(hit) - text.data()) : text.size();
}

// In CRLF-only text each LF follows a CR and each CR goes before an LF: for neighbours a, b it holds that a is CR
// exactly when b is LF. The fixed block lets the compiler compare many octets at a time.
bool neighbours_agree(const char* text, std::size_t pairs) {
  constexpr std::size_t kBlock = 128;
  unsigned char odd = 0;
  std::size_t i = 0;
  for (; i + kBlock <= pairs && !odd; i += kBlock) {
    for (std::size_t j = i; j < i + kBlock; ++j)
      odd |= static_cast<unsigned char>((text[j] == '\r') ^ (text[j + 1] == '\n'));
  }
  for (; i < pairs && !odd; ++i) odd |= static_cast<unsigned char>((text[i] == '\r') ^ (text[i + 1] == '\n'));
  return !odd;
}

// RFC 5322 section 2.1: CR and LF only occur together.
std::optional<MessageError> check_line_ends(std::string_view text) {
  if (text.empty()) return {};
  if (text.front() != '\n' && text.back() != '\r' && neighbours_agree(text.data(), text.size() - 1)) return {};
  std::size_t cr = find(text, '\r', 0);
  std::size_t lf = find(text, '\n', 0);
  while (cr < text.size() || lf < text.size()) {
    if (lf < cr) return MessageError::kBareLf;
    if (lf != cr + 1 || lf == text.size()) return MessageError::kBareCr;
    cr = find(text, '\r', lf + 1);
    lf = find(text, '\n', lf + 1);
  }
  return {};
}

// RFC 4155: the separator line of an mbox file, which is no part of the message. "From : x" is a field (RFC 5322
// section 4.5, obsolete syntax), and one that mail readers show.
bool starts_with_separator(std::string_view text) {
  if (!text.starts_with("From ")) return false;
  const auto next = text.find_first_not_of(" \t", 5);
  return next == std::string_view::npos || text[next] != ':';
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32 + 2);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t lf = find(text, '\n', start);
    std::string_view line = text.substr(start, lf - start);
    start = lf + 1;
    const bool has_cr = line.ends_with('\r');
    out.append(line);
    if (lf == text.size()) break;
    out.append(has_cr ? "\n" : "\r\n");
  }
  return out;
}

}  // namespace

core::Result<std::shared_ptr<const Message>, MessageError> Message::parse(std::string octets, core::Budget& budget) {
  if (!budget.take_steps(1 + octets.size() / kOctetsPerStep)) return core::error(MessageError::kTooComplex);
  if (const auto fault = check_line_ends(octets)) return core::error(*fault);
  std::shared_ptr<Message> message(new Message());
  message->octets_ = std::move(octets);
  const std::string_view text = message->octets_;
  auto header = scan_header(text, budget);
  if (!header) return core::error(MessageError::kTooComplex);
  message->header_size_ = header->size;
  message->fields_ = std::move(header->fields);
  message->shape_ = header->shape;
  message->body_.octets_ = text.substr(header->body_start);
  return std::shared_ptr<const Message>(std::move(message));
}

core::Result<std::shared_ptr<const Message>, MessageError> Message::from_file(std::string octets,
                                                                              core::Budget& budget) {
  if (starts_with_separator(octets)) octets.erase(0, std::min(find(octets, '\n', 0) + 1, octets.size()));
  const auto fault = check_line_ends(octets);
  if (fault == MessageError::kBareLf || fault == MessageError::kBareCr) octets = with_crlf(octets);
  return parse(std::move(octets), budget);
}

std::vector<const HeaderField*> Message::all(std::string_view name) const {
  std::vector<const HeaderField*> out;
  for (const HeaderField& field : fields_) {
    if (core::iequals(field.name, name)) out.push_back(&field);
  }
  return out;
}

const HeaderField* Message::first(std::string_view name) const {
  const auto it = std::find_if(fields_.begin(), fields_.end(),
                               [name](const HeaderField& field) { return core::iequals(field.name, name); });
  return it == fields_.end() ? nullptr : &*it;
}

std::size_t Message::received_count() const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(), [](const HeaderField& field) { return core::iequals(field.name, "Received"); }));
}

std::string message_id(const Message& message) {
  const auto* field = message.first("Message-ID");
  if (!field) return "";
  auto text = core::trim_fws(field->value);
  if (!text.empty() && text.front() == '<') text.remove_prefix(1);
  if (!text.empty() && text.back() == '>') text.remove_suffix(1);
  return core::printable(text, 512);
}

}  // namespace sekisho::mail
