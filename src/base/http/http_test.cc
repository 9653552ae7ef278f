#include "base/http/http.h"

#include <gtest/gtest.h>

namespace sekisho::http {
namespace {

core::Task<Response> answer(Request request) {
  Response response;
  response.body = request.method + " " + request.target + " " + request.query + " " + request.body;
  co_return response;
}

core::Task<std::string> exchange(std::string octets) {
  const io::Endpoint any{*core::IpAddress::parse("127.0.0.1"), 0};
  Handler handler = answer;
  auto server = Server::start(any, handler);
  if (!server) co_return "no server";
  auto socket = co_await io::Socket::connect(server->local(), io::now_ms() + 2000);
  if (!socket) co_return "no connection";
  auto sent = co_await socket->write(octets, io::now_ms() + 2000);
  std::string out;
  char buffer[4096];
  while (sent) {
    const std::span<char> room(buffer);
    auto n = co_await socket->read(room, io::now_ms() + 2000);
    if (!n) break;
    out.append(buffer, *n);
  }
  server->stop();
  co_return out;
}

TEST(Http, AnswersTwoRequestsOnOneConnection) {
  const std::string out =
      io::run(exchange("GET /metrics?a=1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nConnection: "
                       "close\r\nContent-Length: 3\r\n\r\nxyz"));
  EXPECT_NE(out.find("200 OK"), std::string::npos) << out;
  EXPECT_NE(out.find("GET /metrics a=1 "), std::string::npos);
  EXPECT_NE(out.find("POST /b  xyz"), std::string::npos);
}
TEST(Http, GarbageIsHungUpOn) { EXPECT_EQ(io::run(exchange("\x16\x03\x01garbage\r\n\r\n")), ""); }

}  // namespace
}  // namespace sekisho::http
