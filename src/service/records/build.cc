// From a wish to the text of a record. What it makes is linted by its caller like any other.
#include <algorithm>

#include "base/core/text.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

constexpr std::size_t kStringMax = 255;
using Built = core::Result<std::string, std::string>;

std::string with_scheme(const std::string& uri) {
  return uri.find(':') == std::string::npos && uri.find('@') != std::string::npos ? "mailto:" + uri : uri;
}

void put(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out.append("; ").append(name).append("=").append(value);
}

std::string listed(const std::vector<std::string>& uris) {
  std::string out;
  for (const auto& uri : uris) out += (out.empty() ? "" : ",") + with_scheme(uri);
  return out;
}

Built build_spf(const Wish& w) {
  std::string out = w.type == Type::kSpf ? "v=spf1" : "spf2.0/" + w.scopes;
  if (w.mx) out += " mx";
  if (w.a) out += " a";
  // Cheap terms first: what matches early asks no more.
  std::string cheap;
  for (const auto& network : w.ip4) cheap += " ip4:" + network;
  for (const auto& network : w.ip6) cheap += " ip6:" + network;
  out.insert(out.find(' ') == std::string::npos ? out.size() : out.find(' '), cheap);
  for (const auto& host : w.hosts) out += " a:" + host;
  for (const auto& domain : w.includes) out += " include:" + domain;
  return out + (w.redirect.empty() ? " " + w.all : " redirect=" + w.redirect);
}

Built build_dmarc(const Wish& w) {
  std::string out = "v=DMARC1; p=" + w.policy;
  put(out, "sp", w.subdomains);
  put(out, "np", w.nonexistent);
  if (w.strict) out += "; adkim=s; aspf=s";
  if (w.testing) out += "; t=y";
  put(out, "rua", listed(w.rua));
  put(out, "ruf", listed(w.ruf));
  return out;
}

Built build_dkim(const Wish& w) {
  if (w.key.empty()) return core::error(std::string("name the key: --key FILE"));
  const auto at = w.key.find("p=");
  if (!w.testing || at == std::string::npos) return w.key;
  return w.key.substr(0, at) + "t=y; " + w.key.substr(at);
}

Built build_domainkeys(const Wish& w) {
  std::string out = w.signs_all ? "o=-" : "o=~";
  if (w.testing) out += "; t=y";
  if (!w.rua.empty()) put(out, "r", w.rua.front().starts_with("mailto:") ? w.rua.front().substr(7) : w.rua.front());
  return out;
}

Built build_one(const Wish& w) {
  switch (w.type) {
    case Type::kSpf:
    case Type::kSenderId:
      return build_spf(w);
    case Type::kDomainKeys:
      return build_domainkeys(w);
    case Type::kDkim:
      return build_dkim(w);
    case Type::kDmarc:
      return build_dmarc(w);
    case Type::kMtaSts:
      return "v=STSv1; id=" + w.id + ";";
    case Type::kTlsRpt:
      if (w.rua.empty()) return core::error(std::string("name where reports go: --rua mailto:ADDRESS"));
      return "v=TLSRPTv1; rua=" + listed(w.rua);
    case Type::kBimi:
      if (w.logo.empty()) return core::error(std::string("name the picture: --logo https://..."));
      break;
  }
  std::string out = "v=BIMI1";
  put(out, "l", w.logo);
  put(out, "a", w.certificate);
  return out;
}

}  // namespace

Built build_text(const Wish& wish) {
  auto text = build_one(wish);
  if (!text) return text;
  for (const char c : *text)
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
      return core::error("an octet that no record can hold: " + core::printable(*text));
  return text;
}

std::string zone_line(const mail::Domain& name, std::string_view text) {
  std::string out = name.text() + ". 3600 IN TXT";
  do {
    out.append(" \"").append(text.substr(0, kStringMax)).append("\"");
    text.remove_prefix(std::min(text.size(), kStringMax));
  } while (!text.empty());
  return out;
}

}  // namespace sekisho::records
