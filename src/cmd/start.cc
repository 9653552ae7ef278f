#include "cmd/start.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

namespace sekisho::cmd {

std::string make_folder(const std::string& path) {
  std::error_code fault;
  const bool made = std::filesystem::create_directories(path, fault);
  if (fault) return path + ": " + fault.message();
  if (made) ::chmod(path.c_str(), 0700);
  return {};
}

namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kAnswerMs = 10'000;

std::string parent_of(const std::string& path) {
  const std::string parent = fs::absolute(path).parent_path();
  return parent.empty() ? "/" : parent;
}

bool stands_in(const std::vector<io::Listener>& doors, const io::Endpoint& at) {
  return std::any_of(doors.begin(), doors.end(), [&](const io::Listener& door) { return door.local() == at; });
}

// Every address that must have a door at the start.
std::vector<io::Endpoint> wanted_doors(const Server& s) {
  std::vector<io::Endpoint> out = s.settings.mx;
  out.insert(out.end(), s.settings.egress_listen.begin(), s.settings.egress_listen.end());
  return out;
}

// Takes the socket for one of the addresses of mx.listen or egress.listen, or closes it.
bool use_handed(const Server& s, int fd, std::vector<io::Listener>& into) {
  auto listener = io::Listener::adopt(fd);
  if (!listener) {
    ::close(fd);
    return false;
  }
  const io::Endpoint at = listener->local();
  const auto wanted = wanted_doors(s);
  if (std::find(wanted.begin(), wanted.end(), at) == wanted.end() || stands_in(into, at)) return false;
  into.push_back(std::move(*listener));
  return true;
}

// Those that nobody has handed in.
std::string bind_the_rest(Server& s) {
  const std::pair<const char*, const std::vector<io::Endpoint>&> wanted[] = {
      {"mx.listen: ", s.settings.mx}, {"egress.listen: ", s.settings.egress_listen}};
  for (const auto& [key, all] : wanted) {
    std::vector<io::Endpoint> missing;
    for (const auto& at : all)
      if (!stands_in(s.doors, at) && !stands_in(s.handed, at)) missing.push_back(at);
    auto bound = mx::Gate::bind(missing);
    if (!bound) {
      // Most often it is this very server, started once more.
      const std::string holder = store::Ledger::holder(s.settings.trail.ledger.folder);
      return key + bound.error() + (holder.empty() ? "" : "; " + holder);
    }
    for (auto& listener : *bound) s.doors.push_back(std::move(listener));
  }
  return {};
}

std::string address_of(int fd) {
  const auto listener = io::Listener::adopt(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  return listener ? listener->local().text() : "descriptor " + std::to_string(fd) + ", no listening TCP socket,";
}

}  // namespace

std::string open_doors(Server& s) {
  const auto handed = process::handed_sockets();
  if (!handed) return handed.error();
  for (const auto& socket : *handed) {
    const std::string at = address_of(socket.fd);
    if (!use_handed(s, socket.fd, s.handed))
      return at + (socket.name.empty() ? "" : " (" + socket.name + ")") +
             " was handed in by the service manager, but mx.listen does not name it: add it there, or take it out of "
             "the socket unit";
  }
  return bind_the_rest(s);
}

core::Result<std::optional<control::Handing>, std::string> ask_for_doors(Server& s) {
  const std::string& socket = s.settings.control_socket;
  auto handing = control::Handing::ask(socket, "{\"verb\":\"take_over\"}", io::now_ms() + kAnswerMs);
  if (!handing) {
    if (handing.error() == io::IoError::kRefused) return std::optional<control::Handing>();
    return core::error("the server at " + socket + " does not hand over: " + std::string(io::word(handing.error())));
  }
  boost::json::error_code fault;
  const auto answer = boost::json::parse(handing->text(), fault);
  const auto* object = fault ? nullptr : answer.if_object();
  const auto* ok = object ? object->if_contains("ok") : nullptr;
  if (!ok || !ok->is_bool() || !ok->as_bool()) {
    const auto* why = object ? object->if_contains("error") : nullptr;
    return core::error("the server at " + socket + " does not hand over: " +
                       (why && why->is_string() ? std::string(why->as_string()) : "its answer cannot be read"));
  }
  for (const int fd : handing->take_descriptors())
    use_handed(s, fd, s.doors);  // one that our config does not name is closed
  const std::string fault_text = bind_the_rest(s);
  if (!fault_text.empty()) return core::error(fault_text);
  return std::optional<control::Handing>(std::move(*handing));
}

std::string wait_for_predecessor(const control::Handing& handing, const Server& s) {
  boost::json::error_code fault;
  const auto answer = boost::json::parse(handing.text(), fault);
  const auto* drain = fault ? nullptr : answer.as_object().if_contains("drain_ms");
  const std::int64_t grace_ms = drain && drain->is_int64() ? drain->as_int64() : s.settings.drain_ms;
  // Its ledger is closed behind the drain.
  if (handing.wait_for_end(io::now_ms() + grace_ms + 30'000)) return {};
  return "the server before us has not ended " + std::to_string(grace_ms / 1000 + 30) + " s after it was asked to";
}

namespace {

// The first thing below `path` that the user could not write; "" when there is none.
std::string foreign_below(const std::string& path, std::uint32_t uid) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0) return {};
  if (about.st_uid != uid) return path;
  if (!S_ISDIR(about.st_mode)) return {};
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(path, fault)) {
    const std::string found = foreign_below(entry.path(), uid);
    if (!found.empty()) return found;
  }
  return {};
}

// A folder that is new is given to the user; what is there already must be the user's.
std::string give_folder(const std::string& path, const process::User& user) {
  std::error_code fault;
  if (!fs::exists(path, fault)) {
    const std::string made = make_folder(path);
    if (!made.empty()) return made;
    if (::chown(path.c_str(), user.uid, user.gid) != 0) return path + ": " + std::strerror(errno);
  }
  const std::string foreign = foreign_below(fs::canonical(path, fault), user.uid);
  if (foreign.empty()) return {};
  return foreign + " does not belong to " + user.name + " (server.user); give it away: chown -R " + user.name + ": " +
         path;
}

std::string give_log(const std::string& path, const process::User& user) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return path + ": " + std::strerror(errno);
  struct stat about {};
  const bool given = ::fstat(fd, &about) == 0 && (about.st_uid == user.uid || ::fchown(fd, user.uid, user.gid) == 0);
  ::close(fd);
  return given ? "" : path + ": " + std::strerror(errno);
}

