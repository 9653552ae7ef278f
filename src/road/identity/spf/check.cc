// Who is checked, and the walk through records and terms. What each mechanism asks stands in mechanism.cc.
#include "road/identity/spf/check.h"

#include <algorithm>

#include "base/core/text.h"
#include "mail/address/address.h"

namespace sekisho::spf {
namespace {

// Section 4.3: a malformed name, or one of a single label, is not checked. Mail domains are letters, digits and hyphens
// (RFC 5321 section 4.1.2), here with underscores and plus signs; so no comment, quote or space gets on to a header or
// into the DNS.
bool is_checkable(std::string_view domain) {
  std::size_t label = 0, labels = 1;
  for (char c : domain) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0, ++labels;
    } else if (!(core::is_alnum(c) || c == '-' || c == '_' || c == '+') || ++label > 63) {
      return false;
    }
  }
  return label > 0 && labels > 1 && domain.size() <= 253;
}

}  // namespace

bool Check::identify() {
  std::string_view domain;
  local_ = "postmaster";  // section 4.3: <sender> without a local part
  out_.identity = query_.mail_from.empty() ? Identity::kHelo : query_.identity;
  if (out_.identity == Identity::kHelo) {
    domain = query_.helo;
  } else {
    const auto at = query_.mail_from.rfind('@');
    domain = at == std::string_view::npos ? query_.mail_from : query_.mail_from.substr(at + 1);
    if (at != std::string_view::npos && at > 0) local_ = query_.mail_from.substr(0, at);
  }
  // RFC 8616 section 4: U-labels in MAIL FROM are converted; HELO comes before SMTPUTF8 is known and must hold
  // A-labels.
  if (out_.identity != Identity::kHelo && beyond_ascii(domain)) {
    if (const auto converted = mail::Domain::parse(domain)) domain = ascii_domain_ = converted->text();
  }
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  domain_ = domain;
  if (!is_checkable(domain)) {
    out_.domain = core::printable(domain, 200);
    out_.reason = domain.empty() ? "no domain to check" : "malformed domain";
    return false;
  }
  char lowered[253];
  std::transform(domain.begin(), domain.end(), lowered, core::lower);
  out_.domain = std::string_view(lowered, domain.size());
  return true;
}

std::optional<Evaluation> Check::run() {
  if (!identify()) return finish(Result::kNone);
  const auto result = check_host(domain_);
  if (!result) return std::nullopt;
  return finish(*result);
}

Evaluation Check::stop(road::AuthResult result, std::string_view reason) {
  out_ = Evaluation{};
  identify();
  out_.reason = reason;
  return finish(result);
}

Evaluation Check::finish(Result result) {
  out_.result = result;
  std::string_view code;
  switch (result) {
    case Result::kFail:
      code = "spf_fail";
      break;
    case Result::kSoftFail:
      code = "spf_softfail";
      break;
    case Result::kTempError:
      code = "spf_temperror";
      break;
    case Result::kPermError:
      code = "spf_permerror";
      break;
    case Result::kPass:
      if (width_ == Width::kAll) code = "spf_pass_all";
      if (width_ == Width::kWide) code = "spf_pass_wide";
      break;
    default:
      break;
  }
  if (!code.empty()) out_.findings.push_back({"spf", code, result, out_.reason.text()});
  return std::move(out_);
}

Check::Step Check::permerror(std::string_view why, std::string_view what) {
  out_.reason = why;
  if (!what.empty()) out_.reason.append(" ").append(core::printable(what, 100));
  return Step::kPermError;
}

Check::Step Check::temperror(std::string_view what) {
  out_.reason = "no answer from the DNS for ";
  out_.reason.append(core::printable(what, 150));
  return Step::kTempError;
}

Check::Got Check::ask(std::string_view name, dns::Type type, dns::AnswerPtr& answer) {
  thread_local dns::Name scratch;  // keeps its room, so that asking for an answer at hand allocates nothing
  return scratch.assign(name) ? ask(scratch, type, answer) : Got::kBadName;
}

Check::Got Check::ask(const dns::Name& name, dns::Type type, dns::AnswerPtr& answer) {
  answer.reset();
  const auto same = [&](const Question& q) { return q.type == type && q.name == name; };
  if (pinned_) {
    for (const auto& pinned : *pinned_)
      if (same(pinned.question)) answer = pinned.answer;
  }
  if (!answer) answer = resolver_.ready(name, type);
  if (!answer) {
    if (missing_ && std::none_of(missing_->begin(), missing_->end(), same)) missing_->push_back({name, type});
    return Got::kMissing;
  }
  switch (answer->code) {
    case dns::Code::kRecords:
      return Got::kRecords;
    case dns::Code::kNoData:
      return Got::kNothing;
    case dns::Code::kNxDomain:
      return Got::kNoName;
    case dns::Code::kNotAllowed:
      return Got::kTooMany;
    default:
      return Got::kTempError;
  }
}

