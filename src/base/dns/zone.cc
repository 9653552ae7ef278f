#include "base/dns/zone.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/core/text.h"
#include "base/dns/record.h"
#include "base/dns/zone_text.h"

namespace sekisho::dns {
namespace {

constexpr std::size_t kMaxFile = 64u << 20;
constexpr std::uint32_t kDefaultTtl = 300;

class ZoneParser {
 public:
  explicit ZoneParser(std::string_view text) : reader_(text) {}

  core::Result<Zone, ZoneError> parse() {
    for (;;) {
      auto entry = reader_.next();
      if (!entry) return core::error(entry.error());
      if (entry->kind == Entry::Kind::kEnd) return std::move(zone_);
      std::string wrong;
      if (entry->kind == Entry::Kind::kComment) {
        wrong = fault(*entry);
      } else if (!entry->tokens[0].quoted && entry->tokens[0].text.substr(0, 1) == "$") {
        wrong = directive(*entry);
      } else {
        wrong = record(*entry);
      }
      if (!wrong.empty()) return core::error(ZoneError{entry->line, std::move(wrong)});
    }
  }

 private:
  std::string fault(const Entry& entry) {
    const auto& words = entry.tokens;
    const bool timeout = core::iequals(words[0].text, "timeout");
    if (!timeout && !core::iequals(words[0].text, "servfail")) {
      return shown(words[0].text) + " is not a fault; ;!servfail and ;!timeout are allowed";
    }
    const Code code = timeout ? Code::kTimeout : Code::kServFail;
    if (words.size() < 2 || words.size() > 3) return "a fault wants a name and, if you like, a type";
    const auto name = owner_name(words[1].text, origin_);
    if (!name) return shown(words[1].text) + " is not a name";
    if (words.size() == 2) {
      zone_.add_fault(name->text(), code);
      return {};
    }
    const auto type = type_word(words[2].text);
    if (!type) return shown(words[2].text) + " is not a type; allowed: " + std::string(kTypesAllowed);
    zone_.add_fault(name->text(), *type, code);
    return {};
  }

  std::string directive(const Entry& entry) {
    const std::string_view word = entry.tokens[0].text;
    if (core::iequals(word, "$ORIGIN")) {
      const auto name = entry.tokens.size() == 2 ? owner_name(entry.tokens[1].text, origin_) : std::nullopt;
      if (!name) return "$ORIGIN wants one name";
      origin_ = *name;
      zone_.add_origin(origin_.text());
      return {};
    }
    if (core::iequals(word, "$TTL")) {  // RFC 2308 section 4
      const auto ttl = entry.tokens.size() == 2 ? ttl_word(entry.tokens[1].text) : std::nullopt;
      if (!ttl) return "$TTL wants one time in seconds, or such as 1h30m";
      default_ttl_ = *ttl;
      return {};
    }
    return shown(word) + " is not understood; $ORIGIN and $TTL are allowed";
  }

