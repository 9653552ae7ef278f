#include "base/dns/zone_text.h"

#include <array>

#include "base/core/text.h"
#include "base/dns/record.h"

namespace sekisho::dns {
namespace {

using Rdata = core::Result<std::string, std::string>;
using Tokens = std::vector<Token>;

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out += text[at];
      continue;
    }
    if (++at == text.size()) return std::nullopt;
    if (!core::is_digit(text[at])) {
      out += text[at];
      continue;
    }
    const auto value = core::parse_uint(text.substr(at, 3), 255);
    if (at + 3 > text.size() || !value) return std::nullopt;
    out += static_cast<char>(*value);
    at += 2;
  }
  return out;
}

Rdata generic_rdata(const Tokens& tokens) {  // RFC 3597 section 5
  const auto size = tokens.size() < 2 ? std::nullopt : core::parse_uint(tokens[1].text, 65535);
  if (!size) return core::error(std::string("\\# wants the number of octets (0 to 65535) and then hexadecimal digits"));
  std::string digits;
  for (std::size_t i = 2; i < tokens.size(); ++i) digits += tokens[i].text;
  const auto octets = core::unhex(digits);
  if (!octets) return core::error(std::string("\\# RDATA has something other than pairs of hexadecimal digits"));
  if (octets->size() != *size) {
    return core::error("\\# says " + std::to_string(*size) + " octets, but there are " +
                       std::to_string(octets->size()));
  }
  return *octets;
}

Rdata address_rdata(Type type, std::string_view text) {
  const auto ip = core::IpAddress::parse(text);
  const bool colon = text.find(':') != std::string_view::npos;
  if (!ip || colon != (type == Type::kAaaa)) {
    return core::error(shown(text) + (type == Type::kA ? " is not an IPv4 address such as 192.0.2.1"
                                                       : " is not an IPv6 address such as 2001:db8::1"));
  }
  const auto& octets = ip->octets();
  const std::string all(octets.begin(), octets.end());
  return type == Type::kA ? all.substr(12) : all;
}

Rdata name_rdata(std::string_view text, const Name& origin) {
  const auto name = owner_name(text, origin);
  if (!name) return core::error(shown(text) + " is not a name: labels of 1 to 63 octets, at most 255 in all");
  return name->wire();
}

Rdata mx_rdata(const Tokens& tokens, const Name& origin) {
  const auto preference = tokens.size() == 2 ? core::parse_uint(tokens[0].text, 65535) : std::nullopt;
  if (!preference) return core::error(std::string("MX wants a preference (0 to 65535) and a name"));
  std::string out;
  put16(out, static_cast<std::uint32_t>(*preference));
  auto name = name_rdata(tokens[1].text, origin);
  if (!name) return name;
  return out + *name;
}

Rdata soa_rdata(const Tokens& tokens, const Name& origin) {
  if (tokens.size() != 7) return core::error(std::string("SOA wants two names and five numbers"));
  std::string out;
  for (int i = 0; i < 2; ++i) {
    auto name = name_rdata(tokens[i].text, origin);
    if (!name) return name;
    out += *name;
  }
  for (int i = 2; i < 7; ++i) {
    const auto number = ttl_word(tokens[i].text);
    if (!number) return core::error(shown(tokens[i].text) + " is not a number that SOA can hold (0 to 4294967295)");
    put32(out, *number);
  }
  return out;
}

Rdata strings_rdata(const Tokens& tokens) {
  if (tokens.empty()) return core::error(std::string("TXT and SPF want at least one string"));
  std::string out;
  for (const Token& token : tokens) {
    const auto plain = unescape(token.text);
    if (!plain) return core::error(shown(token.text) + " has a bad escape: \\X or \\DDD (000 to 255) are allowed");
    out += text_rdata(*plain);
  }
  if (out.size() > 65535) return core::error(std::string("the strings are over 65535 octets"));
  return out;
}

