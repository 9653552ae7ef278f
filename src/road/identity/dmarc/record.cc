// The record at _dmarc.<domain>: tags by ';', linear in its length, and its report URIs.
#include <algorithm>

#include "base/core/text.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::dmarc {
namespace {

constexpr std::size_t kUriTextMax = 512;  // a mailbox has at most 254 octets; percent-encoding at most triples them

std::string_view cut(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto piece = rest.substr(0, at);
  rest = at == rest.npos ? std::string_view() : rest.substr(at + 1);
  return piece;
}

// RFC 9989 section 4.8: dmarc-value = %x20-3A / %x3C-7E
bool printable(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return (c >= 0x20 && c <= 0x7e) || c == '\t'; });
}

int hex_digit(char c) {
  if (core::is_digit(c)) return c - '0';
  const char low = core::lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    const int octet = high * 16 + low;
    if (high < 0 || low < 0 || octet < 0x20 || octet > 0x7e) return std::nullopt;
    out += static_cast<char>(octet);
    i += 2;
  }
  return out;
}

// RFC 7489 section 6.4: URI [ "!" 1*DIGIT [ "k" / "m" / "g" / "t" ] ]. RFC 9989: "!" is to be encoded in the URI
// itself.
std::optional<std::uint64_t> size_limit(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty() && !core::is_digit(text.back())) {
    const auto unit = std::string_view("kmgt").find(core::lower(text.back()));
    if (unit == std::string_view::npos) return std::nullopt;
    shift = 10 * (static_cast<unsigned>(unit) + 1);
    text.remove_suffix(1);
  }
  const auto count = core::parse_uint(text, UINT64_MAX >> shift);
  if (!count) return std::nullopt;
  return *count << shift;
}

bool valid_scheme(std::string_view scheme) {
  return !scheme.empty() && core::is_alpha(scheme[0]) && std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return core::is_alnum(c) || c == '+' || c == '-' || c == '.';
  });
}

struct UriRead {
  bool valid = false;             // a syntactically valid URI
  std::optional<ReportUri> mail;  // and one that mail can go to
};

UriRead read_uri(std::string_view text) {
  UriRead read;
  std::uint64_t limit = 0;
  if (text.size() > kUriTextMax) return read;
  if (const auto bang = text.find('!'); bang != text.npos) {
    const auto octets = size_limit(text.substr(bang + 1));
    if (!octets) return read;
    limit = *octets;
    text = text.substr(0, bang);
  }
  const auto colon = text.find(':');
  if (colon == text.npos || !valid_scheme(text.substr(0, colon))) return read;
  if (text.find_first_of(" \t\"<>\\^`{|}") != text.npos || text.size() == colon + 1) return read;
  if (!core::iequals(text.substr(0, colon), "mailto")) {
    read.valid = true;
    return read;
  }
  const auto mailbox = percent_decode(text.substr(colon + 1, text.find('?') - colon - 1));
  if (!mailbox) return read;
  auto address = mail::Address::parse(*mailbox);
  if (!address) return read;
  read.valid = true;
  read.mail = ReportUri{std::move(*address), limit};
  return read;
}

// "URIs involving schemes not supported by Mail Receivers MUST be ignored." RFC 9989 section 4.7
void read_uris(std::string_view list, std::size_t uri_max, core::Budget& budget, std::vector<ReportUri>& out,
               unsigned& left_out, bool& usable, bool& errors) {
  while (!list.empty() && budget.take_part()) {
    const auto text = core::trim(cut(list, ','));
    if (text.empty()) continue;
    if (out.size() >= uri_max) {
      ++left_out;
      continue;
    }
    auto read = read_uri(text);
    usable |= read.valid;
    errors |= !read.valid;
    if (!read.mail) {
      left_out += read.valid;
    } else if (std::none_of(out.begin(), out.end(), [&](const auto& u) { return u.address == read.mail->address; })) {
      out.push_back(std::move(*read.mail));
    }
  }
}

std::optional<Policy> read_policy(std::string_view value) {
  for (const auto policy : {Policy::kNone, Policy::kQuarantine, Policy::kReject})
    if (core::iequals(value, word(policy))) return policy;
  return std::nullopt;
}

class Parser {
 public:
  Parser(core::Budget& budget, std::size_t uri_max, std::vector<TagRead>* tags)
      : budget_(budget), uri_max_(uri_max), tags_(tags) {}

