#pragma once
// Writes a signature field on lines of at most 76 octets.
#include <algorithm>
#include <string>
#include <string_view>

namespace sekisho::signature {

// word() puts a space or a fold before the part, more() a fold where the line is full; only octets() may cut a part.
class Folder {
 public:
  explicit Folder(std::string start) : text_(std::move(start)), column_(text_.size()) {}
  void word(std::string_view part) {
    if (column_ + 1 + part.size() > kLine)
      fold();
    else
      join(" ");
    join(part);
  }
  void more(std::string_view part) {
    if (column_ + part.size() > kLine) fold();
    join(part);
  }
  void octets(std::string_view part) {
    while (!part.empty()) {
      if (column_ >= kLine) fold();
      const std::size_t now = std::min(part.size(), kLine - column_);
      join(part.substr(0, now));
      part.remove_prefix(now);
    }
  }
  const std::string& text() const { return text_; }

 private:
  void join(std::string_view part) {
    text_ += part;
    column_ += part.size();
  }
  void fold() {
    text_ += "\r\n\t";
    column_ = 8;
  }
  static constexpr std::size_t kLine = 76;
  std::string text_;
  std::size_t column_;
};

}  // namespace sekisho::signature
