// The record and its includes as they stand: nothing is matched, so no client is needed.
#include <algorithm>

#include "base/core/text.h"
#include "mail/address/address.h"
#include "road/identity/spf/record.h"

namespace sekisho::spf {
namespace {

constexpr std::size_t kPartsMax = 40;        // four times what a check may cost
constexpr unsigned kShownDepthMax = 10;      // no check goes deeper than its look-ups
constexpr std::size_t kShownTextsMax = 100;  // TXT records of one name

std::string_view kind_word(Kind kind) {
  constexpr std::string_view kWords[] = {"all", "include", "a",        "mx",  "ptr",    "ip4",
                                         "ip6", "exists",  "redirect", "exp", "unknown"};
  return kWords[static_cast<std::size_t>(kind)];
}

// Section 4.6.4: "include", "a", "mx", "ptr", "exists", "redirect" cause DNS queries.
bool asks(Kind kind) {
  switch (kind) {
    case Kind::kInclude:
    case Kind::kA:
    case Kind::kMx:
    case Kind::kPtr:
    case Kind::kExists:
    case Kind::kRedirect:
      return true;
    default:
      return false;
  }
}

struct Next {
  std::string domain, by;
};

bool has_all(std::string_view text) {
  Terms terms(text);
  Term term;
  while (terms.next(term) == Terms::Step::kTerm)
    if (term.kind == Kind::kAll) return true;
  return false;
}

// The terms of one record into the part; where it leads goes to `next`.
void read_terms(const Selection& found, Shown::Part& part, std::vector<Next>& next, Shown& shown) {
  const std::string_view text = found.terms;
  const bool all = has_all(text);
  bool dead = false;
  std::vector<Next> redirects;  // followed last, wherever they stand (section 6.1)
  Terms terms(text);
  Term term;
  while (terms.next(term) == Terms::Step::kTerm) {
    const bool modifier = term.kind >= Kind::kRedirect;
    Shown::Term out{std::string(term.text), kind_word(term.kind), term.qualifier};
    // Section 5.1: mechanisms behind "all" are never tested; "redirect" is ignored where there is an "all".
    out.at = static_cast<std::size_t>(term.text.data() - found.record.data());
    out.domain_spec = std::string(term.domain_spec);
    out.network = term.network;
    out.prefix4 = term.prefix4, out.prefix6 = term.prefix6;
    out.dead = modifier ? term.kind == Kind::kRedirect && all : dead;
    out.lookups = asks(term.kind) && !out.dead ? 1 : 0;
    shown.lookups += out.lookups;
    if (term.kind == Kind::kInclude && !out.dead) next.push_back({std::string(term.domain_spec), out.text});
    if (term.kind == Kind::kRedirect && !out.dead) redirects.push_back({std::string(term.domain_spec), out.text});
    dead = dead || term.kind == Kind::kAll;
    part.terms.push_back(std::move(out));
  }
  next.insert(next.end(), redirects.begin(), redirects.end());
}

void read(const dns::Answer& answer, Records records, Shown::Part& part, std::vector<Next>& next, Shown& shown) {
  part.code = answer.code;
  part.texts.assign(answer.texts.begin(),
                    answer.texts.begin() + static_cast<std::ptrdiff_t>(std::min(answer.texts.size(), kShownTextsMax)));
  const Selection found = select(part.texts, records);
  if (found.count == 0) return;
  part.record = found.record;
  part.status = found.count > 1 ? Shown::Status::kSeveral : Shown::Status::kRecord;
  const Scan scanned = scan(found.terms);
  if (!scanned.ok && part.status == Shown::Status::kRecord) {
    part.status = Shown::Status::kSyntax;
    part.offending = std::string(scanned.offending);
    part.offending_at = static_cast<std::size_t>(scanned.offending.data() - found.record.data());
  }
  read_terms(found, part, next, shown);
  if (part.status != Shown::Status::kRecord) next.clear();  // a check ends here with permerror
}

}  // namespace

Shown::Part read_record(const std::string& text, Records records) {
  dns::Answer answer;
  answer.code = dns::Code::kRecords;
  answer.texts.push_back(text);
  Shown::Part part;
  Shown shown;
  std::vector<Next> next;
  read(answer, records, part, next, shown);
  return part;
}

core::Task<Shown> show(std::string domain, Records records, dns::Resolver& resolver, core::Budget& budget) {
  Shown shown;
  struct Waiting {
    Next next;
    unsigned depth;
    std::vector<std::string> above;  // the domains on the way here
  };
  std::vector<Waiting> stack;
  stack.push_back({{std::move(domain), ""}, 0, {}});
  while (!stack.empty()) {
    const Waiting now = std::move(stack.back());
    stack.pop_back();
    // What holds a macro depends on the mail, and what is no domain name is asked by nobody.
    const auto name = mail::Domain::parse(now.next.domain);
    if (!name) {
      shown.cut = shown.cut || now.next.domain.find('%') == std::string::npos;
      continue;
    }
    if (std::find(now.above.begin(), now.above.end(), name->text()) != now.above.end()) {
      shown.loops = true;
      continue;
    }
    if (shown.parts.size() >= kPartsMax || now.depth > kShownDepthMax) {
      shown.cut = true;
      continue;
    }
    auto asking = resolver.lookup(name->name(), dns::Type::kTxt, budget);
    const dns::AnswerPtr answer = co_await asking;
    Shown::Part part;
    part.domain = name->text();
    part.by = now.next.by;
    part.depth = now.depth;
    std::vector<Next> next;
    read(*answer, records, part, next, shown);
    std::vector<std::string> above = now.above;
    above.push_back(part.domain);
    for (auto at = next.rbegin(); at != next.rend(); ++at) stack.push_back({std::move(*at), now.depth + 1, above});
    shown.parts.push_back(std::move(part));
  }
  co_return shown;
}

}  // namespace sekisho::spf
