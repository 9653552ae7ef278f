#include "transfer/maildir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/core/text.h"
#include "mail/address/address.h"

namespace sekisho::transfer {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A fault of our disk is never the client's: 4xx.
RcptOutcome disk_fault(int number, const char* what) {
  smtp::Reply reply{451, "4.3.0", {std::string("Local delivery failed: ") + what}};
  if (number == ENOSPC) reply = {452, "4.3.1", {"Mail system is full"}};
  if (number == EDQUOT) reply = {452, "4.2.2", {"Mailbox is full"}};
  return {Outcome::kTemporary, std::move(reply), ""};
}

Fd open_folder(int at, const char* name) { return Fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

// Opens name below at; makes it, durably, when it is not there.
Fd make_folder(int at, const std::string& name) {
  Fd there = open_folder(at, name.c_str());
  if (there || errno != ENOENT) return there;
  if (::mkdirat(at, name.c_str(), 0700) != 0 && errno != EEXIST) return Fd(-1);
  if (::fsync(at) != 0) return Fd(-1);
  return open_folder(at, name.c_str());
}

void escape(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = core::lower(text[i]);
    const bool plain = core::is_alnum(c) || c == '-' || c == '_' || c == '+' || c == '=' || (c == '.' && i > 0);
    if (plain)
      out += c;
    else
      (out += '%') += core::hex(text.substr(i, 1));
  }
}

struct WriteResult {
  bool ok = false;
  RcptOutcome outcome;
};
WriteResult write_file(int fd, MessageStream& stream) {
  std::string chunk;
  for (bool last = false; !last;) {
    chunk.clear();
    auto filled = stream.next(chunk, kChunkOctets);
    if (!filled) {
      smtp::Reply reply = reply_to(filled.error());
      const Outcome outcome = reply.temporary() ? Outcome::kTemporary : Outcome::kRefused;
      return {false, {outcome, std::move(reply), ""}};
    }
    last = *filled;
    for (std::string_view rest = chunk; !rest.empty();) {
      const ssize_t n = ::write(fd, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return {false, disk_fault(errno, "write")};
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  if (::fsync(fd) != 0) return {false, disk_fault(errno, "fsync")};
  return {true, {}};
}
}  // namespace

std::optional<std::string> mailbox_folder(std::string_view rcpt, std::string_view default_domain) {
  const auto at = rcpt.rfind('@');
  std::string_view local = rcpt.substr(0, at);
  std::string_view domain = at == std::string_view::npos ? default_domain : rcpt.substr(at + 1);
  // One domain, one folder: "dest.example." is the same name, and so is a name in U-labels and in A-labels.
  if (domain.ends_with('.')) domain.remove_suffix(1);
  const auto named = mail::Domain::parse(domain);
  if (named) domain = named->text();
  if (local.empty() || domain.empty() || local.size() > 80 || domain.size() > 253) return {};
  std::string out;
  escape(domain, out);
  out += '/';
  escape(local, out);
  return out.size() <= 500 ? std::optional(out) : std::nullopt;
}

std::string unique_file(std::int64_t now_us, std::uint64_t random, std::string_view host) {
  std::string out = std::to_string(now_us / 1'000'000) + ".M" + std::to_string(now_us % 1'000'000) + "P" +
                    std::to_string(::getpid()) + "R";
  for (int shift = 56; shift >= 0; shift -= 8) {
    const char octet = static_cast<char>(random >> shift);
    out += core::hex(std::string_view(&octet, 1));
  }
  out += '.';
  // maildir(5): '/' and ':' of the host name are written as \057 and \072.
  for (const char c : host.substr(0, 100)) {
    if (c == '/')
      out += "\\057";
    else if (c == ':')
      out += "\\072";
    else if (c > ' ' && c < 127)
      out += c;
  }
  return out;
}

RcptOutcome deliver_to_maildir(const MaildirJob& job, MessageStream stream) {
  // The base folder is not made here: when its disk is not mounted, mail must wait, not fill another disk.
  const Fd base = open_folder(AT_FDCWD, job.folder.c_str());
  if (!base) return disk_fault(errno, "the mail folder cannot be opened");
  const auto slash = job.mailbox.find('/');
  const Fd domain = make_folder(base.get(), job.mailbox.substr(0, slash));
  if (!domain) return disk_fault(errno, "the domain's folder");
  const Fd box = make_folder(domain.get(), job.mailbox.substr(slash + 1));
  if (!box) return disk_fault(errno, "the mailbox");
  const Fd tmp = make_folder(box.get(), "tmp");
  const Fd fresh = make_folder(box.get(), "new");
  const Fd cur = make_folder(box.get(), "cur");
  if (!tmp || !fresh || !cur) return disk_fault(errno, "tmp, new, cur");

  Fd file(::openat(tmp.get(), job.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return disk_fault(errno, "create");
  WriteResult written = write_file(file.get(), stream);
  // NFS and quotas report late: close() counts.
  if (::close(file.release()) != 0 && written.ok) written = {false, disk_fault(errno, "close")};
  if (!written.ok) {
    ::unlinkat(tmp.get(), job.file.c_str(), 0);
    return written.outcome;
  }
  // The name is unique, so rename cannot overwrite another mail.
  if (::renameat(tmp.get(), job.file.c_str(), fresh.get(), job.file.c_str()) != 0) {
    const RcptOutcome fault = disk_fault(errno, "rename");
    ::unlinkat(tmp.get(), job.file.c_str(), 0);
    return fault;
  }
  if (::fsync(fresh.get()) != 0) {
    const RcptOutcome fault = disk_fault(errno, "fsync of new");
    ::unlinkat(fresh.get(), job.file.c_str(), 0);
    return fault;
  }
  return {Outcome::kDelivered, {250, "2.0.0", {"Delivered"}}, job.file};
}

}  // namespace sekisho::transfer
