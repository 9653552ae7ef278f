// Lines: client address, HELO, MAIL FROM, then texts and hosts the scripted DNS gives out by turns, whatever is asked.
// The check ends inside its limits and says printable things; with late answers it says the same.
// covers: check.cc evaluate.cc mechanism.cc
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "road/identity/spf/spf.h"

using namespace sekisho;

namespace {

class Scripted final : public dns::Resolver {
 public:
  Scripted(std::vector<std::string> lines, bool late) : lines_(std::move(lines)), late_(late) {}
  dns::AnswerPtr ready(const dns::Name& name, dns::Type type) override { return late_ ? nullptr : answer(name, type); }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    if (!budget.take_query()) std::abort();  // the limits of the check are lower
    co_return answer(name, type);
  }

 private:
  // The same name and type always get the same.
  dns::AnswerPtr answer(const dns::Name& name, dns::Type type) {
    for (char c : name.wire())
      if (static_cast<unsigned char>(c) > 0x7e) std::abort();
    auto out = std::make_shared<dns::Answer>();
    if (lines_.empty()) return out->code = dns::Code::kNxDomain, out;
    const auto& line = lines_[(std::hash<std::string>()(name.wire()) + static_cast<std::size_t>(type)) % lines_.size()];
    if (line == "!") return out->code = dns::Code::kTimeout, out;
    if (line == "-") return out->code = dns::Code::kNxDomain, out;
    out->code = dns::Code::kRecords;
    dns::Name host;
    switch (type) {
      case dns::Type::kTxt:
        out->texts.push_back(line);
        break;
      case dns::Type::kMx:
        for (std::size_t i = 0; i < line.size() % 13; ++i) {
          host.assign(std::string(i + 1, 'h') + ".example");
          out->exchanges.push_back({1, host});
        }
        break;
      case dns::Type::kPtr:
        for (std::size_t i = 0; i < line.size() % 13; ++i) {
          host.assign(std::string(i + 1, 'p') + ".t.example");
          out->names.push_back(host);
        }
        break;
      default:
        out->addresses.push_back(core::IpAddress::parse(line).value_or(core::IpAddress::v4(0xc0000201)));
    }
    if (out->texts.empty() && out->addresses.empty() && out->names.empty() && out->exchanges.empty())
      out->code = dns::Code::kNoData;
    return out;
  }
  std::vector<std::string> lines_;
  bool late_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  std::vector<std::string> lines;
  std::string_view rest(reinterpret_cast<const char*>(octets), size);
  for (bool more = true; more;) {
    const auto end = rest.find('\n');
    lines.emplace_back(rest.substr(0, end));
    more = end != std::string_view::npos;
    if (more) rest.remove_prefix(end + 1);
  }
  lines.resize(std::max<std::size_t>(lines.size(), 3));
  spf::Query query;
  query.client_ip = core::IpAddress::parse(lines[0]).value_or(core::IpAddress::v4(0xc0000201));
  const std::string helo = lines[1], mail_from = lines[2];
  query.helo = helo, query.mail_from = mail_from;
  lines.erase(lines.begin(), lines.begin() + 3);
  Scripted ready(lines, false), late(lines, true);
  core::Budget budget{.dns_queries = 1000}, other{.dns_queries = 1000};
  const auto got = core::run_ready(spf::evaluate(query, ready, budget));
  const auto again = core::run_ready(spf::evaluate(query, late, other));
  if (got.lookups > 10 || got.void_lookups > 3 || got.explanation.size() > 500) std::abort();
  if (other.steps > 0 && (got.result != again.result || got.explanation != again.explanation)) std::abort();
  for (std::string_view text : {got.reason.view(), got.domain.view(), std::string_view(got.explanation)})
    for (char c : text)
      if (c < 0x20 || c > 0x7e) std::abort();
  return 0;
}
