#pragma once
// Sockets and queries of one resolver on one loop. Private to this room.
#include <array>
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/core/random.h"
#include "base/core/task.h"
#include "base/dns/stub.h"
#include "base/io/io.h"

namespace sekisho::dns {

struct Counts {
  std::atomic<std::uint64_t> cache_hits{0}, queries{0}, replies{0}, shared{0}, timeouts{0}, servfails{0}, tcp{0},
      rejected{0};
};

struct Try {
  enum class End : std::uint8_t { kReply, kTimeout, kUnreachable, kStopped };
  End end = End::kTimeout;
  std::string reply;
  io::Endpoint server;  // who replied: with several tries not always the one asked last
};

// A look-up under way, for those of the same loop that want the same.
struct Flight {
  io::Event done;
  AnswerPtr answer;  // set before done
};

// A query that waits for its reply. It may have been sent several times; the first reply to any of them counts.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

 private:
  friend class Transport;
  struct Sent;
  Try take();
  std::vector<std::shared_ptr<Sent>> sent_;
  io::Event event_;
  std::optional<Try> end_;
};

class Transport : public std::enable_shared_from_this<Transport> {
 public:
  static constexpr std::size_t kSockets = 32;  // to one server
  static constexpr unsigned kSocketQueries = 1000;
  static constexpr std::int64_t kSocketLifeMs = 10'000;
  // So many fresh queries of one loop at a time; the others wait in line, for a server that is flooded drops queries.
  // A query counts until its reply or for kFreshMs, so names whose servers are dead do not hold up the line.
  static constexpr unsigned kWindow = 256;
  static constexpr std::int64_t kFreshMs = 250;

  Transport(core::Random& random, Counts& counts) : random_(random), counts_(counts) {}

  // Sends the query to the server over UDP under an id of its own, when its turn comes, and waits wait_ms for a reply
  // to this or an earlier try of the exchange. `query` is encoded with any id.
  core::Task<Try> ask_udp(Exchange& exchange, io::Endpoint server, std::string query, bool exact_case,
                          std::int64_t wait_ms, std::int64_t deadline_ms);
  core::Task<Try> ask_tcp(io::Endpoint server, std::string query, std::int64_t deadline_ms);

  std::map<std::string, std::shared_ptr<Flight>> flights;  // by name and type
  std::map<io::Endpoint, std::int64_t> plain_until_ms;     // servers that cannot read EDNS

 private:
  friend class Exchange;
  struct Slot;
  std::shared_ptr<Slot> pick(const io::Endpoint& server);
  static core::Task<void> read(std::shared_ptr<Transport> self, std::shared_ptr<Slot> slot);
  static core::Task<void> retire(std::shared_ptr<Transport> self);
  void dispatch(Slot& slot, std::string_view datagram);
  core::Task<bool> stand_in_line(std::int64_t deadline_ms);
  void leave();
  bool send(Exchange& exchange, const io::Endpoint& server, std::string query, bool exact_case,
            std::int64_t deadline_ms);
  struct Place;
  struct Turn {
    io::Event event;
    bool given = false;
  };

  core::Random& random_;
  Counts& counts_;
  std::map<io::Endpoint, std::vector<std::shared_ptr<Slot>>> pools_;
  bool retiring_ = false;
  unsigned fresh_ = 0;
  std::list<Turn*> line_;
};

}  // namespace sekisho::dns
