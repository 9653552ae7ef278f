#include "mail/received/received.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/core/text.h"

namespace sekisho::received {
namespace {

constexpr std::size_t kLongest = 4096;

struct Item {
  enum class Kind : unsigned char { kWord, kComment } kind;
  std::string_view text;  // of a comment: without its brackets
};
using Items = std::vector<Item>;
using Words = std::vector<std::string_view>;

// The size of "(...)" at the front, minding nesting and quoted pairs (RFC 5322 section 3.2.2); 0 when it does not
// close.
std::size_t comment_size(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

// Words and comments up to "by", which is taken off; false when it does not come before the date, or there are other
// things.
bool split(std::string_view& text, Items& out) {
  while (!text.empty()) {
    if (core::is_fws(text[0])) {
      text.remove_prefix(1);
    } else if (text[0] == '(') {
      const std::size_t size = comment_size(text);
      if (size == 0) return false;
      out.push_back({Item::Kind::kComment, text.substr(1, size - 2)});
      text.remove_prefix(size);
    } else {
      std::size_t size = 0;
      while (size < text.size() && !core::is_fws(text[size]) && text[size] != '(') ++size;
      const std::string_view word = text.substr(0, size);
      text.remove_prefix(size);
      if (core::iequals(word, "by")) return true;
      if (word.find_first_of("\";)\\") != std::string_view::npos) return false;
      out.push_back({Item::Kind::kWord, word});
    }
  }
  return false;
}

// Without comments. Where one does not close, nothing more is taken for a comment.
Words words_of(std::string_view text) {
  Words out;
  bool closed = true;
  while (!text.empty()) {
    const bool opens = text[0] == '(' && closed;
    const std::size_t comment = opens ? comment_size(text) : 0;
    closed = closed && (!opens || comment > 0);
    if (core::is_fws(text[0]) || comment > 0) {
      text.remove_prefix(std::max<std::size_t>(comment, 1));
      continue;
    }
    std::size_t size = 1;
    while (size < text.size() && !core::is_fws(text[size]) && text[size] != '(') ++size;
    out.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}
bool is_in(const Words& words, std::string_view wanted) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return core::iequals(w, wanted); });
}
// Inside comments too: where a comment ends may be in the client's hands.
bool mentions(std::string_view text, std::string_view wanted) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n()"), text.size());
    if (core::iequals(text.substr(0, end), wanted)) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

std::optional<core::IpAddress> bare_address(std::string_view text) {
  return core::IpAddress::parse(text.substr(0, text.find('%')));  // Exchange: fe80::1%12
}

// "[192.0.2.1]", "[IPv6:2001:db8::1]", Exim's "[2001:db8::1]:40000".
std::optional<core::IpAddress> literal(std::string_view text) {
  const std::size_t close = text.find(']');
  if (text.empty() || text[0] != '[' || close == std::string_view::npos) return {};
  const std::string_view behind = text.substr(close + 1);
  if (!behind.empty() && (behind[0] != ':' || !core::parse_uint(behind.substr(1), 65535))) return {};
  text = text.substr(1, close - 1);
  if (core::istarts_with(text, "IPv6:")) text.remove_prefix(5);
  return bare_address(text);
}

// Of a host, perhaps with an ident before it; never the beginning of "helo=x y".
bool is_name(std::string_view text) { return text.find_first_of("[]=") == std::string_view::npos; }

// What a comment between the client's name and "by" says.
struct Said {
  enum class Kind : unsigned char { kNothing, kAddress, kNames } kind = Kind::kNothing;
  std::optional<core::IpAddress> ip;
  std::string_view helo;
};

// Exim: "helo=x ident=y port=z" in any order; false when there are other words.
bool exim_names(const Words& words, std::size_t from, std::string_view& helo) {
  for (std::size_t i = from; i < words.size(); ++i) {
    if (words[i].starts_with("helo=")) {
      helo = words[i].substr(5);
    } else if (!words[i].starts_with("ident=") && !words[i].starts_with("port=")) {
      return false;
    }
  }
  return true;
}

Said read_comment(std::string_view comment) {
  Said out;
  const Words words = words_of(comment);
  const auto address = [&](std::optional<core::IpAddress> ip) {
    if (ip) out.kind = Said::Kind::kAddress, out.ip = ip;
  };
  if (words.empty()) return out;
  if (const auto ip = literal(words[0])) {
    if (exim_names(words, 1, out.helo)) address(ip);  // Exim: ([192.0.2.1] helo=x); Sendmail: ([192.0.2.1])
  } else if (exim_names(words, 0, out.helo)) {
    out.kind = Said::Kind::kNames;
  } else if (words.size() == 2 && (words[0] == "HELO" || words[0] == "EHLO")) {
    out.kind = Said::Kind::kNames;  // qmail: (HELO x)
    out.helo = words[1];
  } else if (words.size() == 2 && is_name(words[0])) {
    address(literal(words[1]));  // Postfix, Sendmail, Gmail: (name [192.0.2.1])
  } else if (words.size() == 1) {
    const std::size_t at = words[0].rfind('@');
    address(bare_address(words[0].substr(at == std::string_view::npos ? 0 : at + 1)));  // Exchange: (192.0.2.1)
  }
  return out;
}

std::string tame(std::string_view helo) {
  const bool good = helo.size() <= 255 && std::all_of(helo.begin(), helo.end(), core::is_vchar);
  return good ? std::string(helo) : std::string();
}

// items: from "from" to before "by".
Clause read_from(const Items& items) {
  Clause out;
  if (items.size() < 2 || items[1].kind != Item::Kind::kWord) return out;
  const std::string_view token = items[1].text;
  std::optional<core::IpAddress> ip;
  std::string_view helo = token;
  int readings = 0;
  bool names = false, names_only = true;
  for (std::size_t i = 2; i < items.size(); ++i) {
    Said said;
    if (items[i].kind == Item::Kind::kComment) {
      said = read_comment(items[i].text);
    } else if (const auto bare = literal(items[i].text); bare && i == 2) {
      said = {Said::Kind::kAddress, bare, {}};  // Sendmail, to whom no HELO was said: from name [192.0.2.1]
      helo = {};
    } else {
      return out;
    }
    names |= said.kind == Said::Kind::kNames;
    names_only &= said.kind == Said::Kind::kNames;
    if (!said.helo.empty()) helo = said.helo;
    if (said.ip) ++readings, ip = said.ip;
  }
  // Exim without a reverse name: from [192.0.2.1] (helo=x). Without its "helo=" such a word may be any client's HELO.
  if (const auto own = literal(token); own && names) {
    ++readings;
    ip = own;
    if (!names_only) return out;
    if (helo == token) helo = {};
  }
  if (readings != 1) return out;
  return {Kind::kFrom, *ip, tame(helo)};
}

}  // namespace

Clause parse(std::string_view value) {
  const auto stray = [](char c) { return core::is_control(c) && !core::is_fws(c); };
  if (value.size() > kLongest || std::any_of(value.begin(), value.end(), stray)) return {};
  const Words words = words_of(value);
  if (words.empty() || !core::iequals(words[0], "from"))
    return is_in(words, "from") ? Clause{} : Clause{Kind::kLocal, {}, {}};
  Items items;
  // Who can write "by" into his own name makes one field look like another.
  if (!split(value, items) || mentions(value, "by")) return {};
  return read_from(items);
}

}  // namespace sekisho::received
