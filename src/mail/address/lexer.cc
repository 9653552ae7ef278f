#include "mail/address/lexer.h"

#include <algorithm>

#include "base/core/text.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kMaxTokens = 50'000;  // 2 MiB; an honest list of 10,000 addresses has no more
constexpr std::string_view kMarks = "<>@,;:.";
constexpr std::string_view kAtomEnd = "<>@,;:.()[]\"\\ \t\r\n";

class Lexer {
 public:
  Lexer(std::string_view value, std::string_view shape, core::Budget& budget, Oddities& oddities)
      : value_(value), shape_(shape), budget_(budget), oddities_(oddities) {}

  std::vector<Token> run() {
    note_octets();
    while (pos_ < value_.size()) {
      if (tokens_.size() == kMaxTokens || !budget_.take_octets(sizeof(Token))) {
        oddities_.set(Oddity::kTooComplex);
        break;
      }
      step();
    }
    return std::move(tokens_);
  }

 private:
  void note_octets() {
    if (!budget_.take_steps(value_.size())) {
      oddities_.set(Oddity::kTooComplex);
      value_ = shape_ = {};
    }
    for (std::size_t i = 0; i < value_.size(); ++i) {
      const char c = value_[i];
      if (c == 0) {
        oddities_.set(Oddity::kNul);
      } else if (is_escape(i)) {
        oddities_.set(Oddity::kRawIso2022);
      } else if (core::is_control(c) && !core::is_fws(c)) {
        oddities_.set(Oddity::kControl);
      }
    }
  }

  bool is_escape(std::size_t i) const {
    return value_[i] == '\x1b' && i + 2 < value_.size() && (value_[i + 1] == '$' || value_[i + 1] == '(');
  }

  void step() {
    const char c = shape_[pos_];
    if (core::is_fws(c)) {
      space_ = true;
      ++pos_;
    } else if (c == '"') {
      delimited(TokenKind::kQuoted, quote_end(), Oddity::kUnclosedQuote, quotes_off_);
    } else if (c == '(') {
      delimited(TokenKind::kComment, comment_end(), Oddity::kUnclosedComment, comments_off_);
    } else if (c == '[') {
      delimited(TokenKind::kLiteral, literal_end(), Oddity::kUnclosedLiteral, literals_off_);
    } else if (c == ')' || c == ']') {
      skip(Oddity::kStrayCloser);
    } else if (c == '\\') {
      skip(Oddity::kStrayBackslash);
    } else if (kMarks.find(c) != std::string_view::npos) {
      add(TokenKind::kSpecial, pos_ + 1);
    } else {
      add(TokenKind::kAtom, std::min(shape_.find_first_of(kAtomEnd, pos_), value_.size()));
    }
  }

  void add(TokenKind kind, std::size_t end) {
    tokens_.push_back({value_.substr(pos_, end - pos_), shape_.substr(pos_, end - pos_), kind, space_});
    space_ = false;
    pos_ = end;
  }

  void skip(Oddity oddity) {
    oddities_.set(oddity);
    space_ = true;
    ++pos_;
  }

  // An opener without its partner is text, and so are all later ones of its kind: each is searched for at most once.
  void delimited(TokenKind kind, std::size_t end, Oddity unclosed, bool& off) {
    if (end != std::string_view::npos) return add(kind, end);
    off = true;
    skip(unclosed);
  }

  std::size_t quote_end() const {
    if (quotes_off_) return std::string_view::npos;
    for (std::size_t i = pos_ + 1; i < value_.size(); ++i) {
      if (shape_[i] == '\\') {
        ++i;
      } else if (shape_[i] == '"') {
        return i + 1;
      }
    }
    return std::string_view::npos;
  }

  // RFC 5322 section 3.2.2: comments nest. Deeper than the budget allows counts as unclosed.
  std::size_t comment_end() const {
    if (comments_off_) return std::string_view::npos;
    std::uint32_t depth = 0;
    for (std::size_t i = pos_; i < value_.size(); ++i) {
      if (shape_[i] == '\\') {
        ++i;
      } else if (shape_[i] == '(') {
        if (++depth > budget_.depth) return std::string_view::npos;
      } else if (shape_[i] == ')' && --depth == 0) {
        return i + 1;
      }
    }
    return std::string_view::npos;
  }

  std::size_t literal_end() const {
    if (literals_off_) return std::string_view::npos;
    const auto end = shape_.find(']', pos_);
    return end == std::string_view::npos ? end : end + 1;
  }

  std::string_view value_, shape_;
  core::Budget& budget_;
  Oddities& oddities_;
  std::vector<Token> tokens_;
  std::size_t pos_ = 0;
  bool space_ = false, quotes_off_ = false, comments_off_ = false, literals_off_ = false;
};

}  // namespace

std::string masked(std::string_view value) {
  std::string out(value);
  std::size_t line_end = 0, back = 0;  // found once for all escapes before them
  for (auto start = value.find("\x1b$"); start != std::string_view::npos;) {
    if (line_end <= start) line_end = std::min(value.find('\r', start), value.size());
    if (back <= start) back = value.find("\x1b(", start);
    if (back == std::string_view::npos) break;
    const auto end = std::min(back + 3, line_end);  // RFC 1468: each line begins and ends in ASCII
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(start), out.begin() + static_cast<std::ptrdiff_t>(end), 'x');
    start = value.find("\x1b$", end);
  }
  return out;
}

std::vector<Token> tokenize(std::string_view value, std::string_view shape, core::Budget& budget, Oddities& oddities) {
  return Lexer(value, shape, budget, oddities).run();
}

std::string meaning(const Token& token) {
  const bool outer = token.kind == TokenKind::kQuoted || token.kind == TokenKind::kComment;
  const std::size_t start = outer ? 1 : 0, end = token.text.size() - start;
  std::string out;
  out.reserve(token.text.size());
  for (std::size_t i = start; i < end; ++i) {
    if (outer && token.shape[i] == '\\' && i + 1 < end) ++i;
    if (token.text[i] != '\r' && token.text[i] != '\n') out.push_back(token.text[i]);
  }
  return out;
}

}  // namespace sekisho::mail
