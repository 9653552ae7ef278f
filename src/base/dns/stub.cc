#include "base/dns/stub.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/core/text.h"
#include "base/dns/cache.h"
#include "base/dns/fault.h"
#include "base/dns/packet.h"
#include "base/dns/record.h"
#include "base/dns/reply.h"
#include "base/dns/transport.h"

namespace sekisho::dns {
namespace {

constexpr std::uint32_t kMaxPositiveTtl = 3600;
constexpr std::uint32_t kFaultTtl = 5;
constexpr std::int64_t kPlainForMs = 600'000;

AnswerPtr fault(Code code, const Name& name) {
  auto answer = std::make_shared<Answer>();
  answer->code = code;
  answer->canonical = name;
  return answer;
}

// 0x20: letters of the question in random case.
void mix_case(std::string& query, core::Random& random) {
  std::uint64_t bits = 0;
  const std::size_t end = kHeaderSize + name_length(std::string_view(query).substr(kHeaderSize));
  for (std::size_t at = kHeaderSize; at < end; ++at) {
    if ((at - kHeaderSize) % 64 == 0) bits = random.u64();
    if (core::is_alpha(query[at]) && (bits & 1) != 0) query[at] = static_cast<char>(query[at] - 32);
    bits >>= 1;
  }
}

bool refuses_edns(std::string_view reply) {
  const auto header = decode_header(reply);
  return header && (header->rcode == Rcode::kFormErr || header->rcode == Rcode::kNotImp);
}

bool is_truncated(std::string_view reply) {
  const auto header = decode_header(reply);
  return header && header->truncated;
}

std::int64_t keep_s(const Answer& answer) {
  if (answer.code == Code::kNotAllowed) return 0;
  if (is_temporary(answer.code)) return kFaultTtl;
  return std::min(answer.ttl_s, answer.code == Code::kRecords ? kMaxPositiveTtl : kMaxNegativeTtl);
}

class Stub final : public StubResolver {
 public:
  Stub(StubOptions options, const core::Clock& clock, core::Random& random)
      : options_(std::move(options)), clock_(clock), random_(random), cache_(options_.cache_bytes, random) {
    if (options_.servers.empty()) options_.servers = system_servers();
    options_.edns_bytes = std::clamp<std::uint16_t>(options_.edns_bytes, 512, 4096);
    options_.rounds = std::clamp(options_.rounds, 1u, 8u);
  }

  AnswerPtr ready(const Name& name, Type type) override {
    AnswerPtr kept = cache_.find(name, type, clock_.steady_ms());
    if (kept) counts_.cache_hits.fetch_add(1, std::memory_order_relaxed);
    return kept;
  }

  core::Task<AnswerPtr> lookup(Name name, Type type, core::Budget& budget) override;
  StubStats stats() const override;
  void flush() override { cache_.clear(); }

 private:
  // What one look-up goes through; it lives in the frame of ask().
  struct Asking {
    std::shared_ptr<Transport> transport;
    const Name& name;
    Type type;
    std::int64_t deadline_ms;
    bool mixed_case = false;
    Exchange exchange;
  };
  struct Outcome {
    Answer answer;
    bool unfinished = false;  // see make_answer()
    bool stopped = false;
  };

  std::shared_ptr<Transport> transport();
  core::Task<AnswerPtr> resolve(std::shared_ptr<Transport> transport, const Name& name, Type type,
                                core::Budget& budget);
  core::Task<Outcome> ask(std::shared_ptr<Transport> transport, const Name& name, Type type, std::int64_t deadline_ms);
  core::Task<Try> attempt(Asking& asking, io::Endpoint server, std::int64_t wait_ms);
  std::string query(const Asking& asking, const io::Endpoint& server) const;
  std::int64_t wait_ms(unsigned round, bool last) const;
  static Outcome read(const Asking& asking, const Try& got);

