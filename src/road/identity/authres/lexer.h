#pragma once
// RFC 5322 and RFC 2045 pieces of which the field is made.
#include <cstddef>
#include <string>
#include <string_view>

namespace sekisho::authres {

constexpr bool is_token_char(char c) {  // RFC 2045 section 5.1; RFC 8616 adds octets over 127
  const auto octet = static_cast<unsigned char>(c);
  return octet > 0x20 && octet != 0x7f && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}
// Letters, digits, inner hyphens (RFC 5321 section 4.1.2 Keyword); underscores are seen in the wild.
bool is_keyword(std::string_view text);

class Lexer {
 public:
  static constexpr unsigned kDepthMax = 20;
  explicit Lexer(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  std::size_t at() const { return at_; }
  bool take(char c) { return !at_end() && text_[at_] == c && (++at_, true); }
  // Folding space and comments. The text of the last comment goes to `comment` when given. False: unclosed or too deep.
  bool skip_cfws(std::string* comment = nullptr);
  bool too_deep() const { return too_deep_; }
  std::string_view token();              // may be empty
  std::string_view bare_value();         // token with "/", "@" and final "="; may be empty
  bool quoted_string(std::string& out);  // at '"'; false: unclosed
  std::string_view since(std::size_t start) const { return text_.substr(start, at_ - start); }

 private:
  bool skip_comment(std::string* comment);
  std::string_view text_;
  std::size_t at_ = 0;
  bool too_deep_ = false;
};

}  // namespace sekisho::authres
