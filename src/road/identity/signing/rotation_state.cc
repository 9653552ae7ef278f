#include <algorithm>

#include "base/core/text.h"
#include "road/identity/signing/rotation.h"
#include "road/identity/signing/signing.h"

namespace sekisho::signing {
namespace {
constexpr std::string_view kMagic = "sekisho signing keys 1";
constexpr std::int64_t kMostS = INT64_C(253402300799);
constexpr std::size_t kMostLines = 1000;
constexpr Stage kStages[] = {Stage::kWaiting, Stage::kSigning, Stage::kOverlap, Stage::kRetired};

std::optional<Stage> stage_of(std::string_view text) {
  for (const Stage stage : kStages)
    if (word(stage) == text) return stage;
  return {};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at <= line.size();) {
    const auto end = std::min(line.find(' ', at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// "" or what is wrong.
std::string read_line(std::string_view line, RotationState& into) {
  const auto words = words_of(line);
  const auto stage = stage_of(words[0]);
  if (!stage || words.size() != 3) return "a stage, a selector and a time are wanted";
  const auto since = core::parse_uint(words[2], kMostS);
  if (!since) return "\"" + core::printable(words[2], 40) + "\" is not a time";
  if (!can_name_key(words[1], into.domain)) return "\"" + core::printable(words[1], 80) + "\" is not a selector";
  if (into.find(words[1])) return std::string(words[1]) + " is there twice";
  if ((*stage == Stage::kWaiting || *stage == Stage::kSigning) && into.find(*stage))
    return "two keys are " + std::string(word(*stage));
  into.keys.push_back({std::string(words[1]), *stage, static_cast<std::int64_t>(*since)});
  return {};
}
}  // namespace

bool can_name_key(std::string_view selector, const mail::Domain& domain) {
  return selector == core::to_lower(selector) && selector.find('/') == std::string_view::npos &&
         record_name(selector, domain);
}

std::string_view word(Stage stage) {
  switch (stage) {
    case Stage::kWaiting:
      return "waiting";
    case Stage::kSigning:
      return "signing";
    case Stage::kOverlap:
      return "overlap";
    case Stage::kRetired:
      return "retired";
  }
  return "";
}

const KeyEntry* RotationState::find(Stage stage) const {
  const auto at = std::find_if(keys.begin(), keys.end(), [stage](const KeyEntry& key) { return key.stage == stage; });
  return at == keys.end() ? nullptr : &*at;
}

const KeyEntry* RotationState::find(std::string_view selector) const {
  const auto at =
      std::find_if(keys.begin(), keys.end(), [selector](const KeyEntry& key) { return key.selector == selector; });
  return at == keys.end() ? nullptr : &*at;
}

std::string RotationState::format() const {
  std::string out = std::string(kMagic) + "\ndomain " + domain.text() + "\n";
  for (const auto& key : keys)
    out.append(word(key.stage)).append(" ").append(key.selector).append(" ").append(std::to_string(key.since_s)) +=
        '\n';
  return out + "end\n";
}

core::Result<RotationState, std::string> RotationState::parse(std::string_view text) {
  std::size_t number = 0;
  std::optional<RotationState> out;
  const auto wrong = [&number](std::string what) {
    return core::error(std::to_string(number) + ": " + std::move(what));
  };
  while (true) {
    ++number;
    const auto end = text.find('\n');
    if (end == std::string_view::npos || number > kMostLines) return wrong("the line \"end\" is missing: it was cut");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (line != kMagic) return wrong("\"" + std::string(kMagic) + "\" is wanted");
    } else if (number == 2) {
      const auto domain = line.starts_with("domain ") ? mail::Domain::parse(line.substr(7)) : std::nullopt;
      if (!domain || domain->text() != line.substr(7)) return wrong("\"domain NAME\" is wanted");
      out.emplace(RotationState{*domain, {}});
    } else if (line == "end") {
      if (!text.empty()) return wrong("something stands behind the end");
      return *out;
    } else if (auto fault = read_line(line, *out); !fault.empty()) {
      return wrong(std::move(fault));
    }
  }
}

}  // namespace sekisho::signing
