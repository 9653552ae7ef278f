// Lines: the spec, local part, domain, HELO. Expansion ends, fits, and an askable name holds printable octets only.
// covers: macro.cc
#include <cstdint>
#include <cstdlib>

#include "base/dns/name.h"
#include "road/identity/spf/macro.h"

using namespace sekisho;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(octets), size);
  const auto line = [&rest] {
    const auto end = rest.find('\n');
    const auto text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return text;
  };
  const auto spec = line();
  spf::Values values;
  values.local = line(), values.domain = values.sender_domain = line(), values.helo = line();
  const std::string sender = std::string(values.local) + "@" + std::string(values.domain);
  values.sender = sender;
  values.client_ip = size % 2 ? core::IpAddress::v4(0xc0000201) : *core::IpAddress::parse("2001:db8::1");
  for (char letter : {'p', 's'}) (void)spf::uses(spec, letter);
  if (spf::valid_domain_spec(spec)) {
    spf::TargetName out;
    spf::expand(spec, values, out);
    const auto name = out.name();
    if (out.usable()) {
      for (char c : name)
        if (c < 0x20 || c > 0x7e) std::abort();
    }
    dns::Name asked;
    if (asked.assign(name) && asked.wire().size() > 255) std::abort();
  }
  if (spf::valid_explanation(spec)) {
    const auto text = spf::expand_explanation(spec, values, 500);
    if (text.size() > 500) std::abort();
    for (char c : text)
      if (c < 0x20 || c > 0x7e) std::abort();
  }
  return 0;
}
