#include "cmd/mailbox.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/core/budget.h"
#include "base/core/text.h"
#include "cmd/files.h"
#include "mail/address/mailbox.h"
#include "mail/message/message.h"

namespace sekisho::cmd {

namespace {

// "From x@y Thu Jan  1 00:00:00 2026": a word, then text that ends in a year or zone. Plain "From here on" is body
// text.
bool is_separator(std::string_view line) {
  if (line.substr(0, 5) != "From ") return false;
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  const auto colon = line.find(':');
  return line.size() > 25 && colon != std::string_view::npos && colon + 6 < line.size() && line.substr(5, 1) != " ";
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> split_mbox(std::string_view text) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
  bool blank = true;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    if (blank && is_separator(line)) {
      if (!out.empty()) out.back().second = at - out.back().first;
      out.emplace_back(at, text.size() - at);
    }
    blank = line.empty() || line == "\r";
    at = end + 1;
  }
  return out;
}

std::string unquote_from(std::string text) {
  const auto first = text.find('\n');
  if (text.compare(0, 5, "From ") == 0 && first != std::string::npos) text.erase(0, first + 1);
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size() - 1);
    std::string_view line(text.data() + at, end - at + 1);
    const auto mark = line.find_first_not_of('>');
    if (mark != std::string_view::npos && mark > 0 && line.substr(mark, 5) == "From ") line.remove_prefix(1);
    out += line;
    at = end + 1;
  }
  return out;
}

namespace fs = std::filesystem;

bool is_maildir(const fs::path& folder) {
  std::error_code fault;
  return fs::is_directory(folder / "cur", fault) && fs::is_directory(folder / "new", fault);
}

// In a Maildir (and in its subfolders, ".Sent") the mails are what stands in cur/ and new/; tmp/ holds what is not
// finished, the rest belongs to the server (dovecot.index, subscriptions). In a plain folder every file is a mail but
// those that are hidden.
void gather(const fs::path& folder, std::vector<std::string>& files) {
  const bool maildir = is_maildir(folder);
  std::error_code fault;
  for (fs::directory_iterator it(folder, fs::directory_options::skip_permission_denied, fault), end;
       it != end && !fault; it.increment(fault)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (it->is_directory(ignored) && !it->is_symlink(ignored)) {
      if (maildir && name == "tmp") continue;
      if (name.starts_with('.') && !is_maildir(it->path())) continue;
      gather(it->path(), files);
    } else if (it->is_regular_file(ignored) && !maildir && !name.starts_with('.') && !name.starts_with("dovecot")) {
      files.push_back(it->path().string());
    }
  }
}

}  // namespace

core::Result<Mailbox, std::string> Mailbox::open(const std::string& path) {
  std::error_code fault;
  Mailbox box;
  if (fs::is_directory(path, fault)) {
    std::vector<std::string> files;
    gather(path, files);
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const auto size = fs::file_size(file, fault);
      if (!fault) box.entries_.push_back({file, 0, size, 0});  // one that has gone meanwhile is no mail any more
    }
    if (box.entries_.empty())
      return core::error(path + ": the folder holds no mails (of a Maildir only cur/ and new/ are read)");
    return box;
  }
  auto octets = read_octets(path);
  if (!octets) return core::error(octets.error());
  const auto parts = split_mbox(*octets);
  for (std::size_t i = 0; i < parts.size(); ++i) box.entries_.push_back({path, parts[i].first, parts[i].second, i + 1});
  if (box.entries_.empty()) box.entries_.push_back({path, 0, octets->size(), 0});
  return box;
}

std::string Mailbox::name(std::size_t i) const {
  const Entry& e = entries_[i];
  return e.number ? e.file + ":" + std::to_string(e.number) : e.file;
}

core::Result<std::string, std::string> Mailbox::read(std::size_t i) const {
  const Entry& e = entries_[i];
  std::ifstream in(e.file, std::ios::binary);
  std::string octets(e.size, '\0');
  if (!in.seekg(static_cast<std::streamoff>(e.offset)) ||
      !in.read(octets.data(), static_cast<std::streamsize>(octets.size())))
    return core::error(name(i) + ": cannot be read");
  if (e.number) return unquote_from(std::move(octets));
  if (octets.compare(0, 5, "From ") == 0) octets.erase(0, octets.find('\n') + 1);
  return octets;
}

std::string likely_mail_from(const std::string& octets) {
  core::Budget budget;
  auto message = mail::Message::from_file(octets, budget);
  if (!message) return "";
  for (const std::string_view name : {"Return-Path", "From"}) {
    const auto* field = (*message)->first(name);
    if (!field) continue;
    if (name == "Return-Path" && field->value.find("<>") != std::string_view::npos) return "";
    for (const auto& mailbox : mail::parse_mailboxes(field->value, budget).mailboxes)
      if (mailbox.address) return mailbox.address->text();
  }
  return "";
}

std::optional<core::IpAddress> likely_client(const mail::Message& message) {
  for (const auto* field : message.all("Received")) {
    const std::string_view value = field->value;
    for (std::size_t at = value.find('['); at != std::string_view::npos; at = value.find('[', at + 1)) {
      auto text = value.substr(at + 1, value.find(']', at) - at - 1);
      if (core::istarts_with(text, "IPv6:")) text.remove_prefix(5);
      const auto ip = core::IpAddress::parse(text);
      if (!ip || ip->is_loopback()) continue;
      const bool inner = ip->is_v4() && (ip->in_prefix(core::IpAddress::v4(0x0a000000), 8) ||
                                         ip->in_prefix(core::IpAddress::v4(0xac100000), 12) ||
                                         ip->in_prefix(core::IpAddress::v4(0xc0a80000), 16));
      if (!inner) return ip;
    }
  }
  return {};
}

std::string likely_helo(const mail::Message& message) {
  const auto* field = message.first("Received");
  if (!field) return "";
  const auto value = core::trim_fws(field->value);
  if (!core::istarts_with(value, "from ")) return "";
  const auto rest = value.substr(5);
  return std::string(rest.substr(0, rest.find_first_of(" \t\r\n(;")));
}

}  // namespace sekisho::cmd
