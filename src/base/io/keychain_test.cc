#include "base/io/keychain.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "../tests/support/certificates.h"
#include "base/io/pins.h"
#include "base/io/tickets.h"

namespace sekisho::io {
namespace {
using core::Task;
using test::make_certificate;

class KeychainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/sekisho-keychain-XXXXXX";
    folder_ = ::mkdtemp(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  CertificateFiles make(const std::string& name, const test::Order& order) const {
    CertificateFiles files{folder_ + "/" + name + ".crt", folder_ + "/" + name + ".key"};
    make_certificate(files.certificate, files.key, order);
    return files;
  }
  static std::string octets(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  std::string folder_;
};
std::int64_t now_s() { return std::time(nullptr); }

struct Seen {
  bool up = false;
  TlsFacts facts;
};
Task<void> shake(std::shared_ptr<Listener> listener, std::shared_ptr<TlsContext> context) {
  auto fd = co_await listener->accept();
  Socket socket(*fd);
  auto up = co_await socket.start_tls_server(*context, now_ms() + 20000);
  char octet[1];
  if (up) co_await socket.read(octet, now_ms() + 5000);
}
Task<bool> meet(std::shared_ptr<TlsContext> server, std::shared_ptr<TlsContext> client, std::string name) {
  auto listener = std::make_shared<Listener>(std::move(*Listener::bind(*Endpoint::parse("127.0.0.1:0"))));
  spawn(shake(listener, server));
  auto socket = co_await Socket::connect(listener->local(), now_ms() + 2000);
  auto up = co_await socket->start_tls_client(*client, name, now_ms() + 20000);
  co_return up.ok();
}
// Whether who asks for that name is shown the key of that certificate.
bool shows(const Keychain& chain, const std::string& name, const CertificateFacts& wanted) {
  return run(meet(chain.context(), pinned_client({wanted.spki_sha256}), name));
}
CertificateFacts facts_of(const CertificateFiles& files) { return *inspect_certificate(files); }

TEST_F(KeychainTest, NameAskedForDecides) {
  const auto first = make("first", {{"mx.a.example", "mail.a.example"}});
  const auto second = make("second", {{"MX.B.example"}});
  const auto third = make("third", {{"*.c.example"}});
  auto chain = *Keychain::open({first, second, third});
  const auto a = facts_of(first), b = facts_of(second), c = facts_of(third);
  EXPECT_TRUE(shows(*chain, "mx.a.example", a));
  EXPECT_TRUE(shows(*chain, "mail.a.example", a));
  EXPECT_TRUE(shows(*chain, "mx.b.example", b));
  EXPECT_TRUE(shows(*chain, "mx.B.EXAMPLE", b));
  EXPECT_FALSE(shows(*chain, "mx.b.example", a));
  EXPECT_TRUE(shows(*chain, "any.c.example", c));
  EXPECT_TRUE(shows(*chain, "two.labels.c.example", a)) << "a wildcard is one label";
  EXPECT_TRUE(shows(*chain, "c.example", a));
  EXPECT_TRUE(shows(*chain, "nobody.example", a)) << "the first is for the rest";
  EXPECT_TRUE(shows(*chain, "", a));
}

TEST_F(KeychainTest, RsaAndEcdsaSideBySide) {
  const auto rsa = make("rsa", {{"mx.a.example"}, 2048}), ec = make("ec", {{"*.a.example"}});
  auto chain = *Keychain::open({rsa, ec});
  const auto r = facts_of(rsa), e = facts_of(ec);
  EXPECT_EQ(r.key_type, "RSA");
  EXPECT_EQ(r.key_bits, 2048u);
  EXPECT_EQ(e.key_type, "EC");
  // A client that can do both gets one of them, under the wildcard's cover too.
  EXPECT_TRUE(shows(*chain, "mx.a.example", e) || shows(*chain, "mx.a.example", r));
  auto both = pinned_client({r.spki_sha256, e.spki_sha256});
  EXPECT_TRUE(run(meet(chain->context(), both, "mx.a.example")));
  EXPECT_TRUE(shows(*chain, "other.a.example", e));
}

TEST_F(KeychainTest, SlowKeysShakeHandsOnTheirPool) {
  const auto big = make("big", {{"mx.a.example"}, 3072});
  EXPECT_TRUE(facts_of(big).slow);
  auto chain = *Keychain::open({big});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shows(*chain, "mx.a.example", facts_of(big)));
}

TEST_F(KeychainTest, PinsAreTheKeysAndNothingElse) {
  const auto one = make("one", {{"mx.a.example"}}), two = make("two", {{"mx.a.example"}});
  auto chain = *Keychain::open({one});
  EXPECT_TRUE(shows(*chain, "wrong.example", facts_of(one)));
  EXPECT_FALSE(shows(*chain, "mx.a.example", facts_of(two)));
  EXPECT_TRUE(run(meet(chain->context(), pinned_client({facts_of(two).spki_sha256, facts_of(one).spki_sha256}), "")));
}

TEST_F(KeychainTest, LeastVersionIsKept) {
  const auto one = make("one", {{"mx.a.example"}});
  auto chain = *Keychain::open({one}, TlsVersion::k13);
  struct T {
    static Task<std::string> version(std::shared_ptr<TlsContext> server) {
      auto listener = std::make_shared<Listener>(std::move(*Listener::bind(*Endpoint::parse("127.0.0.1:0"))));
      spawn(shake(listener, server));
      auto socket = co_await Socket::connect(listener->local(), now_ms() + 2000);
      auto client = TlsContext::client();
      auto up = co_await socket->start_tls_client(*client, "mx.a.example", now_ms() + 20000);
      co_return up ? socket->tls()->version : "";
    }
  };
  EXPECT_EQ(run(T::version(chain->context())), "TLSv1.3");
}

// Two looks: the first sees a change, the second judges it when nothing moved in between.
std::vector<KeychainNews> settle(Keychain& chain) {
  EXPECT_TRUE(chain.look(now_s()).empty());
  auto news = chain.look(now_s());
  EXPECT_TRUE(chain.look(now_s()).empty()) << "told once";
  return news;
}

TEST_F(KeychainTest, NewFilesAreTakenAndBadOnesLeaveTheOldInForce) {
  const auto files = make("mx", {{"mx.a.example"}});
  auto chain = *Keychain::open({files});
  const auto old = facts_of(files);
  EXPECT_TRUE(chain->look(now_s()).empty());
  const auto next = make("next", {{"mx.a.example", "new.a.example"}});
  const std::string certificate = octets(next.certificate), key = octets(next.key), old_key = octets(files.key);

  // Half a pair, half a file, nothing at all: each is told with the file's name, and the old one is shown.
  const auto refuses = [&](const std::string& why, const std::string& at) {
    const auto news = settle(*chain);
    ASSERT_EQ(news.size(), 1u) << why;
    EXPECT_FALSE(news[0].loaded);
    EXPECT_EQ(news[0].fault.file, at);
    EXPECT_NE(news[0].fault.reason.find(why), std::string::npos) << news[0].fault.text();
    EXPECT_TRUE(shows(*chain, "mx.a.example", old)) << why;
  };
  put(files.certificate, certificate);
  refuses("key does not match certificate", files.key);
  put(files.certificate, certificate.substr(0, certificate.size() / 2));
  refuses("cut off or damaged", files.certificate);
  put(files.certificate, certificate + certificate.substr(0, 20));
  refuses("cut off or damaged", files.certificate);
  put(files.certificate, "");
  refuses("holds no certificate", files.certificate);
  std::filesystem::remove(files.certificate);
  refuses("No such file", files.certificate);
  put(files.certificate, certificate);
  put(files.key, key.substr(0, key.size() - 40));
  refuses("cut off or damaged", files.key);
  put(files.key, certificate);
  refuses("holds no private key", files.key);
  put(files.key, std::string((1u << 20) + 1, 'x'));
  refuses("larger than 1 MiB", files.key);
  make_certificate(files.certificate, files.key, {{"mx.a.example"}, 0, -7200, -3600});
  refuses("expired on ", files.certificate);
  make_certificate(files.certificate, files.key, {{"mx.a.example"}, 0, 3600, 7200});
  refuses("not valid before ", files.certificate);
  make_certificate(files.certificate, files.key, {{"mx.a.example"}, 1024});
  refuses("1024 bits", files.key);

  put(files.certificate, certificate);
  put(files.key, key);
  const auto news = settle(*chain);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_TRUE(news[0].loaded);
  EXPECT_EQ(news[0].facts.names.size(), 2u);
  EXPECT_TRUE(shows(*chain, "new.a.example", news[0].facts));
  EXPECT_FALSE(shows(*chain, "mx.a.example", old));
  EXPECT_EQ(chain->certificates().front().fingerprint, news[0].facts.fingerprint);
}

TEST_F(KeychainTest, WhileFilesStillMoveNothingIsJudged) {
  const auto files = make("mx", {{"mx.a.example"}});
  auto chain = *Keychain::open({files});
  const std::string certificate = octets(files.certificate);
  for (std::size_t i = 1; i < 20; ++i) {
    put(files.certificate, certificate.substr(0, certificate.size() * i / 20));
    EXPECT_TRUE(chain->look(now_s()).empty());
  }
  put(files.certificate, certificate);
  EXPECT_TRUE(chain->look(now_s()).empty());
  const auto news = chain->look(now_s());
  ASSERT_EQ(news.size(), 1u);
  EXPECT_TRUE(news[0].loaded);
}

TEST_F(KeychainTest, ASymbolicLinkMayMove) {
  const auto one = make("one", {{"mx.a.example"}}), two = make("two", {{"mx.a.example"}});
  const CertificateFiles links{folder_ + "/live.crt", folder_ + "/live.key"};
  const auto point = [&](const CertificateFiles& to) {
    for (const auto& [link, target] : {std::pair(links.certificate, to.certificate), std::pair(links.key, to.key)}) {
      std::filesystem::remove(link);
      std::filesystem::create_symlink(target, link);
    }
  };
  point(one);
  auto chain = *Keychain::open({links});
  point(two);
  ASSERT_EQ(settle(*chain).size(), 1u);
  EXPECT_TRUE(shows(*chain, "mx.a.example", facts_of(two)));
}

TEST_F(KeychainTest, AKeyUnderAPassphraseIsAFaultAndNobodyIsAsked) {
  const auto files = make("mx", {{"mx.a.example"}});
  const std::string command = "openssl pkey -aes128 -passout pass:x -in " + files.key + " -out " + files.key + ".enc";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto opened = Keychain::open({{files.certificate, files.key + ".enc"}});
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().front().what.reason.find("encrypted"), std::string::npos);
}

TEST_F(KeychainTest, OneFileMayHoldBoth) {
  const auto files = make("mx", {{"mx.a.example"}});
  const std::string both = folder_ + "/both.pem";
  put(both, octets(files.key) + octets(files.certificate));
  EXPECT_TRUE(Keychain::open({{both, both}}).ok());
}

TEST_F(KeychainTest, ExchangedUnderHandshakes) {
  const auto files = make("mx", {{"mx.a.example"}});
  auto chain = *Keychain::open({files});
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0}, met{0};
  auto strangers = [&] {
    while (!stop) (run(meet(chain->context(), TlsContext::client(), "mx.a.example")) ? met : failed)++;
  };
  std::thread one(strangers), two(strangers);
  for (int i = 0; i < 10; ++i) {
    make_certificate(files.certificate, files.key, {{"mx.a.example"}});
    EXPECT_EQ(settle(*chain).size(), 1u);
  }
  stop = true;
  one.join();
  two.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GT(met, 0);
}

