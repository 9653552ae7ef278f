// The least a checkpoint in this place must do: take a mail by SMTP, make a record durable, pass the mail on over a
// kept session, answer. No identity, no parsing, no faults, one loop and one thread for the disk. bench/gate.py
// measures it beside Sekisho: what lies between them is what identity, verdict and ledger cost.
//
// usage: floor_proxy PORT NEXT_HOP_PORT [LEDGER_FILE]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {
constexpr std::size_t kRecordOctets = 1200;  // what one mail puts into the ledger
constexpr off_t kReserve = 1 << 20;

struct Line {
  int fd = -1;
  bool hop = false;
  std::string in;
  Line* peer = nullptr;  // hop: the client it serves
  // client
  bool data = false, durable = false, opened = false;
  Line* next_hop = nullptr;
  // hop
  int replies_due = 0;
};

int epoll_fd, bell_fd;
std::uint16_t hop_port;
std::vector<Line*> idle_hops;

// One thread writes and syncs for all who wait.
class Disk {
 public:
  explicit Disk(const char* file) : fd_(::open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600)) {
    if (fd_ < 0) std::perror(file), std::exit(2);
    thread_ = std::thread([this] { run(); });
    thread_.detach();
  }
  void add(Line* client) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(client);
    work_.notify_one();
  }
  std::vector<Line*> take_done() {
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
  }

 private:
  void run() {
    off_t at = 0, reserved = 0;
    for (;;) {
      std::vector<Line*> batch;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [&] { return !waiting_.empty(); });
        batch.swap(waiting_);
      }
      const std::string octets(batch.size() * kRecordOctets, 'r');
      const off_t end = at + static_cast<off_t>(octets.size());
      bool written = ::pwrite(fd_, octets.data(), octets.size(), at) == static_cast<ssize_t>(octets.size());
      at = end;
      if (at > reserved) {
        static const std::string zeros(kReserve, '\0');
        written &= ::pwrite(fd_, zeros.data(), zeros.size(), at) == static_cast<ssize_t>(zeros.size());
        reserved = at + kReserve;
      }
      if (!written || ::fdatasync(fd_) != 0) std::perror("ledger"), std::exit(2);
      const std::lock_guard lock(mutex_);
      done_.insert(done_.end(), batch.begin(), batch.end());
      const std::uint64_t one = 1;
      if (::write(bell_fd, &one, sizeof one) < 0) std::perror("bell");
    }
  }
  int fd_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Line*> waiting_, done_;
  std::thread thread_;
};
Disk* disk;

void say(Line& to, std::string_view text) {
  if (::send(to.fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) std::perror("send");
}

void watch(Line& line) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = &line;
  if (::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, line.fd, &event) != 0) std::perror("epoll_ctl"), std::exit(2);
}

std::string read_lines(int fd, int lines) {
  std::string out;
  char buffer[4096];
  while (std::count(out.begin(), out.end(), '\n') < lines) {
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) std::fprintf(stderr, "the next hop is gone\n"), std::exit(2);
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

Line* take_hop() {
  if (!idle_hops.empty()) {
    Line* hop = idle_hops.back();
    idle_hops.pop_back();
    return hop;
  }
  auto* hop = new Line;
  hop->hop = true;
  hop->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(hop_port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(hop->fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) std::perror("connect"), std::exit(2);
  const int on = 1;
  ::setsockopt(hop->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)read_lines(hop->fd, 1);
  say(*hop, "EHLO floor.example\r\n");
  while (read_lines(hop->fd, 1).find("250 ") == std::string::npos) continue;
  ::fcntl(hop->fd, F_SETFL, O_NONBLOCK);
  watch(*hop);
  return hop;
}

// The message goes out once its record is durable and the next hop has opened the transaction.
void pass_on(Line& client) {
  if (!client.durable || !client.opened) return;
  client.next_hop->replies_due = 1;
  say(*client.next_hop, client.in);
}

void message_ended(Line& client) {
  client.data = client.durable = client.opened = false;
  if (disk) disk->add(&client);
  client.durable = disk == nullptr;
  client.next_hop = take_hop();
  client.next_hop->peer = &client;
  client.next_hop->replies_due = 3;
  say(*client.next_hop, "MAIL FROM:<a@sender.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n");
}

void hop_spoke(Line& hop) {
  hop.replies_due -= static_cast<int>(std::count(hop.in.begin(), hop.in.end(), '\n'));
  hop.in.clear();
  if (hop.replies_due > 0) return;
  Line& client = *hop.peer;
  if (!std::exchange(client.opened, true)) return pass_on(client);
  idle_hops.push_back(&hop);
  client.in.clear();
  say(client, "250 2.0.0 Ok\r\n");
}

// False when the session is over.
bool client_spoke(Line& client) {
  if (client.data) {
    if (client.in.ends_with("\r\n.\r\n")) message_ended(client);
    return true;
  }
  if (!client.in.ends_with("\r\n")) return true;
  const std::string_view verb = std::string_view(client.in).substr(0, 4);
  const bool quit = verb == "QUIT";
  client.data = verb == "DATA";
  say(client, quit ? "221 2.0.0 Bye\r\n" : client.data ? "354 Go on\r\n" : "250 Ok\r\n");
  client.in.clear();
  return !quit;
}

void serve(Line& line) {
  char buffer[16384];
  const ssize_t got = ::recv(line.fd, buffer, sizeof buffer, MSG_DONTWAIT);
  bool going_on = got > 0;
  if (going_on) line.in.append(buffer, static_cast<std::size_t>(got));
  if (going_on && line.hop) return hop_spoke(line);
  if (going_on) going_on = client_spoke(line);
  if (going_on || (got < 0 && errno == EAGAIN)) return;
  if (line.hop) std::fprintf(stderr, "the next hop is gone\n"), std::exit(2);
  ::close(line.fd);
  delete &line;
}

void accept_all(int listener) {
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    auto* client = new Line;
    client->fd = fd;
    watch(*client);
    say(*client, "220 floor.example ESMTP\r\n");
  }
}
}  // namespace

int main(int count, char** words) {
  if (count < 3) return std::fprintf(stderr, "usage: floor_proxy PORT NEXT_HOP_PORT [LEDGER_FILE]\n"), 2;
  hop_port = static_cast<std::uint16_t>(std::atoi(words[2]));
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words[1])));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(listener, 1024) != 0)
    return std::perror("bind"), 2;
  epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  bell_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  Line door, bell;
  door.fd = listener, bell.fd = bell_fd;
  watch(door), watch(bell);
  if (count > 3) disk = new Disk(words[3]);
  epoll_event events[256];
  for (;;) {
    const int ready = ::epoll_wait(epoll_fd, events, 256, -1);
    for (int i = 0; i < ready; ++i) {
      auto* line = static_cast<Line*>(events[i].data.ptr);
      if (line == &door) {
        accept_all(listener);
      } else if (line == &bell) {
        for (Line* client : disk->take_done()) client->durable = true, pass_on(*client);
      } else {
        serve(*line);
      }
    }
  }
}
