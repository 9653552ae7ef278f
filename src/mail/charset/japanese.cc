#include "mail/charset/japanese.h"

#include "mail/charset/names.h"

namespace sekisho::mail {
namespace {

constexpr const char* kEucJp = "EUC-JP";
constexpr char kBad = '\xfd';  // no lead octet of windows-31j: its converter makes U+FFFD of it

bool is_94(unsigned char c) { return c >= 0x21 && c <= 0x7e; }

// JIS X 0208 row and cell, each 0x21..0x7E, as Shift_JIS octets.
void append_shift_jis(std::string& out, unsigned row, unsigned cell) {
  const unsigned lead = (row - 0x21) / 2 + (row < 0x5f ? 0x81 : 0xc1);
  unsigned trail = cell;
  if (row % 2 == 1) {
    trail += cell >= 0x60 ? 0x20 : 0x1f;
  } else {
    trail += 0x7e;
  }
  out.push_back(static_cast<char>(lead));
  out.push_back(static_cast<char>(trail));
}

class Reader {
 public:
  Reader(std::string_view octets, Japanese charset) : octets_(octets), charset_(charset) {}

  std::string run() {
    while (pos_ < octets_.size()) {
      if (charset_ == Japanese::kEuc) {
        euc();
      } else {
        iso2022();
      }
    }
    flush();
    return std::move(utf8_);
  }

 private:
  enum class Set : unsigned char { kAscii, kKana, kKanji, kSupplement };

  unsigned char at(std::size_t i) const { return i < octets_.size() ? static_cast<unsigned char>(octets_[i]) : 0; }

  void flush() {
    utf8_.append(convert_named(shift_jis_, kShiftJis));
    shift_jis_.clear();
  }

  // JIS X 0212 has no place in windows-31j.
  void supplement(unsigned char row, unsigned char cell) {
    flush();
    const char triple[] = {'\x8f', static_cast<char>(row | 0x80), static_cast<char>(cell | 0x80)};
    utf8_.append(convert_named(std::string_view(triple, 3), kEucJp));
  }

  void bad() {
    shift_jis_.push_back(kBad);
    ++pos_;
  }

  void euc() {
    const unsigned char a = at(pos_), b = at(pos_ + 1), c = at(pos_ + 2);
    if (a < 0x80) {
      shift_jis_.push_back(static_cast<char>(a));
      ++pos_;
    } else if (a == 0x8e && b >= 0xa1 && b <= 0xdf) {
      shift_jis_.push_back(static_cast<char>(b));
      pos_ += 2;
    } else if (a == 0x8f && is_94(b & 0x7f) && is_94(c & 0x7f) && b > 0x80 && c > 0x80) {
      supplement(b & 0x7f, c & 0x7f);
      pos_ += 3;
    } else if (a > 0x80 && b > 0x80 && is_94(a & 0x7f) && is_94(b & 0x7f)) {
      append_shift_jis(shift_jis_, a & 0x7f, b & 0x7f);
      pos_ += 2;
    } else {
      bad();
    }
  }

  // RFC 1468 and, beyond it, ESC ( I of cp50221 and ESC $ ( D of RFC 1554.
  bool escape() {
    struct Sequence {
      std::string_view octets;
      Set set;
    };
    static constexpr Sequence kSequences[] = {
        {"\x1b(B", Set::kAscii},  {"\x1b(J", Set::kAscii},  {"\x1b(H", Set::kAscii},      {"\x1b(I", Set::kKana},
        {"\x1b$@", Set::kKanji},  {"\x1b$B", Set::kKanji},  {"\x1b$(@", Set::kKanji},     {"\x1b$(B", Set::kKanji},
        {"\x1b$(Q", Set::kKanji}, {"\x1b$(O", Set::kKanji}, {"\x1b$(D", Set::kSupplement}};
    for (const Sequence& sequence : kSequences) {
      if (!octets_.substr(pos_).starts_with(sequence.octets)) continue;
      set_ = sequence.set;
      pos_ += sequence.octets.size();
      return true;
    }
    return false;
  }

  void iso2022() {
    const unsigned char a = at(pos_), b = at(pos_ + 1);
    if (a == 0x1b && escape()) return;
    if (a == 0x0e || a == 0x0f) return shift(a == 0x0e);
    const bool kanji = set_ == Set::kKanji || set_ == Set::kSupplement;
    if (a > 0x80) return eight_bit(a);
    if (kanji && is_94(a)) {
      if (!is_94(b)) return bad();
      if (set_ == Set::kSupplement) {
        supplement(a, b);
      } else {
        append_shift_jis(shift_jis_, a, b);
      }
      pos_ += 2;
      return;
    }
    if (a == '\n') set_ = Set::kAscii;  // RFC 1468: each line ends in ASCII
    const bool kana = set_ == Set::kKana && a >= 0x21 && a <= 0x5f;
    shift_jis_.push_back(static_cast<char>(kana ? a | 0x80 : a));
    ++pos_;
  }

  void shift(bool out) {
    set_ = out ? Set::kKana : Set::kAscii;
    ++pos_;
  }

  void eight_bit(unsigned char a) {
    if (a < 0xa1 || a > 0xdf) return bad();
    shift_jis_.push_back(static_cast<char>(a));  // JIS X 0201 kana in 8 bits
    ++pos_;
  }

  std::string_view octets_;
  Japanese charset_;
  std::size_t pos_ = 0;
  Set set_ = Set::kAscii;
  std::string shift_jis_, utf8_;
};

}  // namespace

std::string japanese_to_utf8(std::string_view octets, Japanese charset) { return Reader(octets, charset).run(); }

}  // namespace sekisho::mail
