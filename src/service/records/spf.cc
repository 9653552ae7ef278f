// What the text of an SPF or Sender ID record shows by itself; what it costs in the DNS is walk.cc's.
#include "road/identity/spf/spf.h"

#include <algorithm>

#include "base/core/network.h"
#include "base/core/text.h"
#include "service/records/rule.h"

namespace sekisho::records {
namespace {

constexpr std::uint8_t kWide4 = 16, kWide6 = 29;  // a whole provider has a /16; registries give /29 and smaller

bool is_address(std::string_view text) { return core::IpAddress::parse(text.substr(0, text.find('/'))).has_value(); }

// Why a term cannot be read, as far as that can be guessed: people mistype in few ways.
Id guess(std::string_view term) {
  if (std::any_of(term.begin(), term.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7e; }))
    return Id::k_spf_beyond_ascii;
  if (!term.empty() && std::string_view("+-~?").find(term[0]) != std::string_view::npos) term.remove_prefix(1);
  const auto end = term.find_first_of(":/=");
  const std::string name = core::to_lower(term.substr(0, end));
  const std::string_view rest = end == std::string_view::npos ? std::string_view() : term.substr(end + 1);
  const char sign = end == std::string_view::npos ? '\0' : term[end];
  constexpr std::string_view kNames[] = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"};
  const bool known = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  if ((name == "redirect" || name == "exp") && sign == ':') return Id::k_spf_colon_redirect;
  if (known && sign == '=') return Id::k_spf_colon_redirect;
  if ((name == "a" || name == "mx" || name == "include") && is_address(rest)) return Id::k_spf_ip_in_a;
  if (name == "ip4" || name == "ip6") return Id::k_spf_name_in_ip;
  if (is_address(term) || (!known && name.find('.') != std::string::npos)) return Id::k_spf_lone_name;
  return known || name == "redirect" || name == "exp" ? Id::k_spf_syntax : Id::k_spf_word;
}

bool is_private(const core::IpAddress& ip) {
  using core::Reach;
  const Reach reach = core::reach_of(ip);
  return reach == Reach::kPrivate || reach == Reach::kLoopback || reach == Reach::kLinkLocal;
}

bool has_host_bits(const core::IpAddress& ip, bool v4, unsigned prefix) {
  return ip.is_v4() == v4 && ip.masked(prefix) != ip;
}

void lint_network(const spf::Shown::Term& term, Complaints& out) {
  const bool v4 = term.kind == "ip4";
  const unsigned prefix = v4 ? term.prefix4 : term.prefix6;
  const bool passes = term.qualifier == '+';
  if (prefix == 0 && passes)
    out.add_at(Id::k_spf_pass_all, term.text, term.at);
  else if (prefix < (v4 ? kWide4 : kWide6) && passes)
    out.add_at(Id::k_spf_wide, term.text, term.at);
  if (is_private(term.network)) out.add_at(Id::k_spf_private, term.text, term.at);
  if (has_host_bits(term.network, v4, prefix)) out.add_at(Id::k_spf_host_bits, term.text, term.at);
}

bool covers(const spf::Shown::Term& wide, const spf::Shown::Term& term) {
  if (wide.kind != term.kind) return false;
  if (wide.kind == "ip4") return wide.prefix4 <= term.prefix4 && term.network.in_prefix(wide.network, wide.prefix4);
  return wide.prefix6 <= term.prefix6 && term.network.in_prefix(wide.network, wide.prefix6);
}

void lint_terms(const spf::Shown::Part& part, Complaints& out) {
  constexpr std::size_t kComparedMax = 400;  // networks; each is held against those before it
  std::vector<const spf::Shown::Term*> networks;
  bool ends = false;
  for (const auto& term : part.terms) {
    ends = ends || term.kind == "all" || term.kind == "redirect";
    if (term.dead) {
      out.add_at(Id::k_spf_dead, term.text, term.at);
      continue;
    }
    if (term.kind == "all" && term.qualifier == '+') out.add_at(Id::k_spf_pass_all, term.text, term.at);
    if (term.kind == "all" && term.qualifier == '?') out.add_at(Id::k_spf_neutral_all, term.text, term.at);
    if (term.kind == "ptr") out.add_at(Id::k_spf_ptr, term.text, term.at);
    if (term.kind == "unknown") out.add_at(Id::k_spf_unknown_modifier, term.text, term.at);
    if (term.domain_spec.ends_with('.')) out.add_at(Id::k_spf_final_dot, term.text, term.at);
    if (term.kind != "ip4" && term.kind != "ip6") continue;
    lint_network(term, out);
    const auto covered = [&](const auto* earlier) { return covers(*earlier, term); };
    if (std::any_of(networks.begin(), networks.end(), covered)) out.add_at(Id::k_spf_covered, term.text, term.at);
    if (networks.size() < kComparedMax) networks.push_back(&term);
  }
  if (!ends && part.status != spf::Shown::Status::kSyntax) out.add(Id::k_spf_no_all);
}

// "include:a.example" "include:b.example": the second string begins a term and no space stands before it.
void lint_spf_seams(const Text& text, Complaints& out) {
  const std::string_view octets = text.octets;
  constexpr std::string_view kStarts[] = {
      "include:", "a:", "mx:", "ip4:", "ip6:", "exists:", "ptr:", "redirect=", "all", "-all", "~all", "?all", "+all"};
  for (const std::size_t at : seams(text)) {
    if (octets[at] == ' ' || octets[at - 1] == ' ') continue;
    const auto begins = [&](std::string_view start) { return core::istarts_with(octets.substr(at), start); };
    if (std::any_of(std::begin(kStarts), std::end(kStarts), begins))
      out.add_at(Id::k_strings_run_together, octets.substr(at < 20 ? 0 : at - 20, 40), at);
  }
}

void lint_part(const spf::Shown::Part& part, Complaints& out) {
  if (part.status == spf::Shown::Status::kSyntax) out.add_at(guess(part.offending), part.offending, part.offending_at);
  lint_terms(part, out);
}

}  // namespace

