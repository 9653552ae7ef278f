#include "road/identity/spf/macro.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "base/core/text.h"

namespace sekisho::spf {
namespace {

constexpr bool is_delimiter(char c) {
  return c == '.' || c == '-' || c == '+' || c == ',' || c == '/' || c == '_' || c == '=';
}
constexpr bool is_unreserved(char c) { return core::is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

struct Macro {
  char letter = 0;  // lower case; 0: one of %% %_ %-, whose octets are in literal
  bool escape = false, reverse = false;
  unsigned keep = 0;  // right-hand parts; 0: all
  std::string_view delimiters, literal;
};

// Reads the macro at text[at] == '%' and moves behind it. Section 7.1: % must be followed by { % - or _.
bool read_macro(std::string_view text, std::size_t& at, Macro& macro) {
  macro = Macro{};
  const auto bad = [&] { return at = text.size(), false; };
  if (at + 1 >= text.size()) return bad();
  const char kind = text[at + 1];
  at += 2;
  if (kind == '%') return macro.literal = "%", true;
  if (kind == '_') return macro.literal = " ", true;
  if (kind == '-') return macro.literal = "%20", true;
  if (kind != '{' || at >= text.size()) return bad();
  const char letter = text[at++];
  macro.letter = core::lower(letter);
  macro.escape = macro.letter != letter;  // section 7.3: upper case letters are URL-escaped
  if (std::string_view("slodiphvcrt").find(macro.letter) == std::string_view::npos) return bad();
  const std::size_t digits = at;
  while (at < text.size() && core::is_digit(text[at])) {
    if (macro.keep < 100'000) macro.keep = macro.keep * 10 + unsigned(text[at] - '0');
    ++at;
  }
  if (at > digits && macro.keep == 0) return bad();  // section 7.3: the value MUST be nonzero
  if (at < text.size() && core::lower(text[at]) == 'r') macro.reverse = true, ++at;
  const std::size_t delimiters = at;
  while (at < text.size() && is_delimiter(text[at])) ++at;
  macro.delimiters = text.substr(delimiters, at - delimiters);
  if (at >= text.size() || text[at] != '}') return bad();
  ++at;
  return true;
}

// toplabel: letters, digits and inner hyphens, not digits only (section 7.1).
bool valid_toplabel(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  bool digits_only = true;
  for (char c : label) {
    if (!core::is_alnum(c) && c != '-') return false;
    digits_only = digits_only && core::is_digit(c);
  }
  return !digits_only;
}

bool valid_text(std::string_view text, bool explanation_letters, bool spaces, std::size_t* last_macro_end) {
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '%') {
      Macro macro;
      if (!read_macro(text, at, macro)) return false;
      const bool exp_only = macro.letter == 'c' || macro.letter == 'r' || macro.letter == 't';
      if (exp_only && !explanation_letters) return false;
      if (last_macro_end) *last_macro_end = at;
      continue;
    }
    if (!(c > 0x20 && c < 0x7f) && !(spaces && c == ' ')) return false;
    ++at;
  }
  return true;
}

// A macro's letter as text; numbers and addresses are written into `own`.
class Value {
 public:
  Value(char letter, const Values& v) {
    switch (letter) {
      case 's':
        text_ = v.sender;
        break;
      case 'l':
        text_ = v.local;
        break;
      case 'o':
        text_ = v.sender_domain;
        break;
      case 'd':
        text_ = v.domain;
        break;
      case 'h':
        text_ = v.helo;
        break;
      case 'r':
        text_ = v.receiver;
        break;
      case 'p':
        text_ = v.validated;
        break;
      case 'v':
        text_ = v.client_ip.is_v4() ? "in-addr" : "ip6";
        break;
      case 't':
        number(v.now_s);
        break;
      case 'c':
        address(v.client_ip);
        break;
      default:
        v.client_ip.is_v4() ? address(v.client_ip) : nibbles(v.client_ip);
        break;
    }
  }
  std::string_view text() const { return text_; }

