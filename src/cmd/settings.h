#pragma once
// A config file as serve, check and replay use it: the values of the option table turned into the rooms' own settings.
#include <memory>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "base/dns/stub.h"
#include "base/dns/zone.h"
#include "base/io/keychain.h"
#include "cmd/mediator_settings.h"
#include "gate/egress/egress.h"
#include "gate/mx/mx.h"
#include "road/connection/connection.h"
#include "road/identity/signing/signing.h"
#include "road/inbound/inbound.h"
#include "trail/trail.h"
#include "transfer/transfer.h"

namespace sekisho::cmd {

struct Settings {
  config::Values values;
  std::shared_ptr<inbound::Config> road;
  std::vector<io::Endpoint> mx;
  session::Settings session;
  std::shared_ptr<io::Keychain> certificates;  // null: no TLS at our gates; session.tls serves from it
  mx::Limits gate;
  std::uint64_t memory_bytes = 0;
  std::vector<transfer::Options> hops;
  connection::Settings limits;
  dns::StubOptions dns;
  std::string zone_file;
  std::shared_ptr<const dns::Zone> zone;  // as it was read; null without a file
  trail::TrailSettings trail;
  std::int64_t retention_days = 0, receipt_days = 0;
  std::string state_dir, control_socket;
  std::size_t threads = 1;
  std::optional<io::Endpoint> metrics;
  std::string log_file, log_level;
  std::string user;
  bool sandbox = true;
  std::int64_t drain_ms = 30'000;
  std::shared_ptr<const signing::KeyTable> signing;
  std::vector<io::Endpoint> egress_listen;
  session::Settings egress_session;
  std::shared_ptr<const egress::Config> egress;
  MediatorSettings mediator;
  std::vector<config::Problem> warnings;  // it can be served so, yet something should be done
};

// Everything serve needs is looked at here, files too, so that `config check` tells what serve would.
core::Result<Settings, std::vector<config::Problem>> load_settings(const std::string& file);
// The line of a key, or of its row where the file does not have it; at least 1.
std::uint32_t line_near(const config::Values& values, const std::string& key);
// Digest of all values; those that only a restart can change count as `started` has them.
std::string config_id(const config::Values& values, const config::Values& started);
// Paths of the config, each with its key: files and folders that a running server may have to open again.
std::vector<std::pair<std::string, std::string>> paths_of(const config::Values& values);
// What check and replay use without a config file.
std::shared_ptr<inbound::Config> default_road(const std::string& authserv_id);

}  // namespace sekisho::cmd
