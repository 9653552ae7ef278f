#include <cstdint>
#include <optional>

#include "base/core/text.h"
#include "mail/charset/charset.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kMaxCharset = 60;  // charset and RFC 2231 language together

struct Word {
  std::string_view charset;
  std::string octets;
  std::size_t end = 0;  // after "?="
  bool clean = true;
};

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

// As readers do it: what is outside the alphabet is skipped, '=' ends a group of four.
std::string decode_b(std::string_view text, bool& clean) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const int value = base64_value(c);
    if (c == '=') {
      bits = 0, count = 0;
    } else if (value < 0) {
      clean = false;
    } else {
      bits = bits << 6 | static_cast<std::uint32_t>(value);
      count += 6;
      if (count >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
    }
  }
  return out;
}

int hex_value(char c) {
  if (core::is_digit(c)) return c - '0';
  const char low = core::lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// RFC 2047 section 4.2. A '=' without two hexadecimal digits stands for itself.
std::string decode_q(std::string_view text, bool& clean) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pair =
        text[i] == '=' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (pair) {
      out.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
      i += 2;
    } else {
      if (text[i] == '=' || text[i] == ' ') clean = false;
      out.push_back(text[i] == '_' ? ' ' : text[i]);
    }
  }
  return out;
}

class Decoder {
 public:
  Decoder(std::string_view text, core::Budget& budget) : text_(text), budget_(budget) {}

  DecodedText run() {
    if (!budget_.take_steps(text_.size()) || !budget_.take_octets(text_.size())) return std::move(out_);
    while (pos_ < text_.size()) {
      const auto start = text_.find("=?", pos_);
      if (start == std::string_view::npos) break;
      auto word = word_at(start);
      if (!word) {
        plain(start + 2);
        continue;
      }
      between(start);
      take(std::move(*word));
    }
    plain(text_.size());
    flush();
    return std::move(out_);
  }

 private:
  // "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
  std::optional<Word> word_at(std::size_t start) {
    if (no_more_ends_) return {};
    const auto first = text_.substr(0, start + 2 + kMaxCharset).find('?', start + 2);
    if (first == std::string_view::npos || first + 2 >= text_.size() || text_[first + 2] != '?') return broken();
    std::string_view charset = text_.substr(start + 2, first - start - 2);
    if (charset.find_first_of(" \t\r\n\"<>()@,;:") != std::string_view::npos) return broken();
    const char encoding = core::lower(text_[first + 1]);
    if (encoding != 'b' && encoding != 'q') return broken();
    const auto end = text_.find("?=", first + 3);
    if (end == std::string_view::npos) {
      no_more_ends_ = true;  // searched once, for the whole text
      return broken();
    }
    Word word;
    word.charset = charset.substr(0, charset.find('*'));
    const std::string_view body = text_.substr(first + 3, end - first - 3);
    word.octets = encoding == 'b' ? decode_b(body, word.clean) : decode_q(body, word.clean);
    word.end = end + 2;
    return word;
  }

  std::optional<Word> broken() {
    out_.malformed = true;
    return {};
  }

  // Text up to where a word starts: white space alone between two words goes away.
  void between(std::size_t start) {
    const std::string_view gap = text_.substr(pos_, start - pos_);
    const bool white = gap.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (!(after_word_ && white)) plain(start);
    pos_ = start;
  }

  void take(Word word) {
    if (!after_word_ || !core::iequals(word.charset, charset_)) {
      flush();
      charset_ = word.charset;
    }
    pending_.append(word.octets);
    pos_ = word.end;
    after_word_ = true;
    out_.encoded = true;
    if (!word.clean || !known_charset(word.charset)) out_.malformed = true;
  }

  void flush() {
    if (!pending_.empty()) out_.text.append(to_utf8(pending_, charset_, budget_));
    pending_.clear();
  }

  // Unencoded text: folds go, raw octets are guessed like an unnamed charset.
  void plain(std::size_t end) {
    if (end <= pos_) return;
    flush();
    std::string unfolded;
    for (char c : text_.substr(pos_, end - pos_)) {
      if (static_cast<unsigned char>(c) > 127) out_.raw_8bit = true;
      if (c != '\r' && c != '\n') unfolded.push_back(c);
    }
    out_.text.append(to_utf8(unfolded, "", budget_));
    pos_ = end;
    after_word_ = false;
  }

  std::string_view text_;
  core::Budget& budget_;
  DecodedText out_;
  std::string pending_;
  std::string_view charset_;
  std::size_t pos_ = 0;
  bool after_word_ = false, no_more_ends_ = false;
};

}  // namespace

DecodedText decode_words(std::string_view text, core::Budget& budget) { return Decoder(text, budget).run(); }

}  // namespace sekisho::mail