 private:
  void number(std::int64_t value) {
    const auto end = std::to_chars(own_, own_ + sizeof own_, value).ptr;
    text_ = {own_, static_cast<std::size_t>(end - own_)};
  }
  void address(const core::IpAddress& ip) {
    const bool v4 = ip.is_v4();
    inet_ntop(v4 ? AF_INET : AF_INET6, ip.octets().data() + (v4 ? 12 : 0), own_, sizeof own_);
    text_ = own_;
  }
  // Section 7.3: for IPv6, "i" is a dot-format address of 32 nibbles.
  void nibbles(const core::IpAddress& ip) {
    char* out = own_;
    for (unsigned octet : ip.octets()) {
      *out++ = "0123456789ABCDEF"[octet >> 4];
      *out++ = '.';
      *out++ = "0123456789ABCDEF"[octet & 15];
      *out++ = '.';
    }
    text_ = {own_, 63};
  }
  std::string_view text_;
  char own_[65];
};

// Puts octets one by one, URL-escaped (RFC 3986) when the macro's letter is upper case.
template <class Put>
void put_part(std::string_view part, bool escape, Put& put) {
  for (char c : part) {
    if (!escape || is_unreserved(c)) {
      put(c);
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    put('%');
    put("0123456789ABCDEF"[octet >> 4]);
    put("0123456789ABCDEF"[octet & 15]);
  }
}

bool splits(const Macro& macro, char c) {
  return macro.delimiters.empty() ? c == '.' : macro.delimiters.find(c) != std::string_view::npos;
}

// Section 7.3: split at the delimiters, reverse, keep right-hand parts, join with ".".
template <class Put>
void put_macro(const Macro& macro, std::string_view value, Put& put) {
  if (!macro.reverse && macro.keep == 0 && macro.delimiters.empty()) return put_part(value, macro.escape, put);
  std::size_t count = 1;
  for (char c : value) count += splits(macro, c);
  std::size_t keep = macro.keep == 0 || macro.keep > count ? count : macro.keep;
  if (macro.reverse) {  // the kept ones are the first of the text, last one first
    std::size_t end = value.size(), skip = count - keep;
    for (bool first = true; keep > 0;) {
      std::size_t start = end;
      while (start > 0 && !splits(macro, value[start - 1])) --start;
      if (skip > 0) {
        --skip;
      } else {
        if (!first) put('.');
        first = false, --keep;
        put_part(value.substr(start, end - start), macro.escape, put);
      }
      end = start == 0 ? 0 : start - 1;
    }
    return;
  }
  std::size_t at = 0;
  for (std::size_t skip = count - keep; skip > 0; ++at)
    if (splits(macro, value[at])) --skip;
  for (std::size_t start = at; keep > 0; --keep) {
    std::size_t end = start;
    while (end < value.size() && !splits(macro, value[end])) ++end;
    put_part(value.substr(start, end - start), macro.escape, put);
    if (keep > 1) put('.');
    start = end + 1;
  }
}

}  // namespace

bool valid_macro_string(std::string_view text, bool explanation_letters) {
  return valid_text(text, explanation_letters, false, nullptr);
}

bool valid_explanation(std::string_view text) { return valid_text(text, true, true, nullptr); }

// domain-spec = macro-string domain-end; domain-end = ( "." toplabel [ "." ] ) / macro-expand
bool valid_domain_spec(std::string_view text) {
  if (text.empty()) return false;
  std::size_t macro_end = 0;
  if (!valid_text(text, false, false, &macro_end)) return false;
  if (macro_end == text.size()) return true;
  auto tail = text.substr(macro_end);  // the toplabel and its dot are literals
  if (tail.back() == '.') tail.remove_suffix(1);
  const auto dot = tail.rfind('.');
  return dot != std::string_view::npos && valid_toplabel(tail.substr(dot + 1));
}

bool uses(std::string_view text, char letter) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos && at < text.size(); at = text.find('%', at)) {
    Macro macro;
    if (read_macro(text, at, macro) && macro.letter == letter) return true;
  }
  return false;
}

bool beyond_ascii(std::string_view text) {
  for (char c : text)
    if (static_cast<unsigned char>(c) > 0x7f) return true;
  return false;
}

void TargetName::drop() {
  std::memmove(octets_, octets_ + sizeof octets_ / 2, sizeof octets_ / 2);
  size_ = sizeof octets_ / 2;
}

std::string_view TargetName::name() const {
  std::string_view name(octets_, size_);
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  while (name.size() > 253) {
    const auto dot = name.find('.', name.size() - 254);
    if (dot == std::string_view::npos) return name;  // one label of over 253: nobody can ask it
    name.remove_prefix(dot + 1);
  }
  return name;
}

void expand(std::string_view spec, const Values& values, TargetName& out) {
  out.clear();
  for (std::size_t at = 0; at < spec.size();) {
    if (spec[at] != '%') {
      out.put(spec[at++]);
      continue;
    }
    Macro macro;
    if (!read_macro(spec, at, macro)) return out.spoil();
    if (macro.letter == 0) {
      for (char c : macro.literal) out.put(c);
      continue;
    }
    const Value value(macro.letter, values);
    auto put = [&out](char c) {
      if (!(c > 0x20 && c < 0x7f)) out.spoil();
      out.put(c);
    };
    put_macro(macro, value.text(), put);
  }
}

std::string expand_explanation(std::string_view text, const Values& values, std::size_t max) {
  std::string out;
  auto put = [&out, max](char c) {
    if (out.size() < max) out += c >= 0x20 && c < 0x7f ? c : '?';
  };
  for (std::size_t at = 0; at < text.size() && out.size() < max;) {
    if (text[at] != '%') {
      put(text[at++]);
      continue;
    }
    Macro macro;
    if (!read_macro(text, at, macro)) return {};
    if (macro.letter == 0) {
      for (char c : macro.literal) put(c);
      continue;
    }
    const Value value(macro.letter, values);
    put_macro(macro, value.text(), put);
  }
  return out;
}

}  // namespace sekisho::spf
