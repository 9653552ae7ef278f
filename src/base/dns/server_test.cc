// Against name servers of others, where they are installed: nsd serves a small zone on a loopback port, unbound
// forwards to it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/dns/dns_test_support.h"
#include "base/dns/stub.h"
#include "base/dns/zone.h"

namespace sekisho::dns {
namespace {

using core::Task;

std::uint16_t free_port() {
  std::uint16_t port = 0;
  struct Body {
    static Task<void> run(std::uint16_t& out) {
      auto listener = io::Listener::bind({core::IpAddress::v4(0x7f000001), 0});
      if (listener) out = listener->local().port;
      co_return;
    }
  };
  io::run(Body::run(port));
  return port;
}

class Child {
 public:
  Child(const std::string& program, std::vector<std::string> arguments, const std::string& log) {
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    const int fd = open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  ~Child() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

struct Folder {
  std::string path = testing::TempDir() + "dns_XXXXXX";
  Folder() { EXPECT_NE(mkdtemp(path.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
};

std::string zone_text() {
  std::string text =
      "$ORIGIN toy.test.\n$TTL 300\n@ SOA ns host 1 3600 600 86400 45\n@ NS ns\nns A 127.0.0.1\n"
      "a A 192.0.2.1\na AAAA 2001:db8::1\n@ MX 10 a\n@ TXT \"v=spf1 \" \"mx -all\"\n*.w TXT \"wild\"\n"
      "c CNAME a\nl CNAME m\nm CNAME l\n";
  for (int i = 0; i < 120; ++i) text += "big TXT \"record number " + std::to_string(i) + " of a large set\"\n";
  return text;
}

struct Peer {
  core::SystemClock clock;
  core::SystemRandom random;
  core::Budget budget;
  std::unique_ptr<StubResolver> stub;

  explicit Peer(std::uint16_t port) {
    StubOptions options;
    options.servers = {{core::IpAddress::v4(0x7f000001), port}};
    options.mixed_case = true;
    stub = make_stub(options, clock, random);
  }
  Task<AnswerPtr> ask(std::string_view text, Type type) { return stub->lookup(name(text), type, budget); }
  static Task<bool> answers(Peer& self) {
    for (int i = 0; i < 100; ++i) {
      self.stub->flush();
      self.budget = {};
      const AnswerPtr soa = co_await self.ask("toy.test", Type::kSoa);
      if (soa->code == Code::kRecords) co_return true;
      (void)co_await io::sleep_until(io::now_ms() + 50);
    }
    co_return false;
  }
};

Task<void> check(Peer& peer) {
  const bool up = co_await Peer::answers(peer);
  EXPECT_TRUE(up);
  const AnswerPtr a = co_await peer.ask("a.toy.test", Type::kA);
  EXPECT_EQ(a->code, Code::kRecords);
  EXPECT_EQ(a->addresses.at(0).text(), "192.0.2.1");
  const AnswerPtr mx = co_await peer.ask("TOY.test", Type::kMx);
  EXPECT_EQ(mx->exchanges.at(0).exchange, name("a.toy.test"));
  const AnswerPtr txt = co_await peer.ask("toy.test", Type::kTxt);
  EXPECT_EQ(txt->texts.at(0), "v=spf1 mx -all");
  const AnswerPtr wild = co_await peer.ask("x.w.toy.test", Type::kTxt);
  EXPECT_EQ(wild->texts.at(0), "wild");
  const AnswerPtr big = co_await peer.ask("big.toy.test", Type::kTxt);
  EXPECT_EQ(big->texts.size(), 120u);
  EXPECT_GE(peer.stub->stats().tcp, 1u);
  const AnswerPtr c = co_await peer.ask("c.toy.test", Type::kAaaa);
  EXPECT_EQ(c->canonical, name("a.toy.test"));
  EXPECT_EQ(c->addresses.at(0).text(), "2001:db8::1");
  const AnswerPtr nx = co_await peer.ask("nope.toy.test", Type::kA);
  EXPECT_EQ(nx->code, Code::kNxDomain);
  EXPECT_LE(nx->ttl_s, 45u);
  const AnswerPtr none = co_await peer.ask("a.toy.test", Type::kMx);
  EXPECT_EQ(none->code, Code::kNoData);
  const AnswerPtr loop = co_await peer.ask("l.toy.test", Type::kA);
  EXPECT_TRUE(is_temporary(loop->code));
}

TEST(Server, NsdAndUnbound) {
  if (access("/usr/sbin/nsd", X_OK) != 0) GTEST_SKIP() << "nsd is not installed";
  const Folder home;
  const std::string& folder = home.path;
  const std::uint16_t port = free_port();
  std::ofstream(folder + "/zone") << zone_text();
  std::ofstream(folder + "/nsd.conf") << "server:\n  ip-address: 127.0.0.1@" << port
                                      << "\n  username: \"\"\n  chroot: \"\"\n"
                                      << "  zonesdir: \"" << folder << "\"\n  pidfile: \"" << folder << "/nsd.pid\"\n"
                                      << "  xfrdfile: \"" << folder << "/xfrd.state\"\n  zonelistfile: \"" << folder
                                      << "/zone.list\"\n  xfrdir: \"" << folder
                                      << "\"\nremote-control:\n  control-enable: no\n"
                                      << "zone:\n  name: toy.test\n  zonefile: zone\n";
  const Child nsd("/usr/sbin/nsd", {"-d", "-c", folder + "/nsd.conf"}, folder + "/nsd.log");
  Peer direct(port);
  io::run(check(direct));

  if (access("/usr/sbin/unbound", X_OK) != 0) GTEST_SKIP() << "unbound is not installed";
  const std::uint16_t second = free_port();
  std::ofstream(folder + "/unbound.conf")
      << "server:\n  interface: 127.0.0.1@" << second << "\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n"
      << "  directory: \"" << folder << "\"\n  pidfile: \"\"\n  use-syslog: no\n  do-not-query-localhost: no\n"
      << "  module-config: \"iterator\"\n  num-threads: 1\n  so-rcvbuf: 0\n  local-zone: \"test.\" nodefault\n"
      << "remote-control:\n  control-enable: no\nstub-zone:\n  name: toy.test\n  stub-addr: 127.0.0.1@" << port << "\n";
  const Child unbound("/usr/sbin/unbound", {"-d", "-c", folder + "/unbound.conf"}, folder + "/unbound.log");
  Peer recursive(second);
  io::run(check(recursive));
}

// The overlay reads the same file to the same answers.
TEST(Server, OverlayAgrees) {
  const auto zone = Zone::parse(zone_text());
  ASSERT_TRUE(zone.ok()) << zone.error().text();
  const auto overlay = make_overlay(*zone, nullptr);
  EXPECT_EQ(overlay->ready(name("big.toy.test"), Type::kTxt)->texts.size(), 120u);
  EXPECT_EQ(overlay->ready(name("c.toy.test"), Type::kAaaa)->canonical, name("a.toy.test"));
  EXPECT_EQ(overlay->ready(name("nope.toy.test"), Type::kA)->ttl_s, 45u);
}

}  // namespace
}  // namespace sekisho::dns
