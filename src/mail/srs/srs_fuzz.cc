// SRS: what is made comes back, what is not made is refused, and no text makes an address that SMTP could not carry.
// covers: srs.cc wire.cc
#include <cstdlib>

#include "base/core/text.h"
#include "mail/address/address.h"
#include "mail/srs/srs.h"

using namespace sekisho;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}

constexpr std::int64_t kNow = 1'704'462'070;

// forward, then reverse, in the text of SMTP.
void there_and_back(const srs::Rewriter& rewriter, std::string_view text) {
  const auto wire = srs::from_wire(text);
  if (!wire) return;
  const auto made = rewriter.forward(wire->mailbox, "fwd.example", kNow);
  if (!made) return;
  const std::string out = srs::to_wire(made->mailbox, wire->quoted);
  const auto again = srs::from_wire(out);
  if (!again) return must(out.size() > srs::kAddressMost);  // quotes have made it longer
  must(again->mailbox.local == made->mailbox.local && again->mailbox.host == made->mailbox.host);
  if (made->form == srs::Form::kUnchanged) return;
  const auto back = rewriter.reverse(again->mailbox, kNow);
  must(back.ok() && back->secret == 0 && back->form == made->form);
  if (made->form == srs::Form::kSrs0)
    must(back->mailbox.local == wire->mailbox.local && back->mailbox.host == wire->mailbox.host);
  else
    must(core::istarts_with(back->mailbox.local, "SRS0") && mail::Domain::parse(back->mailbox.host).has_value());
}

// A stranger's text: only a hash of 27 characters would be ours, and nobody guesses that.
void stranger(const srs::Rewriter& strict, std::string_view text) {
  const auto plain = srs::split_plain(text);
  if (plain) must(!strict.reverse(*plain, kNow).ok());
  const auto wire = srs::from_wire(text);
  if (wire) must(!strict.reverse(wire->mailbox, kNow).ok());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const srs::Rewriter rewriter({"secret", "older"}, {4, '=', 21}), strict({"secret"}, {27, '=', 21});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  there_and_back(rewriter, text);
  stranger(strict, text);
  const auto plain = srs::split_plain(text);
  if (!plain) return 0;
  const auto made = rewriter.forward(*plain, "fwd.example", kNow);
  if (!made || made->form == srs::Form::kUnchanged) return 0;
  const auto back = rewriter.reverse(made->mailbox, kNow);
  must(back.ok());
  if (made->form == srs::Form::kSrs0) must(back->mailbox.text() == text);
  return 0;
}
