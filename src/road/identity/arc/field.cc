#include "road/identity/arc/field.h"

#include <algorithm>

#include "base/core/text.h"

namespace sekisho::arc {
namespace {

using signature::Canon;
using signature::KeyType;
using signature::TagList;

constexpr std::size_t kMaxHeaders = 1000;
constexpr std::uint64_t kMaxTime = 999'999'999'999;

// Blanks, folds and comments (RFC 5322 CFWS).
std::string_view skip_cfws(std::string_view text) {
  std::size_t at = 0;
  unsigned depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '(') {
      ++depth;
    } else if (depth > 0) {
      if (c == '\\' && at + 1 < text.size()) ++at;
      if (c == ')') --depth;
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      break;
    }
  }
  return text.substr(at);
}

// 1..50 without a leading zero (section 4.2.1: 1*2DIGIT, at most 50); 0 when it is none.
unsigned instance_of(std::string_view text) {
  if (text.empty() || text.size() > 2 || text[0] == '0') return 0;
  unsigned value = 0;
  for (char c : text) {
    if (!core::is_digit(c)) return 0;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= kMaxSets ? value : 0;
}

std::optional<Canon> canon(std::string_view word) {
  if (word == "simple") return Canon::kSimple;
  if (word == "relaxed") return Canon::kRelaxed;
  return {};
}

struct Reader {
  const TagList& tags;
  const Options& options;
  Signature& field;

  std::string instance() const {
    const auto i = tags.value("i");
    field.instance = i ? instance_of(*i) : 0;
    return field.instance > 0 ? "" : i ? "i= is no instance from 1 to 50" : "i= is missing";
  }
  std::string algorithm() const {
    const auto a = tags.value("a");
    if (!a) return "a= is missing";
    if (core::iequals(*a, "ed25519-sha256")) {
      field.key_type = KeyType::kEd25519;
    } else if (!core::iequals(*a, "rsa-sha256")) {
      // RFC 8301: rsa-sha1 is not verified any more.
      return "a=" + core::printable(*a, 40) + " is not accepted";
    }
    return "";
  }
  std::string domain() const {
    const auto d = tags.value("d"), s = tags.value("s");
    if (!d || !s) return d ? "s= is missing" : "d= is missing";
    field.domain = d->ends_with('.') ? std::nullopt : mail::Domain::parse(*d);
    if (!field.domain || field.domain->labels() < 2) return "d=" + core::printable(*d, 80) + " is not a domain name";
    const auto name = signature::record_name(*s, *field.domain);
    if (!name) return "s=" + core::printable(*s, 80) + " is not a selector";
    field.key_name = name->name();
    return "";
  }
  std::string octets() const {
    const signature::Tag* b = tags.find("b");
    if (!b) return "b= is missing";
    field.signature_space = b->space;
    auto decoded = core::unbase64(b->value, true);
    if (!decoded || decoded->size() < 64) return "b= is no signature";
    field.octets = std::move(*decoded);
    return "";
  }
  std::string times() const {
    const auto t = tags.value("t"), x = tags.value("x");
    if (t && !core::parse_uint(*t, kMaxTime)) return "t= is not a time";
    const auto expires_s = x ? core::parse_uint(*x, kMaxTime) : std::nullopt;
    if (x && !expires_s) return "x= is not a time";
    if (x && static_cast<std::int64_t>(*expires_s) + options.skew_s < options.now_s) return "it has expired";
    return "";
  }
  std::string validation() const {
    const auto cv = tags.value("cv");
    if (!cv) return "cv= is missing";
    if (core::iequals(*cv, "none")) return "";
    field.cv = core::iequals(*cv, "pass") ? Cv::kPass : Cv::kFail;
    if (field.cv == Cv::kFail && !core::iequals(*cv, "fail")) return "cv=" + core::printable(*cv, 40) + " is unknown";
    // Section 4.1.3: "the "h" tag MUST NOT be present"; it would be taken for a selection of fields.
    return "";
  }
  std::string no_headers() const { return tags.find("h") ? "h= is not allowed in a seal" : ""; }
  // Section 4.1.2: as in a DKIM-Signature.
  std::string canonicalization() const {
    const auto c = tags.value("c").value_or("simple");
    const auto slash = c.find('/');
    const auto header = canon(core::trim_fws(c.substr(0, slash)));
    const auto body = slash == std::string_view::npos ? Canon::kSimple : canon(core::trim_fws(c.substr(slash + 1)));
    if (!header || !body) return "c=" + core::printable(c, 40) + " is not a known canonical form";
    field.header_canon = *header;
    field.body_canon = *body;
    return "";
  }
  std::string headers() const {
    const auto h = tags.value("h");
    if (!h) return "h= is missing";
    field.headers = signature::split_colons(*h, kMaxHeaders + 1);
    if (field.headers.size() > kMaxHeaders) return "h= has too many names";
    for (std::string_view name : field.headers)
      // "ARC-Seal header fields MUST NOT be included": seals cover the signature, not the other way about.
      if (core::iequals(name, "ARC-Seal")) return "h= names ARC-Seal";
    return "";
  }
  std::string body() const {
    const auto bh = tags.value("bh"), l = tags.value("l");
    if (!bh) return "bh= is missing";
    auto decoded = core::unbase64(*bh, true);
    if (!decoded || decoded->size() != 32) return "bh= is not a hash";
    field.body_hash = std::move(*decoded);
    if (l) field.body_limit = core::parse_uint(*l);
    return l && !field.body_limit ? "l= is not a length" : "";
  }
};

}  // namespace

