#include "road/override/override.h"

#include <cstring>
#include <fstream>
#include <sstream>

#include "base/core/text.h"

namespace sekisho::override_ {

namespace {

// One line an entry: kind TAB until TAB subject TAB why (hex, so that no octet of it can end the line).
std::string format(const std::vector<Entry>& entries, std::int64_t bypass_until_s) {
  std::ostringstream out;
  out << "sekisho-overrides 1\n";
  if (bypass_until_s > 0) out << "bypass\t" << bypass_until_s << "\n";
  for (const auto& e : entries)
    out << (e.kind == Kind::kAllow ? "allow" : "deny") << '\t' << e.until_s << '\t' << e.subject << '\t'
        << core::hex(e.why) << '\n';
  return out.str();
}

bool parse_line(const std::string& line, std::vector<Entry>& entries, std::int64_t& bypass_until_s) {
  std::istringstream in(line);
  std::string kind, until, subject, why;
  std::getline(in, kind, '\t');
  std::getline(in, until, '\t');
  const auto at = core::parse_uint(until, INT64_MAX);
  if (!at) return false;
  if (kind == "bypass") return bypass_until_s = static_cast<std::int64_t>(*at), true;
  std::getline(in, subject, '\t');
  std::getline(in, why);
  auto parsed = Subject::parse(subject);
  const auto reason = core::unhex(why);
  if ((kind != "allow" && kind != "deny") || !parsed || !reason) return false;
  entries.push_back(
      {kind == "allow" ? Kind::kAllow : Kind::kDeny, subject, *parsed, static_cast<std::int64_t>(*at), *reason});
  return true;
}

bool matches(const Subject& s, const Traveller& who) {
  if (s.ip) return who.ip.in_prefix(*s.ip, s.bits);
  if (s.address) return who.mail_from && *who.mail_from == *s.address;
  for (const auto* domain : {who.mail_from_domain, who.author_domain})
    if (domain && s.domain && domain->is_at_or_below(*s.domain)) return true;
  return false;
}

}  // namespace

std::optional<Subject> Subject::parse(const std::string& text) {
  Subject s;
  const auto slash = text.find('/');
  s.ip = core::IpAddress::parse(text.substr(0, slash));
  if (s.ip) {
    const std::uint64_t most = s.ip->is_v4() ? 32 : 128;
    const auto bits = slash == std::string::npos ? std::optional(most) : core::parse_uint(text.substr(slash + 1), most);
    if (!bits) return {};
    s.bits = static_cast<unsigned>(*bits);
    return s;
  }
  if (text.find('@') != std::string::npos) {
    auto address = mail::Address::parse(text);
    if (!address || text.find_first_of("\t\n") != std::string::npos) return {};
    s.address = *address;
    return s;
  }
  s.domain = mail::Domain::parse(text);
  if (!s.domain) return {};
  return s;
}

core::Result<std::unique_ptr<Overrides>, std::string> Overrides::open(const std::string& file, store::FileOps& files) {
  std::unique_ptr<Overrides> self(new Overrides(file, files));
  std::ifstream in(file);
  if (!in) return self;
  auto state = std::make_shared<State>();
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    const bool good =
        number == 1 ? line == "sekisho-overrides 1" : parse_line(line, state->entries, state->bypass_until_s);
    if (!good)
      return core::error(file + ":" + std::to_string(number) + ": not an override line; mend or remove the line");
  }
  self->state_ = std::move(state);
  return self;
}

std::shared_ptr<const Overrides::State> Overrides::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

core::Result<void, std::string> Overrides::keep(std::shared_ptr<State> next) {
  const auto written = store::replace_file(files_, file_, format(next->entries, next->bypass_until_s), 0600, true);
  if (!written) return core::error(file_ + ": " + std::strerror(written.error()));
  const std::lock_guard lock(mutex_);
  state_ = std::move(next);
  return {};
}

core::Result<void, std::string> Overrides::add(Entry entry) {
  auto next = std::make_shared<State>(*state());
  std::erase_if(next->entries, [&](const Entry& e) { return e.subject == entry.subject; });
  next->entries.push_back(std::move(entry));
  return keep(std::move(next));
}

core::Result<bool, std::string> Overrides::remove(const std::string& subject) {
  auto next = std::make_shared<State>(*state());
  const bool found = std::erase_if(next->entries, [&](const Entry& e) { return e.subject == subject; }) > 0;
  auto stored = keep(std::move(next));
  if (!stored) return core::error(stored.error());
  return found;
}

core::Result<void, std::string> Overrides::set_bypass(bool on, std::int64_t until_s) {
  auto next = std::make_shared<State>(*state());
  next->bypass_until_s = on ? until_s : 0;
  return keep(std::move(next));
}

bool Overrides::bypassed(std::int64_t now_s) const { return state()->bypass_until_s > now_s; }

std::optional<Entry> Overrides::find(const Traveller& who, std::int64_t now_s) const {
  const auto current = state();
  const Entry* found = nullptr;
  for (const auto& e : current->entries)
    if (e.until_s > now_s && matches(e.parsed, who) && (!found || e.kind == Kind::kDeny)) found = &e;
  return found ? std::optional(*found) : std::nullopt;
}

bool Overrides::empty() const { return state()->entries.empty(); }

std::vector<Entry> Overrides::list(std::int64_t now_s) const {
  std::vector<Entry> out;
  for (const auto& e : state()->entries)
    if (e.until_s > now_s) out.push_back(e);
  return out;
}

}  // namespace sekisho::override_
