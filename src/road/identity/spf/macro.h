#pragma once
// Macros (RFC 7208 section 7): their syntax, and their expansion into a name to ask or a text to show.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/ip_address.h"

namespace sekisho::spf {

// macro-string with the letters c, r, t only where allowed ("exp" text and unknown modifiers).
bool valid_macro_string(std::string_view text, bool explanation_letters = true);
bool valid_domain_spec(std::string_view text);
// explain-string = *( macro-string / SP )
bool valid_explanation(std::string_view text);
// For valid text: does it hold a macro of this letter (lower case given, either case found)?
bool uses(std::string_view text, char letter);
bool beyond_ascii(std::string_view text);

struct Values {
  std::string_view sender, local, sender_domain, domain, helo, receiver;
  std::string_view validated = "unknown";  // %{p}
  core::IpAddress client_ip;
  std::int64_t now_s = 0;
};

// The right end of an expanded name. Only the last 253 octets can be asked (section 7.3), so what is far left is
// dropped early.
class TargetName {
 public:
  void clear() { size_ = 0, usable_ = true; }
  void put(char c) {
    if (size_ == sizeof octets_) drop();
    octets_[size_++] = c;
  }
  void spoil() { usable_ = false; }
  bool usable() const { return usable_; }
  // Without a final dot; over 253 octets left labels are removed until it fits.
  std::string_view name() const;

 private:
  void drop();
  std::size_t size_ = 0;
  bool usable_ = true;
  char octets_[768];
};

// Expands a valid domain-spec. The name is not usable when a value put octets into it that no host name has: spaces,
// controls, octets over 127.
void expand(std::string_view spec, const Values& values, TargetName& out);
// Expands a valid explain-string; octets outside printable ASCII become '?', the rest beyond max is cut.
std::string expand_explanation(std::string_view text, const Values& values, std::size_t max);

}  // namespace sekisho::spf
