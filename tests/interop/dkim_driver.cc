// What the peers' test drives: our verifier and signer as a program.
//   dkim_driver verify [--legacy] [--now EPOCH] --zone FILE MESSAGE...
//     one line a message: file, results, findings, queries, microseconds of CPU, reasons; TAB between, "," inside
//   dkim_driver sign --key PEM --domain D --selector S [--canon header/body] [--sha1] MESSAGE > signed
//   dkim_driver record --key PEM
//   dkim_driver lines [--legacy] < CASES
//   dkim_driver arc < CASES
//   dkim_driver domainkeys [--legacy] < CASES
//     a case a line: EPOCH TAB hex of the mail { TAB name TAB hex of a TXT record }; answers a line a case: results,
//     reasons
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "base/core/text.h"
#include "base/dns/zone.h"
#include "road/identity/arc/arc.h"
#include "road/identity/dkim/dkim.h"
#include "road/identity/domainkeys/domainkeys.h"

using namespace sekisho;

namespace {
std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string_view text_of(road::AuthResult result) {
  static constexpr std::string_view kWords[] = {"none",     "neutral", "pass",      "fail",
                                                "softfail", "policy",  "temperror", "permerror"};
  return kWords[static_cast<int>(result)];
}

struct Arguments {
  std::map<std::string, std::string> options;
  std::vector<std::string> files;
};

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 2; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--legacy" || arg == "--sha1")
      out.options[arg] = "1";
    else if (arg.starts_with("--") && i + 1 < argc)
      out.options[arg] = argv[++i];
    else
      out.files.push_back(arg);
  }
  return out;
}

int verify(Arguments& args) {
  auto zone = dns::Zone::read(args.options["--zone"]);
  if (!zone) return std::cerr << zone.error().text() << "\n", 2;
  const auto resolver = dns::make_overlay(*zone, nullptr);
  dkim::Options options;
  options.legacy = args.options.contains("--legacy");
  options.now_s = args.options.contains("--now") ? std::stoll(args.options["--now"]) : std::time(nullptr);
  options.is_public_suffix = [](const mail::Domain& d) { return d.text() == "co.jp" || d.labels() == 1; };
  for (const auto& file : args.files) {
    core::Budget budget;
    const auto message = mail::Message::from_file(read(file), budget);
    if (!message) {
      std::cout << file << "\tunreadable\n";
      continue;
    }
    road::Findings findings;
    const std::uint32_t before = budget.dns_queries;
    const std::clock_t start = std::clock();
    const auto all = core::run_ready(dkim::verify(**message, *resolver, options, budget, findings));
    const auto used = (std::clock() - start) * 1'000'000 / CLOCKS_PER_SEC;
    std::string results, codes, reasons;
    for (const auto& one : all) {
      results.append(results.empty() ? "" : ",").append(text_of(one.result));
      reasons.append(reasons.empty() ? "" : " | ").append(one.reason);
    }
    for (const auto& finding : findings) codes.append(codes.empty() ? "" : ",").append(finding.code);
    std::cout << file << '\t' << (all.empty() ? "none" : results) << '\t' << codes << '\t'
              << before - budget.dns_queries << '\t' << used << '\t' << reasons << "\n";
  }
  return 0;
}

signature::Canon canon(std::string_view name) {
  return name == "simple" ? signature::Canon::kSimple : signature::Canon::kRelaxed;
}

int sign(Arguments& args, const signature::PrivateKey& key) {
  core::Budget budget;
  const auto message = mail::Message::from_file(read(args.files.at(0)), budget);
  const auto domain = mail::Domain::parse(args.options["--domain"]);
  if (!message || !domain) return std::cerr << "no message or no domain\n", 2;
  dkim::SignOptions options{*domain, args.options["--selector"]};
  options.now_s = std::time(nullptr);
  if (args.options.contains("--sha1")) options.hash = signature::Hash::kSha1;
  if (const std::string canons = args.options["--canon"]; !canons.empty()) {
    options.header_canon = canon(canons.substr(0, canons.find('/')));
    options.body_canon = canon(canons.substr(canons.find('/') + 1));
  }
  const auto field = dkim::sign(**message, key, options);
  if (!field) return std::cerr << "cannot sign: " << static_cast<int>(field.error()) << "\n", 1;
  struct Out final : mail::BodySink {
    void update(std::string_view octets) override { std::cout << octets; }
  } out;
  std::cout << *field << (*message)->header_octets() << "\r\n";
  (*message)->body().copy_to(out);
  return 0;
}

struct Judged {
  std::string results, reasons;
};

Judged judge(const std::string& command, const mail::Message& message, dns::Resolver& resolver,
             const dkim::Options& options, core::Budget& budget) {
  if (command == "arc") {
    arc::Options of_chain;
    of_chain.now_s = options.now_s;
    const auto chain = core::run_ready(arc::verify(message, resolver, of_chain, budget));
    return {std::string(text_of(chain.result)), chain.reason};
  }
  if (command == "domainkeys") {
    domainkeys::Options old;
    old.legacy = options.legacy;
    const auto found = core::run_ready(domainkeys::verify(message, resolver, old, budget));
    return {std::string(text_of(found.result)), found.reason};
  }
  road::Findings findings;
  Judged out;
  for (const auto& one : core::run_ready(dkim::verify(message, resolver, options, budget, findings))) {
    out.results.append(out.results.empty() ? "" : ",").append(text_of(one.result));
    out.reasons.append(out.reasons.empty() ? "" : " | ").append(one.reason);
  }
  if (out.results.empty()) out.results = "none";
  return out;
}

int lines(const std::string& command, bool legacy) {
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<std::string> parts;
    for (std::istringstream in(line); std::getline(in, line, '\t');) parts.push_back(line);
    dns::Zone zone;
    zone.add_origin(".");
    for (std::size_t i = 2; i + 1 < parts.size(); i += 2)
      zone.add(parts[i], dns::Type::kTxt, *core::unhex(parts[i + 1]));
    const auto resolver = dns::make_overlay(zone, nullptr);
    dkim::Options options;
    options.now_s = std::stoll(parts.at(0));
    options.legacy = legacy;
    core::Budget budget;
    const auto message = mail::Message::parse(*core::unhex(parts.at(1)), budget);
    const auto judged = message ? judge(command, **message, *resolver, options, budget) : Judged{"unreadable", ""};
    std::cout << judged.results << '\t' << judged.reasons << std::endl;  // the sender waits
  }
  return 0;
}
}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  Arguments args = parse(argc, argv);
  if (command == "verify") return verify(args);
  if (command == "lines" || command == "arc" || command == "domainkeys")
    return lines(command, args.options.contains("--legacy"));
  const auto key = signature::PrivateKey::from_pem(read(args.options["--key"]));
  if (!key) return std::cerr << "no key\n", 2;
  if (command == "sign") return sign(args, *key);
  std::cout << key->record() << "\n";
  return 0;
}
