#include "base/dns/stub.h"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <map>
#include <thread>
#include <tuple>

#include "base/dns/dns_test_support.h"
#include "base/dns/fault.h"
#include "base/dns/packet.h"
#include "base/dns/record.h"

namespace sekisho::dns {
namespace {

using namespace std::string_literals;
using core::Task;

const io::Endpoint kAnyPort{core::IpAddress::v4(0x7f000001), 0};
const std::string kGood = "\xc0\0\2\1"s, kEvil = "\x0a\6\6\6"s;

// A scripted name server on one loopback port, UDP and TCP. What it does is chosen by the first label of the question.
struct FakeServer {
  io::Listener tcp = std::move(*io::Listener::bind(kAnyPort));
  io::Udp udp;
  io::Udp other = std::move(*io::Udp::bind(kAnyPort));  // replies from here come from the wrong port
  std::map<std::string, int> asked;                     // by first label
  int plain = 0;                                        // queries without EDNS

  FakeServer() : udp(both(tcp)) {}
  static io::Udp both(io::Listener& tcp) {
    for (;;) {
      auto udp = io::Udp::bind(tcp.local());
      if (udp) return std::move(*udp);
      tcp = std::move(*io::Listener::bind(kAnyPort));
    }
  }
  static Message reply_to(const Message& query) {
    Message reply;
    reply.header.id = query.header.id;
    reply.header.response = reply.header.recursion_available = reply.header.authenticated = true;
    reply.questions = query.questions;
    return reply;
  }
  static Record a(const Name& owner, const std::string& rdata, std::uint32_t ttl_s = 60) {
    return {owner, Type::kA, kClassIn, ttl_s, rdata};
  }
  static Record cname(const Name& owner, const Name& target) {
    return {owner, Type::kCname, kClassIn, 60, target.wire()};
  }
  // The question must come back in the letter case it came in.
  static std::string octets(const Message& reply, std::string_view query) {
    std::string out = encode(reply);
    const std::size_t size = name_length(query.substr(kHeaderSize));
    if (!reply.questions.empty() && reply.questions[0].name.wire().size() == size) {
      out.replace(kHeaderSize, size, query.substr(kHeaderSize, size));
    }
    return out;
  }

  void answer(std::string_view query, const io::Endpoint& from) {
    core::Budget budget;
    const auto message = decode(query, budget);
    ASSERT_TRUE(message.ok());
    const Name& owner = message->questions[0].name;
    const std::string word = owner.text().substr(0, owner.text().find('.'));
    const int times = ++asked[word];
    if (!message->edns) ++plain;
    Message reply = reply_to(*message), evil = reply;
    reply.answers.push_back(a(owner, kGood));
    evil.answers.push_back(a(owner, kEvil));
    if (word == "silent" || (word == "slow" && times == 1)) return;
    if (word == "wrongid") ++evil.header.id, (void)udp.send_to(from, octets(evil, query));
    if (word == "wrongport") (void)other.send_to(from, octets(evil, query));
    if (word == "wrongquestion") {
      evil.questions[0].name = name("elsewhere.test");
      (void)udp.send_to(from, encode(evil));
    }
    if (word == "garbage") {
      for (const auto& junk : {""s, "x"s, std::string(500, '\xff'), std::string(query)}) (void)udp.send_to(from, junk);
    }
    if (word == "cut" || word == "many") reply.header.truncated = true, reply.answers.clear();
    const std::map<std::string, Rcode> refusals{
        {"servfail", Rcode::kServFail}, {"refused", Rcode::kRefused}, {"notimp", Rcode::kNotImp}};
    if (refusals.count(word)) reply.header.rcode = refusals.at(word), reply.answers.clear();
    if (word == "noedns" && message->edns) {
      (void)udp.send_to(from, std::string(query.substr(0, 2)) + "\x80\1\0\0\0\0\0\0\0\0"s);
      return;
    }
    if (word == "strangers") reply.answers = {a(name("elsewhere.test"), kEvil)};
    if (word == "loop") reply.answers = {cname(owner, name("b.test")), cname(name("b.test"), owner)};
    if (word == "chain") reply.answers = {cname(owner, name("end.test"))};
    if (word == "ttl0") reply.answers[0].ttl_s = 0;
    if (word == "nx" || word == "nodata") {
      reply.answers.clear();
      if (word == "nx") reply.header.rcode = Rcode::kNxDomain;
      reply.authorities.push_back(
          {name("test"), Type::kSoa, kClassIn, 900, "\0\0"s + std::string(16, '\0') + "\0\0\0\x14"s});
    }
    std::string out = octets(reply, query);
    if (word == "bad") out += "trailing";
    (void)udp.send_to(from, out);
  }
  static Task<void> serve_udp(std::shared_ptr<FakeServer> self) {
    for (std::string buffer(4096, '\0');;) {
      const std::span<char> into(buffer);
      const auto got = co_await self->udp.receive(into, io::kNoDeadline);
      if (!got) break;
      self->answer(buffer.substr(0, got->size), got->from);
    }
  }
  static Task<void> serve_tcp(std::shared_ptr<FakeServer> self) {
    for (;;) {
      const auto fd = co_await self->tcp.accept();
      if (!fd) break;
      io::Socket socket(*fd);
      std::string buffer(4096, '\0');
      const std::span<char> into(buffer);
      const auto got = co_await socket.read(into, io::now_ms() + 1000);
      if (!got || *got < 3) continue;
      const std::string query = buffer.substr(2, *got - 2);
      core::Budget budget;
      const auto message = decode(query, budget);
      Message reply = reply_to(*message);
      const int records = message->questions[0].name.text().starts_with("many") ? 4000 : 200;
      for (int i = 0; i < records; ++i) reply.answers.push_back(a(message->questions[0].name, kGood));
      const std::string whole = octets(reply, query);
      std::string framed;
      put16(framed, static_cast<std::uint32_t>(whole.size()));
      framed += whole;
      const std::string_view first(framed.data(), 100), rest(framed.data() + 100, framed.size() - 100);
      (void)co_await socket.write(first, io::now_ms() + 20000);
      (void)co_await io::sleep_until(io::now_ms() + 5);
      (void)co_await socket.write(rest, io::now_ms() + 20000);
    }
  }
};

struct World {
  core::FixedClock clock{1'000'000};
  core::SystemRandom random;
  std::shared_ptr<FakeServer> server;
  std::unique_ptr<StubResolver> stub;
  core::Budget budget;

