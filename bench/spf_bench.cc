// SPF check, DNS in memory: ours and libspf2 in one run, CPU microseconds per check.
#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

extern "C" {
#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>
}

#include "base/dns/zone.h"
#include "cpu.h"
#include "road/identity/spf/spf.h"

namespace {

using namespace sekisho;

struct Row {
  const char* name;
  dns::Type type;
  const char* rdata;
};
constexpr Row kRows[] = {
    {"simple.example.com", dns::Type::kTxt, "v=spf1 ip4:192.0.2.0/24 -all"},
    {"deep.example.com", dns::Type::kTxt,
     "v=spf1 a mx include:_spf.one.example.net include:_spf.two.example.net include:_spf.three.example.net -all"},
    {"deep.example.com", dns::Type::kA, "198.51.100.1"},
    {"deep.example.com", dns::Type::kMx, "10 mx1.example.com"},
    {"deep.example.com", dns::Type::kMx, "20 mx2.example.com"},
    {"mx1.example.com", dns::Type::kA, "198.51.100.2"},
    {"mx2.example.com", dns::Type::kA, "198.51.100.3"},
    {"_spf.one.example.net", dns::Type::kTxt, "v=spf1 ip4:203.0.113.0/26 ip4:203.0.113.64/26 ip6:2001:db8:1::/48 ~all"},
    {"_spf.two.example.net", dns::Type::kTxt, "v=spf1 include:_netblocks.two.example.net a:out.two.example.net ~all"},
    {"_netblocks.two.example.net", dns::Type::kTxt, "v=spf1 ip4:203.0.113.128/27 ip4:203.0.113.160/27 ?all"},
    {"out.two.example.net", dns::Type::kA, "203.0.113.200"},
    {"_spf.three.example.net", dns::Type::kTxt, "v=spf1 ip4:203.0.113.240/28 ip4:192.0.2.0/24 -all"},
};

class Peer {
 public:
  Peer() {
    auto* zone = SPF_dns_zone_new(nullptr, "zone", 0);
    for (const auto& row : kRows) {
      const auto type = row.type == dns::Type::kTxt ? ns_t_txt : row.type == dns::Type::kA ? ns_t_a : ns_t_mx;
      const char* space = type == ns_t_mx ? std::find(row.rdata, row.rdata + 3, ' ') + 1 : row.rdata;
      SPF_dns_zone_add_str(zone, row.name, type, NETDB_SUCCESS, space);
    }
    server_ = SPF_server_new_dns(zone, 0);
    SPF_server_set_rec_dom(server_, "mx.example.org");
  }
  ~Peer() { SPF_server_free(server_); }
  bool pass(const char* mail_from) {
    auto* request = SPF_request_new(server_);
    SPF_request_set_ipv4_str(request, "192.0.2.77");
    SPF_request_set_helo_dom(request, "mail.example.com");
    SPF_request_set_env_from(request, mail_from);
    SPF_response_t* response = nullptr;
    SPF_request_query_mailfrom(request, &response);
    const bool pass = SPF_response_result(response) == SPF_RESULT_PASS;
    SPF_response_free(response);
    SPF_request_free(request);
    return pass;
  }

 private:
  SPF_server_t* server_;
};

}  // namespace

int main() {
  dns::Zone zone;
  zone.add_origin(".");
  for (const auto& row : kRows) {
    if (!zone.add(row.name, row.type, row.rdata)) return 1;
  }
  const auto resolver = dns::make_overlay(zone, nullptr);
  Peer peer;
  bool good = true;
  for (const char* mail_from : {"user@simple.example.com", "user@deep.example.com"}) {
    spf::Query query;
    query.client_ip = *core::IpAddress::parse("192.0.2.77");
    query.helo = "mail.example.com";
    query.mail_from = mail_from;
    const auto ours = best_us(100'000, [&] {
      core::Budget budget;
      const auto got = spf::try_evaluate(query, *resolver, budget);
      good = good && got && got->result == road::AuthResult::kPass;
    });
    const auto task = best_us(100'000, [&] {
      core::Budget budget;
      good = good && core::run_ready(spf::evaluate(query, *resolver, budget)).result == road::AuthResult::kPass;
    });
    const auto theirs = best_us(20'000, [&] { good = good && peer.pass(mail_from); });
    std::printf("%-26s ours %.3f us (as a task %.3f)   libspf2 %.3f us   ratio %.1f\n", mail_from, ours, task, theirs,
                theirs / ours);
  }
  if (!good) std::printf("a check did not pass\n");
  return good ? 0 : 1;
}