// A peer that fills our receive buffer with records that bring nothing: the loop goes on, and the session ends.
void flood(int fd) {
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  EXPECT_EQ(SSL_connect(ssl), 1);
  for (int i = 0; i < 3000; ++i)
    if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1) break;
  SSL_free(ssl);
  SSL_CTX_free(context);
}
std::int64_t thread_ms() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1000 + used.tv_nsec / 1'000'000;
}
struct Beat {
  std::int64_t longest_ms = 0;  // of the loop's own CPU time: what a busy machine does is not counted
  bool stop = false;
};
Task<void> beat(std::shared_ptr<Beat> shared) {
  while (!shared->stop) {
    const std::int64_t before = thread_ms();
    auto slept = co_await sleep_until(now_ms() + 1);
    if (!slept) co_return;
    shared->longest_ms = std::max(shared->longest_ms, thread_ms() - before);
  }
}
TEST_F(KeychainTest, RecordsWithoutDataDoNotHoldTheLoop) {
  struct T {
    static Task<void> go(std::shared_ptr<TlsContext> context) {
      int ends[2];
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
      const int room = 1 << 20;
      for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
      ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
      std::thread peer(flood, ends[1]);
      Socket socket(ends[0]);
      auto up = co_await socket.start_tls_server(*context, now_ms() + 20000);
      EXPECT_TRUE(up.ok());
      auto waited = co_await sleep_until(now_ms() + 300);
      EXPECT_TRUE(waited.ok());
      auto heart = std::make_shared<Beat>();
      spawn(beat(heart));
      char block[64];
      auto got = co_await socket.read(block, now_ms() + 5000);
      heart->stop = true;
      EXPECT_TRUE(!got.ok() && got.error() == IoError::kTls);
      EXPECT_NE(socket.tls_error().find("without data"), std::string::npos) << socket.tls_error();
      EXPECT_LT(heart->longest_ms, 250);
      socket.close();
      peer.join();
    }
  };
  auto chain = *Keychain::open({make("mx", {{"mx.a.example"}})});
  run(T::go(chain->context()));
}

