#pragma once
// The two protocols without sockets: octets in, answers out. What is asked is cut at 16 KiB (socketmap) and 4,096
// octets (tcp_table(5)); nothing beyond an open question is kept.
#include <functional>
#include <string>
#include <string_view>

#include "service/mediator/mediator.h"

namespace sekisho::mediator {

enum class Protocol : std::uint8_t { kSocketmap, kTcpForward, kTcpReverse };
inline constexpr std::size_t kSocketmapMost = 16 << 10, kTcpMost = 4096;

using Ask = std::function<Answer(Direction, std::string_view key)>;

class Dialogue {
 public:
  explicit Dialogue(Protocol protocol) : protocol_(protocol) {}
  // Answers every whole question in order, appended to `out`. An End (kMalformed, kTooLarge): `out` holds a last word,
  // after which the connection is to be closed; nothing more may be fed.
  std::optional<End> feed(std::string_view octets, const Ask& ask, std::string& out);
  bool open() const { return !held_.empty(); }  // a question has begun and is not whole

 private:
  enum class Step : std::uint8_t { kDone, kMore, kMalformed, kTooLarge };
  Step netstring(std::string_view& left, const Ask& ask, std::string& out) const;
  Step line(std::string_view& left, const Ask& ask, std::string& out) const;

  Protocol protocol_;
  std::string held_;
};

std::string frame(std::string_view text);  // a netstring

}  // namespace sekisho::mediator
