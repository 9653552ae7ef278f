// sekisho reload -c FILE
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/control/control.h"
#include "base/core/text.h"
#include "cmd/commands.h"
#include "cmd/present.h"
#include "cmd/settings.h"

namespace sekisho::cmd {

namespace {

constexpr std::int64_t kPatienceMs = 60'000;

// "key = "value"" of a line, as anybody writes it.
std::string quoted_value(std::string_view line, std::string_view key) {
  line = core::trim(line);
  if (!line.starts_with(key)) return {};
  line = core::trim(line.substr(key.size()));
  if (!line.starts_with("=")) return {};
  line = core::trim(line.substr(1));
  if (line.empty() || (line.front() != '"' && line.front() != '\'')) return {};
  return std::string(line.substr(1, line.find(line.front(), 1) - 1));
}

// The control socket of a file that may be broken, which is just when it is needed: the server is to say so itself.
std::string find_socket(const std::string& file) {
  if (auto settings = load_settings(file)) return settings->control_socket;
  std::ifstream in(file);
  std::string line, table, state_dir, socket;
  while (std::getline(in, line)) {
    const std::string_view text = core::trim(line);
    if (text.starts_with("[")) table = text.substr(0, text.find(']') + 1);
    if (table == "[server]" && state_dir.empty()) state_dir = quoted_value(text, "state_dir");
    if (table == "[control]" && socket.empty()) socket = quoted_value(text, "socket");
  }
  if (socket.empty() && state_dir.empty()) return {};
  const auto folder = std::filesystem::path(file).parent_path();
  return folder / (socket.empty() ? std::filesystem::path(state_dir) / "control.sock" : std::filesystem::path(socket));
}

int print_lines(const boost::json::array& lines) {
  for (const auto& p : lines)
    std::fprintf(stderr, "%s:%s: %s\n", std::string(p.at("file").as_string()).c_str(),
                 boost::json::serialize(p.at("line")).c_str(), std::string(p.at("message").as_string()).c_str());
  return 2;
}

}  // namespace

int reload(const Arguments& arguments) {
  std::string file;
  bool json = false;
  Cli cli(
      "reload",
      "The running server reads its config again, as SIGHUP does, and says what came of it. The whole file is looked "
      "at first; a broken one changes nothing.",
      "  sekisho reload -c /etc/sekisho/sekisho.toml");
  cli.text("-c,--config", file, "the config file of the server", true);
  cli.flag("--json", json, "one JSON document on standard output");
  if (const auto status = cli.parse(arguments)) return *status;
  const std::string socket = find_socket(file);
  if (socket.empty()) return cli.usage_error(file + ": server.state_dir cannot be found in it");
  const auto answer = io::run(control::ask(socket, "{\"verb\":\"reload\"}", io::now_ms() + kPatienceMs));
  if (!answer)
    return cli.usage_error(answer.error() == io::IoError::kTimeout
                               ? "the server at " + socket + " did not answer within 60 s"
                               : "no server answers at " + socket + " (" + std::string(io::word(answer.error())) + ")");
  boost::json::error_code fault;
  const auto parsed = boost::json::parse(*answer, fault);
  const auto* object = fault ? nullptr : parsed.if_object();
  if (!object || !object->contains("reloaded")) return cli.usage_error("the server's answer cannot be read");
  if (json) print_json(*object);
  print_lines(object->at("needs_restart").as_array());
  if (!object->at("reloaded").as_bool()) return print_lines(object->at("problems").as_array());
  if (!json)
    std::printf("%s is in force (config %s)\n", std::string(object->at("file").as_string()).c_str(),
                std::string(object->at("config_id").as_string()).c_str());
  return 0;
}

}  // namespace sekisho::cmd