TEST(TicketKeys, SealForAnHourOpenForTwo) {
  TicketKeys keys;
  bool fresh = false;
  const auto first = keys.sealing(1000);
  EXPECT_EQ(keys.sealing(1000 + TicketKeys::kSealMs - 1).name, first.name);
  const auto second = keys.sealing(1000 + TicketKeys::kSealMs);
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.cipher, first.cipher);
  EXPECT_TRUE(keys.opening(first.name.data(), 1000 + TicketKeys::kSealMs, fresh));
  EXPECT_FALSE(fresh);
  EXPECT_TRUE(keys.opening(second.name.data(), 1000 + TicketKeys::kSealMs, fresh));
  EXPECT_TRUE(fresh);
  EXPECT_FALSE(keys.opening(first.name.data(), 1000 + 2 * TicketKeys::kSealMs, fresh));
  // Idle for long: what sealed last is not kept just because nobody came.
  TicketKeys idle;
  const auto old = idle.sealing(1000);
  EXPECT_FALSE(idle.opening(old.name.data(), 1000 + 2 * TicketKeys::kSealMs, fresh));
  const auto third = keys.sealing(1000 + 2 * TicketKeys::kSealMs);
  keys.forget();
  EXPECT_FALSE(keys.opening(third.name.data(), 1000 + 2 * TicketKeys::kSealMs, fresh));
}

}  // namespace
}  // namespace sekisho::io
