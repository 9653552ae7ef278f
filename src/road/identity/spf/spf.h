#pragma once
// SPF (RFC 7208): may this client use this domain? The check rests on the client's address alone; it proves the domain
// of the envelope, never the author. All octets of helo and mail_from are outside octets: any value is evaluated, none
// is an error.
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/clock.h"
#include "base/core/ip_address.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "road/finding/finding.h"

namespace sekisho::spf {

enum class Identity : unsigned char { kMfrom, kHelo, kPra };
std::string_view word(Identity identity);  // "mailfrom", "helo" (RFC 7208 section 9.1), "pra" (RFC 4406)

// Which records may speak (RFC 4406 section 4.4): those of SPF, or of Sender ID with v=spf1 where it has none.
enum class Records : unsigned char { kSpf1, kMfromThenSpf1, kPra, kPraThenSpf1 };

struct Query {
  core::IpAddress client_ip;
  std::string_view helo;       // as the client said it
  std::string_view mail_from;  // reverse-path without angle brackets; "" is the null path: postmaster@helo is checked
                               // (section 2.4). For kPra: the purported responsible address
  Identity identity = Identity::kMfrom;
  std::string_view receiver = "unknown";  // %{r}: our host name
  std::int64_t now_s = 0;                 // %{t}: wall time
  Records records = Records::kSpf1;
};

struct Settings {
  unsigned lookups_max = 10;             // terms that ask the DNS (section 4.6.4)
  unsigned void_lookups_max = 2;         // terms whose queries find nothing (section 4.6.4)
  unsigned explanation_size_max = 500;   // octets; the rest is cut
  bool explain = true;                   // fetch the domain's exp= text when the result is fail: one more query
  std::int64_t elapsed_ms_max = 20'000;  // beyond it temperror (section 4.6.4); watched when there is a clock
  const core::Clock* clock = nullptr;
};

// A short text kept in place, so that a check allocates nothing. Longer texts are cut.
template <std::size_t N>
class Text {
 public:
  Text() = default;
  explicit Text(std::string_view text) { append(text); }
  Text(const Text& other) { *this = other; }
  Text& operator=(const Text& other) {
    size_ = other.size_;
    std::memcpy(octets_, other.octets_, size_);
    return *this;
  }
  Text& operator=(std::string_view text) { return size_ = 0, append(text); }
  Text& append(std::string_view text) {
    const std::size_t n = text.size() < N - size_ ? text.size() : N - size_;
    std::memcpy(octets_ + size_, text.data(), n);
    size_ = static_cast<std::uint16_t>(size_ + n);
    return *this;
  }
  std::string_view view() const { return {octets_, size_}; }
  operator std::string_view() const { return view(); }
  std::string text() const { return std::string(view()); }
  bool empty() const { return size_ == 0; }
  friend bool operator==(const Text& a, std::string_view b) { return a.view() == b; }

 private:
  std::uint16_t size_ = 0;
  char octets_[N];
};

// Printable ASCII only, whatever the client or the domain wrote.
struct Evaluation {
  road::AuthResult result = road::AuthResult::kNone;
  Identity identity = Identity::kMfrom;  // kHelo also for the null path: what was checked is the HELO name
  Text<254> domain;  // the domain checked: lower case, A-labels; for a malformed one what was written, made printable
  Text<200> reason;  // "matched ip4:192.0.2.0/24", "no SPF record" ...
  std::string explanation;    // the domain's own text for a fail; "" when it gives no usable one
  unsigned lookups = 0;       // terms that asked the DNS
  unsigned void_lookups = 0;  // of these: terms that found nothing
  enum class Name : unsigned char {
    kUnknown,
    kExists,
    kMissing
  } name = Name::kUnknown;  // what the DNS told of `domain`
  road::Findings findings;  // spf_fail, spf_softfail, spf_temperror, spf_permerror, spf_pass_all, spf_pass_wide
};

// With the answers at hand only: one pass, no coroutine, no allocation unless something is wrong with the record or the
// result is no pass. Nothing when an answer is missing.
std::optional<Evaluation> try_evaluate(const Query& query, dns::Resolver& resolver, core::Budget& budget,
                                       const Settings& settings = {});

// The whole check; suspends only for answers that are not at hand. An empty budget of queries or steps is permerror
// ("too complex"); the DNS not answering is temperror, never none. Query and Settings must outlive the task.
core::Task<Evaluation> evaluate(const Query& query, dns::Resolver& resolver, core::Budget& budget,
                                const Settings& settings);
core::Task<Evaluation> evaluate(const Query& query, dns::Resolver& resolver, core::Budget& budget);

// A domain's record and those it includes, term by term, whoever the client may be: what `sekisho spf show` decodes.
struct Shown {
  enum class Status : unsigned char { kRecord, kNothing, kSeveral, kSyntax };
  struct Term {
    std::string text;         // as it stands in the record
    std::string_view kind;    // "all" "include" "a" "mx" "ptr" "ip4" "ip6" "exists" "redirect" "exp"; "unknown": a
                              // modifier of another name
    char qualifier = '+';     // of a mechanism
    unsigned lookups = 0;     // that it costs by itself (section 4.6.4)
    bool dead = false;        // behind `all`, or a redirect beside it: never looked at (section 5.1)
    std::size_t at = 0;       // octet of the record where it begins
    std::string domain_spec;  // empty: the current domain
    core::IpAddress network;  // of ip4, ip6
    std::uint8_t prefix4 = 32, prefix6 = 128;
  };
  struct Part {
    std::string domain, by;  // by: the term that led here; empty for the first
    unsigned depth = 0;
    dns::Code code = dns::Code::kNoData;
    std::vector<std::string> texts;  // every TXT of the name
    Status status = Status::kNothing;
    std::string record;  // what was read, version included; also the first of several
    std::vector<Term> terms;
    std::string offending;  // with kSyntax: the term that cannot be read, and the octet where it begins
    std::size_t offending_at = 0;
  };
  std::vector<Part> parts;  // in the order of evaluation; the first is the domain itself
  unsigned lookups = 0;     // of all of them: the most that a check can cost
  bool loops = false;       // a record includes itself, by one way or another
  bool cut = false;         // there is more than was followed
};
// The same for one text alone, without the DNS: its status and terms. kNothing: the text is no record of these kinds.
Shown::Part read_record(const std::string& text, Records records);
core::Task<Shown> show(std::string domain, Records records, dns::Resolver& resolver, core::Budget& budget);

}  // namespace sekisho::spf
