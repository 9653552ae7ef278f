// One command line to the verb table and the parsers.
// covers: command.cc parameters.cc path.cc xtext.cc
#include <cstdint>
#include <cstdlib>

#include "mail/address/utf8.h"
#include "mail/smtp/command.h"

namespace {
void check(const sekisho::smtp::Path& path, std::string_view line) {
  for (const char c : path.text)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) std::abort();
  if (!sekisho::mail::is_utf8(path.text)) std::abort();
  // The octets are the client's own.
  if (line.find(path.text) == std::string_view::npos) std::abort();
  if (path.kind == sekisho::smtp::Path::Kind::kMailbox) {
    if (!path.address || !path.text.starts_with(path.address->local() + "@")) std::abort();
  }
  if (path.kind == sekisho::smtp::Path::Kind::kLiteral && !path.literal) std::abort();
}
// What is passed on stands on one line, one word a parameter.
void check_word(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == 127 || c == '=') std::abort();
  if (text.size() > 500 || !sekisho::mail::is_utf8(text)) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sekisho::smtp;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const CommandLine command = split_command(line);
  if (auto helo = parse_helo(true, command.argument); helo && helo->domain.empty()) std::abort();
  if (auto mail = parse_mail(command.argument, Capabilities{}); mail && mail->path.non_ascii) std::abort();
  Capabilities all;
  all.smtp_utf8 = all.dsn = all.require_tls = all.submitter = true;
  if (auto mail = parse_mail(command.argument, all, true)) {
    check(mail->path, line);
    check_word(mail->parameters.envid);
    if (const auto& submitter = mail->parameters.submitter) {
      const auto again = sekisho::mail::Address::parse(submitter->text());
      if (!again || again->text() != submitter->text()) std::abort();
    }
    if (mail->path.non_ascii && !mail->parameters.smtp_utf8) std::abort();
  }
  for (const bool utf8 : {false, true}) {
    auto rcpt = parse_rcpt(command.argument, all, utf8);
    if (!rcpt) continue;
    if (rcpt->path.null() || (rcpt->path.non_ascii && !utf8)) std::abort();
    check(rcpt->path, line);
    check_word(rcpt->parameters.notify);
    check_word(rcpt->parameters.orcpt);
  }
  return 0;
}
