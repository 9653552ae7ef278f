#pragma once
// Tokens of address lists (RFC 5322 section 3.2), for mailbox.cc only.
#include <string>
#include <string_view>
#include <vector>

#include "mail/address/mailbox.h"

namespace sekisho::mail {

enum class TokenKind : unsigned char {
  kAtom,     // everything that is nothing else; dots are specials
  kQuoted,   // with its quotes
  kComment,  // with its outer parentheses
  kLiteral,  // with its brackets
  kSpecial,  // one of < > @ , ; : .
};

struct Token {
  std::string_view text;   // as written
  std::string_view shape;  // the same octets, those of ISO-2022-JP text masked
  TokenKind kind = TokenKind::kAtom;
  bool space_before = false;  // white space stands before it

  bool is(char special) const { return kind == TokenKind::kSpecial && text.front() == special; }
};

// value with the octets of unencoded ISO-2022-JP text (RFC 1468) replaced by letters: a kanji holds '"', '<' or '@' as
// octets.
std::string masked(std::string_view value);

// shape is value, or masked(value); tokens view into both.
std::vector<Token> tokenize(std::string_view value, std::string_view shape, core::Budget& budget, Oddities& oddities);

// The text a quoted string, comment or other token stands for: outer marks off, quoted-pairs resolved, folds removed.
std::string meaning(const Token& token);

}  // namespace sekisho::mail
