#include "service/doctor/doctor.h"

#include <algorithm>
#include <cstdio>

#include "base/core/text.h"
#include "service/doctor/checks.h"

namespace sekisho::doctor {
namespace {
constexpr Check kChecks[] = {
#define CHECK(code, section, title_en, title_ja, means_en, means_ja, postfix, sendmail) \
  {section, #code, title_en, title_ja, means_en, means_ja, postfix, sendmail},
#include "service/doctor/checks.def"
#undef CHECK
};
}  // namespace

std::span<const Check> checks() { return kChecks; }

std::vector<std::string_view> sections() {
  std::vector<std::string_view> out;
  for (const Check& check : kChecks)
    if (std::find(out.begin(), out.end(), check.section) == out.end()) out.push_back(check.section);
  return out;
}

std::string_view word(Grade grade) {
  switch (grade) {
    case Grade::kOk:
      return "ok";
    case Grade::kSkipped:
      return "skipped";
    case Grade::kWarning:
      return "warning";
    case Grade::kFailure:
      return "failure";
  }
  return "";
}

std::string ms_text(std::int64_t us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(us) / 1000);
  return text;
}

Finding& Sheet::add(Id id, Grade grade, std::string subject, std::string evidence) {
  return findings_.emplace_back(
      Finding{&kChecks[static_cast<std::size_t>(id)], grade, std::move(subject), core::printable(evidence, 500), {}});
}

core::Task<std::vector<Finding>> examine(const Patient& patient, const Orders& orders, const Tools& tools) {
  Sheet sheet;
  const Visit visit{patient, orders, tools, sheet};
  const auto wanted = [&](std::string_view section) {
    return orders.only.empty() || std::find(orders.only.begin(), orders.only.end(), section) != orders.only.end();
  };
  if (wanted("dns")) co_await examine_dns(visit);
  if (wanted("records")) co_await examine_records(visit);
  const std::pair<std::string_view, void (*)(Visit)> here[] = {{"certificates", examine_certificates},
                                                               {"permissions", examine_permissions},
                                                               {"clock", examine_clock},
                                                               {"disk", examine_disk},
                                                               {"limits", examine_limits},
                                                               {"ports", examine_ports}};
  for (const auto& [section, look] : here) {
    if (!wanted(section)) continue;
    std::function<void()> work = [&visit, run = look] { run(visit); };
    co_await tools.pool.run(std::move(work));
  }
  if (wanted("signing")) co_await examine_signing(visit);
  if (wanted("next_hop")) co_await examine_hops(visit);
  co_return sheet.take();
}

}  // namespace sekisho::doctor