Rdata tlsa_rdata(const Tokens& tokens) {  // RFC 6698 section 2.2
  if (tokens.size() < 4) return core::error(std::string("TLSA wants three numbers (0 to 255) and hexadecimal digits"));
  std::string out, digits;
  for (int i = 0; i < 3; ++i) {
    const auto number = core::parse_uint(tokens[i].text, 255);
    if (!number) return core::error(shown(tokens[i].text) + " is not a number from 0 to 255");
    out += static_cast<char>(*number);
  }
  for (std::size_t i = 3; i < tokens.size(); ++i) digits += tokens[i].text;
  const auto octets = core::unhex(digits);
  if (!octets) return core::error(std::string("TLSA data has something other than pairs of hexadecimal digits"));
  return out + *octets;
}

struct TypeWord {
  std::string_view word;
  Type type;
};
constexpr std::array<TypeWord, 10> kTypeWords{{{"A", Type::kA},
                                               {"AAAA", Type::kAaaa},
                                               {"NS", Type::kNs},
                                               {"CNAME", Type::kCname},
                                               {"SOA", Type::kSoa},
                                               {"PTR", Type::kPtr},
                                               {"MX", Type::kMx},
                                               {"TXT", Type::kTxt},
                                               {"SPF", Type::kSpf},
                                               {"TLSA", Type::kTlsa}}};

bool ends_token(char c) { return core::is_fws(c) || c == ';' || c == '(' || c == ')' || c == '"'; }

}  // namespace

std::string shown(std::string_view text) { return "'" + core::printable(text, 60) + "'"; }

core::Result<Entry, ZoneError> EntryReader::next() {
  if (!held_ && comments_.empty()) {
    Entry entry;
    if (auto wrong = read_entry(entry)) return core::error(std::move(*wrong));
    held_ = std::move(entry);
  }
  if (!comments_.empty()) {
    Entry comment = std::move(comments_.front());
    comments_.pop_front();
    return comment;
  }
  Entry entry = std::move(*held_);
  held_.reset();
  return entry;
}

std::optional<ZoneError> EntryReader::read_entry(Entry& entry) {
  unsigned depth = 0, opened_line = 0;
  bool line_start = true;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') {
      ++at_, ++line_;
      if (depth > 0) continue;
      if (!entry.tokens.empty()) break;
      line_start = true, entry.blank_owner = false;
    } else if (c == ';') {
      read_comment();
    } else if (c == ' ' || c == '\t' || c == '\r') {
      if (line_start && entry.tokens.empty()) entry.blank_owner = true;
      line_start = false;
      ++at_;
    } else if (c == '(') {
      if (depth++ == 0) opened_line = line_;
      line_start = false;
      ++at_;
    } else if (c == ')') {
      if (depth-- == 0) return ZoneError{line_, "')' without '('"};
      ++at_;
    } else {
      line_start = false;
      if (entry.tokens.empty()) entry.line = line_;
      if (auto wrong = read_token(entry)) return wrong;
    }
  }
  if (depth > 0) return ZoneError{opened_line, "'(' is never closed; ')' is missing"};
  if (!entry.tokens.empty()) entry.kind = Entry::Kind::kRecord;
  return std::nullopt;
}

std::optional<ZoneError> EntryReader::read_token(Entry& entry) {
  const unsigned begun = line_;
  if (text_[at_] == '"') {
    const std::size_t start = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\n') return ZoneError{begun, "a string is not closed on its line; '\"' is missing"};
      at_ += text_[at_] == '\\' && at_ + 1 < text_.size() ? 2 : 1;
    }
    if (at_ >= text_.size()) return ZoneError{begun, "a string is not closed; '\"' is missing"};
    entry.tokens.push_back({text_.substr(start, at_ - start), true});
    ++at_;
    return std::nullopt;
  }
  const std::size_t start = at_;
  while (at_ < text_.size() && !ends_token(text_[at_])) {
    at_ += text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n' ? 2 : 1;
  }
  entry.tokens.push_back({text_.substr(start, at_ - start), false});
  return std::nullopt;
}

