// Octets to the line reader and the server: the first octet says how they are cut, the rest is what a client sends. The
// cut may matter only where a command must be the last of its group, and even there it never lets in more.
// covers: line_reader.cc data_reader.cc server.cc server_chunks.cc server_commands.cc
#include <cstdint>
#include <cstdlib>

#include "mail/smtp/test_driver.h"

namespace {
using sekisho::smtp::TestDriver;

bool waits_for_silence(const std::string& replies) {
  for (const char* text :
       {"503 5.5.1 Send", "No valid recipients", "BDAT has begun", "No argument belongs", "behind STARTTLS"})
    if (replies.find(text) != std::string::npos) return true;
  return replies.find("220 2.0.0") != std::string::npos;
}

void compare(const TestDriver& cut, const TestDriver& single) {
  if (cut.messages.size() > single.messages.size()) std::abort();
  for (std::size_t i = 0; i < cut.messages.size(); ++i)
    if (cut.messages[i] != single.messages[i]) std::abort();
  if (waits_for_silence(single.replies)) return;
  if (cut.replies != single.replies || cut.closed != single.closed) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sekisho::smtp;
  if (size == 0) return 0;
  ServerSettings settings;
  settings.starttls = data[0] & 1;
  settings.data.size_bytes = 4096;
  settings.data.line_bytes = 512;
  settings.recipient_limit = 10;
  settings.recipient_flood_limit = 10;
  TestDriver driver(settings, 32768);
  TestDriver single(settings, 32768);
  for (TestDriver* each : {&driver, &single}) each->server.allow_xclient(each->xclient_again = data[0] & 2);
  const std::string_view octets(reinterpret_cast<const char*>(data + 1), size - 1);
  driver.feed(octets, 1 + data[0] / 2);
  single.feed(octets, 1);
  compare(driver, single);
  for (const std::string& message : driver.messages) {
    if (message.size() > settings.data.size_bytes) std::abort();
    for (std::size_t i = 0; i < message.size(); ++i) {
      const char c = message[i];
      if (c == '\0') std::abort();
      if (c == '\n' && (i == 0 || message[i - 1] != '\r')) std::abort();
      if (c == '\r' && (i + 1 == message.size() || message[i + 1] != '\n')) std::abort();
    }
  }
  // Every reply is whole lines of printable ASCII.
  const std::string& replies = driver.replies;
  if (!replies.ends_with("\r\n")) std::abort();
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const char c = replies[i];
    if (c == '\r' ? replies[i + 1] != '\n' : c == '\n' ? replies[i - 1] != '\r' : c < ' ' || c > '~') std::abort();
  }
  driver.server.give_up("4.4.2 Timeout");
  if (!driver.server.reading_data() && driver.pool.used() != 0) std::abort();
  return 0;
}