  void tag(std::string_view name, std::string_view value) {
    if (tags_) tags_->push_back({name, value});
    if (!printable(value) || value.empty()) return fault(value.empty() ? TagFault::kValue : TagFault::kOctets);
    // RFC 6376 section 3.2: a name must not occur twice; the first one stands, what follows is an error in the
    // remainder.
    const std::string key = core::to_lower(name);
    if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) return fault(TagFault::kTwice);
    seen_.push_back(key);
    if (policy(key, value) || mode(key, value) || reports(key, value)) return;
    if (key == "v")
      fault(TagFault::kTwice);  // RFC 9989 section 4.7: unknown tags MUST be ignored; a second version is no such tag
  }
  void no_tag(std::string_view piece) {
    if (tags_) tags_->push_back({piece, {}});
    fault(TagFault::kNoTag);
  }
  void fault(TagFault what = TagFault::kValue) {
    record_.syntax_errors = true;
    if (tags_ && !tags_->empty()) tags_->back().fault = what;
  }
  Record take() { return std::move(record_); }

 private:
  bool policy(std::string_view key, std::string_view value) {
    auto* slot = key == "p" ? &record_.p : key == "sp" ? &record_.sp : key == "np" ? &record_.np : nullptr;
    if (!slot) return false;
    *slot = read_policy(value);
    if (!*slot) record_.bad_policy = true, fault();
    return true;
  }

  // One letter out of a few; anything else is "discarded in favor of default values".
  bool mode(std::string_view key, std::string_view value) {
    const auto letters = key == "adkim" || key == "aspf" ? "rs" : key == "psd" ? "uyn" : key == "t" ? "ny" : "";
    if (!*letters) return false;
    const auto at = value.size() == 1 ? std::string_view(letters).find(core::lower(value[0])) : std::string_view::npos;
    if (at == std::string_view::npos) return fault(), true;
    if (key == "adkim") record_.strict_dkim = at == 1;
    if (key == "aspf") record_.strict_spf = at == 1;
    if (key == "t") record_.testing = at == 1;
    if (key == "psd") record_.psd = static_cast<Psd>(at);
    return true;
  }

  bool reports(std::string_view key, std::string_view value) {
    bool errors = false;
    if (key == "rua") {
      read_uris(value, uri_max_, budget_, record_.rua, record_.rua_left_out, record_.rua_usable, errors);
      if (errors) fault();
    } else if (key == "ruf") {
      unsigned left_out = 0;
      bool usable = false;
      read_uris(value, uri_max_, budget_, record_.ruf, left_out, usable, errors);
      if (errors) fault();
    } else if (key == "fo") {
      if (value.find_first_not_of("01dsDS: \t") != value.npos || value.size() > 15) return fault(), true;
      record_.fo = core::to_lower(value);
    } else if (key == "pct") {
      const auto percentage = core::parse_uint(value, 100);
      if (!percentage) return fault(), true;
      record_.percentage = static_cast<unsigned>(*percentage);
    } else {
      return false;
    }
    return true;
  }

  core::Budget& budget_;
  std::size_t uri_max_;
  std::vector<TagRead>* tags_;
  Record record_;
  std::vector<std::string> seen_;
};

// RFC 9989 section 4.8: dmarc-version = "v" equals %s"DMARC1" and then a ';' or nothing.
bool is_dmarc(std::string_view first) {
  const auto equals = first.find('=');
  return equals != first.npos && !first.empty() && core::lower(first[0]) == 'v' &&
         core::trim(first.substr(1, equals - 1)).empty() && core::trim(first.substr(equals + 1)) == "DMARC1";
}

}  // namespace

std::string_view word(Policy policy) {
  constexpr std::string_view kWords[] = {"none", "quarantine", "reject"};
  return kWords[static_cast<std::size_t>(policy)];
}

std::string_view word(Method method) { return method == Method::kTree ? "tree" : "psl"; }

std::optional<Record> parse_record(std::string_view text, core::Budget& budget, std::size_t uri_max,
                                   std::vector<TagRead>* tags) {
  if (!budget.take_steps(text.size() + 1)) return std::nullopt;
  std::string_view rest = text;
  if (!is_dmarc(cut(rest, ';'))) return std::nullopt;
  constexpr std::size_t kTagsMax = 64;  // eleven tags are known; nobody needs more than these and some of the future
  Parser parser(budget, uri_max, tags);
  for (std::size_t count = 0; !rest.empty();) {
    const auto piece = core::trim(cut(rest, ';'));
    if (piece.empty()) continue;
    const auto equals = piece.find('=');
    const auto name = core::trim(piece.substr(0, equals));
    if (++count > kTagsMax || !budget.take_part()) {
      parser.no_tag(piece);
      break;
    }
    if (equals == piece.npos || name.empty() || !std::all_of(name.begin(), name.end(), core::is_alpha)) {
      parser.no_tag(piece);
      continue;
    }
    parser.tag(name, core::trim(piece.substr(equals + 1)));
  }
  return parser.take();
}

}  // namespace sekisho::dmarc