void EntryReader::read_comment() {
  const std::size_t end = std::min(text_.find('\n', at_), text_.size());
  std::string_view comment = text_.substr(at_, end - at_);
  at_ = end;
  if (comment.size() < 3 || comment[1] != '!' || !core::is_alpha(comment[2])) return;
  comment.remove_prefix(2);
  Entry entry{Entry::Kind::kComment, line_, false, {}};
  for (std::size_t at = 0; at < comment.size();) {
    const std::size_t stop = std::min(comment.find_first_of(" \t\r", at), comment.size());
    if (comment[at] == ';') break;
    if (stop > at) entry.tokens.push_back({comment.substr(at, stop - at), false});
    at = stop + 1;
  }
  comments_.push_back(std::move(entry));
}

std::optional<Name> owner_name(std::string_view text, const Name& origin) {
  if (text == "@") return origin;
  // An escaped final dot belongs to the label: count the backslashes before it.
  std::size_t slashes = 0;
  if (!text.empty() && text.back() == '.') {
    while (slashes + 1 < text.size() && text[text.size() - 2 - slashes] == '\\') ++slashes;
    if (slashes % 2 == 0) return Name::parse(text);
  }
  const auto relative = Name::parse(text);
  if (!relative || origin.is_root()) return relative;
  return Name::from_wire(relative->wire().substr(0, relative->wire().size() - 1) + origin.wire());
}

std::optional<Type> type_word(std::string_view word) {
  for (const TypeWord& known : kTypeWords) {
    if (core::iequals(word, known.word)) return known.type;
  }
  if (!core::istarts_with(word, "TYPE")) return std::nullopt;  // RFC 3597 section 5
  const auto number = core::parse_uint(word.substr(4), 65535);
  if (!number || *number == 0) return std::nullopt;
  return static_cast<Type>(*number);
}

std::optional<std::uint32_t> ttl_word(std::string_view word) {
  if (word.empty() || !core::is_digit(word[0])) return std::nullopt;
  std::uint64_t total = 0;
  while (!word.empty()) {
    std::size_t digits = 0;
    while (digits < word.size() && core::is_digit(word[digits])) ++digits;
    const auto number = core::parse_uint(word.substr(0, digits), UINT32_MAX);
    if (!number) return std::nullopt;
    std::uint64_t unit = 1;
    word.remove_prefix(digits);
    if (!word.empty()) {
      switch (core::lower(word[0])) {
        case 's':
          unit = 1;
          break;
        case 'm':
          unit = 60;
          break;
        case 'h':
          unit = 3600;
          break;
        case 'd':
          unit = 86400;
          break;
        case 'w':
          unit = 604800;
          break;
        default:
          return std::nullopt;
      }
      word.remove_prefix(1);
    }
    total += *number * unit;
    if (total > UINT32_MAX) return std::nullopt;
  }
  return static_cast<std::uint32_t>(total);
}

core::Result<std::string, std::string> parse_rdata(Type type, const Tokens& tokens, const Name& origin) {
  if (!tokens.empty() && !tokens[0].quoted && tokens[0].text == "\\#") return generic_rdata(tokens);
  switch (type) {
    case Type::kA:
    case Type::kAaaa:
      if (tokens.size() != 1) return core::error(std::string("A and AAAA want one address"));
      return address_rdata(type, tokens[0].text);
    case Type::kNs:
    case Type::kCname:
    case Type::kPtr:
      if (tokens.size() != 1) return core::error(std::string("NS, CNAME and PTR want one name"));
      return name_rdata(tokens[0].text, origin);
    case Type::kMx:
      return mx_rdata(tokens, origin);
    case Type::kSoa:
      return soa_rdata(tokens, origin);
    case Type::kTxt:
    case Type::kSpf:
      return strings_rdata(tokens);
    case Type::kTlsa:
      return tlsa_rdata(tokens);
  }
  return core::error(std::string("a record of this type wants generic RDATA: \\# LENGTH HEX"));
}

}  // namespace sekisho::dns
