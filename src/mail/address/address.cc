#include "mail/address/address.h"

#include "base/core/text.h"

namespace sekisho::mail {
namespace {

constexpr std::size_t kMaxAddress = 254;  // RFC 5321 section 4.5.3.1.3: a path of 256 octets with its brackets
constexpr std::string_view kSpecials = "()<>[]:;,\\ ";

enum class Step { kGoOn, kAt, kSyntax, kControl };

// Walks over the local part: atoms, dots anywhere, quoted strings as whole words (RFC 5322 section 4.4 obs-local-part).
class LocalScan {
 public:
  Step next(char c) {
    if (core::is_control(c)) return Step::kControl;
    if (escaped_) return escaped_ = false, Step::kGoOn;
    if (quoted_) return inside(c);
    if (c == '@') return Step::kAt;
    if (c == '.') return word_start_ = true, closed_ = false, Step::kGoOn;
    if (closed_) return Step::kSyntax;  // `"a"b`
    if (c == '"') {
      if (!word_start_) return Step::kSyntax;  // `a"b"`
      return quoted_ = true, word_start_ = false, Step::kGoOn;
    }
    word_start_ = false;
    return kSpecials.find(c) == std::string_view::npos ? Step::kGoOn : Step::kSyntax;
  }

 private:
  Step inside(char c) {
    if (c == '\\') escaped_ = true;
    if (c == '"') quoted_ = false, closed_ = true;
    return Step::kGoOn;
  }
  bool quoted_ = false, escaped_ = false, closed_ = false, word_start_ = true;
};

}  // namespace

core::Result<Address, AddressError> Address::parse(std::string_view text) {
  if (text.empty()) return core::error(AddressError::kEmpty);
  LocalScan scan;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (scan.next(text[i])) {
      case Step::kGoOn:
        break;
      case Step::kSyntax:
        return core::error(AddressError::kSyntax);
      case Step::kControl:
        return core::error(AddressError::kLocalPart);
      case Step::kAt: {
        if (i == 0) return core::error(AddressError::kSyntax);
        auto domain = Domain::parse(text.substr(i + 1));
        if (!domain) return core::error(AddressError::kDomain);
        if (i + 1 + domain->text().size() > kMaxAddress) return core::error(AddressError::kTooLong);
        return Address(std::string(text.substr(0, i)), std::move(*domain));
      }
    }
  }
  return core::error(AddressError::kSyntax);  // no '@' outside quotes
}

}  // namespace sekisho::mail
