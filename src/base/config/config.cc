#include "base/config/config.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "base/core/ip_address.h"
#include "base/core/text.h"

namespace sekisho::config {

namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto i = text.find(at);
    out.emplace_back(core::trim(text.substr(0, i)));
    text = i == std::string_view::npos ? std::string_view{} : text.substr(i + 1);
  }
  return out;
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

std::string_view kind_words(Kind kind) {
  switch (kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kInt:
      return "a whole number";
    case Kind::kText:
      return "a text";
    case Kind::kTexts:
      return "a list of texts";
    case Kind::kPath:
      return "a path";
    case Kind::kEndpoint:
      return "\"address:port\"";
    case Kind::kEndpoints:
      return "a list of \"address:port\"";
  }
  return "";
}

bool is_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || !core::parse_uint(text.substr(colon + 1), 65535)) return false;
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = core::IpAddress::parse(host);
  return ip && ip->is_v4() != bracketed;
}

// "" when the value fits, else what is wrong with it.
std::string check_number(const Option& option, std::int64_t value) {
  const auto dots = option.allowed.find("..");
  if (dots == std::string_view::npos) return {};
  const std::int64_t low = std::strtoll(std::string(option.allowed.substr(0, dots)).c_str(), nullptr, 10);
  const std::int64_t high = std::strtoll(std::string(option.allowed.substr(dots + 2)).c_str(), nullptr, 10);
  if (value >= low && value <= high) return {};
  return std::to_string(value) + " is out of range, allowed: " + std::string(option.allowed) +
         (option.unit.empty() ? "" : " " + std::string(option.unit));
}

std::string check_text(const Option& option, const std::string& value) {
  if (value.find('\0') != std::string::npos || value.find('\n') != std::string::npos)
    return "control characters are not allowed";
  if ((option.kind == Kind::kEndpoint || option.kind == Kind::kEndpoints) && !value.empty() && !is_endpoint(value))
    return "\"" + core::printable(value) +
           "\" is not an address with a port, allowed: \"127.0.0.1:25\" or \"[::1]:25\"";
  if (option.allowed.empty() || (option.kind != Kind::kText && option.kind != Kind::kTexts)) return {};
  for (const auto& word : split(option.allowed, '|'))
    if (word == value) return {};
  return "\"" + core::printable(value) + "\" is not allowed, allowed: " + std::string(option.allowed);
}

Value fallback_value(const Option& option) {
  const std::string text(option.fallback);
  switch (option.kind) {
    case Kind::kBool:
      return text == "true";
    case Kind::kInt:
      return static_cast<std::int64_t>(std::strtoll(text.c_str(), nullptr, 10));
    case Kind::kTexts:
    case Kind::kEndpoints:
      return split(text, ',');
    default:
      return text;
  }
}

}  // namespace

// toml++ 3.3 asserts, and so ends the process, where a table header begins with what no key may begin with ("[$x]").
// Such a line is told like any other mistake. Gives its number, or 0.
std::uint32_t bad_table_header(std::string_view toml) {
  std::uint32_t number = 0;
  while (!toml.empty()) {
    ++number;
    const auto end = std::min(toml.find('\n'), toml.size());
    std::string_view line = core::trim(toml.substr(0, end));
    toml.remove_prefix(std::min(end + 1, toml.size()));
    if (line.empty() || line.front() != '[') continue;
    line.remove_prefix(line.starts_with("[[") ? 2 : 1);
    line = core::trim(line);
    const bool key = !line.empty() && (core::is_alnum(line.front()) ||
                                       std::string_view("_-\"'").find(line.front()) != std::string_view::npos ||
                                       static_cast<unsigned char>(line.front()) >= 0x80);
    if (!key) return number;
  }
  return 0;
}

class Loader {
 public:
  Loader(const Table& table, std::string file) : table_(table) {
    values_.file_ = std::move(file);
    folder_ = std::filesystem::path(values_.file_).parent_path();
  }

  core::Result<Values, std::vector<Problem>> run(std::string_view toml) {
    if (const std::uint32_t line = bad_table_header(toml)) {
      problem(line, "not TOML: behind '[' a name must follow, as in [mx] or [[next_hop]]");
      return core::error(problems_);
    }
    auto parsed = toml::parse(toml, values_.file_);
    if (!parsed) {
      problem(parsed.error().source().begin.line, "not TOML: " + std::string(parsed.error().description()));
      return core::error(problems_);
    }
    walk(parsed.table(), "", "");
    for (const auto& option : table_.rows())
      if (option.key.find("[]") == std::string_view::npos) default_for(option, std::string(option.key), 1);
    if (!problems_.empty()) return core::error(problems_);
    return std::move(values_);
  }

