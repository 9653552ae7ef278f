#include "mail/message/header.h"

#include <algorithm>
#include <cstring>

#include "base/core/text.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kMaxLine = 998;      // RFC 5322 section 2.1.1, without the CRLF
constexpr std::size_t kMaxLines = 100000;  // ten thousand recipients, one a line, are a tenth of it

struct Line {
  std::string_view text;  // without its CRLF
  std::size_t end;        // after its CRLF
};

Line line_at(std::string_view text, std::size_t start) {
  const void* hit = std::memchr(text.data() + start, '\n', text.size() - start);
  if (!hit) return {text.substr(start), text.size()};
  const auto lf = static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
  return {text.substr(start, lf - 1 - start), lf + 1};
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && core::is_wsp(text.back())) text.remove_suffix(1);
  return text;
}

// RFC 5322 section 3.6.8: ftext is 33..126 without the colon.
bool is_ftext(char c) { return c > 32 && c < 127; }

class Scanner {
 public:
  Scanner(std::string_view text, core::Budget& budget) : text_(text), budget_(budget) {}

  std::optional<Header> run() {
    std::size_t start = 0, lines = 0;
    while (start < text_.size()) {
      if (++lines > kMaxLines) return {};
      const Line line = line_at(text_, start);
      if (line.text.empty()) return finish(start, line.end);
      if (line.text.size() > kMaxLine) header_.shape.over_long_line = true;
      const bool fold = core::is_wsp(line.text.front());
      if (fold) note_fold(line.text, start);
      if (!fold || start == 0) {
        close(start);
        if (!open(start, line.text, fold)) return {};
      }
      start = line.end;
    }
    header_.shape.no_blank_line = true;
    return finish(text_.size(), text_.size());
  }

 private:
  void note_fold(std::string_view line, std::size_t start) {
    if (start == 0) header_.shape.starts_with_fold = true;
    if (trim_right(line).empty()) header_.shape.blank_fold = true;
  }

  bool open(std::size_t start, std::string_view line, bool fold) {
    if (!budget_.take_part() || !budget_.take_octets(sizeof(HeaderField))) return false;
    open_ = true;
    field_start_ = value_start_ = start;
    HeaderField field;
    const auto colon = fold ? std::string_view::npos : line.find(':');
    const std::string_view written = line.substr(0, colon == std::string_view::npos ? 0 : colon);
    const std::string_view name = trim_right(written);
    if (colon == std::string_view::npos || name.find_first_of(" \t") != std::string_view::npos) {
      if (!fold) header_.shape.junk_line = true;
    } else {
      if (name.empty()) header_.shape.empty_name = true;
      if (!std::all_of(name.begin(), name.end(), is_ftext)) header_.shape.odd_name = true;
      field.name = name;
      field.space_before_colon = name.size() != written.size();
      value_start_ = start + colon + 1;
    }
    header_.fields.push_back(field);
    return true;
  }

  void close(std::size_t end) {
    if (!open_) return;
    HeaderField& field = header_.fields.back();
    field.raw = text_.substr(field_start_, end - field_start_);
    field.value = text_.substr(value_start_, end - value_start_);
    if (field.value.ends_with("\r\n")) field.value.remove_suffix(2);
    open_ = false;
  }

  Header finish(std::size_t header_end, std::size_t body_start) {
    close(header_end);
    header_.size = header_end;
    header_.body_start = body_start;
    header_.shape.nul = text_.substr(0, header_end).find('\0') != std::string_view::npos;
    return std::move(header_);
  }

  std::string_view text_;
  core::Budget& budget_;
  Header header_;
  std::size_t field_start_ = 0, value_start_ = 0;
  bool open_ = false;
};

}  // namespace

std::optional<Header> scan_header(std::string_view text, core::Budget& budget) { return Scanner(text, budget).run(); }

}  // namespace sekisho::mail
