// CPU of one DomainKeys verification (RSA-2048, nofws) beside Mail::DKIM, and of one ARC verification (one set and
// three, RSA-2048) beside dkimpy, keys at hand, in one run. A peer that is not installed is said.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/dns/zone.h"
#include "cpu.h"
#include "road/identity/arc/arc.h"
#include "road/identity/domainkeys/domainkeys.h"

using namespace sekisho;

namespace {
std::string make_mail(std::size_t size) {
  std::string mail =
      "Authentication-Results: mx.sender.example; spf=pass smtp.mailfrom=sender.example\r\n"
      "From: Sender <sender@sender.example>\r\nTo: user@dest.example\r\nSubject: a mail of some size\r\n"
      "Date: Thu, 15 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\nMIME-Version: 1.0\r\n\r\n";
  while (mail.size() < size) mail += "the mail passes a checkpoint where it is read and goes on its way\r\n";
  return mail;
}

// Microseconds by the peer's own clock; 0 when it is not there.
double peer_us(const std::string& program, const std::string& mail, const std::string& record, int count) {
  char file[] = "/tmp/bench-seals-XXXXXX";
  const int fd = ::mkstemp(file);
  if (fd < 0) return 0;
  std::ofstream(file, std::ios::binary) << mail;
  std::FILE* out =
      ::popen((program + " " + file + " '" + record + "' " + std::to_string(count) + " 2>/dev/null").c_str(), "r");
  double us = 0;
  if (!out || std::fscanf(out, "%lf", &us) != 1) us = 0;
  if (out) ::pclose(out);
  std::remove(file);
  return us;
}

void row(const char* what, const std::string& mail, double ours, bool good, double peer) {
  std::printf("%-24s %9zu %10.1f %12.1f %8.1f%s%s\n", what, mail.size(), ours, peer, peer / ours,
              good ? "" : "  NOT VERIFIED", peer > 0 ? "" : "  (the peer is not installed)");
}
}  // namespace

int main() {
  const auto key = signature::PrivateKey::generate(signature::KeyType::kRsa, 2048);
  const std::string record = key.record();
  dns::Zone zone;
  zone.add("s._domainkey.sender.example", dns::Type::kTxt, record);
  const auto resolver = dns::make_overlay(zone, nullptr);
  const mail::Domain domain = *mail::Domain::parse("sender.example");
  std::printf("%-24s %9s %10s %12s %8s\n", "verify", "octets", "ours us", "peer us", "ratio");
  for (const std::size_t size : {2048u, 51200u}) {
    const int count = size > 10'000 ? 100 : 500;
    const std::string plain = make_mail(size);
    core::Budget budget;
    const auto message = mail::Message::parse(plain, budget);
    const std::string signed_mail = *domainkeys::sign(**message, key, {domain, "s"}) + plain;
    const auto parsed = mail::Message::parse(signed_mail, budget);
    bool good = true;
    const double ours = best_us(count, [&] {
      core::Budget left;
      good =
          core::run_ready(domainkeys::verify(**parsed, *resolver, {}, left)).result == road::AuthResult::kPass && good;
    });
    row("DomainKeys / Mail::DKIM", signed_mail, ours, good, peer_us("perl " PEERS ".pl", signed_mail, record, 20));

    std::string chain = plain;
    for (int sets = 1; sets <= 3; ++sets) {
      arc::Options options;
      options.now_s = 1'768'435'200;
      core::Budget left;
      const auto before = mail::Message::parse(chain, left);
      const auto seen = core::run_ready(arc::verify(**before, *resolver, options, left));
      const auto results = arc::results_of(**before, "mx.sender.example", left);
      const auto seal = arc::seal(**before, seen, results, key, {domain, "s", {"from", "to", "subject", "date"}, {}});
      chain = *seal + chain;
      if (sets == 2) continue;
      const auto sealed = mail::Message::parse(chain, left);
      const double mine = best_us(count, [&] {
        core::Budget fresh;
        good =
            core::run_ready(arc::verify(**sealed, *resolver, options, fresh)).result == road::AuthResult::kPass && good;
      });
      row(sets == 1 ? "ARC, one set / dkimpy" : "ARC, three sets / dkimpy", chain, mine, good,
          peer_us("/usr/bin/python3 " PEERS ".py", chain, record, 20));
    }
  }
  return 0;
}