std::string become_user(const Settings& settings) {
  const auto user = process::find_user(settings.user);
  if (!user) return "server.user: " + user.error();
  if (user->uid == ::geteuid()) return {};
  if (!process::is_root())
    return "server.user: only root can become " + user->name + "; start it as root, or leave server.user empty";
  std::string fault = give_folder(settings.state_dir, *user);
  for (const auto& hop : settings.hops)
    if (fault.empty() && !hop.folder.empty()) fault = give_folder(hop.folder, *user);
  if (fault.empty() && !settings.log_file.empty()) fault = give_log(settings.log_file, *user);
  const std::string socket_folder = parent_of(settings.control_socket);
  std::error_code gone;
  if (fault.empty() && !fs::exists(socket_folder, gone)) fault = give_folder(socket_folder, *user);
  if (!fault.empty()) return fault;
  fault = process::become(*user);
  return fault.empty() ? "" : "server.user: cannot become " + user->name + ": " + fault;
}

// What a reload opens again: the config and the files it names.
std::vector<std::string> files_of(const Server& s) {
  std::vector<std::string> out{s.config_file};
  for (const auto& [key, path] : paths_of(s.settings.values)) {
    const bool own = key == "server.state_dir" || key == "control.socket" || key == "log.file" ||
                     key == "mediator.listen_unix" || key.ends_with(".folder");
    if (!own) out.push_back(path);
  }
  return out;
}

process::Cage cage_of(const Server& s) {
  // The system's: resolv.conf, certificates, the public suffix list, time zones, what libraries open late.
  process::Cage cage{{"/etc", "/usr", "/lib", "/lib64", "/proc", "/sys/devices/system", "/sys/fs/cgroup",
                      "/run/systemd/resolve", "/dev/urandom", "/dev/random"},
                     {s.settings.state_dir, parent_of(s.settings.control_socket)}};
  for (const auto& path : files_of(s)) cage.read.push_back(parent_of(path));
  for (const auto& hop : s.settings.hops)
    if (!hop.folder.empty()) cage.write.push_back(hop.folder);
  if (!s.settings.log_file.empty()) cage.write.push_back(parent_of(s.settings.log_file));
  if (const auto& path = s.settings.mediator.doors.unix_socketmap; !path.empty()) cage.write.push_back(parent_of(path));
  return cage;
}

