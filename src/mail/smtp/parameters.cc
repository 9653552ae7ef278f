#include "mail/smtp/parameters.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "mail/address/utf8.h"
#include "mail/smtp/xtext.h"

namespace sekisho::smtp {
namespace {
constexpr std::size_t kMaxEnvid = 100;  // RFC 3461 section 4.4
constexpr std::size_t kMaxOrcpt = 500;  // section 4.2

using Fault = std::optional<Reply>;

Fault bad(std::string_view keyword) { return Reply{501, "5.5.4", {"Bad " + std::string(keyword) + " parameter"}}; }
// RFC 5321 section 4.1.1.11: a parameter that is not recognized gets 555.
Fault not_offered(std::string_view keyword) { return Reply{555, "5.5.4", {std::string(keyword) + " is not offered"}}; }

struct Parameter {
  std::string_view keyword, value;
  bool has_value = false;
};

// RFC 5321 section 4.1.2: esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"); esmtp-value has no "=", blank or
// control. RFC 6531 section 3.3 adds what is beyond ASCII.
bool take_parameter(std::string_view& rest, bool utf8, Parameter& out) {
  const std::string_view word = take_word(rest);
  const std::size_t equals = word.find('=');
  out = {word.substr(0, equals), {}, equals != std::string_view::npos};
  if (out.has_value) out.value = word.substr(equals + 1);
  if (out.keyword.empty() || !core::is_alnum(out.keyword[0])) return false;
  for (const char c : out.keyword)
    if (!core::is_alnum(c) && c != '-') return false;
  if (out.has_value && out.value.empty()) return false;
  const auto good = [](char c) { return c != '=' && c != 127 && (c > ' ' || static_cast<unsigned char>(c) > 127); };
  return std::all_of(out.value.begin(), out.value.end(), good) &&
         (core::is_ascii(out.value) || (utf8 && mail::is_utf8(out.value)));
}

Fault set_size(std::string_view digits, const Capabilities& offered, MailParameters& out) {
  // RFC 1870 section 4: 1*20DIGIT. A number too big to count is over every limit.
  const auto size = parse_count(digits);
  if (out.size || digits.size() > 20 || !size) return bad("SIZE");
  out.size = size;
  if (*out.size > offered.size_limit_bytes) return Reply{552, "5.3.4", {"Message size exceeds the limit"}};
  return std::nullopt;
}

Fault set_body(std::string_view value, const Capabilities& offered, MailParameters& out) {
  const bool eight = core::iequals(value, "8BITMIME");
  if (out.body != BodyType::kUnstated || (!eight && !core::iequals(value, "7BIT"))) return bad("BODY");
  if (eight && !offered.eight_bit_mime) return not_offered("8BITMIME");
  out.body = eight ? BodyType::kEightBitMime : BodyType::kSevenBit;
  return std::nullopt;
}

Fault set_ret(std::string_view value, const Capabilities& offered, MailParameters& out) {
  if (!offered.dsn) return not_offered("DSN");
  if (!out.ret.empty() || (!core::iequals(value, "FULL") && !core::iequals(value, "HDRS"))) return bad("RET");
  out.ret = core::iequals(value, "FULL") ? "FULL" : "HDRS";
  return std::nullopt;
}

bool is_text(const std::optional<std::string>& decoded) {
  return decoded && std::all_of(decoded->begin(), decoded->end(), [](char c) { return c >= ' ' && c < 127; });
}

Fault set_envid(std::string_view value, const Capabilities& offered, MailParameters& out) {
  if (!offered.dsn) return not_offered("DSN");
  // RFC 3461 section 4.4: printable characters before they were encoded.
  if (!out.envid.empty() || value.size() > kMaxEnvid || !is_text(decode_xtext(value))) return bad("ENVID");
  out.envid = value;
  return std::nullopt;
}

// RFC 4405 section 4: a Mailbox as xtext, without angle brackets.
Fault set_submitter(std::string_view value, const Capabilities& offered, MailParameters& out) {
  if (!offered.submitter) return not_offered("SUBMITTER");
  const auto decoded = out.submitter ? std::nullopt : decode_xtext(value);
  auto address = is_text(decoded) ? mail::Address::parse(*decoded) : core::error(mail::AddressError::kSyntax);
  if (!address) return bad("SUBMITTER");
  out.submitter = std::move(*address);
  return std::nullopt;
}

Fault set_smtp_utf8(const Parameter& parameter, const Capabilities& offered, MailParameters& out) {
  if (!offered.smtp_utf8) return not_offered("SMTPUTF8");
  // RFC 6531 section 3.4: no value.
  if (out.smtp_utf8 || parameter.has_value) return bad("SMTPUTF8");
  out.smtp_utf8 = true;
  return std::nullopt;
}

Fault set_require_tls(const Parameter& parameter, const Capabilities& offered, bool tls, MailParameters& out) {
  // RFC 8689 section 2: no value, and TLS must be active; section 8 for the code.
  if (out.require_tls || parameter.has_value) return bad("REQUIRETLS");
  if (!tls) return Reply{530, "5.7.30", {"REQUIRETLS needs TLS, send STARTTLS first"}};
  if (!offered.require_tls) return Reply{550, "5.7.30", {"REQUIRETLS is not supported by the next hop"}};
  out.require_tls = true;
  return std::nullopt;
}

// RFC 6710 section 3: a priority is a wish. It is not offered, so it is not granted; a client that sends it all the
// same need not lose its mail.
Fault skip_priority(std::string_view value) {
  const std::string_view digit = value.starts_with('-') ? value.substr(1) : value;
  const bool good = digit.size() == 1 && core::is_digit(digit[0]) && (digit[0] != '0' || digit == value);
  return good ? std::nullopt : bad("MT-PRIORITY");
}

Fault set_notify(std::string_view value, const Capabilities& offered, RcptParameters& out) {
  if (!offered.dsn) return not_offered("DSN");
  if (!out.notify.empty()) return bad("NOTIFY");
  // RFC 3461 section 4.1: NEVER alone, or a list of the others, each once.
  if (!core::iequals(value, "NEVER")) {
    unsigned seen = 0;
    for (std::string_view rest = value;;) {
      const std::string_view word = rest.substr(0, rest.find(','));
      const unsigned bit = core::iequals(word, "SUCCESS")   ? 1
                           : core::iequals(word, "FAILURE") ? 2
                           : core::iequals(word, "DELAY")   ? 4
                                                            : 0;
      if (bit == 0 || (seen & bit)) return bad("NOTIFY");
      seen |= bit;
      if (word.size() == rest.size()) break;
      rest.remove_prefix(word.size() + 1);
    }
  }
  out.notify = value;
  return std::nullopt;
}

Fault set_orcpt(std::string_view value, const Capabilities& offered, RcptParameters& out) {
  if (!offered.dsn) return not_offered("DSN");
  const std::size_t semicolon = value.find(';');
  if (!out.orcpt.empty() || value.size() > kMaxOrcpt || semicolon == 0 || semicolon == std::string_view::npos)
    return bad("ORCPT");
  const std::string_view type = value.substr(0, semicolon), address = value.substr(semicolon + 1);
  const auto in_type = [](char c) { return core::is_alnum(c) || c == '-'; };
  if (address.empty() || !std::all_of(type.begin(), type.end(), in_type)) return bad("ORCPT");
  // RFC 6533 section 3: of the type utf-8 the address may stand as it is, where SMTPUTF8 is in force.
  if (core::is_ascii(address) ? !is_text(decode_xtext(address)) : !core::iequals(type, "utf-8")) return bad("ORCPT");
  out.orcpt = value;
  return std::nullopt;
}
}  // namespace

std::string_view take_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest = core::trim(rest.substr(end));
  return word;
}

