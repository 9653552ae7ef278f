#pragma once
// What the program says about its own life. Every event is a row of log.def: there are no free format strings, and a
// value is a number, a word of ours or a short outside name, so no content of a mail can be passed. Thread-safe.
// write() never waits: lines go through a bounded queue to one writer thread; when the sink is blocked, lines are
// dropped and counted.
#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/core/ip_address.h"
#include "base/core/result.h"

namespace sekisho::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
std::string_view word(Level level);                     // "debug" "info" "warning" "error"
bool parse_level(std::string_view text, Level& level);  // false: no such word, level unchanged

enum class Event : std::uint16_t {
#define LOG_EVENT(name, level, ...) k_##name,
#include "base/log/log.def"
#undef LOG_EVENT
};

struct Row {
  std::string_view name;
  Level level;
  std::array<std::string_view, 4> fields;  // "" beyond the last
  constexpr std::size_t size() const {
    std::size_t n = 0;
    while (n < fields.size() && !fields[n].empty()) ++n;
    return n;
  }
};

inline constexpr Row kRows[] = {
#define LOG_EVENT(name, level, ...) {#name, Level::level, {__VA_ARGS__}},
#include "base/log/log.def"
#undef LOG_EVENT
};

// A short name from outside: a file, a host, an error text of the system. Cut at 200 octets and made printable; never a
// header field, never an octet of a body.
struct Name {
  std::string_view text;
};
inline Name name(std::string_view text) { return {text}; }

class Value {
 public:
  template <std::size_t N>
  Value(const char (&literal)[N]) : Value(Name{std::string_view(literal, N - 1)}) {}  // a word of ours: "mx", "timeout"
  template <std::size_t N>
  Value(char (&buffer)[N]) = delete;
  Value(Name name);
  Value(const core::IpAddress& ip) : text_(ip.text()) {}
  Value(std::integral auto number) : text_(std::to_string(number)) {}
  const std::string& text() const { return text_; }  // quoted where it needs to be

 private:
  std::string text_;
};

enum class Sink : std::uint8_t { kStderr, kFile, kSyslog };
struct Options {
  Sink sink = Sink::kStderr;
  std::string path;  // of kFile
  Level level = Level::kInfo;
  std::size_t queue_lines = 8192;
};

enum class LogError {
  kOpen,  // the file cannot be opened
};

// One for the process. While it lives, write() goes to it; before and after, lines go nowhere.
class Logger {
 public:
  static core::Result<std::unique_ptr<Logger>, LogError> open(Options options);
  // Writes what is queued, for one second at most: a blocked sink does not hold up the end of the process.
  ~Logger();
  void reopen();  // after a file was rotated away; takes effect before the next line
  void set_level(Level level);
  std::uint64_t dropped() const;  // lines lost since open, queue full

 private:
  struct State;
  explicit Logger(std::shared_ptr<State> state);
  friend void put(const Row& row, std::span<const Value> values);
  std::shared_ptr<State> state_;
};

bool enabled(Level level);
std::uint64_t dropped();  // of the logger that lives, 0 without one
void put(const Row& row, std::span<const Value> values);

// log::write<log::Event::k_listening>("mx", log::name(endpoint.text())): the number of values is checked when compiled.
template <Event kEvent, class... Values>
void write(Values&&... values) {
  constexpr const Row& kRow = kRows[static_cast<std::size_t>(kEvent)];
  static_assert(sizeof...(Values) == kRow.size(), "an event takes one value per field of its row in log.def");
  if (!enabled(kRow.level)) return;
  const std::array<Value, sizeof...(Values)> list{Value(std::forward<Values>(values))...};
  put(kRow, list);
}

}  // namespace sekisho::log
