// The key file: read, rotate, write whole. One line a key; secrets leave memory and disk when their time is over.
#include "road/receipt/keyring.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/core/text.h"
#include "base/core/trusted_now.h"
#include "base/store/file_ops.h"

namespace sekisho::receipt {
namespace {

constexpr std::string_view kHeader = "sekisho receipt keys 1";
constexpr std::size_t kSecretSize = 32;
constexpr std::size_t kKeysMax = 200;  // ids are one octet; room is left for the memory of destroyed ones
constexpr std::size_t kFileMax = 64 << 10;
constexpr std::int64_t kLeapS = 14 * 86400;
constexpr std::size_t kProofKeys = 7;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::optional<std::string> read_all(int fd) {
  std::string octets;
  char buffer[4096];
  for (;;) {
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || octets.size() > kFileMax) return std::nullopt;
    if (got == 0) return octets;
    octets.append(buffer, static_cast<std::size_t>(got));
  }
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const auto space = line.find(' ');
    out.push_back(line.substr(0, space));
    line = space == line.npos ? std::string_view() : line.substr(space + 1);
  }
  return out;
}

}  // namespace

KeyRing::KeyRing(std::string file, Settings settings, core::Random& random)
    : file_(std::move(file)), settings_(settings), random_(random) {
  settings_.rotate_s = std::max<std::int64_t>(settings_.rotate_s, 60);
  settings_.keep_s = std::max<std::int64_t>(settings_.keep_s, 0);
  keys_.reserve(256);  // growing would leave copies of secrets behind
}

KeyRing::~KeyRing() {
  for (auto& key : keys_) crypto::wipe(key.secret);
}

core::Result<std::unique_ptr<KeyRing>, KeyError> KeyRing::open(const std::string& file, Settings settings,
                                                               core::Random& random, std::int64_t now_s) {
  std::unique_ptr<KeyRing> ring(new KeyRing(file, settings, random));
  const auto read = ring->read();
  if (!read) return core::error(read.error());
  const auto rotated = ring->rotate(now_s);
  if (!rotated) return core::error(rotated.error());
  return ring;
}

core::Result<void, KeyError> KeyRing::read() {
  const Descriptor file(::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) {
    if (errno == ENOENT) return {};
    return core::error(KeyError::kUnreadable);
  }
  auto text = read_all(file.get());
  if (!text) return core::error(KeyError::kUnreadable);
  std::string_view rest = *text;
  bool first = true;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    if (end == rest.npos) return core::error(KeyError::kMalformed);
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (std::exchange(first, false)) {
      if (line != kHeader) return core::error(KeyError::kMalformed);
      continue;
    }
    const auto fields = words(line);
    const auto id = fields.size() > 1 ? core::parse_uint(fields[1], 255) : std::nullopt;
    if (id && fields.size() == 3 && fields[0] == "gone") {
      const auto at = core::parse_uint(fields[2], INT64_MAX);
      if (!at) return core::error(KeyError::kMalformed);
      destroyed_at_[*id] = static_cast<std::int64_t>(*at);
      continue;
    }
    if (!id || fields.size() != 5 || fields[0] != "key" || find(static_cast<std::uint8_t>(*id)))
      return core::error(KeyError::kMalformed);
    const auto created = core::parse_uint(fields[2], INT64_MAX), replaced = core::parse_uint(fields[3], INT64_MAX);
    auto secret = core::unhex(fields[4]);
    if (!created || !replaced || !secret || secret->size() != kSecretSize) return core::error(KeyError::kMalformed);
    keys_.push_back({static_cast<std::uint8_t>(*id), static_cast<std::int64_t>(*created),
                     static_cast<std::int64_t>(*replaced), std::move(*secret)});
  }
  crypto::wipe(*text);
  if (first) return core::error(KeyError::kMalformed);
  return {};
}

core::Result<void, KeyError> KeyRing::write() const {
  std::string text(kHeader);
  text += '\n';
  for (const auto& key : keys_)
    text += "key " + std::to_string(key.id) + " " + std::to_string(key.created_s) + " " +
            std::to_string(key.replaced_s) + " " + core::hex(key.secret) + "\n";
  for (std::size_t id = 0; id < destroyed_at_.size(); ++id)
    if (destroyed_at_[id] != 0) text += "gone " + std::to_string(id) + " " + std::to_string(destroyed_at_[id]) + "\n";
  const auto written = store::replace_file(store::FileOps::system(), file_, text, 0600, true);
  crypto::wipe(text);
  if (!written) return core::error(KeyError::kUnwritable);
  return {};
}

const KeyRing::Key* KeyRing::find(std::uint8_t id) const {
  const auto at = std::find_if(keys_.begin(), keys_.end(), [&](const auto& key) { return key.id == id; });
  return at == keys_.end() ? nullptr : &*at;
}

// Ids go round; the next free one after the last, so that a destroyed id is remembered as long as can be.
void KeyRing::add_key(std::int64_t now_s) {
  std::uint8_t id = 0;
  if (keys_.empty()) {
    const auto latest = std::max_element(destroyed_at_.begin(), destroyed_at_.end());
    if (*latest != 0) id = static_cast<std::uint8_t>(latest - destroyed_at_.begin() + 1);
  } else {
    id = static_cast<std::uint8_t>(keys_.back().id + 1);
    keys_.back().replaced_s = now_s;
  }
  while (find(id)) ++id;
  destroyed_at_[id] = 0;
  std::string secret(kSecretSize, '\0');
  random_.fill(secret.data(), secret.size());
  keys_.push_back({id, now_s, 0, std::move(secret)});
}

core::Result<bool, KeyError> KeyRing::rotate(std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  // A clock that leaps must not take the keys of receipts that are still in people's hands.
  std::vector<std::int64_t> marks;
  for (const auto& key : keys_) marks.push_back(key.created_s);
  std::sort(marks.begin(), marks.end());
  const std::int64_t believed_s = core::trusted_now(marks, now_s, kLeapS, kProofKeys);
  const auto is_over = [&](const Key& key) {
    return key.replaced_s != 0 && believed_s - key.replaced_s >= settings_.keep_s;
  };
  const bool due = keys_.empty() || now_s - keys_.back().created_s >= settings_.rotate_s;
  if (!due && !unwritten_ && std::none_of(keys_.begin(), keys_.end(), is_over)) return false;
  if (due) add_key(now_s);
  for (auto& key : keys_) {
    const bool crowded = keys_.size() > kKeysMax && &key < &keys_[keys_.size() - kKeysMax];
    if (!is_over(key) && !crowded) continue;
    crypto::wipe(key.secret);
    destroyed_at_[key.id] = now_s;
  }
  std::erase_if(keys_, [](const auto& key) { return key.secret.empty(); });
  const auto written = write();
  unwritten_ = !written;
  if (unwritten_) return core::error(written.error());
  return true;
}

std::size_t KeyRing::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_.size();
}

}  // namespace sekisho::receipt
