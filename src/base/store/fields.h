#pragma once
// Tag-length-value fields, the body of every ledger record: tag u16, length u16, value; little endian
// (docs/ledger_format.md). Numbers are little endian without their high zero octets (0 is empty). A reader skips the
// tags it does not know.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::store {

constexpr std::size_t kMaxFieldSize = 0xffff;

class FieldWriter {
 public:
  // A value longer than kMaxFieldSize is cut there.
  void put(std::uint16_t tag, std::string_view value);
  void put_u64(std::uint16_t tag, std::uint64_t value);
  void put_i64(std::uint16_t tag, std::int64_t value) { put_u64(tag, static_cast<std::uint64_t>(value)); }
  const std::string& octets() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

struct Field {
  std::uint16_t tag = 0;
  std::string_view value;  // views the octets given to the reader
  // Nothing when the value is longer than a number may be.
  std::optional<std::uint64_t> u64() const;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view octets) : rest_(octets) {}
  // The next field; nothing at the end or when what is left is no field (then damaged()).
  std::optional<Field> next();
  bool damaged() const { return damaged_; }

 private:
  std::string_view rest_;
  bool damaged_ = false;
};

// Little endian, fixed width: for frames and keys.
void put_le(std::string& out, std::uint64_t value, std::size_t width);
std::uint64_t get_le(std::string_view octets);  // at most 8 octets

}  // namespace sekisho::store