  StubOptions options_;
  const core::Clock& clock_;
  core::Random& random_;
  Cache cache_;
  Counts counts_;
  inline static std::atomic<std::uint64_t> next_id{0};
  const std::uint64_t id_ = ++next_id;
};

// The transport of this resolver on the running loop. It lives as long as it has sockets or queries; both end with the
// loop, so an entry of a loop that is gone is always expired.
std::shared_ptr<Transport> Stub::transport() {
  thread_local std::map<std::pair<std::uint64_t, io::Loop*>, std::weak_ptr<Transport>> lanes;
  std::weak_ptr<Transport>& lane = lanes[{id_, &io::Loop::current()}];
  auto alive = lane.lock();
  if (alive) return alive;
  alive = std::make_shared<Transport>(random_, counts_);
  lane = alive;
  std::erase_if(lanes, [](const auto& entry) { return entry.second.expired(); });
  return alive;
}

core::Task<AnswerPtr> Stub::lookup(Name name, Type type, core::Budget& budget) {
  if (AnswerPtr kept = ready(name, type)) co_return kept;
  const auto lane = transport();
  std::string key = name.wire();
  put16(key, static_cast<std::uint32_t>(type));
  const auto under_way = lane->flights.find(key);
  if (under_way != lane->flights.end()) {
    const auto flight = under_way->second;
    ++counts_.shared;
    (void)co_await flight->done.wait();
    co_return flight->answer ? flight->answer : fault(Code::kTimeout, name);
  }
  if (!budget.take_query()) co_return fault(Code::kNotAllowed, name);
  const auto flight = std::make_shared<Flight>();
  lane->flights.emplace(key, flight);
  flight->answer = co_await resolve(lane, name, type, budget);
  lane->flights.erase(key);
  flight->done.set();
  co_return flight->answer;
}

// A server that only speaks for its own zones ends a chain where it leaves them; the rest is asked for by itself.
core::Task<AnswerPtr> Stub::resolve(std::shared_ptr<Transport> lane, const Name& name, Type type,
                                    core::Budget& budget) {
  Name at = name;
  std::uint32_t ttl_s = UINT32_MAX;
  bool authenticated = true;
  const std::int64_t deadline_ms = io::now_ms() + options_.timeout_ms;
  for (unsigned links = 0;; ++links) {
    Outcome out = co_await ask(lane, at, type, deadline_ms);
    authenticated = authenticated && out.answer.authenticated;
    if (out.unfinished && links < kMaxCnames) {
      if (!budget.take_query()) co_return fault(Code::kNotAllowed, name);
      const auto cname_ttl = out.answer.ttl_s;
      ttl_s = std::min(ttl_s, cname_ttl);
      at = out.answer.canonical;
      continue;
    }
    auto answer = out.unfinished ? std::make_shared<Answer>() : std::make_shared<Answer>(std::move(out.answer));
    if (out.unfinished) answer->code = Code::kMalformed, answer->canonical = name;
    answer->authenticated = authenticated;
    answer->ttl_s = std::min(answer->ttl_s, ttl_s);
    if (answer->code == Code::kTimeout) ++counts_.timeouts;
    if (answer->code == Code::kServFail) ++counts_.servfails;
    const std::int64_t keep = out.stopped ? 0 : keep_s(*answer);
    if (keep > 0) cache_.put(name, type, answer, clock_.steady_ms() + keep * 1000);
    co_return answer;
  }
}

std::int64_t Stub::wait_ms(unsigned round, bool last) const {
  const std::int64_t wait = static_cast<std::int64_t>(options_.try_ms) << round;
  return last ? std::max<std::int64_t>(wait, 5ll * options_.try_ms) : wait;
}

core::Task<Stub::Outcome> Stub::ask(std::shared_ptr<Transport> lane, const Name& name, Type type,
                                    std::int64_t deadline_ms) {
  Asking asking{std::move(lane), name, type, deadline_ms, options_.mixed_case, {}};
  Outcome failed;
  failed.answer.code = Code::kTimeout;
  failed.answer.canonical = name;
  std::vector<io::Endpoint> left = options_.servers;
  for (unsigned round = 0; round < options_.rounds && !left.empty(); ++round) {
    bool unreachable = true;
    const std::vector<io::Endpoint> servers = left;
    for (std::size_t i = 0; i < servers.size(); ++i) {
      if (io::now_ms() >= asking.deadline_ms) co_return failed;
      const bool last = round + 1 == options_.rounds && i + 1 == servers.size();
      const Try got = co_await attempt(asking, servers[i], wait_ms(round, last));
      if (got.end == Try::End::kStopped) {
        failed.stopped = true;
        co_return failed;
      }
      unreachable = unreachable && got.end == Try::End::kUnreachable;
      if (got.end != Try::End::kReply) continue;
      Outcome out = read(asking, got);
      if (!is_temporary(out.answer.code)) co_return out;
      // This server has spoken; another may know better.
      failed = std::move(out);
      std::erase(left, got.server);
    }
    asking.mixed_case = false;
    if (unreachable && round + 1 < options_.rounds) {
      const std::int64_t pause_ms = io::now_ms() + options_.try_ms / 4;
      (void)co_await io::sleep_until(std::min(asking.deadline_ms, pause_ms));
    }
  }
  co_return failed;
}

std::string Stub::query(const Asking& asking, const io::Endpoint& server) const {
  const auto plain = asking.transport->plain_until_ms.find(server);
  const bool edns = plain == asking.transport->plain_until_ms.end() || plain->second <= io::now_ms();
  std::string out = encode_query(0, asking.name, asking.type, edns ? options_.edns_bytes : 0);
  if (asking.mixed_case) mix_case(out, random_);
  return out;
}

core::Task<Try> Stub::attempt(Asking& asking, io::Endpoint server, std::int64_t wait_ms) {
  Transport& lane = *asking.transport;
  std::string text = query(asking, server);
  const bool edns = get16(text, 10) != 0;
  Try got = co_await lane.ask_udp(asking.exchange, server, text, asking.mixed_case, wait_ms, asking.deadline_ms);
  if (got.end == Try::End::kReply && edns && refuses_edns(got.reply)) {  // RFC 6891 section 6.2.2
    lane.plain_until_ms[got.server] = io::now_ms() + kPlainForMs;
    server = got.server;
    text = query(asking, server);
    got = co_await lane.ask_udp(asking.exchange, server, text, asking.mixed_case, wait_ms, asking.deadline_ms);
  }
  if (got.end != Try::End::kReply || !is_truncated(got.reply)) co_return got;
  server = got.server;
  text = query(asking, server);  // RFC 7766 section 5
  const auto id = static_cast<std::uint16_t>(random_.u64());
  text[0] = static_cast<char>(id >> 8);
  text[1] = static_cast<char>(id & 255);
  co_return co_await lane.ask_tcp(server, text, asking.deadline_ms);
}

Stub::Outcome Stub::read(const Asking& asking, const Try& got) {
  Outcome out;
  core::Budget budget;
  budget.parts = kMaxReplyRecords;
  const auto message = decode(got.reply, budget);
  if (!message || message->header.truncated) {
    out.answer.code = Code::kMalformed;
    out.answer.canonical = asking.name;
    if (!message && message.error() == PacketError::kTooMuch) set_fault(out.answer, Fault::kTooManyRecords);
    return out;
  }
  out.answer = make_answer(*message, asking.name, asking.type, &out.unfinished);
  // Between us and a server elsewhere anybody could set AD (RFC 4035 section 4.9.3).
  if (!got.server.ip.is_loopback()) out.answer.authenticated = false;
  return out;
}

StubStats Stub::stats() const {
  StubStats out;
  out.cache_hits = counts_.cache_hits;
  out.queries = counts_.queries;
  out.replies = counts_.replies;
  out.shared = counts_.shared;
  out.timeouts = counts_.timeouts;
  out.servfails = counts_.servfails;
  out.tcp = counts_.tcp;
  out.rejected = counts_.rejected;
  return out;
}

}  // namespace

std::unique_ptr<StubResolver> make_stub(StubOptions options, const core::Clock& clock, core::Random& random) {
  return std::make_unique<Stub>(std::move(options), clock, random);
}

std::vector<io::Endpoint> system_servers(const std::string& path) {
  std::vector<io::Endpoint> servers;
  std::ifstream file(path);
  for (std::string line; servers.size() < 3 && std::getline(file, line);) {
    std::istringstream words(line);
    std::string word, address;
    if (!(words >> word >> address) || word != "nameserver") continue;
    if (const auto ip = core::IpAddress::parse(address)) servers.push_back({*ip, 53});
  }
  if (servers.empty()) servers.push_back({core::IpAddress::v4(0x7f000001), 53});
  return servers;
}

}  // namespace sekisho::dns
