#pragma once
// Inner header: the table's rows by name, and how findings are gathered.
#include "service/doctor/doctor.h"

namespace sekisho::doctor {

enum class Id : std::uint8_t {
#define CHECK(code, ...) k_##code,
#include "service/doctor/checks.def"
#undef CHECK
};

class Sheet {
 public:
  Finding& add(Id id, Grade grade, std::string subject, std::string evidence);
  std::vector<Finding> take() { return std::move(findings_); }

 private:
  std::vector<Finding> findings_;
};

struct Visit {
  const Patient& patient;
  const Orders& orders;
  const Tools& tools;
  Sheet& sheet;
};
core::Task<void> examine_dns(Visit visit);
core::Task<void> examine_records(Visit visit);
core::Task<void> examine_signing(Visit visit);
core::Task<void> examine_hops(Visit visit);
void examine_certificates(Visit visit);
void examine_permissions(Visit visit);
void examine_clock(Visit visit);
void examine_disk(Visit visit);
void examine_limits(Visit visit);
void examine_ports(Visit visit);

std::string ms_text(std::int64_t us);  // "0.4 ms"

}  // namespace sekisho::doctor
