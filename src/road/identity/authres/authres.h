#pragma once
// Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 section 9.1): reading others' fields, writing ours, and
// finding the fields of an incoming message that claim to be ours. Nothing here trusts a field: who wrote it is for the
// caller to know.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "mail/message/message.h"
#include "road/identity/spf/spf.h"

namespace sekisho::authres {

struct Property {
  std::string ptype, property;  // "smtp" "mailfrom": lower case
  std::string value;            // octets without quoting
  std::string comment = {};
};

// One "; method=result ..." part.
struct MethodResult {
  std::string method, result;  // lower case
  std::string reason = {};
  std::vector<Property> properties = {};
  unsigned version = 1;
  std::string comment = {};  // behind the result

  const Property* find(std::string_view ptype, std::string_view property) const;  // null when there is none
};

struct Header {
  std::string authserv_id;            // as written; compare with same_id
  unsigned version = 0;               // 0: not written, which means 1
  std::vector<MethodResult> results;  // empty: "none"
  std::string comment = {};           // behind "none"
};

enum class ErrorKind {
  kTooComplex,       // the budget is empty or comments are nested too deep
  kNoId,             // no authserv-id
  kUnclosed,         // a comment or quoted string does not end
  kExpectedKeyword,  // no method, result, ptype or property where one must stand
  kExpectedEquals,   // no "="
  kExpectedEnd,      // something else behind a value
};
struct ParseError {
  ErrorKind kind;
  std::size_t at;  // offset in the value
};

// The field's value with its folds, without the name. Read leniently where the real world is: "/" and "=" in bare
// values, a final
// ";", "name=value" pairs that are no properties (skipped). Octets over 127 are letters (RFC 8616).
core::Result<Header, ParseError> parse(std::string_view value, core::Budget& budget);

struct Format {
  std::size_t fold_at = 0;  // 0: one line; else CRLF HTAB before a part that would cross this column
  bool utf8 = false;        // the message is internationalized (RFC 6532): values of valid UTF-8 may be written
};
// The value of our field. parse() gives back exactly what is written. Left out because no quoting makes it safe: values
// with controls, over 512 octets, or beyond ASCII without utf8; results and properties whose names are no keywords.
// Never CR, LF or NUL but for folds.
std::string format(const Header& header, const Format& how = {});

// spf=... for what was checked: smtp.mailfrom or smtp.helo with the domain (RFC 8601 section 2.7.2).
MethodResult spf_result(const spf::Evaluation& evaluation);
// The value of a Received-SPF field, one line, printable ASCII.
std::string received_spf(const spf::Query& query, const spf::Evaluation& evaluation, std::string_view receiver);

// RFC 8601 section 2.5 compares as domain names do: letter case and a final dot do not count.
bool same_id(std::string_view a, std::string_view b);

struct Forged {
  std::size_t index;   // into fields
  std::string reason;  // for people
};
// RFC 8601 section 5: the fields to remove before ours are added, in order. `ids`: our authserv-id and those our
// readers trust. Authentication-Results that any reader, also a careless one, could take for one of these ids,
// malformed ones too; Received-SPF in the name of one of them; every X-Sekisho-* field.
std::vector<Forged> forged(std::span<const mail::HeaderField> fields, std::span<const std::string> ids);

}  // namespace sekisho::authres