std::optional<Results> read_results(std::string_view value) {
  std::string_view rest = skip_cfws(value);
  if (rest.empty() || core::lower(rest[0]) != 'i') return {};
  rest = skip_cfws(rest.substr(1));
  if (rest.empty() || rest[0] != '=') return {};
  rest = skip_cfws(rest.substr(1));
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  Results out;
  out.instance = instance_of(rest.substr(0, digits));
  rest = skip_cfws(rest.substr(digits));
  if (out.instance == 0 || rest.empty() || rest[0] != ';') return {};
  out.payload = rest.substr(1);
  return out;
}

Signature read_signature(const mail::HeaderField& header, bool seal, const Options& options, core::Budget& budget) {
  Signature field;
  field.header = &header;
  field.seal = seal;
  const auto tags = TagList::parse(header.value, budget);
  if (!tags) {
    field.fault = "not a tag list";
    return field;
  }
  const Reader reader{*tags, options, field};
  const auto run = [&](std::string (Reader::*step)() const) {
    std::string fault = (reader.*step)();
    if (field.fault.empty()) field.fault = std::move(fault);
  };
  for (const auto step : {&Reader::instance, &Reader::algorithm, &Reader::domain, &Reader::octets, &Reader::times})
    run(step);
  if (seal) {
    for (const auto step : {&Reader::validation, &Reader::no_headers}) run(step);
  } else {
    for (const auto step : {&Reader::canonicalization, &Reader::headers, &Reader::body}) run(step);
  }
  return field;
}

Chain read_chain(const mail::Message& message, const Options& options, core::Budget& budget) {
  Chain chain;
  const auto results = message.all("ARC-Authentication-Results");
  const auto signatures = message.all("ARC-Message-Signature");
  const auto seals = message.all("ARC-Seal");
  chain.highest =
      static_cast<unsigned>(std::min<std::size_t>(std::max({results.size(), signatures.size(), seals.size()}), 999));
  if (chain.highest == 0) return chain;
  const auto broken = [&chain](std::string why) {
    chain.fault = std::move(why);
    chain.links.clear();
    return chain;
  };
  // Section 5.2 step 3: each set once and whole, i=1 up to the highest without a gap.
  if (chain.highest > kMaxSets) return broken("more than 50 sets");
  const std::size_t count = chain.highest;
  if (results.size() != count || signatures.size() != count || seals.size() != count)
    return broken("a set is not complete");
  chain.links.resize(count);
  for (const auto* header : results) {
    const auto read = read_results(header->value);
    if (!read || read->instance > count) return broken("ARC-Authentication-Results does not begin with its instance");
    auto& link = chain.links[read->instance - 1];
    if (link.results_header) return broken("instance " + std::to_string(read->instance) + " is there twice");
    link.results_header = header;
    link.results = *read;
  }
  for (const bool seal : {false, true}) {
    for (const auto* header : seal ? seals : signatures) {
      Signature read = read_signature(*header, seal, options, budget);
      const std::string name = seal ? "ARC-Seal" : "ARC-Message-Signature";
      if (read.instance == 0 || read.instance > count)
        return broken(name + ": " + (read.fault.empty() ? "an instance is missing" : read.fault));
      auto& place = seal ? chain.links[read.instance - 1].seal : chain.links[read.instance - 1].message_signature;
      if (place.header) return broken("instance " + std::to_string(read.instance) + " is there twice");
      place = std::move(read);
    }
  }
  return chain;
}

std::string sealed_text(const std::string& prefix, std::string_view results, std::string_view message_signature,
                        std::string_view seal, std::string_view hole) {
  std::string text = prefix;
  signature::append_canonical(Canon::kRelaxed, results, text);
  signature::append_canonical(Canon::kRelaxed, message_signature, text);
  signature::append_canonical_signature(Canon::kRelaxed, seal, hole, text);
  return text;
}

}  // namespace sekisho::arc
