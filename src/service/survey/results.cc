#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/core/text.h"
#include "service/survey/survey.h"

namespace sekisho::survey {
namespace {

constexpr std::string_view kMagic = "sekisho-survey 2";
constexpr std::size_t kFileMax = 8ull << 30;
constexpr std::size_t kNamesMax = 100'000'000;

std::uint32_t crc32(std::string_view octets) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t v = i;
      for (int bit = 0; bit < 8; ++bit) v = v & 1 ? v >> 1 ^ 0xedb88320 : v >> 1;
      t[i] = v;
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffff;
  for (const char c : octets) crc = table[(crc ^ static_cast<unsigned char>(c)) & 255] ^ crc >> 8;
  return ~crc;
}

std::string with_crc(std::string_view payload) {
  char crc[9];
  std::snprintf(crc, sizeof crc, "%08x", crc32(payload));
  return std::string(crc) + "\t" + std::string(payload) + "\n";
}

// The payload of a line without its LF; a null view when the sum is wrong.
std::string_view checked(std::string_view line) {
  if (line.size() < 9 || line[8] != '\t') return {};
  const std::string_view payload = line.substr(9);
  return with_crc(payload).substr(0, 8) == line.substr(0, 8) ? payload : std::string_view{};
}

std::string_view cut(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto piece = rest.substr(0, at);
  rest = at == rest.npos ? std::string_view() : rest.substr(at + 1);
  return piece;
}

std::string head_text(const List& list, const Plan& plan, std::int64_t now_s) {
  return with_crc(std::string(kMagic) + "\t" + list.digest + "\t" + std::to_string(list.names.size()) + "\t" +
                  std::to_string(now_s) + "\t" + plan.text());
}

bool read_head(std::string_view payload, Kept& into, std::size_t names_max) {
  if (cut(payload, '\t') != kMagic) return false;
  into.digest = cut(payload, '\t');
  const auto names = core::parse_uint(cut(payload, '\t'), kNamesMax);
  const auto started = core::parse_uint(cut(payload, '\t'), 253402300799);
  into.plan = payload;
  if (!names || !started || into.digest.size() != 64) return false;
  into.started_s = static_cast<std::int64_t>(*started);
  if (*names > names_max) return false;
  into.facts.assign(*names, Facts{});
  return true;
}

bool read_record(std::string_view payload, Kept& into) {
  const auto index = core::parse_uint(cut(payload, '\t'), kNamesMax);
  const auto tries = core::parse_uint(cut(payload, '\t'), 255);
  if (!index || !tries || *tries == 0 || *index >= into.facts.size() || payload.size() != kFields) return false;
  Facts facts;
  facts.tries = static_cast<std::uint8_t>(*tries);
  for (std::size_t f = 0; f < kFields; ++f) {
    const auto value = static_cast<std::uint8_t>(payload[f] - 'a');
    if (value >= words(static_cast<Field>(f)).size()) return false;
    facts.values[f] = value;
  }
  into.facts[*index] = facts;
  return true;
}

std::string refusal(const std::string& path, store::OsError why) {
  if (why == ELOOP) return path + ": is a symbolic link; give the folder where the results are";
  return path + ": " + std::strerror(why);
}

core::Result<std::string, std::string> read_text(const std::string& path) {
  std::error_code ignored;
  const auto kind = std::filesystem::status(path, ignored).type();
  if (std::filesystem::exists(path, ignored) && kind != std::filesystem::file_type::regular)
    return core::error(path + ": is no plain file");
  auto text = store::read_file(path, kFileMax);
  if (!text) return core::error(refusal(path, text.error()));
  return std::move(*text);
}

std::string damaged_text(const std::string& path, std::string_view text, std::size_t at) {
  const std::string_view head = checked(text.substr(0, text.find('\n')));
  const bool other = head.starts_with(kMagic.substr(0, kMagic.rfind(' ') + 1)) && !head.starts_with(kMagic);
  if (at == 0 && other)
    return path + ": was written by another version of sekisho (" +
           core::printable(head.substr(0, head.find('\t')), 40) +
           "); report it with that version, or begin anew in another folder (--state)";
  return at == 0 ? path + ": is no result file of `sekisho survey`; choose another folder"
                 : path + ": damaged at octet " + std::to_string(at) +
                       ": no crash does that, the disk or a person changed it. Keep it aside and begin anew in another "
                       "folder";
}

}  // namespace

