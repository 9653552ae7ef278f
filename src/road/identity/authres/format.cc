#include <algorithm>
#include <optional>

#include "base/core/text.h"
#include "road/identity/authres/authres.h"
#include "road/identity/authres/lexer.h"

namespace sekisho::authres {
namespace {

constexpr std::size_t kValueMax = 512;

// Well-formed UTF-8 (RFC 3629), without C1 controls.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xc2 && lead <= 0xdf   ? 1
                     : lead >= 0xe0 && lead <= 0xef ? 2
                     : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                    : 0;
    if (more == 0 || i + static_cast<std::size_t>(more) > text.size()) return false;
    std::uint32_t point = lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k) {
      const auto octet = static_cast<unsigned char>(text[i++]);
      if ((octet & 0xc0) != 0x80) return false;
      point = point << 6 | (octet & 0x3f);
    }
    const std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) || point < 0xa0) return false;
  }
  return true;
}

bool is_writable(std::string_view text, bool utf8) {
  bool ascii = true;
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) return false;
    ascii = ascii && octet < 0x80;
  }
  return text.size() <= kValueMax && (ascii || (utf8 && is_utf8(text)));
}

bool is_bare(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_token_char(c); });
}

std::string quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

std::string value_text(std::string_view text) { return is_bare(text) ? std::string(text) : quoted(text); }

// local@domain and @domain may stand bare (RFC 8601 section 2.2, pvalue).
std::string pvalue_text(std::string_view text) {
  const auto at = text.find('@');
  const bool address =
      at != std::string_view::npos && is_bare(text.substr(at + 1)) && (at == 0 || is_bare(text.substr(0, at)));
  return address ? std::string(text) : value_text(text);
}

std::string comment_text(std::string_view text, bool utf8) {
  if (text.empty() || !is_writable(text, utf8)) return {};
  std::string out;
  out.reserve(text.size() + 8);
  out += " (";
  for (char c : text) {
    if (c == '(' || c == ')' || c == '\\') out += '\\';
    out += c;
  }
  return out += ')';
}

class Writer {
 public:
  explicit Writer(const Format& how) : how_(how), column_(std::string_view("Authentication-Results: ").size()) {
    out_.reserve(500);
  }
  // A part that is not broken; a space or a fold goes before it.
  void part(std::string_view text) {
    if (how_.fold_at > 0 && !out_.empty() && column_ + 1 + text.size() > how_.fold_at) {
      out_ += "\r\n\t";
      column_ = 8;
    } else if (!out_.empty()) {
      out_ += ' ';
      ++column_;
    }
    out_ += text;
    column_ += text.size();
  }
  void glue(std::string_view text) { out_ += text, column_ += text.size(); }
  std::string take() { return std::move(out_); }

 private:
  const Format& how_;
  std::string out_;
  std::size_t column_;
};

void write(const MethodResult& result, const Format& how, Writer& writer) {
  writer.glue(";");
  std::string head = result.method;
  if (result.version != 1) head += "/" + std::to_string(result.version);
  writer.part(head + "=" + result.result + comment_text(result.comment, how.utf8));
  if (!result.reason.empty() && is_writable(result.reason, how.utf8))
    writer.part("reason=" + value_text(result.reason));
  for (const auto& p : result.properties) {
    if (!is_keyword(p.ptype) || !is_keyword(p.property) || !is_writable(p.value, how.utf8)) continue;
    writer.part(p.ptype + "." + p.property + "=" + pvalue_text(p.value) + comment_text(p.comment, how.utf8));
  }
}

}  // namespace

std::string format(const Header& header, const Format& how) {
  Writer writer(how);
  std::string id =
      header.authserv_id.empty() || !is_writable(header.authserv_id, how.utf8) ? "unknown" : header.authserv_id;
  writer.part(value_text(id));
  if (header.version != 0) writer.part(std::to_string(header.version));
  bool any = false;
  for (const auto& result : header.results) {
    if (!is_keyword(result.method) || !is_keyword(result.result)) continue;
    write(result, how, writer);
    any = true;
  }
  if (!any) {
    writer.glue(";");
    writer.part("none" + comment_text(header.comment, how.utf8));
  }
  return writer.take();
}

MethodResult spf_result(const spf::Evaluation& evaluation) {
  MethodResult out;
  out.method = "spf";
  out.result = road::word(evaluation.result);
  const bool helo = evaluation.identity == spf::Identity::kHelo;
  if (!evaluation.domain.empty())
    out.properties.push_back({"smtp", helo ? "helo" : "mailfrom", evaluation.domain.text()});
  return out;
}

std::string received_spf(const spf::Query& query, const spf::Evaluation& evaluation, std::string_view receiver) {
  // RFC 7208 section 9.1: result [comment] key-value-list; values are dot-atoms or quoted strings.
  std::string out;
  out.reserve(500);
  out += road::word(evaluation.result);
  out += comment_text(core::printable(receiver, 255) + ": " + evaluation.reason.text(), false) + " ";
  const auto pair = [&out](std::string_view key, std::string_view text) {
    const std::string clean = core::printable(text, 400);
    const bool atom = !clean.empty() && clean.front() != '.' && clean.back() != '.' &&
                      clean.find("..") == std::string::npos && std::all_of(clean.begin(), clean.end(), [](char c) {
                        return core::is_alnum(c) || c == '.' || c == '-' || c == '_';
                      });
    if (out.back() != ' ') out += "; ";
    out.append(key).append("=").append(atom ? clean : quoted(clean));
  };
  pair("receiver", receiver);
  pair("client-ip", query.client_ip.text());
  pair("envelope-from", query.mail_from);
  pair("helo", query.helo);
  pair("identity", spf::word(evaluation.identity));
  const auto reason = evaluation.reason.view();
  const bool error =
      evaluation.result == road::AuthResult::kTempError || evaluation.result == road::AuthResult::kPermError;
  constexpr std::string_view kMatched = "matched ";
  if (error)
    pair("problem", reason);
  else if (reason.substr(0, kMatched.size()) == kMatched)
    pair("mechanism", reason.substr(kMatched.size(), reason.find(" of ") - kMatched.size()));
  return out;
}

}  // namespace sekisho::authres