std::optional<std::uint64_t> parse_count(std::string_view digits) {
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), core::is_digit)) return std::nullopt;
  return core::parse_uint(digits).value_or(UINT64_MAX);
}

Fault parse_parameters(std::string_view text, const Capabilities& offered, bool tls, MailParameters& out) {
  std::string_view rest = core::trim(text);
  Parameter parameter;
  bool prioritized = false;
  while (!rest.empty()) {
    if (!take_parameter(rest, false, parameter)) return Reply{501, "5.5.4", {"Bad parameter syntax"}};
    Fault fault;
    const auto is = [&](std::string_view keyword) { return core::iequals(parameter.keyword, keyword); };
    if (is("SIZE")) {
      fault = set_size(parameter.value, offered, out);
    } else if (is("BODY")) {
      fault = set_body(parameter.value, offered, out);
    } else if (is("SMTPUTF8")) {
      fault = set_smtp_utf8(parameter, offered, out);
    } else if (is("RET")) {
      fault = set_ret(parameter.value, offered, out);
    } else if (is("ENVID")) {
      fault = set_envid(parameter.value, offered, out);
    } else if (is("SUBMITTER")) {
      fault = set_submitter(parameter.value, offered, out);
    } else if (is("REQUIRETLS")) {
      fault = set_require_tls(parameter, offered, tls, out);
    } else if (is("MT-PRIORITY")) {
      fault = std::exchange(prioritized, true) ? bad("MT-PRIORITY") : skip_priority(parameter.value);
    } else {
      fault = Reply{555, "5.5.4", {"Unsupported MAIL parameter"}};
    }
    if (fault) return fault;
  }
  return std::nullopt;
}

Fault parse_parameters(std::string_view text, const Capabilities& offered, bool smtp_utf8, RcptParameters& out) {
  std::string_view rest = core::trim(text);
  Parameter parameter;
  while (!rest.empty()) {
    if (!take_parameter(rest, smtp_utf8, parameter)) return Reply{501, "5.5.4", {"Bad parameter syntax"}};
    Fault fault;
    if (core::iequals(parameter.keyword, "NOTIFY")) {
      fault = set_notify(parameter.value, offered, out);
    } else if (core::iequals(parameter.keyword, "ORCPT")) {
      fault = set_orcpt(parameter.value, offered, out);
    } else {
      fault = Reply{555, "5.5.4", {"Unsupported RCPT parameter"}};
    }
    if (fault) return fault;
  }
  return std::nullopt;
}

}  // namespace sekisho::smtp
