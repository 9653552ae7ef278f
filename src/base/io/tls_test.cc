#include <gtest/gtest.h>

#include "../tests/support/self_signed.h"
#include "base/io/io.h"

namespace sekisho::io {
namespace {
using core::Task;

const test::SelfSigned& files() {
  static const test::SelfSigned made("localhost");
  return made;
}
std::shared_ptr<TlsContext> server_context() {
  auto context = TlsContext::server(files().certificate, files().key);
  EXPECT_TRUE(context.ok());
  return *context;
}
std::shared_ptr<Listener> tls_door() {
  return std::make_shared<Listener>(std::move(*Listener::bind(*Endpoint::parse("127.0.0.1:0"))));
}
// Reads a clear-text line ("STARTTLS"), then speaks TLS and echoes.
Task<void> serve(std::shared_ptr<Listener> listener, std::shared_ptr<TlsContext> context) {
  auto fd = co_await listener->accept();
  Socket socket(*fd);
  char buffer[256];
  auto clear = co_await socket.read(buffer, now_ms() + 20000);
  if (!clear) co_return;
  co_await socket.write("220 go\r\n", now_ms() + 20000);
  auto up = co_await socket.start_tls_server(*context, now_ms() + 20000);
  if (!up) co_return;
  for (;;) {
    auto got = co_await socket.read(buffer, now_ms() + 20000);
    if (!got) co_return;
    const std::string_view octets(buffer, *got);
    co_await socket.write(octets, now_ms() + 20000);
  }
}
struct Outcome {
  bool up = false;
  IoError error = IoError::kOther;
  std::string text, back;
  std::optional<TlsFacts> facts;
  bool idle_pending = true;
};
Task<Outcome> dial(std::shared_ptr<TlsContext> context, std::string name) {
  Outcome out;
  auto listener = tls_door();
  spawn(serve(listener, server_context()));
  auto socket = co_await Socket::connect(listener->local(), now_ms() + 2000);
  co_await socket->write("STARTTLS\r\n", now_ms() + 20000);
  char go_ahead[8];
  co_await socket->read(go_ahead, now_ms() + 20000);
  auto up = co_await socket->start_tls_client(*context, name, now_ms() + 20000);
  out.up = up.ok();
  if (!up) {
    out.error = up.error();
    out.text = socket->tls_error();
    co_return out;
  }
  out.facts = socket->tls();
  co_await socket->write("over tls", now_ms() + 20000);
  char buffer[64];
  auto got = co_await socket->read(buffer, now_ms() + 20000);
  if (got) out.back.assign(buffer, *got);
  co_await sleep_until(now_ms() + 20);
  out.idle_pending = socket->pending();  // tickets are not mail
  co_return out;
}

TEST(Tls, OpportunisticHandshakeAndEcho) {
  const auto out = run(dial(TlsContext::client(), "anything.example"));
  ASSERT_TRUE(out.up) << out.text;
  EXPECT_EQ(out.facts->version, "TLSv1.3");
  EXPECT_FALSE(out.facts->cipher.empty());
  EXPECT_FALSE(out.facts->verified);
  EXPECT_EQ(out.back, "over tls");
  EXPECT_FALSE(out.idle_pending);
}

TEST(Tls, VerifiesTheName) {
  auto context = TlsContext::verifying_client(files().certificate);
  ASSERT_TRUE(context.ok());
  const auto good = run(dial(*context, "localhost"));
  ASSERT_TRUE(good.up) << good.text;
  EXPECT_TRUE(good.facts->verified);
  const auto wrong = run(dial(*context, "elsewhere.example"));
  EXPECT_FALSE(wrong.up);
  EXPECT_EQ(wrong.error, IoError::kTls);
  EXPECT_NE(wrong.text.find("ostname mismatch"), std::string::npos) << wrong.text;
  auto system = TlsContext::verifying_client("");
  ASSERT_TRUE(system.ok());
  const auto unknown = run(dial(*system, "localhost"));
  EXPECT_FALSE(unknown.up);
}

TEST(Tls, ClearTextAfterStartTlsIsNeverReadAsTls) {
  // RFC 3207 section 4.2. The clear octets that wait in the kernel break the handshake, they are not obeyed.
  struct T {
    static Task<bool> go() {
      auto listener = tls_door();
      auto context = server_context();
      auto client = co_await Socket::connect(listener->local(), now_ms() + 1000);
      auto fd = co_await listener->accept();
      Socket server(*fd);
      co_await client->write("STARTTLS\r\nRSET\r\n", now_ms() + 20000);
      char line[10];
      co_await server.read(line, now_ms() + 20000);
      auto up = co_await server.start_tls_server(*context, now_ms() + 20000);
      co_return up.ok();
    }
  };
  EXPECT_FALSE(run(T::go()));
}

TEST(Tls, HandshakeTimesOutAndPeerMayVanish) {
  struct T {
    static Task<void> go() {
      auto listener = tls_door();
      auto context = server_context();
      auto client = co_await Socket::connect(listener->local(), now_ms() + 1000);
      auto fd = co_await listener->accept();
      Socket server(*fd);
      auto up = co_await server.start_tls_server(*context, now_ms() + 30);
      EXPECT_EQ(up.error(), IoError::kTimeout);
      client->close();
      auto next = co_await Socket::connect(listener->local(), now_ms() + 1000);
      auto fd2 = co_await listener->accept();
      Socket second(*fd2);
      next->close();
      auto gone = co_await second.start_tls_server(*context, now_ms() + 20000);
      EXPECT_FALSE(gone.ok());
    }
  };
  run(T::go());
}

TEST(Tls, ErrorsNameTheFileAndTheReason) {
  const auto missing = TlsContext::server("/nonexistent.pem", files().key);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().find("/nonexistent.pem"), std::string::npos);
  const auto mismatch = TlsContext::server(files().certificate, files().other_key);
  ASSERT_FALSE(mismatch.ok());
  EXPECT_NE(mismatch.error().find(files().other_key), std::string::npos);
  EXPECT_NE(mismatch.error().find("match"), std::string::npos) << mismatch.error();
  EXPECT_FALSE(TlsContext::verifying_client("/nonexistent-ca.pem").ok());
}

TEST(Tls, FourHundredKilobytesBothWays) {
  struct T {
    static Task<bool> put(Socket& socket, std::string_view octets) {
      auto done = co_await socket.write(octets, now_ms() + 10000);
      co_return done.ok();
    }
    static Task<bool> get(Socket& socket, std::string_view octets) {
      std::string back;
      std::vector<char> buffer(16384);
      while (back.size() < octets.size()) {
        auto got = co_await socket.read(buffer, now_ms() + 10000);
        if (!got) co_return false;
        back.append(buffer.data(), *got);
      }
      co_return back == octets;
    }
    static Task<void> go() {
      auto listener = tls_door();
      spawn(serve(listener, server_context()));
      auto socket = co_await Socket::connect(listener->local(), now_ms() + 1000);
      co_await socket->write("STARTTLS\r\n", now_ms() + 20000);
      char go_ahead[8];
      co_await socket->read(go_ahead, now_ms() + 20000);
      auto context = TlsContext::client();
      auto up = co_await socket->start_tls_client(*context, "localhost", now_ms() + 20000);
      EXPECT_TRUE(up.ok());
      const std::string big(400'000, 'q');
      std::vector<Task<bool>> both;
      both.push_back(put(*socket, big));
      both.push_back(get(*socket, big));
      auto ok = co_await core::when_all(std::move(both));
      EXPECT_TRUE(ok[0]);
      EXPECT_TRUE(ok[1]);
    }
  };
  run(T::go());
}

}  // namespace
}  // namespace sekisho::io
