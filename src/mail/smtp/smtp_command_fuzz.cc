// One command line to the verb table and the parsers.
#include <cstdint>
#include <cstdlib>

#include "mail/smtp/command.h"

namespace {
void check(const sekisho::smtp::Path& path, std::string_view line) {
  for (const char c : path.text)
    if (c < ' ' || c > '~') std::abort();
  // The octets are the client's own.
  if (line.find(path.text) == std::string_view::npos) std::abort();
  if (path.kind == sekisho::smtp::Path::Kind::kMailbox) {
    if (!path.address || !path.text.starts_with(path.address->local() + "@")) std::abort();
  }
  if (path.kind == sekisho::smtp::Path::Kind::kLiteral && !path.literal) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sekisho::smtp;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const CommandLine command = split_command(line);
  if (auto helo = parse_helo(true, command.argument); helo && helo->domain.empty()) std::abort();
  if (auto mail = parse_mail(command.argument, Capabilities{})) check(mail->path, line);
  if (auto rcpt = parse_rcpt(command.argument)) {
    if (rcpt->null()) std::abort();
    check(*rcpt, line);
  }
  return 0;
}
