#include "road/identity/smime/entity.h"

#include <optional>

#include "base/core/text.h"
#include "road/identity/smime/smime.h"

namespace sekisho::smime {
namespace {

using road::AuthResult;

constexpr std::size_t kLongestField = 4096;  // of Content-Type
constexpr std::string_view kDetached = "multipart/signed";
constexpr std::size_t kMaxParameters = 20;
constexpr std::size_t kLongestBoundary = 70;  // RFC 2046 section 5.1.1

// RFC 2045 section 5.1: tokens, quoted strings, comments.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  void skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '(') {
        comment();
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else {
        return;
      }
    }
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip();
    return at_ >= text_.size();
  }
  std::string token() {
    skip();
    const auto start = at_;
    static constexpr std::string_view kSpecials = "()<>@,;:\\\"/[]?=";
    while (at_ < text_.size() && text_[at_] > ' ' && text_[at_] < 127 &&
           kSpecials.find(text_[at_]) == std::string_view::npos)
      ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::optional<std::string> value() {
    skip();
    if (at_ >= text_.size() || text_[at_] != '"') {
      std::string word = token();
      return word.empty() ? std::nullopt : std::optional(std::move(word));
    }
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') return ++at_, out;
      if (text_[at_] == '\r' || text_[at_] == '\n') continue;
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_];
    }
    return std::nullopt;
  }

 private:
  void comment() {
    for (unsigned depth = 0; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size())
        ++at_;
      else if (text_[at_] == '(')
        ++depth;
      else if (text_[at_] == ')' && --depth == 0) {
        ++at_;
        return;
      }
    }
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view next_line(std::string_view text, std::size_t& at) {
  const auto end = std::min(text.find("\r\n", at), text.size());
  const auto line = text.substr(at, end - at);
  at = std::min(end + 2, text.size());
  return line;
}

struct PartHeader {
  std::string type_value, encoding;
  std::string_view body;
  bool bad = false;
};

// Fields of the signature's part; anything odd is bad, since readers would differ.
PartHeader read_part(std::string_view part) {
  PartHeader out;
  std::string field;
  const auto keep = [&] {
    const auto colon = field.find(':');
    if (field.empty()) return;
    if (colon == std::string::npos) return void(out.bad = true);
    const auto name = core::trim(std::string_view(field).substr(0, colon));
    const auto value = std::string(core::trim(std::string_view(field).substr(colon + 1)));
    std::string* into = core::iequals(name, "Content-Type")                ? &out.type_value
                        : core::iequals(name, "Content-Transfer-Encoding") ? &out.encoding
                                                                           : nullptr;
    if (!into) return;
    if (!into->empty()) out.bad = true;
    *into = value;
  };
  std::size_t at = 0;
  for (;;) {
    if (at >= part.size()) return keep(), out.bad = true, out;
    const auto line = next_line(part, at);
    if (line.empty()) break;
    if (field.size() + line.size() > kLongestField) return out.bad = true, out;
    if (core::is_wsp(line.front())) {
      field += line;
      continue;
    }
    keep();
    field = line;
  }
  keep();
  out.body = part.substr(at);
  return out;
}

bool is_signature(const std::string& type) {
  return type == "application/pkcs7-signature" || type == "application/x-pkcs7-signature";
}

Signed refused(AuthResult result, std::string reason) {
  Signed out;
  out.result = result;
  out.reason = std::move(reason);
  return out;
}

// The signature's octets, whatever brings them.
bool decode(std::string_view octets, std::string_view encoding, std::size_t max, std::string& into) {
  if (core::iequals(encoding, "base64")) {
    if (octets.size() / 2 > max) return false;
    auto decoded = core::unbase64(octets, true);
    if (!decoded || decoded->empty() || decoded->size() > max) return false;
    into = std::move(*decoded);
    return true;
  }
  const bool plain = encoding.empty() || core::iequals(encoding, "binary") || core::iequals(encoding, "8bit") ||
                     core::iequals(encoding, "7bit");
  if (!plain || octets.empty() || octets.size() > max) return false;
  into = octets;
  return true;
}

