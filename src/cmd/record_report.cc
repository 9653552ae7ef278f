// The findings of a linter as a table, as text in one language, and as JSON.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/core/text.h"
#include "cmd/present.h"
#include "cmd/record.h"

namespace sekisho::cmd {
namespace {

namespace json = boost::json;
using records::Severity;

std::string filled(std::string_view text, const std::string& evidence) {
  std::string out(text);
  if (const auto at = out.find("%s"); at != std::string::npos) out.replace(at, 2, evidence);
  return out;
}

std::size_t count_of(const records::Sheet& sheet, Severity severity) {
  return static_cast<std::size_t>(std::count_if(sheet.problems.begin(), sheet.problems.end(),
                                                [&](const auto& p) { return p.rule->severity == severity; }));
}

json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(utf8(text)); }

json::object cost_json(const records::SpfCost& cost) {
  json::array tree;
  for (const auto& node : cost.tree)
    tree.push_back({{"domain", node.domain},
                    {"by", utf8(node.by)},
                    {"depth", node.depth},
                    {"lookups", node.lookups},
                    {"void_lookups_ipv4", node.void_v4},
                    {"void_lookups_ipv6", node.void_v6},
                    {"fault", or_null(node.fault)}});
  return {{"lookups", cost.lookups},
          {"lookups_max", 10},
          {"void_lookups_ipv4", cost.void_v4},
          {"void_lookups_ipv6", cost.void_v6},
          {"void_lookups_max", 2},
          {"answer_bytes", cost.answer_octets},
          {"cut", cost.cut},
          {"tree", std::move(tree)}};
}

std::string_view severity_ja(Severity severity) {
  constexpr std::string_view kWords[] = {"参考", "警告", "エラー"};
  return kWords[static_cast<std::size_t>(severity)];
}

void print_cost(const records::SpfCost& cost, bool japanese) {
  std::printf(japanese ? "  問い合わせ %u/10、空振り IPv4 %u/2・IPv6 %u/2、応答 %zu オクテット%s\n"
                       : "  look-ups %u of 10, void %u (IPv4) %u (IPv6) of 2, reply %zu octets%s\n",
              cost.lookups, cost.void_v4, cost.void_v6, cost.answer_octets,
              cost.cut ? (japanese ? " (途中まで)" : " (not followed to its end)") : "");
  for (const auto& node : cost.tree) {
    const std::string indent(4 + node.depth * 2, ' ');
    std::printf("%s%s%s%s  +%u%s%s\n", indent.c_str(), node.by.c_str(), node.by.empty() ? "" : " -> ",
                node.domain.c_str(), node.lookups, node.fault.empty() ? "" : "  ! ", node.fault.c_str());
  }
}

void print_problem(const records::Sheet& sheet, const records::Problem& p, bool japanese) {
  const auto& rule = *p.rule;
  std::string place;
  if (p.octet) place = (japanese ? " (オクテット " : " (octet ") + std::to_string(*p.octet) + ")";
  const std::string where = p.name == sheet.name ? "" : p.name + ": ";
  std::printf("  %-8s %s%s%s\n", std::string(japanese ? severity_ja(rule.severity) : word(rule.severity)).c_str(),
              where.c_str(), utf8(filled(japanese ? rule.ja : rule.en, p.evidence)).c_str(), place.c_str());
  std::printf("           -> %s\n", utf8(filled(japanese ? rule.fix_ja : rule.fix_en, p.evidence)).c_str());
  std::printf("           [%s]%s%s\n", std::string(rule.code).c_str(), rule.rfc.empty() ? "" : " ",
              std::string(rule.rfc).c_str());
}

json::object problem_json(const records::Problem& p) {
  const auto& rule = *p.rule;
  return {{"severity", word(rule.severity)},
          {"code", rule.code},
          {"name", utf8(p.name)},
          {"rfc", rule.rfc.empty() ? json::value(nullptr) : json::value(rule.rfc)},
          {"text", {{"en", utf8(filled(rule.en, p.evidence))}, {"ja", utf8(filled(rule.ja, p.evidence))}}},
          {"fix", {{"en", utf8(filled(rule.fix_en, p.evidence))}, {"ja", utf8(filled(rule.fix_ja, p.evidence))}}},
          {"evidence", utf8(p.evidence)},
          {"octet", p.octet ? json::value(*p.octet) : json::value(nullptr)}};
}

json::object sheet_json(const records::Sheet& sheet) {
  json::array texts, problems;
  for (const auto& text : sheet.texts) {
    json::array strings;
    std::size_t at = 0;
    for (const std::size_t size : text.string_sizes)
      strings.push_back(json::value(utf8(text.octets.substr(at, size)))), at += size;
    if (strings.empty()) strings.push_back(json::value(utf8(text.octets)));
    texts.push_back(std::move(strings));
  }
  for (const auto& p : sheet.problems) problems.push_back(problem_json(p));
  return {{"type", word(sheet.type)},
          {"name", utf8(sheet.name)},
          {"selector", or_null(sheet.selector)},
          {"status", word(sheet.status)},
          {"record", or_null(sheet.record)},
          {"texts", std::move(texts)},
          {"cost", sheet.cost ? json::value(cost_json(*sheet.cost)) : json::value(nullptr)},
          {"problems", std::move(problems)}};
}

}  // namespace

json::array sheets_json(const std::vector<records::Sheet>& sheets) {
  json::array out;
  for (const auto& sheet : sheets) out.push_back(sheet_json(sheet));
  return out;
}

void print_sheets(const std::vector<records::Sheet>& sheets, bool japanese) {
  std::size_t names = 4;
  for (const auto& sheet : sheets) names = std::max(names, sheet.name.size());
  const int width = static_cast<int>(names);
  std::printf("%-10s  %-*s  %-9s  %6s  %8s  %5s\n", "type", width, "name", "status", "errors", "warnings", "notes");
  for (const auto& sheet : sheets)
    std::printf("%-10s  %-*s  %-9s  %6zu  %8zu  %5zu\n", std::string(word(sheet.type)).c_str(), width,
                sheet.name.c_str(), std::string(word(sheet.status)).c_str(), count_of(sheet, Severity::kError),
                count_of(sheet, Severity::kWarning), count_of(sheet, Severity::kNote));
  for (const auto& sheet : sheets) {
    if (sheet.record.empty() && sheet.problems.empty()) continue;
    std::printf("\n%s  %s\n", std::string(word(sheet.type)).c_str(), sheet.name.c_str());
    if (!sheet.record.empty()) std::printf("  \"%s\"\n", core::printable(sheet.record, 1000).c_str());
    if (sheet.cost) print_cost(*sheet.cost, japanese);
    for (const auto severity : {Severity::kError, Severity::kWarning, Severity::kNote})
      for (const auto& p : sheet.problems)
        if (p.rule->severity == severity) print_problem(sheet, p, japanese);
  }
}

int exit_status(const std::vector<records::Sheet>& sheets) {
  bool temporary = false;
  for (const auto& sheet : sheets)
    for (const auto& p : sheet.problems) {
      if (p.rule->severity != Severity::kError) continue;
      if (p.rule->code != "dns_temporary") return 1;
      temporary = true;
    }
  return temporary ? 3 : 0;
}

}  // namespace sekisho::cmd
