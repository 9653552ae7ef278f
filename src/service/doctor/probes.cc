#include "service/doctor/probes.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/core/text.h"

namespace sekisho::doctor {
namespace {
using namespace std::string_view_literals;

constexpr EndVariant kEnds[] = {
    {"<LF>.<LF>", "\n.\n"sv},
    {"<LF>.<CR><LF>", "\n.\r\n"sv},
    {"<CR><LF>.<LF>", "\r\n.\n"sv},
    {"<CR>.<CR>", "\r.\r"sv},
    {"<CR>.<CR><LF>", "\r.\r\n"sv},
    {"<CR><LF>.<CR>", "\r\n.\r"sv},
    {"<LF>.<CR>", "\n.\r"sv},
    {"<CR>.<LF>", "\r.\n"sv},
    {"<LF><LF>.<CR><LF>", "\n\n.\r\n"sv},
    {"<CR><CR><LF>.<CR><CR><LF>", "\r\r\n.\r\r\n"sv},
    {"<CR><LF><NUL>.<CR><LF>", "\r\n\0.\r\n"sv},
    {"<CR><LF>.<NUL><CR><LF>", "\r\n.\0\r\n"sv},
    {"<CR><LF>.<VT><CR><LF>", "\r\n.\v\r\n"sv},
    {"<CR><LF>.<SP><CR><LF>", "\r\n. \r\n"sv},
};
constexpr ContentVariant kContents[] = {
    {"a bare LF in the body", "", "one\ntwo\r\n", ""},
    {"a bare CR in the body", "", "one\rtwo\r\n", "\r"},
    {"a bare CR in a header field", "X-Doctor: one\rBcc: nobody@invalid\r\n", "", "\r"},
    {"a NUL in the body", "", "one\0two\r\n"sv, "\0"sv},
};

constexpr std::size_t kMaxMail = 4u << 20;

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string with_lf(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') out += text[i];
  return out;
}

std::string_view line_at(std::string_view text, std::size_t at) {
  const auto before = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

std::optional<std::string> find_in_mbox(const std::string& mbox, std::string_view marker) {
  const auto at = mbox.rfind(marker);
  if (at == std::string::npos) return {};
  auto begin = mbox.rfind("\nFrom ", at);
  begin = begin == std::string::npos ? 0 : begin + 1;
  if (mbox.compare(begin, 5, "From ") == 0) begin = mbox.find('\n', begin) + 1;
  auto end = mbox.find("\n\nFrom ", at);
  end = end == std::string::npos ? mbox.size() : end + 1;
  return mbox.substr(begin, end - begin);
}
}  // namespace

std::span<const EndVariant> end_variants() { return kEnds; }
std::span<const ContentVariant> content_variants() { return kContents; }

std::string marked_message(std::string_view host, std::string_view rcpt, std::string_view marker, bool eight_bit) {
  std::string out;
  out += "From: Sekisho doctor <postmaster@" + std::string(host) + ">\r\n";
  out += "To: " + std::string(rcpt) + "\r\n";
  out += "Subject: sekisho doctor\r\n\t" + std::string(marker) + "\r\n";
  out += "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n";
  out += "Message-ID: <" + std::string(marker) + "@" + std::string(host) + ">\r\n";
  out += "X-Folded: one\r\n two \r\n\tthree\r\n";
  out += "X-CASE:no blank behind the colon\r\n";
  out += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ";
  out += eight_bit ? "8bit\r\n\r\n" : "7bit\r\n\r\n";
  out += "This mail was sent by `sekisho doctor`. It may be deleted.\r\n";
  out += ".\r\n..\r\n...three dots\r\n.one\r\nFrom here on\r\n";
  out += "trailing blanks  \t\r\n\r\n";
  if (eight_bit) out += "\xe9\x96\xa2\xe6\x89\x80\r\n";
  out += std::string(998, 'x') + "\r\n";
  out += "end\r\n\r\n\r\n";
  return out;
}

std::string dot_stuffed(std::string_view message) {
  std::string out;
  bool line_start = true;
  for (const char c : message) {
    if (line_start && c == '.') out += '.';
    out += c;
    line_start = c == '\n';
  }
  return out + ".\r\n";
}

std::string difference(std::string_view sent, std::string_view stored) {
  const std::string want = with_lf(sent);
  std::string have = with_lf(stored);
  const auto first_field = want.substr(0, want.find(':') + 1);
  const auto at = have.starts_with(first_field) ? 0 : have.find("\n" + first_field);
  if (at == std::string::npos) return "its first field is gone: " + first_field;
  have.erase(0, at == 0 ? 0 : at + 1);
  // An mbox quotes lines that look like its separator.
  const auto quoted = have.find("\n>From here on");
  if (quoted != std::string::npos && want.find("\n>From here on") == std::string::npos) have.erase(quoted + 1, 1);
  const auto [w, h] = std::mismatch(want.begin(), want.end(), have.begin(), have.end());
  if (w == want.end() && h == have.end()) return {};
  const auto place = static_cast<std::size_t>(w - want.begin());
  const bool header = place < want.find("\n\n");
  return std::string(header ? "a header field" : "the body") + " differs: sent \"" +
         core::printable(line_at(want, std::min(place, want.size() - 1)), 60) + "\", arrived \"" +
         (h == have.end() ? "(the end)" : core::printable(line_at(have, place), 60)) + "\"";
}

std::optional<std::string> find_mail(const std::string& mailbox, std::string_view marker) {
  std::error_code fault;
  if (!std::filesystem::is_directory(mailbox, fault)) {
    const auto size = std::filesystem::file_size(mailbox, fault);
    if (fault) return {};
    std::string mbox = read(mailbox);
    if (size > kMaxMail) mbox.erase(0, mbox.size() - std::min<std::size_t>(mbox.size(), kMaxMail));
    return find_in_mbox(mbox, marker);
  }
  for (const char* part : {"/new", "/cur"}) {
    for (const auto& entry : std::filesystem::directory_iterator(mailbox + part, fault)) {
      if (entry.file_size(fault) > kMaxMail) continue;
      std::string mail = read(entry.path());
      if (mail.find(marker) != std::string::npos) return mail;
    }
  }
  return {};
}

}  // namespace sekisho::doctor
