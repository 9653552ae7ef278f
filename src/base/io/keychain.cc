#include "base/io/keychain.h"

#include <sys/stat.h>

#include <cerrno>
#include <ctime>

#include "base/io/tickets.h"
#include "base/io/tls_context.h"

namespace sekisho::io {
namespace {
// What stat(2) says of a file, enough to see any change.
struct Stamp {
  int fault = 0;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  bool operator==(const Stamp&) const = default;
};
struct Stamps {
  Stamp certificate, key;
  bool operator==(const Stamps&) const = default;
};

Stamp stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {errno};
  const auto ns = [](const timespec& time) { return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec; };
  return {0, info.st_dev, info.st_ino, info.st_size, ns(info.st_mtim), ns(info.st_ctim)};
}
Stamps stamps_of(const CertificateFiles& files) { return {stamp_of(files.certificate), stamp_of(files.key)}; }

std::string date(std::int64_t epoch_s) {
  const std::time_t time = epoch_s;
  std::tm parts{};
  char text[40];
  ::gmtime_r(&time, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

core::Result<CertificatePair, CertificateFault> load_pair(const CertificateFiles& files) {
  auto pair = read_pair(files);
  if (!pair) return pair;
  const std::string refused = try_pair(*pair);
  if (!refused.empty()) return core::error(CertificateFault{files.certificate, refused});
  return pair;
}
}  // namespace

struct Keychain::Impl {
  struct Place {
    CertificatePair pair;
    Stamps used, seen;
    std::optional<Stamps> refused;
  };
  TlsVersion least = TlsVersion::k12;
  mutable std::mutex lock;  // guards facts
  std::vector<CertificateFacts> facts;
  std::vector<Place> places;  // of the one that looks
  std::shared_ptr<TlsContext> context;

  void publish() {
    std::vector<const CertificatePair*> pairs;
    std::vector<CertificateFacts> now;
    for (const Place& place : places) {
      pairs.push_back(&place.pair);
      now.push_back(place.pair.facts);
    }
    context->impl().set(make_bundle(pairs, least));
    const std::lock_guard hold(lock);
    facts = std::move(now);
  }
  static std::optional<KeychainNews> look_at(Place& place, std::int64_t now_s);
};

Keychain::Keychain(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Keychain::~Keychain() = default;

core::Result<std::shared_ptr<Keychain>, std::vector<Keychain::Fault>> Keychain::open(
    std::vector<CertificateFiles> pairs, TlsVersion least) {
  auto impl = std::make_unique<Impl>();
  impl->least = least;
  std::vector<Fault> faults;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Stamps before = stamps_of(pairs[i]);
    auto pair = load_pair(pairs[i]);
    if (pair)
      impl->places.push_back({std::move(*pair), before, before, {}});
    else
      faults.push_back({i, pair.error()});
  }
  if (!faults.empty()) return core::error(std::move(faults));
  impl->context = TlsContext::client();  // filled by publish()
  impl->publish();
  return std::shared_ptr<Keychain>(new Keychain(std::move(impl)));
}

std::shared_ptr<TlsContext> Keychain::context() const { return impl_->context; }

std::vector<CertificateFacts> Keychain::certificates() const {
  const std::lock_guard hold(impl_->lock);
  return impl_->facts;
}

std::optional<KeychainNews> Keychain::Impl::look_at(Place& place, std::int64_t now_s) {
  const CertificateFiles files = place.pair.facts.files;
  const Stamps now = stamps_of(files);
  if (now == place.used || now == place.refused) {
    place.seen = now;
    if (now == place.used) place.refused.reset();
    return {};
  }
  // Somebody may still be writing: judged when two looks see the same.
  if (now != std::exchange(place.seen, now)) return {};
  auto pair = load_pair(files);
  KeychainNews news;
  if (!pair)
    news.fault = pair.error();
  else if (pair->facts.not_after_s <= now_s)
    news.fault = {files.certificate, "expired on " + date(pair->facts.not_after_s)};
  else if (pair->facts.not_before_s > now_s)
    news.fault = {files.certificate, "is not valid before " + date(pair->facts.not_before_s)};
  else
    news.loaded = true;
  if (!news.loaded) {
    place.refused = now;
    return news;
  }
  news.facts = pair->facts;
  place.pair = std::move(*pair);
  place.used = now;
  place.refused.reset();
  return news;
}

std::vector<KeychainNews> Keychain::look(std::int64_t now_s) {
  std::vector<KeychainNews> out;
  bool changed = false;
  for (auto& place : impl_->places) {
    auto news = Impl::look_at(place, now_s);
    if (!news) continue;
    changed = changed || news->loaded;
    out.push_back(std::move(*news));
  }
  if (!changed) return out;
  impl_->publish();
  // Who had a ticket sees the new certificate too.
  ticket_keys().forget();
  return out;
}

}  // namespace sekisho::io