  std::string record(const Entry& entry) {
    const auto& tokens = entry.tokens;
    std::size_t at = 0;
    if (!entry.blank_owner) {
      const auto name = owner_name(tokens[at].text, origin_);
      if (!name) return shown(tokens[at].text) + " is not a name: labels of 1 to 63 octets, at most 255 in all";
      owner_ = *name;
      ++at;
    }
    if (!owner_)
      return "the first record has no owner; a line that begins with white space takes that of the line before";
    std::optional<std::uint32_t> ttl;
    bool class_seen = false;
    for (; at < tokens.size(); ++at) {  // RFC 1035 section 5.1: TTL and class in either order, both optional
      const std::string_view word = tokens[at].text;
      const auto number = ttl_word(word);
      if (number && !ttl) {
        ttl = number;
      } else if (!class_seen && (core::iequals(word, "IN") || core::iequals(word, "CLASS1"))) {
        class_seen = true;
      } else {
        break;
      }
    }
    if (at == tokens.size()) return "the record has no type; allowed: " + std::string(kTypesAllowed);
    const std::string_view word = tokens[at].text;
    if (core::iequals(word, "CH") || core::iequals(word, "HS") || core::iequals(word, "CS")) {
      return "class " + std::string(word) + " is not served; only IN is allowed";
    }
    const auto type = type_word(word);
    if (!type) return shown(word) + " is not a type; allowed: " + std::string(kTypesAllowed);
    if (!ttl) ttl = default_ttl_ ? default_ttl_ : last_ttl_ ? last_ttl_ : kDefaultTtl;
    last_ttl_ = ttl;
    const std::vector<Token> rest(tokens.begin() + static_cast<std::ptrdiff_t>(at) + 1, tokens.end());
    const auto rdata = parse_rdata(*type, rest, origin_);
    if (!rdata) return rdata.error();
    if (!zone_.add_wire(*owner_, *type, *rdata, *ttl)) {
      return *type == Type::kCname ? "a second CNAME for one owner; one is allowed (RFC 2181 section 10.1)"
                                   : "the RDATA does not have the form of its type";
    }
    return {};
  }

  EntryReader reader_;
  Zone zone_;
  Name origin_;
  std::optional<Name> owner_;
  std::optional<std::uint32_t> default_ttl_, last_ttl_;
};

}  // namespace

core::Result<Zone, ZoneError> Zone::parse(std::string_view text) {
  if (text.size() > kMaxFile) return core::error(ZoneError{0, "the zone file is over 64 MiB"});
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the mark that some editors put before UTF-8
  return ZoneParser(text).parse();
}

core::Result<Zone, ZoneError> Zone::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    if (!file || file.peek() != std::ifstream::traits_type::eof()) {
      return core::error(ZoneError{0, "the zone file " + core::printable(path) + " cannot be read"});
    }
  }
  return parse(text.str());
}

bool Zone::add(std::string_view owner, Type type, std::string_view rdata, std::uint32_t ttl_s) {
  const auto name = Name::parse(owner);
  return name && add(*name, type, rdata, ttl_s);
}

bool Zone::add(const Name& owner, Type type, std::string_view rdata, std::uint32_t ttl_s) {
  if (type == Type::kTxt || type == Type::kSpf) return add_wire(owner, type, text_rdata(rdata), ttl_s);
  EntryReader reader(rdata);
  const auto entry = reader.next();
  if (!entry || entry->kind != Entry::Kind::kRecord) return false;
  const auto wire = parse_rdata(type, entry->tokens, Name());
  return wire && add_wire(owner, type, *wire, ttl_s);
}

bool Zone::add_wire(const Name& owner, Type type, std::string_view rdata, std::uint32_t ttl_s) {
  Answer probe;
  if (rdata.size() > 65535 || !append_rdata(probe, type, rdata)) return false;
  Node& node = nodes_[owner];
  const bool first = node.sets.find(type) == node.sets.end();
  RecordSet& set = node.sets[type];
  if (type == Type::kCname && !first) return set.rdata.front() == rdata;
  set.ttl_s = first ? ttl_s : std::min(set.ttl_s, ttl_s);
  set.rdata.emplace_back(rdata);
  return true;
}

bool Zone::add_fault(std::string_view name, Code code) {
  const auto at = Name::parse(name);
  if (at) nodes_[*at].fault = code;
  return at.has_value();
}

bool Zone::add_fault(std::string_view name, Type type, Code code) {
  const auto at = Name::parse(name);
  if (at) nodes_[*at].type_faults[type] = code;
  return at.has_value();
}

bool Zone::add_fault_for_other_types(std::string_view name, Code code) {
  const auto at = Name::parse(name);
  if (at) nodes_[*at].other_types_fault = code;
  return at.has_value();
}

bool Zone::add_origin(std::string_view name) {
  const auto at = Name::parse(name);
  if (at) origins_.push_back(*at);
  return at.has_value();
}

}  // namespace sekisho::dns
