#include "base/dns/transport.h"

#include <algorithm>
#include <utility>

#include "base/dns/packet.h"
#include "base/dns/record.h"
#include "base/dns/reply.h"

namespace sekisho::dns {

struct Exchange::Sent {
  Exchange* exchange = nullptr;
  std::shared_ptr<Transport::Slot> slot;
  std::string query;
  std::uint16_t id = 0;
  bool exact_case = false;
};

// One connected UDP socket: its random port and the random id together guard against forged replies (RFC 5452).
struct Transport::Slot {
  Slot(io::Udp socket, const io::Endpoint& to) : udp(std::move(socket)), server(to) {}
  io::Udp udp;
  io::Endpoint server;
  std::int64_t born_ms = io::now_ms();
  std::int64_t last_deadline_ms = 0;
  unsigned queries = 0;
  bool reading = false;
  bool broken = false;
  std::unordered_map<std::uint16_t, Exchange::Sent*> waiting;
  std::array<char, 4096> buffer;

  bool usable(std::int64_t now) const { return !broken && queries < kSocketQueries && now - born_ms < kSocketLifeMs; }
};

Exchange::~Exchange() {
  for (const auto& sent : sent_) {
    auto& waiting = sent->slot->waiting;
    const auto mine = waiting.find(sent->id);
    if (mine != waiting.end() && mine->second == sent.get()) waiting.erase(mine);
  }
}

Try Exchange::take() {
  Try out = std::move(*end_);
  end_.reset();
  return out;
}

std::shared_ptr<Transport::Slot> Transport::pick(const io::Endpoint& server) {
  auto& pool = pools_[server];
  const std::int64_t now = io::now_ms();
  const std::size_t at = random_.u64() % kSockets;
  if (at < pool.size() && pool[at]->usable(now)) return pool[at];
  auto udp = io::Udp::connect(server);
  if (!udp) return nullptr;
  auto slot = std::make_shared<Slot>(std::move(*udp), server);
  if (at < pool.size()) {
    pool[at] = slot;
  } else {
    pool.push_back(slot);
  }
  if (!retiring_) {
    retiring_ = true;
    io::spawn(retire(shared_from_this()));
  }
  return slot;
}

// Closes sockets at the end of their life, all of them when the loop stops; the loop's end finds none open.
core::Task<void> Transport::retire(std::shared_ptr<Transport> self) {
  for (;;) {
    const auto slept = co_await io::sleep_until(io::now_ms() + kSocketLifeMs / 4);
    if (!slept) self->pools_.clear();
    const std::int64_t now = io::now_ms();
    for (auto pool = self->pools_.begin(); pool != self->pools_.end();) {
      std::erase_if(pool->second, [now](const auto& slot) { return !slot->usable(now); });
      pool = pool->second.empty() ? self->pools_.erase(pool) : std::next(pool);
    }
    if (self->pools_.empty()) break;
  }
  self->retiring_ = false;
}

core::Task<void> Transport::read(std::shared_ptr<Transport> self, std::shared_ptr<Slot> slot) {
  while (!slot->waiting.empty()) {
    const std::span<char> into(slot->buffer);
    auto got = co_await slot->udp.receive(into, slot->last_deadline_ms);
    if (got) {
      self->dispatch(*slot, {slot->buffer.data(), got->size});
      continue;
    }
    if (got.error() == io::IoError::kTimeout && io::now_ms() < slot->last_deadline_ms) continue;
    const bool stopped = got.error() == io::IoError::kCancelled;
    if (got.error() != io::IoError::kTimeout) {
      // Refused or unreachable: nobody will answer here any more.
      slot->broken = true;
      for (auto& [id, sent] : slot->waiting) {
        Exchange& exchange = *sent->exchange;
        if (exchange.end_ || exchange.sent_.back().get() != sent) continue;
        exchange.end_ = Try{stopped ? Try::End::kStopped : Try::End::kUnreachable, {}, {}};
        exchange.event_.set();
      }
    }
    break;
  }
  slot->reading = false;
}

void Transport::dispatch(Slot& slot, std::string_view datagram) {
  const auto waiting = datagram.size() < kHeaderSize
                           ? slot.waiting.end()
                           : slot.waiting.find(static_cast<std::uint16_t>(get16(datagram, 0)));
  if (waiting == slot.waiting.end() || !belongs_to(waiting->second->query, datagram, waiting->second->exact_case)) {
    ++counts_.rejected;
    return;
  }
  Exchange& exchange = *waiting->second->exchange;
  if (exchange.end_ && exchange.end_->end == Try::End::kReply) return;
  ++counts_.replies;
  slot.waiting.erase(waiting);  // a second reply to it is nobody's
  exchange.end_ = Try{Try::End::kReply, std::string(datagram), slot.server};
  exchange.event_.set();
}

core::Task<bool> Transport::stand_in_line(std::int64_t deadline_ms) {
  Turn turn;
  const auto place = line_.insert(line_.end(), &turn);
  (void)co_await turn.event.wait(deadline_ms);
  if (!turn.given) line_.erase(place);
  co_return turn.given;
}

void Transport::leave() {
  if (line_.empty()) {
    --fresh_;
    return;
  }
  Turn* next = line_.front();  // takes over our place in the window
  line_.pop_front();
  next->given = true;
  next->event.set();
}

bool Transport::send(Exchange& exchange, const io::Endpoint& server, std::string query, bool exact_case,
                     std::int64_t deadline_ms) {
  auto slot = pick(server);
  if (!slot) return false;
  auto sent = std::make_shared<Exchange::Sent>();
  do {
    sent->id = static_cast<std::uint16_t>(random_.u64());
  } while (slot->waiting.count(sent->id));
  query[0] = static_cast<char>(sent->id >> 8);
  query[1] = static_cast<char>(sent->id & 255);
  sent->exchange = &exchange;
  sent->slot = slot;
  sent->query = std::move(query);
  sent->exact_case = exact_case;
  slot->waiting.emplace(sent->id, sent.get());
  exchange.sent_.push_back(sent);
  slot->last_deadline_ms = std::max(slot->last_deadline_ms, deadline_ms);
  ++slot->queries;
  ++counts_.queries;
  if (!slot->udp.send(sent->query)) return slot->broken = true, false;
  if (!slot->reading) {
    slot->reading = true;
    io::spawn(read(shared_from_this(), slot));
  }
  return true;
}

// A place in the window of fresh queries.
struct Transport::Place {
  Transport* lane;
  ~Place() { give(); }
  void give() {
    if (lane) std::exchange(lane, nullptr)->leave();
  }
};

core::Task<Try> Transport::ask_udp(Exchange& exchange, io::Endpoint server, std::string query, bool exact_case,
                                   std::int64_t wait_ms, std::int64_t deadline_ms) {
  if (fresh_ < kWindow) {
    ++fresh_;
  } else {
    const bool given = co_await stand_in_line(deadline_ms);
    const bool late = io::now_ms() >= deadline_ms;
    if (!given) co_return Try{late ? Try::End::kTimeout : Try::End::kStopped, {}, server};
  }
  Place place{this};
  const std::int64_t now = io::now_ms();
  const std::int64_t until_ms = std::min(deadline_ms, now + wait_ms);
  const std::int64_t fresh_until_ms = std::min(until_ms, now + kFreshMs);
  // To an earlier try, while we stood in line.
  if (exchange.end_ && exchange.end_->end == Try::End::kReply) co_return exchange.take();
  exchange.end_.reset();
  if (!send(exchange, server, std::move(query), exact_case, until_ms)) {
    co_return Try{Try::End::kUnreachable, {}, server};
  }
  bool stopped = false;
  while (!exchange.end_ && !stopped && (place.lane || io::now_ms() < until_ms)) {
    const std::int64_t wake_ms = place.lane ? fresh_until_ms : until_ms;
    const auto waited = co_await exchange.event_.wait(wake_ms);
    stopped = !waited && waited.error() == io::IoError::kCancelled;
    place.give();
  }
  if (exchange.end_) co_return exchange.take();
  co_return Try{stopped ? Try::End::kStopped : Try::End::kTimeout, {}, server};
}

namespace {
core::Task<bool> read_all(io::Socket& socket, std::span<char> into, std::int64_t deadline_ms) {
  while (!into.empty()) {
    const auto got = co_await socket.read(into, deadline_ms);
    if (!got) co_return false;
    into = into.subspan(*got);
  }
  co_return true;
}
}  // namespace

// RFC 7766: two octets of length go before each message.
core::Task<Try> Transport::ask_tcp(io::Endpoint server, std::string query, std::int64_t deadline_ms) {
  ++counts_.queries;
  ++counts_.tcp;
  auto socket = co_await io::Socket::connect(server, deadline_ms);
  if (!socket) {
    const bool late = socket.error() == io::IoError::kTimeout;
    co_return Try{late ? Try::End::kTimeout : Try::End::kUnreachable, {}, server};
  }
  std::string framed;
  put16(framed, static_cast<std::uint32_t>(query.size()));
  framed += query;
  const auto written = co_await socket->write(framed, deadline_ms);
  if (!written) co_return Try{Try::End::kUnreachable, {}, server};
  std::array<char, 2> head;
  const bool begun = co_await read_all(*socket, head, deadline_ms);
  if (!begun) co_return Try{Try::End::kTimeout, {}, server};
  Try out{Try::End::kReply, std::string(get16({head.data(), 2}, 0), '\0'), server};
  const bool whole = co_await read_all(*socket, out.reply, deadline_ms);
  if (!whole) co_return Try{Try::End::kTimeout, {}, server};
  if (!belongs_to(query, out.reply, false)) {
    ++counts_.rejected;
    co_return Try{Try::End::kUnreachable, {}, server};
  }
  ++counts_.replies;
  co_return out;
}

}  // namespace sekisho::dns
