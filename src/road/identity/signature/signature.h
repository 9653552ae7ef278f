#pragma once
// What DKIM, DomainKeys and ARC share (RFC 6376 sections 3.2 to 3.7): tag lists, key records and keys, canonical forms,
// the choice of header fields. No policy and no network; views live as long as the text they were made from.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/budget.h"
#include "base/core/result.h"
#include "mail/message/message.h"

namespace sekisho::signature {

struct Tag {
  std::string_view name;   // case matters
  std::string_view value;  // without white space around it; folds inside are kept
  std::string_view space;  // all between '=' and ';': what goes when the value is deleted for hashing (section 3.7)
};
enum class TagError {
  kSyntax,      // not name=value;name=value, or an octet that may not stand there
  kDuplicate,   // a name twice: "Tags with duplicate names MUST NOT occur"
  kTooComplex,  // the budget is empty, or more than 100 tags
};
class TagList {
 public:
  // fault_at: where the part begins that is no tag or a second one.
  static core::Result<TagList, TagError> parse(std::string_view text, core::Budget& budget,
                                               std::size_t* fault_at = nullptr);
  const Tag* find(std::string_view name) const;  // null when absent
  std::optional<std::string_view> value(std::string_view name) const;
  const std::vector<Tag>& tags() const { return tags_; }

 private:
  std::vector<Tag> tags_;
};
std::string without_fws(std::string_view text);
// The parts between the colons without white space around them; "a::b" has an empty one, "" has one empty part.
// At most `max` parts, the last one with all that is left.
std::vector<std::string_view> split_colons(std::string_view text, std::size_t max = 2000);
// dkim-quoted-printable (section 2.11), FWS taken out first. Nothing for a bad escape.
std::optional<std::string> decode_quoted(std::string_view text);

enum class Hash : unsigned char { kSha1, kSha256 };
enum class KeyType : unsigned char { kRsa, kEd25519 };
enum class Canon : unsigned char { kSimple, kRelaxed };

// One running hash. finish() ends it; snapshot() gives the hash so far and lets it run on.
class Digest {
 public:
  explicit Digest(Hash hash);
  ~Digest();
  Digest(Digest&& other) noexcept;
  Digest& operator=(Digest&&) = delete;
  void update(std::string_view octets);
  std::string finish();
  std::string snapshot() const;

 private:
  Hash hash_;
  void* context_;  // EVP_MD_CTX, borrowed from the thread's pool
};

// SHA-256 of a whole message as it came: by this the ledger knows it again.
std::array<char, 32> message_digest(const mail::Message& message);

// Streams a body in chunks of any size into its canonical form (sections 3.4.3, 3.4.4), handing on maximal unchanged
// spans. An empty body becomes CRLF (simple) or nothing (relaxed). Spans given to `out` are valid only during the call.
class BodyCanonicalizer final : public mail::BodySink {
 public:
  BodyCanonicalizer(Canon canon, mail::BodySink& out) : canon_(canon), out_(out) {}
  void update(std::string_view octets) override;
  void finish();
  std::uint64_t size() const { return size_; }  // canonical octets so far

 private:
  void simple(std::string_view octets);
  void relaxed(std::string_view octets);
  void release();  // what was held back is not at the end after all
  void emit(std::string_view octets);
  void emit_span(std::string_view span);  // ends may be line ends: those are held back
  void flush();
  Canon canon_;
  bool held_cr_ = false;
  bool held_wsp_ = false;
  std::uint64_t held_lines_ = 0;
  std::uint64_t size_ = 0;
  mail::BodySink& out_;
  std::size_t used_ = 0;
  char gathered_[8192];  // short spans wait here so that the hash is not called for each
};

// All body hashes a mail asks for in one pass: any number of l= limits cost one hash per canonical form and algorithm.
class BodyHasher final : public mail::BodySink {
 public:
  BodyHasher();
  ~BodyHasher();
  // Before the first update. The same wish gives the same number.
  std::size_t want(Canon canon, Hash hash, std::optional<std::uint64_t> limit);
  void update(std::string_view octets) override;
  void finish();
  // After finish. When the body is shorter than its limit, the hash of the whole.
  const std::string& hash(std::size_t wish) const;
  std::uint64_t size(Canon canon) const;  // canonical octets of a form that was wished for

 private:
  struct Form;
  struct Wish;
  void start();
  std::vector<Wish> wishes_;
  std::map<Canon, std::unique_ptr<Form>> forms_;
};

// Appends the canonical field with its CRLF (sections 3.4.1, 3.4.2). `raw` is the field with its folds.
void append_canonical(Canon canon, std::string_view raw, std::string& out);
// The same for the signature field itself: the value of one tag emptied (`hole` views into raw), no final CRLF.
void append_canonical_signature(Canon canon, std::string_view raw, std::string_view hole, std::string& out);

// The header sorted by name, made once per message; then one Selection per signature takes fields bottom-up (5.4.2).
class HeaderIndex {
 public:
  explicit HeaderIndex(const mail::Message& message);

 private:
  friend class Selection;
  const std::vector<mail::HeaderField>& fields_;
  std::vector<std::int32_t> above_;   // per field: the next one of the same name further up, -1 at the top
  std::vector<std::int32_t> bottom_;  // per name: its lowest field
  std::vector<std::int32_t> table_;   // open hash of names
};
class Selection {
 public:
  // `skip` (may be null) is never selected: the signature field under test.
  Selection(const HeaderIndex& index, const mail::HeaderField* skip)
      : index_(index), skip_(skip), next_(index.bottom_) {}
  const mail::HeaderField* take(std::string_view name);  // null when there is no (further) one
  std::size_t left(std::string_view name);               // how many were not taken

 private:
  std::int32_t* cursor(std::string_view name);
  const HeaderIndex& index_;
  const mail::HeaderField* skip_;
  std::vector<std::int32_t> next_;
};

// The fields that `names` (h=) asks for in canonical form, one after the other (RFC 6376 section 3.7); `own`, the
// signature field itself, is left out and may be null. Nothing when the budget is empty. from_left (may be null): From
// fields remain that are not covered.
std::optional<std::string> canonical_fields(const HeaderIndex& index, const mail::HeaderField* own,
                                            const std::vector<std::string_view>& names, Canon canon,
                                            core::Budget& budget, bool* from_left);
}  // namespace sekisho::signature
