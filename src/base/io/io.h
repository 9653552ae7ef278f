#pragma once
// Loops, sockets, timers and TLS as Tasks, on an epoll reactor of our own (why: docs/architecture.md).
// Every object belongs to the loop of the thread that made it and is used on that thread only (Pool and Loop::post
// excepted). Deadlines are absolute steady milliseconds (io::now_ms() + n); kNoDeadline waits for ever, one in the past
// only tries. An idle socket owns no buffer.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "base/core/task.h"

namespace sekisho::io {

enum class IoError : std::uint8_t {
  kEof,      // the peer closed its side cleanly (for TLS: close_notify, or a bare TCP end)
  kTimeout,  // the deadline passed
  kReset,    // RST, broken pipe
  kRefused,  // connect: nobody listens
  kUnreachable,
  kCancelled,  // cancel() or the loop is stopping
  kTls,        // handshake or record error; see Socket::tls_error()
  kInUse,      // bind: the address is taken
  kDenied,     // bind or open: no permission
  kLimit,      // out of descriptors or memory
  kOther,
};
std::string_view word(IoError error);
constexpr std::int64_t kNoDeadline = INT64_MAX;
std::int64_t now_ms();  // steady

struct Endpoint {
  core::IpAddress ip;
  std::uint16_t port = 0;
  static std::optional<Endpoint> parse(std::string_view text);  // "127.0.0.1:25", "[::1]:25"
  std::string text() const;
  auto operator<=>(const Endpoint&) const = default;
};

class Loop {
 public:
  Loop();
  ~Loop();
  static Loop& current();  // the loop running on this thread
  void run();              // until stop(); everything spawned must have ended or been cancelled
  void stop();  // thread-safe: cancels all pending I/O and timers of this loop with kCancelled, then run() returns
  void post(std::function<void()> work);  // thread-safe
  std::size_t live_tasks() const;         // spawned and not yet done
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Starts a task that nobody awaits; it owns all it uses (values, shared_ptr). On the current loop.
void spawn(core::Task<void> task);
// Runs one task to its end on a loop of its own: for commands and tests.
template <class T>
T run(core::Task<T> task);
core::Task<core::Result<void, IoError>> sleep_until(std::int64_t deadline_ms);  // kCancelled when the loop stops
// A one-shot wake-up between tasks of one loop: wait() returns once set() was called; resets itself.
class Event {
 public:
  Event();
  ~Event();
  void set();
  core::Task<core::Result<void, IoError>> wait(std::int64_t deadline_ms = kNoDeadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// OpenSSL contexts, TLS 1.2 and 1.3. Server: certificates and keys, chosen by SNI. Client: opportunistic or verified.
class TlsContext {
 public:
  // PEM files. The error text names the file and the reason ("key does not match certificate").
  static core::Result<std::shared_ptr<TlsContext>, std::string> server(const std::string& certificate_file,
                                                                       const std::string& key_file);
  static std::shared_ptr<TlsContext> client();  // no verification: opportunistic, RFC 7435
  static core::Result<std::shared_ptr<TlsContext>, std::string> verifying_client(
      const std::string& ca_file);  // "" = the system's
  ~TlsContext();
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  TlsContext();
  std::unique_ptr<Impl> impl_;
};

struct TlsFacts {
  std::string version, cipher;  // "TLSv1.3", "TLS_AES_256_GCM_SHA384"
  bool verified = false;
};

// A TCP or Unix stream, in the clear or TLS. All awaits on one socket: at most one read and one write at a time.
class Socket {
 public:
  Socket();
  explicit Socket(int fd);  // takes a connected, non-blocking descriptor
  Socket(Socket&&) noexcept;
  Socket& operator=(Socket&&) noexcept;
  ~Socket();
  static core::Task<core::Result<Socket, IoError>> connect(Endpoint to, std::int64_t deadline_ms,
                                                           std::optional<core::IpAddress> from = {});
  static core::Task<core::Result<Socket, IoError>> connect_unix(std::string path, std::int64_t deadline_ms);

  bool is_open() const;
  int fd() const;
  Endpoint local() const;
  Endpoint remote() const;
  // Waits until something can be read (or EOF), holding no buffer. Then read() will not suspend (TLS may still).
  core::Task<core::Result<void, IoError>> wait_readable(std::int64_t deadline_ms);
  core::Task<core::Result<std::size_t, IoError>> read(std::span<char> into,
                                                      std::int64_t deadline_ms);  // >= 1 octet, or an error
  core::Task<core::Result<void, IoError>> write(std::string_view octets, std::int64_t deadline_ms);  // all of it
  // True when unread octets or an EOF are waiting, without waiting: for early talkers and kept connections.
  bool pending() const;
  // Handshakes. Nothing that was read in the clear survives them: the caller must have dropped its buffer (RFC 3207
  // section 4.2).
  core::Task<core::Result<void, IoError>> start_tls_server(TlsContext& context, std::int64_t deadline_ms);
  core::Task<core::Result<void, IoError>> start_tls_client(TlsContext& context, std::string server_name,
                                                           std::int64_t deadline_ms);
  std::optional<TlsFacts> tls() const;
  std::string tls_error() const;
  void set_no_delay();
  void shutdown_write();
  void cancel();  // pending awaits return kCancelled
  void close();   // sends close_notify when TLS and it does not block

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// SO_REUSEADDR, backlog 1024. accept() keeps one descriptor in reserve so that EMFILE can be answered by
// accept-and-close.
class Listener {
 public:
  static core::Result<Listener, IoError> bind(const Endpoint& at);
  static core::Result<Listener, IoError> bind_unix(const std::string& path, unsigned mode);
  // Takes a TCP socket that already listens: of the service manager or of the server before us. kOther: it is none, and
  // stays the caller's.
  static core::Result<Listener, IoError> adopt(int fd);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();
  // A connected non-blocking descriptor, to be wrapped by Socket(fd) on the loop that will serve it.
  core::Task<core::Result<int, IoError>> accept();
  core::Result<int, IoError> try_accept();  // kTimeout when nobody waits
  Endpoint local() const;
  int fd() const;
  void cancel();

 private:
  Listener();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class Udp {
 public:
  static core::Result<Udp, IoError> connect(const Endpoint& to);  // kernel picks a random port
  static core::Result<Udp, IoError> bind(const Endpoint& at);
  Udp(Udp&&) noexcept;
  Udp& operator=(Udp&&) noexcept;
  ~Udp();
  core::Result<void, IoError> send(std::string_view datagram);  // connected; never waits
  core::Result<void, IoError> send_to(const Endpoint& to, std::string_view datagram);
  struct Datagram {
    std::size_t size;
    Endpoint from;
  };
  core::Task<core::Result<Datagram, IoError>> receive(std::span<char> into, std::int64_t deadline_ms);
  Endpoint local() const;
  void cancel();

 private:
  Udp();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Threads for work over 1 ms (RSA signing, RocksDB, SQLite, fsync). The awaiting task is resumed on its own loop.
class Pool {
 public:
  explicit Pool(std::size_t threads);
  ~Pool();  // waits for what runs
  core::Task<void> run(std::function<void()> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// SIGTERM, SIGINT, SIGHUP as a Task on the current loop; one waiter in the process. Between two calls they are kept.
core::Task<core::Result<int, IoError>> wait_signal(std::span<const int> signals);

namespace detail {
void run_on_own_loop(core::Task<void> task);
}
template <class T>
T run(core::Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    detail::run_on_own_loop(std::move(task));
  } else {
    std::optional<T> out;
    auto wrap = [](core::Task<T> inner, std::optional<T>& slot) -> core::Task<void> { slot.emplace(co_await inner); };
    detail::run_on_own_loop(wrap(std::move(task), out));
    return std::move(*out);
  }
}

}  // namespace sekisho::io
