#pragma once
// The one function that turns a stream of octets into lines. It knows only CRLF: a bare LF, a bare CR or a NUL is part
// of the line, is reported and never repaired (RFC 5321 section 2.3.8: CR and LF must not appear except together as
// CRLF). It stores nothing but the fate of one CR, so a line without an end costs no memory here; who collects pieces
// stops at too_long.
#include <cstdint>
#include <string_view>

namespace sekisho::smtp {

struct LineFaults {
  bool bare_lf = false;
  bool bare_cr = false;
  bool nul = false;
  bool too_long = false;  // the line with its CRLF is longer than the limit
  bool bare() const { return bare_lf || bare_cr; }
};

class LineReader {
 public:
  struct Piece {
    std::string_view
        octets;         // of the current line, without its CRLF; into the input or a constant; empty once too_long
    bool ends = false;  // its CRLF was seen
  };

  explicit LineReader(std::uint64_t limit) : limit_(limit) {}

  // Takes octets from the front of input: up to the next LF or all of them. False only when input is empty.
  bool next(std::string_view& input, Piece& piece);
  // Of the line the last piece belongs to. They stand until the next line begins.
  const LineFaults& faults() const { return faults_; }
  // Octets of that line so far, with its CRLF, stored or not.
  std::uint64_t length() const { return length_; }
  // No octet of a line has been taken whose end was not.
  bool at_start() const { return ended_ || (length_ == 0 && !holds_cr_); }
  // The input stopped after a CR whose LF has not come.
  bool holds_cr() const { return holds_cr_; }

 private:
  void note(Piece& piece, std::string_view octets);

  std::uint64_t limit_;
  std::uint64_t length_ = 0;
  LineFaults faults_;
  bool holds_cr_ = false;
  bool ended_ = false;
};

}  // namespace sekisho::smtp
