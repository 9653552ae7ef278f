#include "base/store/fields.h"

#include <algorithm>

namespace sekisho::store {

namespace {
constexpr std::size_t kFirstBlock = 240;
}  // namespace

void put_le(std::string& out, std::uint64_t value, std::size_t width) {
  char octets[8];
  width = std::min(width, sizeof octets);
  for (std::size_t i = 0; i < width; ++i) octets[i] = static_cast<char>(value >> (8 * i) & 0xff);
  out.append(octets, width);
}

std::uint64_t get_le(std::string_view octets) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(octets.size(), 8); ++i)
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(octets[i])) << (8 * i);
  return value;
}

void FieldWriter::put(std::uint16_t tag, std::string_view value) {
  value = value.substr(0, kMaxFieldSize);
  if (out_.capacity() - out_.size() < value.size() + 4)
    out_.reserve(std::max(kFirstBlock, 2 * (out_.size() + value.size() + 4)));
  put_le(out_, value.size() << 16 | tag, 4);
  out_ += value;
}

void FieldWriter::put_u64(std::uint16_t tag, std::uint64_t value) {
  char octets[8];
  std::size_t size = 0;
  for (; value != 0; value >>= 8) octets[size++] = static_cast<char>(value & 0xff);
  put(tag, {octets, size});
}

std::optional<std::uint64_t> Field::u64() const {
  if (value.size() > 8) return {};
  return get_le(value);
}

std::optional<Field> FieldReader::next() {
  if (rest_.empty()) return {};
  if (rest_.size() < 4) return damaged_ = true, rest_ = {}, std::nullopt;
  const std::size_t size = get_le(rest_.substr(2, 2));
  if (rest_.size() - 4 < size) return damaged_ = true, rest_ = {}, std::nullopt;
  Field field{static_cast<std::uint16_t>(get_le(rest_.substr(0, 2))), rest_.substr(4, size)};
  rest_.remove_prefix(4 + size);
  return field;
}

}  // namespace sekisho::store