  void start(StubOptions options = {}) {
    server = std::make_shared<FakeServer>();
    io::spawn(FakeServer::serve_udp(server));
    io::spawn(FakeServer::serve_tcp(server));
    options.servers.push_back(server->udp.local());
    if (options.try_ms == 1000) options.try_ms = 60, options.timeout_ms = 1000;
    stub = make_stub(options, clock, random);
  }
  Task<AnswerPtr> ask(std::string_view text, Type type = Type::kA) { return stub->lookup(name(text), type, budget); }
};

// The sockets of the server end with their loop.
Task<void> whole(World& world, Task<void> body) {
  co_await body;
  world.server.reset();
}
void run(World& world, Task<void> body) { io::run(whole(world, std::move(body))); }

bool is_good(const AnswerPtr& answer) {
  return answer->code == Code::kRecords && answer->addresses.size() == 1 && answer->addresses[0].text() == "192.0.2.1";
}

TEST(Stub, TakesOnlyTheRightReply) {
  World world;
  struct Body {
    static Task<void> run(World& w) {
      w.start();
      for (const char* word : {"wrongid", "wrongport", "wrongquestion", "garbage", "slow", "noedns"}) {
        const AnswerPtr answer = co_await w.ask(word + ".test"s);
        EXPECT_TRUE(is_good(answer)) << word;
        EXPECT_TRUE(answer->authenticated);
      }
      EXPECT_GE(w.stub->stats().rejected, 6u);
      EXPECT_EQ(w.server->plain, 1);
      EXPECT_EQ(w.server->asked["slow"], 2);
      const AnswerPtr plain = co_await w.ask("after.test");  // remembered: this server cannot read EDNS
      EXPECT_TRUE(is_good(plain));
      EXPECT_EQ(w.server->plain, 2);
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, TellsFaultsApart) {
  World world;
  struct Body {
    static Task<void> run(World& w) {
      w.start();
      using enum Code;
      using enum Fault;
      const std::tuple<const char*, Code, Fault> cases[] = {
          {"servfail", kServFail, Fault::kNone},   {"silent", kTimeout, Fault::kNone},
          {"refused", kServFail, kRefused},        {"notimp", kServFail, kOtherRcode},
          {"loop", kMalformed, Fault::kNone},      {"bad", kMalformed, Fault::kNone},
          {"many", kMalformed, kTooManyRecords},   {"cut", kRecords, Fault::kNone},
          {"strangers", kMalformed, Fault::kNone}, {"nx", kNxDomain, Fault::kNone},
          {"nodata", kNoData, Fault::kNone}};
      for (const auto& [word, code, fault] : cases) {
        const AnswerPtr answer = co_await w.ask(word + ".test"s);
        EXPECT_EQ(answer->code, code) << word;
        EXPECT_EQ(fault_of(*answer), fault) << word;
        EXPECT_EQ(answer->canonical, name(word + ".test"s));
      }
      EXPECT_EQ(w.server->asked["silent"], 2);
      EXPECT_EQ(w.server->asked["servfail"], 1);
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, GoesToTcpAndFinishesChains) {
  World world;
  struct Body {
    static Task<void> run(World& w) {
      w.start();
      const AnswerPtr cut = co_await w.ask("cut.test");
      EXPECT_EQ(cut->addresses.size(), 200u);
      EXPECT_EQ(w.stub->stats().tcp, 1u);
      const std::uint32_t before = w.budget.dns_queries;
      const AnswerPtr chain = co_await w.ask("chain.test");
      EXPECT_TRUE(is_good(chain));
      EXPECT_EQ(chain->canonical, name("end.test"));
      EXPECT_EQ(w.budget.dns_queries, before - 2);
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, KeepsAnswersForTheirTime) {
  World world;
  struct Body {
    static Task<void> times(World& w, std::string word, std::int64_t kept_s) {
      (void)co_await w.ask(word + ".test");
      w.clock.advance_ms(kept_s * 1000 - 1);
      EXPECT_TRUE(w.stub->ready(name(word + ".test"), Type::kA)) << word;
      w.clock.advance_ms(1);
      EXPECT_FALSE(w.stub->ready(name(word + ".test"), Type::kA)) << word;
    }
    static Task<void> run(World& w) {
      w.start();
      co_await times(w, "good", 60);
      co_await times(w, "nx", 20);
      co_await times(w, "nodata", 20);
      co_await times(w, "servfail", 5);
      co_await times(w, "silent", 5);
      (void)co_await w.ask("ttl0.test");
      EXPECT_FALSE(w.stub->ready(name("ttl0.test"), Type::kA));
      (void)co_await w.ask("good.test");
      const auto queries = w.stub->stats().queries;
      w.budget.dns_queries = 0;
      const AnswerPtr hit = co_await w.ask("good.test");
      EXPECT_TRUE(is_good(hit));
      EXPECT_EQ(w.stub->stats().queries, queries);
      const AnswerPtr denied = co_await w.ask("good.test", Type::kAaaa);
      EXPECT_EQ(denied->code, Code::kNotAllowed);
      w.stub->flush();
      EXPECT_FALSE(w.stub->ready(name("good.test"), Type::kA));
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, EqualLookupsShareOneQuery) {
  World world;
  struct Body {
    static Task<void> run(World& w) {
      w.start();
      std::vector<Task<AnswerPtr>> all;
      for (int i = 0; i < 20; ++i) all.push_back(w.ask("ttl0.test"));
      const auto answers = co_await core::when_all(std::move(all));
      for (const AnswerPtr& answer : answers) EXPECT_TRUE(is_good(answer));
      EXPECT_EQ(w.server->asked["ttl0"], 1);
      EXPECT_EQ(w.stub->stats().shared, 19u);
      EXPECT_EQ(w.budget.dns_queries, 99u);
      std::vector<Task<AnswerPtr>> many;
      for (int i = 0; i < 90; ++i) many.push_back(w.ask("n" + std::to_string(i) + ".test"));
      const auto more = co_await core::when_all(std::move(many));
      for (const AnswerPtr& answer : more) EXPECT_TRUE(is_good(answer));
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, ManyStandInLine) {
  World world;
  struct Body {
    static Task<void> run(World& w) {
      StubOptions patient;  // a busy machine answers the last of two thousand late
      patient.try_ms = 400, patient.timeout_ms = 20'000;
      w.start(patient);
      w.budget.dns_queries = 3000;
      std::vector<Task<AnswerPtr>> many;
      for (int i = 0; i < 300; ++i) many.push_back(w.ask("silent.d" + std::to_string(i) + ".test"));
      for (int i = 0; i < 2000; ++i) many.push_back(w.ask("n.d" + std::to_string(i) + ".test"));
      const auto answers = co_await core::when_all(std::move(many));
      for (std::size_t i = 0; i < answers.size(); ++i) {
        EXPECT_EQ(answers[i]->code, i < 300 ? Code::kTimeout : Code::kRecords) << i;
      }
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, AsksTheNextServer) {
  World world;
  struct Body {
    static Task<void> run(World& w) {
      const auto closed = io::Udp::bind(kAnyPort)->local();  // nobody there any more
      StubOptions options;
      options.servers.push_back(closed);
      options.mixed_case = true;
      w.start(options);
      const AnswerPtr answer = co_await w.ask("mixed-case-name-that-is-long.test");
      EXPECT_TRUE(is_good(answer));
    }
  };
  run(world, Body::run(world));
}

TEST(Stub, LoopsEndWithQueriesUnderWay) {
  World world;
  struct Body {
    static Task<void> forgotten(World& w) {
      const AnswerPtr answer = co_await w.ask("silent.test");
      EXPECT_EQ(answer->code, Code::kTimeout);
    }
    static Task<void> run(World& w) {
      w.start();
      io::spawn(forgotten(w));
      (void)co_await io::sleep_until(io::now_ms() + 10);
    }
    static Task<void> again(World& w) {
      EXPECT_FALSE(w.stub->ready(name("silent.test"), Type::kA));  // a stop is not a fault of the name
      co_return;
    }
  };
  run(world, Body::run(world));
  run(world, Body::again(world));
}

// The server has a loop of its own; two more loops ask the same names of one resolver.
TEST(Stub, LoopsShareTheCache) {
  core::SystemClock clock;
  core::SystemRandom random;
  std::promise<io::Endpoint> where;
  std::promise<void> enough;
  struct Body {
    static Task<void> serve(std::promise<io::Endpoint>& where, std::shared_future<void> end) {
      const auto server = std::make_shared<FakeServer>();
      io::spawn(FakeServer::serve_udp(server));
      where.set_value(server->udp.local());
      while (end.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        (void)co_await io::sleep_until(io::now_ms() + 5);
      }
    }
    static Task<void> ask(Resolver& stub) {
      core::Budget budget;
      budget.dns_queries = 2000;
      for (int i = 0; i < 2000; ++i) {
        const Name asked = name("n" + std::to_string(i % 1000) + ".test");
        const AnswerPtr answer = co_await stub.lookup(asked, Type::kA, budget);
        EXPECT_TRUE(is_good(answer));
      }
    }
  };
  std::thread serving([&] { io::run(Body::serve(where, enough.get_future().share())); });
  StubOptions options;
  options.servers = {where.get_future().get()};
  const auto stub = make_stub(options, clock, random);
  std::thread one([&] { io::run(Body::ask(*stub)); });
  io::run(Body::ask(*stub));
  one.join();
  enough.set_value();
  serving.join();
  EXPECT_GE(stub->stats().queries, 1000u);
  EXPECT_LE(stub->stats().queries, 2000u);
  EXPECT_GE(stub->stats().cache_hits, 2000u);
}

TEST(Stub, OneResolverServesLoopAfterLoop) {
  StubOptions options;
  options.servers = {*io::Endpoint::parse("127.0.0.1:9")};
  options.try_ms = 10;
  options.timeout_ms = 100;
  core::SystemClock clock;
  core::SystemRandom random;
  const auto stub = make_stub(options, clock, random);
  core::Budget budget;
  for (int i = 0; i < 3; ++i) {
    const AnswerPtr answer = io::run(stub->lookup(name("x" + std::to_string(i)), Type::kA, budget));
    EXPECT_TRUE(is_temporary(answer->code));
  }
}

TEST(Stub, ReadsResolvConf) {
  const std::string path = testing::TempDir() + "resolv.conf";
  std::ofstream(path) << "# x\nsearch a.example\nnameserver 192.0.2.1\n nameserver 2001:db8::1\nnameserver nonsense\n";
  const auto servers = system_servers(path);
  ASSERT_EQ(servers.size(), 2u);
  EXPECT_EQ(servers[0].text(), "192.0.2.1:53");
  EXPECT_EQ(servers[1].text(), "[2001:db8::1]:53");
  EXPECT_EQ(system_servers("/nonexistent")[0].text(), "127.0.0.1:53");
}

}  // namespace
}  // namespace sekisho::dns