// Section 4.6.4: the terms that ask the DNS are counted together over all records of one check.
bool Check::count_lookup() {
  if (out_.lookups >= settings_.lookups_max) return permerror("too many DNS look-ups"), false;
  ++out_.lookups;
  return true;
}

std::optional<Check::Result> Check::check_host(std::string_view domain) {
  dns::AnswerPtr answer;  // keeps the record alive while its terms are read
  const Got got = ask(domain, dns::Type::kTxt, answer);
  if (out_.name == Evaluation::Name::kUnknown && domain.data() == domain_.data()) {
    if (got == Got::kRecords || got == Got::kNothing) out_.name = Evaluation::Name::kExists;
    if (got == Got::kNoName) out_.name = Evaluation::Name::kMissing;
  }
  switch (got) {
    case Got::kRecords:
      break;
    case Got::kMissing:
      return std::nullopt;
    case Got::kTempError:
      temperror(domain);
      return Result::kTempError;  // section 4.4
    case Got::kTooMany:
      permerror("the mail's budget of DNS queries is empty");
      return Result::kPermError;
    case Got::kBadName:
      out_.reason = "malformed domain";
      return Result::kNone;
    case Got::kNoName:
      out_.reason = "the domain does not exist";
      // RFC 4406 section 4.3: for the PRA "Fail"; RFC 7208 section 4.3: "none".
      return out_.identity == Identity::kPra && includes_ == 0 && domain.data() == domain_.data() ? Result::kFail
                                                                                                  : Result::kNone;
    case Got::kNothing:
      out_.reason = no_record();
      return Result::kNone;
  }
  const auto selection = select(answer->texts, query_.records);
  if (selection.count == 0) return out_.reason = no_record(), Result::kNone;  // section 4.5
  if (selection.count > 1) return permerror("more than one SPF record at", domain), Result::kPermError;
  if (!budget_.take_steps(selection.terms.size() + 16)) return permerror("the mail is too complex"), Result::kPermError;
  return run_terms(selection.terms, domain);
}

std::optional<Check::Result> Check::run_terms(std::string_view text, std::string_view domain) {
  const auto syntax = scan(text);
  if (!syntax.ok) return permerror("syntax error in", syntax.offending), Result::kPermError;
  Terms terms(text);
  Term term;
  while (terms.next(term) == Terms::Step::kTerm) {
    if (term.kind >= Kind::kRedirect) continue;
    switch (match(term, domain)) {
      case Step::kNoMatch:
        continue;
      case Step::kTempError:
        return Result::kTempError;
      case Step::kPermError:
        return Result::kPermError;
      case Step::kMissing:
        return std::nullopt;
      case Step::kMatch:
        break;
    }
    matched(term, domain);
    if (term.qualifier == '+') return Result::kPass;
    if (term.qualifier == '~') return Result::kSoftFail;
    if (term.qualifier == '?') return Result::kNeutral;
    // Section 6.2: only the record that decides explains, not one that is included.
    if (includes_ == 0 && syntax.explains && settings_.explain && !explain(syntax.exp, domain)) return std::nullopt;
    return Result::kFail;
  }
  if (syntax.redirects) return redirect(syntax.redirect, domain);
  if (includes_ == 0) out_.reason = "no mechanism matched";
  return Result::kNeutral;  // section 4.7
}

void Check::matched(const Term& term, std::string_view domain) {
  if (term.kind == Kind::kAll) {
    width_ = Width::kAll;
  } else if (term.kind != Kind::kInclude) {
    const bool network = term.kind != Kind::kPtr && term.kind != Kind::kExists;
    const unsigned bits = query_.client_ip.is_v4() ? term.prefix4 : term.prefix6;
    width_ = !network || bits >= 8 ? Width::kNarrow : bits == 0 ? Width::kAll : Width::kWide;
  }
  if (includes_ > 0) return;
  out_.reason = "matched ";
  out_.reason.append(term.text.substr(term.text[0] == '+' ? 1 : 0).substr(0, 120));
  if (domain.data() != domain_.data()) out_.reason.append(" of ").append(domain.substr(0, 60));
}

// Section 6.1: the target's result is ours, but a target without a policy, or a malformed one, is permerror.
std::optional<Check::Result> Check::redirect(std::string_view spec, std::string_view domain) {
  if (!count_lookup()) return Result::kPermError;
  TargetName room;
  std::string_view name;
  switch (target(spec, domain, room, name)) {
    case Step::kMatch:
      break;
    case Step::kMissing:
      return std::nullopt;
    case Step::kNoMatch:
      return out_.reason = "no mechanism matched", Result::kNeutral;  // RFC 8616 section 4
    default:
      return Result::kPermError;
  }
  const auto result = check_host(name);
  if (result == Result::kNone) return permerror("redirect: no SPF record at", name), Result::kPermError;
  return result;
}

std::string_view Check::no_record() const {
  return query_.records == Records::kSpf1 ? "no SPF record" : "no Sender ID record";
}

std::string_view word(Identity identity) {
  if (identity == Identity::kPra) return "pra";
  return identity == Identity::kHelo ? "helo" : "mailfrom";
}

}  // namespace sekisho::spf
