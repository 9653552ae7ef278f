#include <idn2.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/core/text.h"
#include "mail/address/address.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kMaxDomain = 253;            // RFC 1035 section 2.3.4: 255 octets on the wire
constexpr std::size_t kMaxLabel = 63;              // RFC 1035 section 2.3.4
constexpr std::size_t kMaxInput = 4 * kMaxDomain;  // UTF-8 text that could still become a domain

struct Free {
  void operator()(char* text) const { idn2_free(text); }
};
using IdnText = std::unique_ptr<char, Free>;

bool is_label_octet(char c) { return core::is_alnum(c) || c == '-' || c == '_'; }

// RFC 1123 section 2.1: the highest-level label is never all digits, so "192.0.2.1" is a literal and not a name.
bool ends_in_number(std::string_view text) {
  const std::string_view last = text.substr(text.rfind('.') + 1);
  return std::all_of(last.begin(), last.end(), core::is_digit);
}

// Checks labels and lengths; the result is lower case.
std::optional<std::string> ascii_domain(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxDomain) return {};
  std::string out;
  out.reserve(text.size());
  std::size_t label = 0;
  for (char c : text) {
    if (c == '.') {
      if (label == 0) return {};
      label = 0;
    } else if (!is_label_octet(c) || ++label > kMaxLabel) {
      return {};
    }
    out.push_back(core::lower(c));
  }
  if (label == 0 || ends_in_number(out)) return {};
  return out;
}

// RFC 5891 section 5 with the mapping of UTS 46, non-transitional. The outcome is checked like any ASCII text: a
// mapping may well give "a/c" or a second dot.
std::optional<std::string> international_domain(std::string_view text) {
  if (text.size() > kMaxInput || text.find('\0') != std::string_view::npos) return {};
  const std::string input(text);
  std::uint8_t* octets = nullptr;
  const int rc = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(input.c_str()), &octets,
                                IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const IdnText ascii(reinterpret_cast<char*>(octets));
  if (rc != IDN2_OK) return {};
  return ascii_domain(ascii.get());
}

}  // namespace

std::optional<Domain> Domain::parse(std::string_view text) {
  auto ascii = core::is_ascii(text) ? ascii_domain(text) : international_domain(text);
  if (!ascii) return {};
  return Domain(std::move(*ascii));
}

std::string Domain::unicode() const {
  if (text_.find("xn--") == std::string::npos) return text_;
  char* out = nullptr;
  const int rc = idn2_to_unicode_8z8z(text_.c_str(), &out, IDN2_NONTRANSITIONAL);
  const IdnText unicode(out);
  if (rc != IDN2_OK) return text_;
  // RFC 5891 section 5.4: only a U-label that gives the same A-label back is shown; "xn--a" stands for nothing.
  const auto back = parse(unicode.get());
  return back && back->text_ == text_ ? std::string(unicode.get()) : text_;
}

dns::Name Domain::name() const {
  std::string wire;
  wire.reserve(text_.size() + 2);
  for (std::size_t start = 0; start <= text_.size();) {
    const std::size_t dot = std::min(text_.find('.', start), text_.size());
    wire.push_back(static_cast<char>(dot - start));
    wire.append(text_, start, dot - start);
    start = dot + 1;
  }
  wire.push_back('\0');
  return *dns::Name::from_wire(wire);
}

std::optional<Domain> Domain::parent() const {
  const auto dot = text_.find('.');
  if (dot == std::string::npos) return {};
  return Domain(text_.substr(dot + 1));
}

std::size_t Domain::labels() const { return 1 + static_cast<std::size_t>(std::count(text_.begin(), text_.end(), '.')); }

bool Domain::is_at_or_below(const Domain& ancestor) const {
  if (!text_.ends_with(ancestor.text_)) return false;
  const std::size_t rest = text_.size() - ancestor.text_.size();
  return rest == 0 || text_[rest - 1] == '.';
}

}  // namespace sekisho::mail
