#include "road/partial/partial.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>

#include "base/core/text.h"
#include "base/crypto/crypto.h"
#include "base/store/file_ops.h"

namespace sekisho::partial {

namespace {
constexpr std::int64_t kKeepS = 5 * 86400;

std::string line_of(const Key& key, std::int64_t now_s) {
  return std::to_string(now_s) + " " + core::hex({key.data(), key.size()}) + "\n";
}

std::string write_all(int fd, const std::string& text, const std::string& file) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return file + ": " + std::strerror(errno);
    done += static_cast<std::size_t>(n);
  }
  return ::fdatasync(fd) == 0 ? "" : file + ": " + std::strerror(errno);
}
}  // namespace

Key key_of(std::string_view mail_from, std::string_view rcpt_to, std::string_view digest) {
  // Lengths in front, so that no two triples share their octets.
  std::string octets;
  for (const auto part : {mail_from, rcpt_to, digest}) octets += std::to_string(part.size()) + ":" + std::string(part);
  const auto hash = crypto::sha256(octets);
  Key key;
  std::copy(hash.begin(), hash.end(), reinterpret_cast<unsigned char*>(key.data()));
  return key;
}

struct Memory::Impl {
  std::string file;
  int fd = -1;
  mutable std::mutex mutex;
  std::map<Key, std::int64_t> served;
  std::atomic<std::size_t> count{0};
  ~Impl() {
    if (fd >= 0) ::close(fd);
  }
};

Memory::Memory(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Memory::~Memory() = default;

core::Result<std::unique_ptr<Memory>, std::string> Memory::open(const std::string& file, std::int64_t now_s) {
  auto impl = std::make_unique<Impl>();
  impl->file = file;
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    const auto space = line.find(' ');
    const auto time = core::parse_uint(std::string_view(line).substr(0, space), INT64_MAX);
    const auto octets =
        space == std::string::npos ? std::nullopt : core::unhex(std::string_view(line).substr(space + 1));
    if (!time || !octets || octets->size() != sizeof(Key))
      continue;  // torn by a crash: its client was told 451 and comes again
    Key key;
    std::copy(octets->begin(), octets->end(), key.begin());
    if (static_cast<std::int64_t>(*time) + kKeepS > now_s) impl->served[key] = static_cast<std::int64_t>(*time);
  }
  in.close();
  // Written anew without what is too old, then appended to.
  std::string text;
  for (const auto& [key, time] : impl->served) text += line_of(key, time);
  const auto written = store::replace_file(store::FileOps::system(), file, text, 0600, true);
  if (!written) return core::error(file + ": " + std::strerror(written.error()));
  impl->fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (impl->fd < 0) return core::error(file + ": " + std::strerror(errno));
  impl->count = impl->served.size();
  return std::unique_ptr<Memory>(new Memory(std::move(impl)));
}

bool Memory::empty() const { return impl_->count.load(std::memory_order_relaxed) == 0; }

bool Memory::served(const Key& key, std::int64_t now_s) const {
  if (empty()) return false;
  const std::lock_guard lock(impl_->mutex);
  const auto it = impl_->served.find(key);
  return it != impl_->served.end() && it->second + kKeepS > now_s;
}

core::Result<void, std::string> Memory::remember(const std::vector<Key>& keys, std::int64_t now_s) {
  std::string text;
  for (const auto& key : keys) text += line_of(key, now_s);
  const std::lock_guard lock(impl_->mutex);
  const std::string fault = write_all(impl_->fd, text, impl_->file);
  // Remembered in memory even when the disk fails: the next retry is then still answered rightly while we live.
  for (const auto& key : keys) impl_->served[key] = now_s;
  std::erase_if(impl_->served, [&](const auto& item) { return item.second + kKeepS <= now_s; });
  impl_->count = impl_->served.size();
  if (!fault.empty()) return core::error(fault);
  return {};
}

void Doubts::add(const Key& key) {
  const std::lock_guard lock(mutex_);
  if (!keys_.insert(key).second) return;
  order_.push_back(key);
  if (order_.size() <= most_) return;
  keys_.erase(order_.front());
  order_.pop_front();
}

bool Doubts::take(const Key& key) {
  const std::lock_guard lock(mutex_);
  if (keys_.erase(key) == 0) return false;
  std::erase(order_, key);
  return true;
}

}  // namespace sekisho::partial