core::Result<std::unique_ptr<log::Logger>, log::LogError> open_log(const Settings& settings) {
  log::Options options;
  options.sink = settings.log_file.empty() ? log::Sink::kStderr : log::Sink::kFile;
  options.path = settings.log_file;
  log::parse_level(settings.log_level, options.level);
  return log::Logger::open(options);
}

void tell_unreadable(const Server& s) {
  for (const auto& path : files_of(s))
    if (!process::can_read(path))
      log::write<log::Event::k_config_unreadable_later>(log::name(path), log::name(s.settings.user));
}

}  // namespace

std::string step_down(Server& s) {
  // The cage knows folders by what they are, so they must be there.
  if (!s.settings.user.empty()) {
    const std::string fault = become_user(s.settings);
    if (!fault.empty()) return fault;
  }
  std::vector<std::string> folders{s.settings.state_dir};
  for (const auto& hop : s.settings.hops)
    if (!hop.folder.empty()) folders.push_back(hop.folder);
  for (const auto& folder : folders) {
    const std::string fault = make_folder(folder);
    if (!fault.empty()) return fault;
  }
  process::Confined confined{false, false, "server.sandbox is off"};
  if (s.settings.sandbox && process::built_with_sanitizers())
    confined.note = "built with sanitizers, which need what it forbids";
  else if (s.settings.sandbox)
    confined = process::confine(cage_of(s));
  s.sandboxed = confined.files;
  auto logger = open_log(s.settings);
  if (!logger) return s.settings.log_file + ": the log file cannot be opened; is the folder there and writable?";
  s.logger = std::move(*logger);
  log::write<log::Event::k_started>(SEKISHO_VERSION, log::name(s.config_file));
  if (!s.settings.user.empty()) log::write<log::Event::k_user_changed>(log::name(s.settings.user));
  if (process::is_root()) log::write<log::Event::k_runs_as_root>("set server.user");
  if (confined.files || confined.calls)
    log::write<log::Event::k_sandboxed>(log::name(confined.files ? "on" : "off"),
                                        log::name(confined.calls ? "on" : "off"));
  if (!confined.note.empty()) log::write<log::Event::k_not_sandboxed>(log::name(confined.note));
  tell_unreadable(s);
  return {};
}

namespace {
// The lock of a server that has just ended may take a moment to go.
core::Result<std::unique_ptr<trail::Trail>, store::StoreError> open_trail(const Server& s, bool after_another) {
  for (int tries = after_another ? 40 : 0;; --tries) {
    auto trail = trail::Trail::open(s.settings.trail);
    if (trail || trail.error().kind != store::StoreErrorKind::kLocked || tries <= 0) return trail;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}
}  // namespace

std::string open_state(Server& s, bool after_another) {
  s.pool = std::make_unique<io::Pool>(4);
  s.settings.trail.pool = s.pool.get();
  auto trail = open_trail(s, after_another);
  if (!trail) return trail.error().text();
  s.trail = std::move(*trail);
  for (const auto& report : s.trail->reports())
    log::write<log::Event::k_store_report>(log::name(s.settings.state_dir), log::name(report));
  auto overrides = override_::Overrides::open(s.settings.state_dir + "/overrides");
  if (!overrides) return overrides.error();
  s.overrides = std::move(*overrides);
  auto partial = partial::Memory::open(s.settings.state_dir + "/partial", s.clock.now_s());
  if (!partial) return partial.error();
  s.partial = std::move(*partial);
  receipt::Settings receipts;
  receipts.keep_s = s.settings.receipt_days * 86400;
  const std::string key_file = s.settings.state_dir + "/receipt.keys";
  auto ring = receipt::KeyRing::open(key_file, receipts, s.random, s.clock.now_s());
  if (!ring)
    return key_file + ": " +
           (ring.error() == receipt::KeyError::kMalformed ? "is no key file of ours; move it away to begin a new one"
                                                          : "cannot be read or written");
  s.receipts = std::move(*ring);
  read_temporary(s);
  s.limits = std::make_unique<connection::Limits>(s.settings.limits);
  s.octets = std::make_unique<smtp::OctetPool>(memory_for_messages(s.settings.memory_bytes));
  s.meter = std::make_unique<RoadMeter>();
  for (std::size_t i = 0; i < s.settings.threads; ++i) s.loops.push_back(std::make_unique<io::Loop>());
  return {};
}

}  // namespace sekisho::cmd