Signed find_detached(std::string_view body, const ContentType& type) {
  if (type.boundary.empty() || type.boundary.size() > kLongestBoundary || type.boundary.back() == ' ')
    return refused(AuthResult::kNeutral, "multipart/signed without a usable boundary");
  const Parts parts = split(body, type.boundary);
  if (!parts.fault.empty()) return refused(AuthResult::kNeutral, std::string(parts.fault));
  const PartHeader header = read_part(parts.second);
  if (header.bad || !is_signature(parse_content_type(header.type_value).type))
    return refused(AuthResult::kNeutral, "the second part is no signature");
  Signed out;
  out.detached = true;
  out.content = parts.first;
  if (!decode(header.body, header.encoding, kMaxSignatureBytes, out.cms))
    return refused(AuthResult::kNeutral, "the signature cannot be decoded, or it is too long");
  out.result = AuthResult::kPass;
  return out;
}

Signed find_opaque(const mail::Message& message, std::string_view body, const ContentType& type) {
  if (!type.smime_type.empty() && type.smime_type != "signed-data") return {};  // encrypted, compressed, certificates
  const auto encodings = message.all("Content-Transfer-Encoding");
  if (encodings.size() > 1) return refused(AuthResult::kNeutral, "more than one Content-Transfer-Encoding");
  const auto encoding = encodings.empty() ? std::string_view() : core::trim_fws(encodings.front()->value);
  Signed out;
  if (!decode(body, encoding, kMaxOpaqueBytes, out.cms))
    return refused(AuthResult::kNeutral, "the signature cannot be decoded, or it is too long");
  out.result = AuthResult::kPass;
  return out;
}

}  // namespace

ContentType parse_content_type(std::string_view value) {
  ContentType out;
  if (value.size() > kLongestField) return out;
  Lexer lexer(value);
  const std::string main = lexer.token();
  if (main.empty() || !lexer.take('/')) return out;
  const std::string sub = lexer.token();
  if (sub.empty()) return out;
  for (std::size_t i = 0; lexer.take(';') && i < kMaxParameters; ++i) {
    const std::string name = core::to_lower(lexer.token());
    if (name.empty()) continue;
    if (!lexer.take('=')) return out;
    const auto text = lexer.value();
    if (!text) return out;
    std::string* into = name == "boundary"     ? &out.boundary
                        : name == "protocol"   ? &out.protocol
                        : name == "smime-type" ? &out.smime_type
                                               : nullptr;
    // RFC 2231 section 3: "boundary*0" is a boundary to some readers only.
    if (name.starts_with("boundary*")) out.twice = true;
    if (!into) continue;
    if (!into->empty()) out.twice = true;
    *into = *text;
  }
  if (!lexer.at_end()) return out;
  out.type = core::to_lower(main + "/" + sub);
  out.protocol = core::to_lower(out.protocol);
  out.smime_type = core::to_lower(out.smime_type);
  return out;
}

Parts split(std::string_view body, std::string_view boundary) {
  const std::string delimiter = "--" + std::string(boundary);
  Parts out;
  unsigned seen = 0;
  std::size_t part = 0;
  for (std::size_t at = 0; at < body.size();) {
    const auto start = at;
    const auto line = next_line(body, at);
    if (!line.starts_with(delimiter)) continue;
    const auto rest = line.substr(delimiter.size());
    const auto tail = rest.starts_with("--") ? rest.substr(2) : rest;
    // Some readers compare only the beginning of a delimiter: what one of them would show is not what was signed.
    if (!core::trim(tail).empty()) return out.fault = "the boundary is the beginning of another line", out;
    const bool closing = rest.size() != tail.size();
    ++seen;
    if (closing != (seen == 3) || seen > 3) return out.fault = "multipart/signed needs exactly two parts", out;
    if (seen > 1) (seen == 2 ? out.first : out.second) = body.substr(part, start >= part + 2 ? start - 2 - part : 0);
    part = at;
  }
  if (seen != 3) out.fault = "multipart/signed is cut off";
  return out;
}

bool may_be_signed(const ContentType& type) {
  if (type.type == kDetached) return is_signature(type.protocol);  // else another method's, such as OpenPGP
  return type.type == "application/pkcs7-mime" || type.type == "application/x-pkcs7-mime";
}

Signed find_signed(const mail::Message& message, const ContentType& type, std::string_view body, core::Budget& budget) {
  if (!may_be_signed(type)) return {};
  if (message.all("Content-Type").size() > 1 || type.twice)
    return refused(AuthResult::kNeutral, "Content-Type can be read in more than one way");
  if (!budget.take_steps(body.size()) || !budget.take_octets(body.size()))
    return refused(AuthResult::kPermError, "the message is too complex");
  return type.type == kDetached ? find_detached(body, type) : find_opaque(message, body, type);
}

}  // namespace sekisho::smime
