#pragma once
// What a list of domains publishes for its mail. A list becomes names, each name a Facts, each Facts one line of an
// append-only result file, so that a run killed at any moment goes on where it was; a Table counts by class of name.
//
// Told is what the name itself publishes, and apart from it the DMARC policy that applies to its mail, which may stand
// above it (RFC 9989 section 4.10). No SPF include is followed. How many are asked at a time: run.h.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/core/task.h"
#include "base/dns/dns.h"
#include "base/store/file_ops.h"
#include "mail/address/address.h"
#include "road/identity/dmarc/dmarc.h"

namespace sekisho::survey {

struct List {
  struct Garbage {
    std::size_t line;  // from 1
    std::string text;  // printable
  };
  std::vector<std::string> names;  // A-labels, each once, in the order of the file
  std::vector<Garbage> garbage;    // the first kGarbageKept
  std::size_t garbage_count = 0, duplicates = 0;
  std::string digest;  // hex SHA-256 of the names
};
inline constexpr std::size_t kGarbageKept = 10'000;
// One name a line, UTF-8 or A-labels; white space around it, empty lines, `#` comments, CRLF and a BOM are ignored.
List read_list(std::string_view text);

// The columns of a Facts. What each may say stands in words(); the first eight words are those of every column.
enum class Field : std::uint8_t {
  kName,
  kMx,
  kSpf,
  kSpfAll,
  kSenderId,
  kDomainKeys,
  kDkim,
  kDmarc,
  kDmarcSp,
  kDmarcNp,
  kDmarcPsd,
  kDmarcT,
  kDmarcApplies,  // the policy of its mail, t= thought of
  kDmarcFrom,     // the tag it was read from
  kMtaSts,
  kTlsRpt,
  kBimi
};
inline constexpr std::size_t kFields = 17;
inline constexpr std::uint8_t kNotAsked = 0, kNone = 1, kTimeout = 2, kServFail = 3, kRefused = 4, kOtherCode = 5,
                              kTooManyRecords = 6, kMalformed = 7, kFirstOwn = 8;
constexpr bool is_fault(std::uint8_t value) { return value >= kTimeout && value <= kMalformed; }
std::string_view word(Field field);                       // "spf_all"
const std::vector<std::string_view>& words(Field field);  // by value
std::optional<Field> parse_field(std::string_view word);

struct Facts {
  std::array<std::uint8_t, kFields> values{};
  std::uint8_t tries = 0;  // 0: not asked yet
  std::uint8_t& operator[](Field field) { return values[static_cast<std::size_t>(field)]; }
  std::uint8_t operator[](Field field) const { return values[static_cast<std::size_t>(field)]; }
  bool failed() const;    // a question of it was not answered
  bool may_mend() const;  // one of those that failed may be answered the next time
  bool operator==(const Facts&) const = default;
};

struct Plan {
  std::vector<Field> only;  // of kMx kSpf kDomainKeys kDkim kDmarc kMtaSts kTlsRpt kBimi; empty: all
  std::vector<std::string> selectors;
  bool wants(Field field) const;
  std::string text() const;  // equal plans, equal text
};
const std::vector<std::string>& common_selectors();
// Questions one after the other, so that a name has at most one under way. NXDOMAIN ends the name (RFC 8020); a fault
// ends this try, but too many records only spoil their own column.
core::Task<Facts> ask(mail::Domain name, const Plan& plan, dns::Resolver& resolver);

struct Kept {
  std::vector<Facts> facts;  // by index
  std::string digest, plan;
  std::int64_t started_s = 0;
};
// The result file: one head line, then "CRC-32 TAB index TAB tries TAB letters LF" for each Facts; the last of an index
// counts. Written by one process at a time (flock); a symbolic link is refused. files must outlive it.
class Results : public Kept {
 public:
  // Makes the file, or goes on with one of the same list and plan. An error says what is in the way and what to do.
  static core::Result<Results, std::string> open(const std::string& path, const List& list, const Plan& plan,
                                                 std::int64_t now_s, store::FileOps& files = store::FileOps::system());
  static core::Result<Results, std::string> read(const std::string& path, std::size_t names_max);
  Results(Results&& other) noexcept;
  Results& operator=(Results&&) = delete;
  ~Results();
  // False: the disk refused it; the file ends as before, or with a part that the next append overwrites.
  bool append(std::size_t index, const Facts& facts);
  bool sync();

  std::size_t torn_octets = 0;  // cut off the end

 private:
  explicit Results(store::FileOps& files) : files_(&files) {}
  bool write(std::string_view text);
  store::FileOps* files_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};
// The text of a result file of names_max names at most into `into`; the octets that are good. Nothing: the head is not
// ours or of another version, or a whole line is damaged (damaged_at: its offset). A last line without an end is torn,
// not damaged.
std::optional<std::size_t> parse_results(std::string_view text, Kept& into, std::size_t& damaged_at,
                                         std::size_t names_max);

}  // namespace sekisho::survey
