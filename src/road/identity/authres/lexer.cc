#include "road/identity/authres/lexer.h"

#include "base/core/text.h"

namespace sekisho::authres {
namespace {
constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr bool is_line_end(char c) { return c == '\r' || c == '\n'; }  // folds are not part of what they fold
}  // namespace

bool is_keyword(std::string_view text) {
  if (text.empty() || text.back() == '-') return false;
  for (char c : text)
    if (!core::is_alnum(c) && c != '-' && c != '_') return false;
  return true;
}

bool Lexer::skip_comment(std::string* comment) {
  unsigned depth = 0;
  if (comment) comment->clear();
  while (!at_end()) {
    char c = text_[at_++];
    if (c == '(' && ++depth == 1) continue;
    if (depth > kDepthMax) return too_deep_ = true, false;
    if (c == ')' && --depth == 0) return true;
    if (c == '\\') {
      if (at_end()) return false;
      c = text_[at_++];
    }
    if (comment && !is_line_end(c)) *comment += c;
  }
  return false;
}

bool Lexer::skip_cfws(std::string* comment) {
  while (!at_end()) {
    if (is_space(text_[at_])) {
      ++at_;
    } else if (text_[at_] != '(') {
      return true;
    } else if (!skip_comment(comment)) {
      return false;
    }
  }
  return true;
}

std::string_view Lexer::token() {
  const std::size_t start = at_;
  while (!at_end() && is_token_char(text_[at_])) ++at_;
  return since(start);
}

std::string_view Lexer::bare_value() {
  const std::size_t start = at_;
  while (!at_end() && (is_token_char(text_[at_]) || text_[at_] == '/' || text_[at_] == '@')) ++at_;
  while (at_ > start && !at_end() && text_[at_] == '=') ++at_;  // base64 of header.b
  return since(start);
}

bool Lexer::quoted_string(std::string& out) {
  out.clear();
  ++at_;
  while (!at_end()) {
    char c = text_[at_++];
    if (c == '"') return true;
    if (c == '\\') {
      if (at_end()) return false;
      c = text_[at_++];
    }
    if (!is_line_end(c)) out += c;
  }
  return false;
}

}  // namespace sekisho::authres
