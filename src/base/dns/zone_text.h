#pragma once
// Master-file text (RFC 1035 section 5.1) to entries of tokens and to RDATA. Private to this room.
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/dns/dns.h"
#include "base/dns/zone.h"

namespace sekisho::dns {

struct Token {
  std::string_view text;  // escapes as they stand; quotes taken off
  bool quoted = false;
};

struct Entry {
  enum class Kind { kRecord, kComment, kEnd } kind = Kind::kEnd;
  unsigned line = 0;          // where it begins
  bool blank_owner = false;   // the line begins with white space
  std::vector<Token> tokens;  // of kComment: the words behind ";!"
};

// Gives one entry after the other. Only comments that begin with ";!" and a letter are given; they come before the
// entry they stand in.
class EntryReader {
 public:
  explicit EntryReader(std::string_view text) : text_(text) {}
  core::Result<Entry, ZoneError> next();

 private:
  std::optional<ZoneError> read_entry(Entry& entry);
  std::optional<ZoneError> read_token(Entry& entry);
  void read_comment();

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
  std::deque<Entry> comments_;
  std::optional<Entry> held_;
};

std::optional<Name> owner_name(std::string_view text, const Name& origin);  // @, relative, absolute
std::optional<Type> type_word(std::string_view word);
std::optional<std::uint32_t> ttl_word(std::string_view word);
inline constexpr std::string_view kTypesAllowed = "A AAAA NS CNAME SOA PTR MX TXT SPF TLSA TYPEn";
std::string shown(std::string_view text);  // quoted for an error text

// Uncompressed RDATA, or a text that says what is wrong and what is allowed.
core::Result<std::string, std::string> parse_rdata(Type type, const std::vector<Token>& tokens, const Name& origin);

}  // namespace sekisho::dns
