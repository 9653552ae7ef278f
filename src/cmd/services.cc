// The services other than the roads: thin, each shows one room to the outside.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/control/control.h"
#include "base/core/text.h"
#include "cmd/certificate_watch.h"
#include "cmd/control_desk.h"
#include "cmd/egress_service.h"
#include "cmd/mediator_service.h"
#include "cmd/present.h"
#include "cmd/server.h"
#include "cmd/signing_watch.h"

namespace sekisho::cmd {

namespace {

class MxService final : public Service {
 public:
  explicit MxService(Server& server) : server_(server) {}

  core::Task<std::string> start() override {
    std::vector<io::Loop*> loops;
    for (auto& loop : server_.loops) loops.push_back(loop.get());
    std::vector<io::Listener> later;
    gate_ = mx::Gate::start(std::move(later), std::move(loops), server_.settings.gate, shared(server_.settings));
    server_.gate = gate_.get();
    co_return std::string();
  }

  std::vector<config::Problem> prepare(const Settings& next) override {
    std::vector<config::Problem> problems;
    for (const auto& at : next.mx) {
      if (stands_in(server_.settings.mx, at)) continue;
      auto listener = io::Listener::bind(at);
      if (listener)
        added_.push_back(std::move(*listener));
      else
        problems.push_back({next.values.file(), next.values.line("mx.listen"),
                            "mx.listen: " + at.text() + ": " + std::string(io::word(listener.error())) +
                                (listener.error() == io::IoError::kDenied
                                     ? "; the server has stepped down from root: a new port below 1024 needs a restart"
                                     : "")});
    }
    return problems;
  }
  void drop() override { added_.clear(); }

  core::Task<void> commit(const Settings& next) override {
    gate_->reload(shared(next), next.gate);
    for (const auto& listener : added_) log::write<log::Event::k_listening>("mx", log::name(listener.local().text()));
    gate_->add(std::exchange(added_, {}));
    for (const auto& at : server_.settings.mx)
      if (!stands_in(next.mx, at)) gate_->remove(at);
    co_return;
  }

  core::Task<bool> drain(std::int64_t deadline_ms) override {
    const bool clean = co_await gate_->drain(deadline_ms);
    if (!clean && server_.leaving) log::write<log::Event::k_sessions_left>(gate_->counts().sessions);
    co_return clean;
  }

 private:
  static bool stands_in(const std::vector<io::Endpoint>& list, const io::Endpoint& at) {
    return std::find(list.begin(), list.end(), at) != list.end();
  }
  std::shared_ptr<const session::Shared> shared(const Settings& settings) {
    return std::make_shared<const session::Shared>(
        session::Shared{settings.session,
                        [roads = server_.roads](const session::SessionFacts& facts) {
                          return inbound::make_road(roads->world(), facts);
                        },
                        server_.clock, server_.random, *server_.octets, server_.pool.get()});
  }

  Server& server_;
  std::unique_ptr<mx::Gate> gate_;
  std::vector<io::Listener> added_;
};

class MetricsService final : public Service {
 public:
  explicit MetricsService(Server& server) : server_(server) {}
  core::Task<std::string> start() override {
    const auto& at = server_.settings.metrics;
    page_ =
        std::make_unique<MetricsPage>(at, *server_.meter, *server_.gate, *server_.trail, *server_.octets, server_.lag);
    if (at && page_->failure().empty()) log::write<log::Event::k_listening>("metrics", log::name(at->text()));
    co_return page_->failure();
  }
  core::Task<bool> drain(std::int64_t) override {
    page_->stop();
    co_return true;
  }

 private:
  Server& server_;
  std::unique_ptr<MetricsPage> page_;  // requests may still be answered while the loops end
};

class CertificateService final : public Service {
 public:
  explicit CertificateService(Server& server) : server_(server), watch_(server.clock, *server.pool, *server.meter) {}
  core::Task<std::string> start() override {
    watch_.use(server_.settings.certificates);
    io::spawn(watch_.run());
    co_return std::string();
  }
  core::Task<void> commit(const Settings& next) override {
    watch_.use(next.certificates);
    co_return;
  }
  core::Task<bool> drain(std::int64_t) override { co_return true; }