 private:
  void problem(std::uint32_t line, std::string message) {
    problems_.push_back({values_.file_, line, std::move(message)});
  }

  // spec: the key as the table has it ("local_domain[].name"), key: as the values have it ("local_domain[0].name").
  void walk(const toml::table& table, const std::string& spec, const std::string& key) {
    for (const auto& [name, node] : table) {
      const std::string dot = spec.empty() ? "" : ".";
      const std::string sub_spec = spec + dot + std::string(name.str()), sub_key = key + dot + std::string(name.str());
      const std::uint32_t line = name.source().begin.line;
      if (const auto* option = table_.find(sub_spec)) {
        take(*option, sub_key, node, line);
      } else if (node.is_table() && has_prefix(sub_spec + ".")) {
        walk(*node.as_table(), sub_spec, sub_key);
      } else if (node.is_array_of_tables() && has_prefix(sub_spec + "[].")) {
        rows(*node.as_array(), sub_spec);
      } else {
        unknown(sub_spec, line);
      }
    }
  }

  void rows(const toml::array& array, const std::string& name) {
    std::size_t i = 0;
    for (const auto& row : array) {
      const std::string key = name + "[" + std::to_string(i++) + "]";
      walk(*row.as_table(), name + "[]", key);
      for (const auto& option : table_.rows())
        if (option.key.substr(0, name.size() + 3) == name + "[].")
          default_for(option, key + std::string(option.key.substr(name.size() + 2)), row.source().begin.line);
    }
    values_.counts_[name] = i;
  }

  void default_for(const Option& option, const std::string& key, std::uint32_t line) {
    if (values_.values_.contains(key)) return;
    if (option.fallback == "!") {
      for (const auto& p : problems_)
        if (p.message.rfind(key + ":", 0) == 0) return;
      return problem(line, key + ": missing, it must be given (" + std::string(kind_words(option.kind)) +
                               "): " + std::string(option.meaning));
    }
    values_.values_.emplace(key, fallback_value(option));
  }

  bool has_prefix(const std::string& prefix) const {
    return std::any_of(table_.rows().begin(), table_.rows().end(),
                       [&](const Option& o) { return o.key.substr(0, prefix.size()) == prefix; });
  }

  void unknown(const std::string& key, std::uint32_t line) {
    std::string text = key + ": unknown key";
    const auto near = table_.nearest(key);
    for (std::size_t i = 0; i < near.size(); ++i)
      text += (i ? ", " : "; did you mean ") + std::string(near[i]) + (i + 1 == near.size() ? "?" : "");
    problem(line, text + " (`sekisho config explain` lists all keys)");
  }

  void take(const Option& option, const std::string& key, const toml::node& node, std::uint32_t line) {
    std::string wrong;
    Value value;
    if (option.kind == Kind::kBool && node.is_boolean()) {
      value = **node.as_boolean();
    } else if (option.kind == Kind::kInt && node.is_integer()) {
      value = **node.as_integer();
      wrong = check_number(option, std::get<std::int64_t>(value));
    } else if ((option.kind == Kind::kTexts || option.kind == Kind::kEndpoints) && node.is_array()) {
      std::vector<std::string> items;
      for (const auto& item : *node.as_array()) {
        if (!item.is_string()) return type_error(option, key, line);
        items.push_back(**item.as_string());
        if (wrong.empty()) wrong = check_text(option, items.back());
      }
      value = std::move(items);
    } else if (node.is_string() && option.kind != Kind::kBool && option.kind != Kind::kInt &&
               option.kind != Kind::kTexts && option.kind != Kind::kEndpoints) {
      std::string text = **node.as_string();
      wrong = check_text(option, text);
      if (option.kind == Kind::kPath && !text.empty() && text.front() != '/')
        text = (folder_ / text).lexically_normal();
      value = std::move(text);
    } else {
      return type_error(option, key, line);
    }
    if (!wrong.empty()) return problem(line, key + ": " + wrong);
    values_.values_[key] = std::move(value);
    values_.lines_[key] = line;
  }

  void type_error(const Option& option, const std::string& key, std::uint32_t line) {
    std::string text = key + ": wrong type, wanted " + std::string(kind_words(option.kind));
    if (!option.allowed.empty()) text += ", allowed: " + std::string(option.allowed);
    if (!option.unit.empty()) text += " (" + std::string(option.unit) + ")";
    problem(line, text);
  }