Problems lint_spf(const std::string& name, const Text& text, core::Budget&) {
  Complaints out(name, text.octets);
  lint_octets(text, out);
  lint_spf_seams(text, out);
  if (!counts(Type::kSpf, text.octets))
    out.add_at(Id::k_spf_not_seen, std::string_view(text.octets).substr(0, 60), 0);
  else
    lint_part(spf::read_record(text.octets, spf::Records::kSpf1), out);
  return out.done();
}

Problems lint_sender_id(const std::string& name, const Text& text, core::Budget&) {
  Complaints out(name, text.octets);
  lint_octets(text, out);
  lint_spf_seams(text, out);
  const std::string_view octets = text.octets;
  if (!counts(Type::kSenderId, octets)) {
    out.add_at(Id::k_senderid_not_seen, octets.substr(0, 60), 0);
    return out.done();
  }
  const std::string_view scopes =
      octets.substr(7, octets.find(' ') == octets.npos ? octets.npos : octets.find(' ') - 7);
  for (std::size_t at = 0; at <= scopes.size();) {
    const auto end = std::min(scopes.find(',', at), scopes.size());
    const auto scope = scopes.substr(at, end - at);
    if (!core::iequals(scope, "mfrom") && !core::iequals(scope, "pra")) out.add_at(Id::k_senderid_scope, scope, 7 + at);
    at = end + 1;
  }
  auto part = spf::read_record(text.octets, spf::Records::kMfromThenSpf1);
  if (part.record.empty()) part = spf::read_record(text.octets, spf::Records::kPra);
  if (part.record.empty())
    out.add_at(Id::k_senderid_not_seen, octets.substr(0, 60), 0);
  else
    lint_part(part, out);
  out.add(Id::k_senderid_old);
  return out.done();
}

}  // namespace sekisho::records
