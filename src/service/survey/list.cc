#include <unordered_set>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "service/survey/survey.h"
#include "service/survey/table.h"

namespace sekisho::survey {

List read_list(std::string_view text) {
  List list;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::unordered_set<std::string> seen;
  std::string all;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const auto end = text.find('\n');
    std::string_view piece = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    piece = core::trim_fws(piece.substr(0, piece.find('#')));
    if (piece.empty()) continue;
    const auto domain = piece.size() > 1000 ? std::nullopt : mail::Domain::parse(piece);
    if (!domain || domain->labels() < 2) {
      ++list.garbage_count;
      if (list.garbage.size() < kGarbageKept) list.garbage.push_back({line, core::printable(piece, 80)});
    } else if (!seen.insert(domain->text()).second) {
      ++list.duplicates;
    } else {
      list.names.push_back(domain->text());
      all += domain->text() + "\n";
    }
  }
  list.digest = core::hex(crypto::view(crypto::sha256(all)));
  return list;
}

Class class_of(std::string_view name) {
  const auto ends = [name](std::string_view tail) { return name.ends_with(tail); };
  if (ends(".co.jp")) return Class::kCoJp;
  if (ends(".ac.jp")) return Class::kAcJp;
  if (ends(".go.jp")) return Class::kGoJp;
  if (ends(".ne.jp")) return Class::kNeJp;
  if (ends(".or.jp")) return Class::kOrJp;
  if (ends(".jp")) return Class::kJp;
  return name.size() - name.rfind('.') == 3 ? Class::kCountry : Class::kGeneric;
}

std::string_view word(Class c) {
  constexpr std::string_view kWords[] = {"co.jp", "ac.jp",     "go.jp", "ne.jp",
                                         "or.jp", "other .jp", "gTLD",  "other ccTLD"};
  return kWords[static_cast<std::size_t>(c)];
}

std::string_view word_ja(Class c) {
  return c == Class::kJp ? "その他 .jp" : c == Class::kCountry ? "その他 ccTLD" : word(c);
}

Table count(const std::vector<std::string>& names, const std::vector<Facts>& facts) {
  Table table;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Class own = class_of(names[i]);
    for (Table::Row* row : {&table.rows[static_cast<std::size_t>(own)], &table.all, &table.jp}) {
      if (row == &table.jp && own > Class::kJp) continue;
      ++row->names;
      if (i >= facts.size() || facts[i].tries == 0) continue;
      ++row->asked;
      const bool failed = facts[i].failed();
      row->failed += failed;
      for (std::size_t f = 0; f < kFields; ++f) {
        const auto value = facts[i].values[f];
        if (!failed || is_fault(value)) ++row->counts[f][value];
      }
    }
  }
  return table;
}

std::uint64_t Table::Row::count(Field field, std::string_view what) const {
  const auto& all = words(field);
  std::uint64_t sum = 0;
  for (std::size_t v = 0; v < all.size(); ++v)
    if (all[v] == what) sum += counts[static_cast<std::size_t>(field)][v];
  return sum;
}

std::uint64_t Measure::of(const Table::Row& row) const {
  std::uint64_t sum = 0;
  for (const auto w : words) sum += row.count(field, w);
  return sum;
}

const std::vector<Measure>& measures() {
  static const std::vector<Measure> all{
#define MEASURE(field, en, ja, ...) {en, ja, Field::field, {__VA_ARGS__}},
#include "service/survey/measures.def"
#undef MEASURE
  };
  return all;
}

const std::vector<Past>& history() {
  static const std::vector<Past> all{
#define PAST(when, scope, spf, domainkeys, source, source_ja) {when, scope, source, source_ja, spf, domainkeys},
#include "service/survey/history.def"
#undef PAST
  };
  return all;
}

}  // namespace sekisho::survey
