#pragma once
// Inner header: the table's rows by name, and how problems are gathered.
#include "service/records/records.h"

namespace sekisho::records {

enum class Id : std::uint8_t {
#define RULE(code, ...) k_##code,
#include "service/records/rules.def"
#undef RULE
};

// Problems of one record. A rule is told at most a few times: a record of 64 KiB can break one ten thousand times.
class Complaints {
 public:
  Complaints(std::string name, std::string_view text) : name_(std::move(name)), text_(text) {}
  void add(Id id, std::string_view evidence = {});
  void add_at(Id id, std::string_view evidence, std::size_t octet);
  // place: a view into the text, shown and counted from its begin.
  void add_in(Id id, std::string_view place);
  std::size_t offset(std::string_view place) const { return static_cast<std::size_t>(place.data() - text_.data()); }
  bool has(Id id) const;
  void take(Problems others) {
    for (auto& p : others) problems_.push_back(std::move(p));
  }
  Problems done() { return std::move(problems_); }
  const std::string& name() const { return name_; }

 private:
  void put(Id id, std::string_view evidence, std::optional<std::size_t> octet);
  std::string name_;
  std::string_view text_;
  Problems problems_;
};

// Octets, whatever the type: controls, beyond ASCII, escapes of a zone file.
void lint_octets(const Text& text, Complaints& out);
std::vector<std::size_t> seams(const Text& text);  // octets where a new string begins
// "v=DMARC1; p=none" "rua=...": a string begins a tag of these names and no semicolon stands before it. Inside of a
// value a seam is where it should be.
void lint_tag_seams(const Text& text, std::span<const std::string_view> names, Complaints& out);
bool is_tag(std::string_view name, std::span<const std::string_view> names);

Problems lint_spf(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_sender_id(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_domainkeys(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_dkim(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_dmarc(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_mta_sts(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_tls_rpt(const std::string& name, const Text& text, core::Budget& budget);
Problems lint_bimi(const std::string& name, const Text& text, core::Budget& budget);

// Whether the text is meant as a record of this type, though perhaps no receiver takes it for one.
bool is_meant(Type type, std::string_view text);
// Whether receivers take it for one.
bool counts(Type type, std::string_view text);

// The live parts: what the DNS must be asked for.
struct Visit {
  const Orders& orders;
  dns::Resolver& resolver;
  core::Budget& budget;
};
core::Task<dns::AnswerPtr> ask(Visit visit, std::string name, dns::Type type);
core::Task<void> walk_spf(Visit visit, Sheet& sheet, bool sender_id);
core::Task<void> follow_dmarc(Visit visit, Sheet& sheet);

}  // namespace sekisho::records
