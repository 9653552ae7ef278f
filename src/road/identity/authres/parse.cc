#include <optional>

#include "base/core/text.h"
#include "road/identity/authres/authres.h"
#include "road/identity/authres/lexer.h"

namespace sekisho::authres {
namespace {

class Parser {
 public:
  Parser(std::string_view value, core::Budget& budget) : lexer_(value), budget_(budget) {}

  core::Result<Header, ParseError> parse(std::size_t size) {
    if (!budget_.take_steps(size) || !budget_.take_octets(size))
      return core::error(ParseError{ErrorKind::kTooComplex, 0});
    if (!read_id() || !read_results()) return core::error(error_);
    return std::move(header_);
  }

 private:
  bool fail(ErrorKind kind) { return error_ = {kind, lexer_.at()}, false; }
  bool skip(std::string* comment = nullptr) {
    return lexer_.skip_cfws(comment) || fail(lexer_.too_deep() ? ErrorKind::kTooComplex : ErrorKind::kUnclosed);
  }

  // [CFWS] authserv-id [ CFWS authres-version ]
  bool read_id() {
    if (!skip()) return false;
    if (lexer_.peek() == '"') {
      if (!lexer_.quoted_string(header_.authserv_id)) return fail(ErrorKind::kUnclosed);
    } else {
      header_.authserv_id = lexer_.token();
    }
    if (header_.authserv_id.empty()) return fail(ErrorKind::kNoId);
    if (!skip()) return false;
    if (const auto version = lexer_.token(); !version.empty()) {
      const auto number = core::parse_uint(version, 1'000'000);
      if (!number) return fail(ErrorKind::kExpectedEnd);
      header_.version = static_cast<unsigned>(*number);
    }
    return skip() && (lexer_.at_end() || lexer_.peek() == ';' || fail(ErrorKind::kExpectedEnd));
  }

  bool read_results() {
    while (lexer_.take(';')) {
      if (!skip()) return false;
      if (lexer_.at_end()) break;
      if (lexer_.peek() == ';') continue;
      if (!read_result()) return false;
      if (!lexer_.at_end() && lexer_.peek() != ';') return fail(ErrorKind::kExpectedEnd);
    }
    return true;
  }

  // methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ], or "none"
  bool read_result() {
    if (!budget_.take_part()) return fail(ErrorKind::kTooComplex);
    MethodResult result;
    const auto method = lexer_.token();
    if (method.empty()) return fail(ErrorKind::kExpectedKeyword);
    result.method = core::to_lower(method);
    std::string comment;
    if (!skip(&comment)) return false;
    if (result.method == "none" && (lexer_.at_end() || lexer_.peek() == ';')) return header_.comment = comment, true;
    if (lexer_.take('/')) {
      if (!skip()) return false;
      const auto version = core::parse_uint(lexer_.token(), 1'000'000);
      if (!version) return fail(ErrorKind::kExpectedKeyword);
      result.version = static_cast<unsigned>(*version);
      if (!skip()) return false;
    }
    if (!lexer_.take('=')) return fail(ErrorKind::kExpectedEquals);
    if (!is_keyword(result.method)) return fail(ErrorKind::kExpectedKeyword);
    if (!skip()) return false;
    result.result = core::to_lower(lexer_.token());
    if (!is_keyword(result.result)) return fail(ErrorKind::kExpectedKeyword);
    if (!skip(&result.comment) || !read_properties(result)) return false;
    header_.results.push_back(std::move(result));
    return true;
  }

  bool read_properties(MethodResult& result) {
    while (!lexer_.at_end() && lexer_.peek() != ';') {
      if (!budget_.take_part()) return fail(ErrorKind::kTooComplex);
      Property property;
      const std::size_t start = lexer_.at();
      while (is_token_char(lexer_.peek()) && lexer_.peek() != '.') lexer_.take(lexer_.peek());
      property.ptype = core::to_lower(lexer_.since(start));
      if (property.ptype.empty()) return fail(ErrorKind::kExpectedEnd);
      if (!skip()) return false;
      const bool dotted = lexer_.take('.');
      if (dotted) {
        if (!skip()) return false;
        property.property = core::to_lower(lexer_.token());
        if (!skip()) return false;
      }
      if (!lexer_.take('=')) return fail(ErrorKind::kExpectedEquals);
      if (!read_value(property.value)) return false;
      if (!skip(&property.comment)) return false;
      if (dotted) {
        if (is_keyword(property.ptype) && is_keyword(property.property))
          result.properties.push_back(std::move(property));
      } else if (property.ptype == "reason") {
        result.reason = std::move(property.value);
      }
    }
    return true;
  }

  // [CFWS] ( value / [ [ local-part ] "@" ] domain-name ); a bare value ends at a space, a comment, ";" or the end.
  bool read_value(std::string& out) {
    if (!skip()) return false;
    const std::size_t start = lexer_.at();
    if (lexer_.peek() == '"') {
      if (!lexer_.quoted_string(out)) return fail(ErrorKind::kUnclosed);
      if (lexer_.peek() == '@') {  // a quoted local part belongs to the address as it stands
        lexer_.bare_value();
        out = lexer_.since(start);
      }
    } else {
      out = lexer_.bare_value();
    }
    const char next = lexer_.peek();
    const bool ends =
        lexer_.at_end() || next == ';' || next == '(' || next == ' ' || next == '\t' || next == '\r' || next == '\n';
    return ends || fail(ErrorKind::kExpectedEnd);
  }

  Lexer lexer_;
  core::Budget& budget_;
  Header header_;
  ParseError error_{};
};

}  // namespace

core::Result<Header, ParseError> parse(std::string_view value, core::Budget& budget) {
  return Parser(value, budget).parse(value.size());
}

const Property* MethodResult::find(std::string_view ptype, std::string_view property) const {
  for (const auto& p : properties)
    if (p.ptype == ptype && p.property == property) return &p;
  return nullptr;
}

}  // namespace sekisho::authres
