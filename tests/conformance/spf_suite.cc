// Runs the JSON lines of spf.py against the room: spf_suite FILE.jsonl WANTED_PASSES NAME [sender-id]. Strings are
// octets (latin-1). `spf_suite --answers FILE.jsonl` judges nothing and prints a line a case: id, result, look-ups,
// reason, and "late" when the answer is another one with answers that are not at hand; TAB between. A case with "scope"
// is one of Sender ID: "address" is the return path (mfrom) or the responsible address (pra).
#include <boost/json.hpp>
#include <boost/json/src.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/core/text.h"
#include "base/dns/zone.h"
#include "road/identity/sender_id/sender_id.h"
#include "road/identity/spf/spf.h"

namespace {

using namespace sekisho;
namespace json = boost::json;

std::string latin1(const json::value& value) {
  std::string out;
  const std::string_view text = value.as_string();
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0xc0 && i + 1 < text.size()) c = static_cast<unsigned char>((c & 3) << 6 | (text[++i] & 0x3f));
    out += static_cast<char>(c);
  }
  return out;
}

dns::Type type_of(std::string_view word) {
  if (word == "TXT") return dns::Type::kTxt;
  if (word == "SPF") return dns::Type::kSpf;
  if (word == "A") return dns::Type::kA;
  if (word == "AAAA") return dns::Type::kAaaa;
  if (word == "MX") return dns::Type::kMx;
  return word == "PTR" ? dns::Type::kPtr : dns::Type::kCname;
}

std::string wire_of(const std::string& name) {
  dns::Name out;
  out.assign(name);
  return out.wire();
}

void add_record(dns::Zone& zone, const dns::Name& name, const json::array& row) {
  const auto type = type_of(row[0].as_string());
  if (type == dns::Type::kMx) {
    const auto& mx = row[1].as_array();
    const auto preference = static_cast<unsigned>(mx[0].as_int64());
    const std::string rdata{static_cast<char>(preference >> 8), static_cast<char>(preference)};
    zone.add_wire(name, type, rdata + wire_of(latin1(mx[1])), 300);
  } else if (type == dns::Type::kPtr || type == dns::Type::kCname) {
    zone.add_wire(name, type, wire_of(latin1(row[1])), 300);
  } else if (!zone.add(name, type, latin1(row[1]))) {
    std::printf("zone: %s not taken\n", latin1(row[1]).c_str());
  }
}

std::unique_ptr<dns::Resolver> resolver_of(const json::object& nodes) {
  dns::Zone zone;
  zone.add_origin(".");
  for (const auto& [key, node] : nodes) {
    dns::Name name;
    if (!name.assign(latin1(json::value(key)))) continue;
    for (const auto& row : node.at("records").as_array()) add_record(zone, name, row.as_array());
    if (node.at("timeout").as_bool()) zone.add_fault_for_other_types(name.text(), dns::Code::kTimeout);
    for (const auto& type : node.at("timeouts").as_array())
      zone.add_fault(name.text(), type_of(type.as_string()), dns::Code::kTimeout);
  }
  return dns::make_overlay(zone, nullptr);
}

// Hides what is at hand, so that the waiting road is walked too.
class Slow final : public dns::Resolver {
 public:
  explicit Slow(dns::Resolver& below) : below_(below) {}
  dns::AnswerPtr ready(const dns::Name&, dns::Type) override { return nullptr; }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget& budget) override {
    return below_.lookup(std::move(name), type, budget);
  }

 private:
  dns::Resolver& below_;
};

struct Tally {
  int cases = 0, passed = 0, explanations = 0, explained = 0;
};

bool judge(const json::object& test, const spf::Evaluation& got, Tally& tally) {
  const std::string id(test.at("id").as_string());
  bool right = false;
  for (const auto& wanted : test.at("results").as_array())
    right = right || wanted.as_string() == road::word(got.result);
  if (!right)
    std::printf("DIFFERS %s: %s (%s), wanted %s\n", id.c_str(), std::string(road::word(got.result)).c_str(),
                got.reason.text().c_str(), json::serialize(test.at("results")).c_str());
  bool text_right = true;
  if (const auto& wanted = test.at("explanation"); wanted.is_string()) {
    const std::string text = wanted.as_string() == "DEFAULT" ? "" : latin1(wanted);
    text_right = text == got.explanation;
    if (!text_right)
      std::printf("DIFFERS %s: \"%s\", wanted \"%s\"\n", id.c_str(), got.explanation.c_str(), text.c_str());
    ++tally.explanations;
    tally.explained += text_right;
  }
  ++tally.cases;
  tally.passed += right;
  return right && text_right;
}

struct Answers {
  spf::Evaluation ready, late;
  bool agree() const {
    return late.result == ready.result && late.explanation == ready.explanation && late.lookups == ready.lookups;
  }
};

spf::Records records = spf::Records::kSpf1;

spf::Evaluation answer(const json::object& test, dns::Resolver& resolver) {
  const auto helo = latin1(test.at("helo")), mail_from = latin1(test.at("mail_from"));
  const auto client_ip = *core::IpAddress::parse(latin1(test.at("ip")));
  core::Budget budget;
  if (!test.contains("scope")) {
    spf::Query query;
    query.client_ip = client_ip;
    query.helo = helo;
    query.mail_from = mail_from;
    query.records = records;
    return core::run_ready(spf::evaluate(query, resolver, budget));
  }
  sender_id::Query query;
  query.client_ip = client_ip;
  query.helo = helo;
  query.mail_from = mail_from;
  const sender_id::Settings settings;
  if (test.at("scope").as_string() == "mfrom")
    return core::run_ready(sender_id::evaluate_mfrom(query, resolver, budget, settings));
  const auto address = latin1(test.at("address"));
  return core::run_ready(sender_id::evaluate_pra(query, address, resolver, budget, settings));
}

Answers ask(const json::object& test) {
  const auto zone = resolver_of(test.at("zone").as_object());
  Slow slow(*zone);
  return {answer(test, *zone), answer(test, slow)};
}

void run(const json::object& test, Tally& tally) {
  const auto answers = ask(test);
  judge(test, answers.ready, tally);
  if (answers.agree()) return;
  std::printf("DIFFERS %s when answers come late\n", std::string(test.at("id").as_string()).c_str());
  --tally.passed;
}

void show(const json::object& test) {
  const auto answers = ask(test);
  std::printf("%s\t%s\t%u\t%s\t%s\n", std::string(test.at("id").as_string()).c_str(),
              std::string(road::word(answers.ready.result)).c_str(), answers.ready.lookups,
              answers.ready.reason.text().c_str(), answers.agree() ? "" : "late");
  std::fflush(stdout);  // whoever sent the line waits for the answer
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--answers") {
    std::ifstream in(argv[2]);
    for (std::string line; std::getline(in, line);) show(json::parse(line).as_object());
    return 0;
  }
  if (argc == 5 && std::string_view(argv[4]) == "sender-id") records = spf::Records::kMfromThenSpf1;
  if (argc != 4 && records == spf::Records::kSpf1) return 2;
  std::ifstream in(argv[1]);
  Tally tally;
  for (std::string line; std::getline(in, line);) run(json::parse(line).as_object(), tally);
  std::printf("%s: %d of %d results, %d of %d explanations\n", argv[3], tally.passed, tally.cases, tally.explained,
              tally.explanations);
  return tally.passed >= std::stoi(argv[2]) && tally.cases > 0 && tally.explained == tally.explanations ? 0 : 1;
}