  const Table& table_;
  std::filesystem::path folder_;
  Values values_;
  std::vector<Problem> problems_;
};

const Option* Table::find(std::string_view key) const {
  for (const auto& row : rows_)
    if (row.key == key) return &row;
  return nullptr;
}

std::vector<std::string_view> Table::nearest(std::string_view key) const {
  std::vector<std::pair<std::size_t, std::string_view>> scored;
  const auto leaf = [](std::string_view k) { return k.substr(k.rfind('.') + 1); };
  for (const auto& row : rows_) {
    const std::size_t whole = distance(key, row.key);
    const std::size_t tail = distance(leaf(key), leaf(row.key)) * 2;
    const std::size_t score = std::min(whole, tail + 1);
    if (score <= 1 + key.size() / 4) scored.emplace_back(score, row.key);
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < scored.size() && i < 3; ++i) out.push_back(scored[i].second);
  return out;
}

std::string Problem::text() const { return file + ":" + std::to_string(line) + ": " + message; }

const Value& Values::at(std::string_view key) const {
  const auto it = values_.find(std::string(key));
  if (it == values_.end()) {
    std::fprintf(stderr, "config: no option %.*s in the table\n", static_cast<int>(key.size()), key.data());
    std::abort();
  }
  return it->second;
}
bool Values::flag(std::string_view key) const { return std::get<bool>(at(key)); }
std::int64_t Values::number(std::string_view key) const { return std::get<std::int64_t>(at(key)); }
const std::string& Values::text(std::string_view key) const { return std::get<std::string>(at(key)); }
const std::vector<std::string>& Values::texts(std::string_view key) const {
  return std::get<std::vector<std::string>>(at(key));
}
std::size_t Values::count(std::string_view table) const {
  const auto it = counts_.find(std::string(table));
  return it == counts_.end() ? 0 : it->second;
}
bool Values::given(std::string_view key) const { return lines_.contains(std::string(key)); }
std::uint32_t Values::line(std::string_view key) const {
  const auto it = lines_.find(std::string(key));
  return it == lines_.end() ? 0 : it->second;
}

std::string Values::show(std::string_view key) const {
  const auto quote = [](const std::string& s) { return "\"" + core::printable(s, 4096) + "\""; };
  const Value& value = at(key);
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<std::int64_t>(&value)) return std::to_string(*i);
  if (const auto* s = std::get_if<std::string>(&value)) return quote(*s);
  std::string out = "[";
  for (const auto& item : std::get<std::vector<std::string>>(value)) out += (out.size() > 1 ? ", " : "") + quote(item);
  return out + "]";
}

core::Result<Values, std::vector<Problem>> parse(std::string_view toml, const std::string& name, const Table& table) {
  return Loader(table, name).run(toml);
}

core::Result<Values, std::vector<Problem>> load(const std::string& file, const Table& table) {
  std::error_code fault;
  const auto size = std::filesystem::file_size(file, fault);
  std::ifstream in(file, std::ios::binary);
  if (fault || !in) {
    std::vector<Problem> problems{
        {file, 0, fault ? "cannot be read: " + fault.message() : "cannot be opened for reading"}};
    return core::error(std::move(problems));
  }
  if (size > (1u << 20)) {
    std::vector<Problem> problems{{file, 0, "is " + std::to_string(size) + " bytes; a config file has at most 1 MiB"}};
    return core::error(std::move(problems));
  }
  const std::string toml((std::istreambuf_iterator<char>(in)), {});
  return parse(toml, file, table);
}

std::string with_unit(std::int64_t value, std::string_view unit) {
  std::string text = std::to_string(value);
  if (!unit.empty()) text += " " + std::string(unit);
  const auto also = [&](std::int64_t by, const char* word) {
    text += " (" + std::to_string(value / by) + " " + word + ")";
  };
  if (unit == "bytes" && value >= 1 << 20 && value % (1 << 20) == 0)
    also(1 << 20, "MiB");
  else if (unit == "bytes" && value >= 1024 && value % 1024 == 0)
    also(1024, "KiB");
  else if (unit == "ms" && value >= 1000 && value % 1000 == 0)
    also(1000, "s");
  else if (unit == "s" && value >= 86400 && value % 86400 == 0)
    also(86400, "days");
  else if (unit == "s" && value >= 3600 && value % 3600 == 0)
    also(3600, "hours");
  return text;
}

}  // namespace sekisho::config
