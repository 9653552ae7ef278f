#pragma once
// The one option table and the TOML file that fills it. A room declares its options in its options.def; cmd/tables.cc
// joins them. An unknown key, a wrong type or a bad value is an error that names file, line, key and what is allowed.
// Defaults live in options.def and nowhere else. Values is immutable after load and thread-safe to read.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/core/result.h"

namespace sekisho::config {

enum class Kind : std::uint8_t {
  kBool,
  kInt,       // allowed: "min..max"
  kText,      // allowed: "" (any), or words separated by '|'
  kTexts,     // a list of kText; default: items separated by ','
  kPath,      // a file or folder; relative ones are taken from the config file's folder
  kEndpoint,  // "127.0.0.1:25" or "[::1]:25"
  kEndpoints,
};

// One row (OPTION; OPTION_AT_START where a reload cannot change it). key: "room.name_unit"; "table[].name_unit" for
// rows of [[table]]. A default of "!" means the key must be given (in each row of its table); "" on kPath, kText or
// kEndpoint means "not set".
struct Option {
  std::string_view key;
  Kind kind;
  std::string_view fallback;
  std::string_view allowed;
  std::string_view unit;     // "ms", "bytes", "s", "days", "" ...
  std::string_view meaning;  // one English sentence
  std::string_view meaning_ja;
  bool at_start = false;  // read once: a running server keeps what it began with
};

class Table {
 public:
  explicit Table(std::vector<Option> rows) : rows_(std::move(rows)) {}
  std::span<const Option> rows() const { return rows_; }
  const Option* find(std::string_view key) const;
  std::vector<std::string_view> nearest(std::string_view key) const;  // up to three keys somebody may have meant

 private:
  std::vector<Option> rows_;
};

using Value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

struct Problem {
  std::string file;
  std::uint32_t line = 0;
  std::string message;       // "mx.listen: ..., allowed: ..."
  std::string text() const;  // "FILE:LINE: message"
};

class Values {
 public:
  // Keys that are not in the table end the process: a programmer's mistake, found by any test.
  bool flag(std::string_view key) const;
  std::int64_t number(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  std::size_t count(std::string_view table) const;  // rows of [[table]]; row i is read as "table[i].name"
  bool given(std::string_view key) const;           // stands in the file
  std::uint32_t line(std::string_view key) const;   // 0 when it is a default
  const std::string& file() const { return file_; }
  std::string show(std::string_view key) const;  // the value as TOML text

 private:
  friend class Loader;
  const Value& at(std::string_view key) const;
  std::string file_;
  std::unordered_map<std::string, Value> values_;
  std::unordered_map<std::string, std::uint32_t> lines_;
  std::unordered_map<std::string, std::size_t> counts_;
};

// All problems of the file at once, so that one look mends it.
core::Result<Values, std::vector<Problem>> load(const std::string& file, const Table& table);
core::Result<Values, std::vector<Problem>> parse(std::string_view toml, const std::string& name, const Table& table);

// "2 MiB" style reading aids for explain: bytes, ms and s beside the plain number.
std::string with_unit(std::int64_t value, std::string_view unit);

}  // namespace sekisho::config
