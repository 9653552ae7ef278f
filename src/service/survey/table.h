#pragma once
// Counts of a survey by class of name, what is compared, and what others counted before.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "service/survey/survey.h"

namespace sekisho::survey {

enum class Class : std::uint8_t { kCoJp, kAcJp, kGoJp, kNeJp, kOrJp, kJp, kGeneric, kCountry };
inline constexpr std::size_t kClasses = 8;
std::string_view word(Class c);  // "co.jp" ... "other .jp" "gTLD" "other ccTLD"
std::string_view word_ja(Class c);
Class class_of(std::string_view name);

// Of a name that failed only the faults are counted.
struct Table {
  struct Row {
    std::uint64_t names = 0, asked = 0, failed = 0;
    std::array<std::array<std::uint64_t, 16>, kFields> counts{};
    std::uint64_t count(Field field, std::string_view word) const;
    std::uint64_t answered() const { return asked - failed; }  // what shares are shares of
  };
  std::array<Row, kClasses> rows;
  Row all, jp;
};
Table count(const std::vector<std::string>& names, const std::vector<Facts>& facts);

// What is compared: a column's values that count as one thing. Rows of measures.def.
struct Measure {
  std::string_view title, title_ja;
  Field field;
  std::vector<std::string_view> words;
  std::uint64_t of(const Table::Row& row) const;
};
const std::vector<Measure>& measures();

// A survey that others made, as far as it is known. Rows of history.def.
struct Past {
  std::string_view when, scope, source, source_ja;
  double spf_percent, domainkeys_percent;
};
const std::vector<Past>& history();

}  // namespace sekisho::survey