std::optional<std::size_t> parse_results(std::string_view text, Kept& into, std::size_t& damaged_at,
                                         std::size_t names_max) {
  damaged_at = 0;
  const auto head = text.find('\n');
  if (head == text.npos || !read_head(checked(text.substr(0, head)), into, names_max)) return std::nullopt;
  std::size_t at = head + 1;
  while (at < text.size()) {
    const auto end = text.find('\n', at);
    const std::string_view payload = end == text.npos ? std::string_view() : checked(text.substr(at, end - at));
    if (!payload.data() || !read_record(payload, into)) {
      // What a crash leaves of a line has no end.
      if (end != text.npos) return damaged_at = at, std::nullopt;
      return at;
    }
    at = end + 1;
  }
  return at;
}

core::Result<Results, std::string> Results::open(const std::string& path, const List& list, const Plan& plan,
                                                 std::int64_t now_s, store::FileOps& files) {
  Results out(files);
  const auto fd = files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (!fd) return core::error(refusal(path, fd.error()));
  out.fd_ = *fd;
  if (::flock(out.fd_, LOCK_EX | LOCK_NB) != 0) return core::error(path + ": another survey is writing it");
  const auto text = read_text(path);
  if (!text) return core::error(text.error());
  const std::string head = head_text(list, plan, now_s);
  // Killed while the head itself was written: nothing was asked yet.
  if (text->find('\n') == text->npos && text->size() < head.size() &&
      (text->size() < 9 || std::string_view(*text).substr(9, kMagic.size()) ==
                               kMagic.substr(0, std::min(kMagic.size(), text->size() - 9)))) {
    out.torn_octets = text->size();
    const auto cut = files.truncate(out.fd_, 0);
    if (!cut) return core::error(refusal(path, cut.error()));
    if (!out.write(head)) return core::error(path + ": " + std::strerror(errno));
    std::size_t ignored = 0;
    (void)parse_results(head, out, ignored, list.names.size());
    return out;
  }
  std::size_t damaged_at = 0;
  const auto good = parse_results(*text, out, damaged_at, list.names.size());
  if (out.digest.size() == list.digest.size() && out.digest != list.digest)
    return core::error(path + ": belongs to another list of names; give each list a folder of its own (--state)");
  if (!good || out.facts.size() != list.names.size()) return core::error(damaged_text(path, *text, damaged_at));
  if (out.plan != plan.text())
    return core::error(path + ": was begun with other questions (" + out.plan +
                       "); give the same --only and --selector, or another folder (--state)");
  out.torn_octets = text->size() - *good;
  out.size_ = *good;
  if (out.torn_octets > 0) {
    const auto cut = files.truncate(out.fd_, *good);
    if (!cut) return core::error(refusal(path, cut.error()));
  }
  return out;
}

core::Result<Results, std::string> Results::read(const std::string& path, std::size_t names_max) {
  const auto text = read_text(path);
  if (!text) return core::error(text.error());
  Results out(store::FileOps::system());
  std::size_t damaged_at = 0;
  const auto good = parse_results(*text, out, damaged_at, names_max);
  if (!good) return core::error(damaged_text(path, *text, damaged_at));
  out.torn_octets = text->size() - *good;
  return out;
}

Results::Results(Results&& other) noexcept
    : Kept(std::move(other)),
      torn_octets(other.torn_octets),
      files_(other.files_),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

Results::~Results() { files_->close(fd_); }

bool Results::write(std::string_view text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto written = files_->write(fd_, text.substr(done), size_ + done);
    if (!written) return errno = written.error(), false;
    done += *written;
  }
  size_ += text.size();
  return true;
}

bool Results::append(std::size_t index, const Facts& one) {
  std::string payload = std::to_string(index) + "\t" + std::to_string(one.tries) + "\t";
  for (const auto value : one.values) payload += static_cast<char>('a' + value);
  if (!write(with_crc(payload))) return false;
  facts[index] = one;
  return true;
}

bool Results::sync() { return files_->sync(fd_).ok(); }

}  // namespace sekisho::survey
