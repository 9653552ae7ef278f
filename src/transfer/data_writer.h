#pragma once
// The only way octets of a message leave for the next hop. DataWriter stuffs dots and lets nothing but CRLF end a line,
// so it cannot make a bare CR, a bare LF or an unstuffed dot; such input is refused, and so is NUL. MessageStream gives
// one message with its edits in chunks.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/message/message.h"
#include "transfer/transfer.h"

namespace sekisho::transfer {

inline constexpr std::size_t kChunkOctets =
    64 * 1024;  // asked of a MessageStream at a time: a smaller mail goes out in one write

enum class DataFault : std::uint8_t { kBareCr, kBareLf, kNul, kField };
smtp::Reply reply_to(DataFault fault);  // 554 for what the message has, 451 for what we would have added
enum class Form : std::uint8_t {
  kDotStuffed,  // RFC 5321 section 4.5.2, ended by the dot
  kPlain,       // a file
};

class DataWriter {
 public:
  explicit DataWriter(Form form) : form_(form) {}
  // Octets of lines that end with CRLF, cut anywhere. After a fault the writer is of no use any more.
  core::Result<void, DataFault> append(std::string_view octets, std::string& out);
  // Ends the last line if it is open, then the message.
  core::Result<void, DataFault> finish(std::string& out);

 private:
  core::Result<std::string_view, DataFault> take_lines(std::string_view& octets);

  Form form_;
  bool at_line_start_ = true;
  bool after_cr_ = false;
};

class MessageStream {
 public:
  MessageStream(std::shared_ptr<const mail::Message> message, Edits edits, Form form);
  // Appends about `octets` octets to out; true when that was the end, the final dot included.
  core::Result<bool, DataFault> next(std::string& out, std::size_t octets);
  std::uint64_t size() const { return size_; }  // before dot-stuffing

 private:
  void add(std::string_view piece);

  std::shared_ptr<const mail::Message> message_;
  Edits edits_;
  DataWriter writer_;
  std::vector<std::string_view> pieces_;
  std::size_t piece_ = 0, offset_ = 0;
  std::uint64_t size_ = 0;
  bool bad_field_ = false;
};

// One header field, folds allowed: a name of printable ASCII, a colon, and no line that could begin another field.
bool is_whole_field(std::string_view field);

}  // namespace sekisho::transfer