 private:
  Server& server_;
  CertificateWatch watch_;
};

class ControlService final : public Service {
 public:
  explicit ControlService(Server& server)
      : server_(server), desk_{*server.trail, *server.overrides, *server.receipts, server.clock, *server.pool} {}

  core::Task<std::string> start() override {
    control::Handler handler = [this](std::string request) { return answer(std::move(request)); };
    auto control = control::Server::start(server_.settings.control_socket, handler);
    if (!control)
      co_return "control socket " + server_.settings.control_socket + ": " + std::string(io::word(control.error()));
    control_.emplace(std::move(*control));
    co_return std::string();
  }
  core::Task<bool> drain(std::int64_t) override {
    control_->stop();
    co_return true;
  }

 private:
  core::Task<control::Answer> answer(std::string request) {
    boost::json::error_code fault;
    const auto parsed = boost::json::parse(request, fault);
    const auto* object = fault ? nullptr : parsed.if_object();
    const auto* verb = object ? object->if_contains("verb") : nullptr;
    const std::string word = verb && verb->is_string() ? std::string(verb->as_string()) : "";
    if (word == "reload") co_return co_await reload_now();
    if (word == "take_over") co_return hand_over();
    co_return co_await desk_.answer(std::move(request));
  }

  core::Task<control::Answer> reload_now() {
    const Reloaded done = co_await reload(server_, "control");
    co_return boost::json::serialize(boost::json::object{{"ok", true},
                                                         {"file", server_.config_file},
                                                         {"reloaded", done.problems.empty()},
                                                         {"config_id", done.id},
                                                         {"problems", problems_json(done.problems)},
                                                         {"needs_restart", problems_json(done.restart)}});
  }

  control::Answer hand_over() {
    if (server_.leaving || server_.reloading)
      return control::Answer("{\"ok\":false,\"error\":\"the server is stopping, handing over or reloading already\"}");
    server_.handing_over = true;
    control::Answer out(boost::json::serialize(boost::json::object{
        {"ok", true}, {"drain_ms", server_.settings.drain_ms}, {"state_dir", server_.settings.state_dir}}));
    out.descriptors = server_.gate->hand_over();
    for (const int fd : server_.egress_gate->hand_over()) out.descriptors.push_back(fd);
    log::write<log::Event::k_handing_over>(out.descriptors.size(), server_.settings.drain_ms);
    io::spawn(leave(server_, "handed over"));
    out.then = [this](io::Socket socket) { return watch(std::move(socket)); };
    return out;
  }

  // The successor waits for our end. When it ends before we have, its doors are ours again.
  core::Task<void> watch(io::Socket socket) {
    server_.successor = ::dup(socket.fd());
    const auto heard = co_await socket.wait_readable(io::kNoDeadline);
    const bool stopping = !heard && heard.error() == io::IoError::kCancelled;
    if (stopping || !server_.handing_over || server_.asked_to_end) co_return;
    ::close(std::exchange(server_.successor, -1));
    log::write<log::Event::k_taken_back>("the successor has ended");
    server_.handing_over = server_.leaving = false;
    server_.gate->take_back();
    server_.egress_gate->take_back();
  }

  Server& server_;
  ControlDesk desk_;
  std::optional<control::Server> control_;
};

}  // namespace

void add_services(Server& server) {
  auto roads = std::make_unique<Roads>(server);
  server.roads = roads.get();
  server.services.push_back(std::make_unique<MxService>(server));
  server.services.push_back(std::make_unique<EgressService>(server));
  server.services.push_back(std::move(roads));
  server.services.push_back(std::make_unique<MediatorService>(server));
  server.services.push_back(std::make_unique<ControlService>(server));
  server.services.push_back(std::make_unique<MetricsService>(server));
  server.services.push_back(std::make_unique<CertificateService>(server));
  server.services.push_back(std::make_unique<SigningWatch>(server));
}

}  // namespace sekisho::cmd
