#include "base/core/text.h"
#include "road/identity/signature/signature.h"

namespace sekisho::signature {
namespace {
constexpr std::size_t kMaxTags = 100;
constexpr std::string_view kFws = " \t\r\n";

// RFC 6376 section 3.2: tag-name = ALPHA *ALNUMPUNC.
bool is_tag_name(std::string_view text) {
  if (text.empty() || !core::is_alpha(text[0])) return false;
  for (char c : text)
    if (!core::is_alnum(c) && c != '_') return false;
  return true;
}

// VALCHAR and folds; RFC 8616 adds the octets of UTF-8.
bool is_tag_value(std::string_view text) {
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x21 ? kFws.find(c) == std::string_view::npos : octet == 0x7f) return false;
  }
  return true;
}
}  // namespace

core::Result<TagList, TagError> TagList::parse(std::string_view text, core::Budget& budget, std::size_t* fault_at) {
  const char* const begin = text.data();
  if (!budget.take_steps(text.size())) return core::error(TagError::kTooComplex);
  TagList list;
  list.tags_.reserve(12);
  while (true) {
    const auto end = text.find(';');
    const std::string_view spec = text.substr(0, end);
    if (fault_at) *fault_at = static_cast<std::size_t>(spec.data() - begin);
    const auto equals = spec.find('=');
    if (equals == std::string_view::npos) {
      // "[ ';' ]" may end the list; nothing else is without '='.
      if (end == std::string_view::npos && !list.tags_.empty() && core::trim_fws(spec).empty()) return list;
      return core::error(TagError::kSyntax);
    }
    const std::string_view space = spec.substr(equals + 1);
    const Tag tag{core::trim_fws(spec.substr(0, equals)), core::trim_fws(space), space};
    if (!is_tag_name(tag.name) || !is_tag_value(tag.value)) return core::error(TagError::kSyntax);
    if (list.find(tag.name)) return core::error(TagError::kDuplicate);
    if (list.tags_.size() == kMaxTags || !budget.take_part()) return core::error(TagError::kTooComplex);
    list.tags_.push_back(tag);
    if (end == std::string_view::npos) return list;
    text.remove_prefix(end + 1);
  }
}

const Tag* TagList::find(std::string_view name) const {
  for (const Tag& tag : tags_)
    if (tag.name == name) return &tag;
  return nullptr;
}

std::optional<std::string_view> TagList::value(std::string_view name) const {
  const Tag* tag = find(name);
  return tag ? std::optional(tag->value) : std::nullopt;
}

std::string without_fws(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text)
    if (kFws.find(c) == std::string_view::npos) out += c;
  return out;
}

std::vector<std::string_view> split_colons(std::string_view text, std::size_t max) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto colon = parts.size() + 1 < max ? text.find(':') : std::string_view::npos;
    parts.push_back(core::trim_fws(text.substr(0, colon)));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

std::optional<std::string> decode_quoted(std::string_view text) {
  std::string out = without_fws(text);
  std::size_t write = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    char c = out[i];
    if (c == '=') {
      // hex-octet = "=" 2(DIGIT / "A" ... "F")
      const auto octet = core::unhex(std::string_view(out).substr(i + 1, 2));
      if (!octet || octet->size() != 1) return {};
      c = (*octet)[0];
      i += 2;
    }
    out[write++] = c;
  }
  out.resize(write);
  return out;
}

}  // namespace sekisho::signature
