#pragma once
// The numbers of a running serve and the page that shows them.
#include <memory>
#include <optional>
#include <string>

#include "base/http/http.h"
#include "base/metrics/metrics.h"
#include "cmd/lag.h"
#include "gate/egress/egress.h"
#include "gate/mx/mx.h"
#include "road/inbound/inbound.h"
#include "service/mediator/mediator.h"

namespace sekisho::cmd {

class RoadMeter final : public inbound::Meter, public egress::Meter, public mediator::Meter {
 public:
  RoadMeter();
  void session(const session::SessionSummary& summary) override;
  void refused(verdict::Moment moment, const verdict::Verdict& verdict) override;
  void mail(const verdict::Verdict& verdict, const identity::Papers& papers, std::int64_t road_us,
            std::int64_t transfer_us, std::uint64_t size) override;
  void outcome(transfer::Outcome outcome) override;
  void duplicate() override;
  void outgoing(transfer::Outcome outcome) override;
  void change(mediation::Change change) override;
  void asked(const mediator::Answer& answer) override;
  void ended(mediator::End end) override;
  void turned_away(std::string_view why) override;
  void certificate(bool loaded);  // else refused
  void certificates_expire(const std::vector<std::pair<std::string, double>>& seconds_by_name);
  void reload(bool in_force);  // else refused
  metrics::Registry& registry() { return registry_; }

 private:
  metrics::Registry registry_;
};

// GET /metrics on loopback. All it refers to must outlive stop().
class MetricsPage {
 public:
  MetricsPage(const std::optional<io::Endpoint>& at, RoadMeter& meter, mx::Gate& gate, trail::Trail& trail,
              smtp::OctetPool& octets, LagMeter& lag);
  const std::string& failure() const { return failure_; }
  void stop();

 private:
  std::string page();
  core::Task<http::Response> answer(http::Request request);
  RoadMeter& meter_;
  mx::Gate& gate_;
  trail::Trail& trail_;
  smtp::OctetPool& octets_;
  LagMeter& lag_;
  std::optional<http::Server> server_;
  std::string failure_;
};

}  // namespace sekisho::cmd
