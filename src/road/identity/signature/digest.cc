#include <openssl/evp.h>

#include <algorithm>

#include "road/identity/signature/signature.h"

namespace sekisho::signature {
namespace {
const EVP_MD* md_of(Hash hash) {
  // Fetched once: an implicit fetch for each use costs more than hashing a header.
  static EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return hash == Hash::kSha1 ? sha1 : sha256;
}

// Contexts that were used once keep their algorithm, so taking one again allocates nothing.
struct Pool {
  std::vector<EVP_MD_CTX*> free[2];
  ~Pool() {
    for (auto& list : free)
      for (auto* context : list) EVP_MD_CTX_free(context);
  }
};
thread_local Pool pool;
constexpr std::size_t kKept = 8;

EVP_MD_CTX* borrow(Hash hash) {
  auto& list = pool.free[static_cast<int>(hash)];
  EVP_MD_CTX* context;
  if (list.empty()) {
    context = EVP_MD_CTX_new();
  } else {
    context = list.back();
    list.pop_back();
  }
  EVP_DigestInit_ex2(context, md_of(hash), nullptr);
  return context;
}

void give_back(Hash hash, EVP_MD_CTX* context) {
  auto& list = pool.free[static_cast<int>(hash)];
  if (list.size() < kKept)
    list.push_back(context);
  else
    EVP_MD_CTX_free(context);
}

EVP_MD_CTX* raw(void* context) { return static_cast<EVP_MD_CTX*>(context); }
}  // namespace

Digest::Digest(Hash hash) : hash_(hash), context_(borrow(hash)) {}
Digest::Digest(Digest&& other) noexcept : hash_(other.hash_), context_(std::exchange(other.context_, nullptr)) {}
Digest::~Digest() {
  if (context_) give_back(hash_, raw(context_));
}

void Digest::update(std::string_view octets) { EVP_DigestUpdate(raw(context_), octets.data(), octets.size()); }

std::string Digest::finish() {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(raw(context_), out, &size);
  return {reinterpret_cast<char*>(out), size};
}

std::string Digest::snapshot() const {
  EVP_MD_CTX* copy = borrow(hash_);
  EVP_MD_CTX_copy_ex(copy, raw(context_));
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(copy, out, &size);
  give_back(hash_, copy);
  return {reinterpret_cast<char*>(out), size};
}

std::array<char, 32> message_digest(const mail::Message& message) {
  struct Sink final : mail::BodySink {
    Digest hash{Hash::kSha256};
    void update(std::string_view octets) override { hash.update(octets); }
  } sink;
  sink.update(message.header_octets());
  sink.update("\r\n");
  message.body().hash_into(sink);
  const std::string digest = sink.hash.finish();
  std::array<char, 32> out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

struct BodyHasher::Wish {
  Canon canon;
  Hash hash;
  std::optional<std::uint64_t> limit;
  std::string result;
};

// One canonical form and the running hashes over it. Hashes stop for a snapshot at each limit, in order.
struct BodyHasher::Form final : mail::BodySink {
  struct Running {
    Digest digest;
    std::vector<Wish*> limited;  // by limit, the greatest first
    std::vector<Wish*> whole;
    std::uint64_t done = 0;
  };
  explicit Form(Canon canon) : canonicalizer(canon, *this) {}

  void update(std::string_view octets) override {
    for (auto& [hash, running] : hashes) feed(running, octets);
  }
  static void feed(Running& running, std::string_view octets) {
    while (!running.limited.empty() && *running.limited.back()->limit - running.done <= octets.size()) {
      const std::uint64_t part = *running.limited.back()->limit - running.done;
      running.digest.update(octets.substr(0, part));
      running.done += part;
      octets.remove_prefix(part);
      running.limited.back()->result = running.digest.snapshot();
      running.limited.pop_back();
    }
    if (running.limited.empty() && running.whole.empty()) return;
    running.digest.update(octets);
    running.done += octets.size();
  }

  BodyCanonicalizer canonicalizer;
  std::map<Hash, Running> hashes;
};

BodyHasher::BodyHasher() = default;
BodyHasher::~BodyHasher() = default;

std::size_t BodyHasher::want(Canon canon, Hash hash, std::optional<std::uint64_t> limit) {
  for (std::size_t i = 0; i < wishes_.size(); ++i)
    if (wishes_[i].canon == canon && wishes_[i].hash == hash && wishes_[i].limit == limit) return i;
  wishes_.push_back({canon, hash, limit, {}});
  return wishes_.size() - 1;
}

void BodyHasher::update(std::string_view octets) {
  if (forms_.empty()) start();
  for (auto& [canon, form] : forms_) form->canonicalizer.update(octets);
}

void BodyHasher::start() {
  for (Wish& wish : wishes_) {
    auto& form = forms_[wish.canon];
    if (!form) form = std::make_unique<Form>(wish.canon);
    auto& running = form->hashes.try_emplace(wish.hash, Form::Running{Digest(wish.hash), {}, {}, 0}).first->second;
    (wish.limit ? running.limited : running.whole).push_back(&wish);
  }
  for (auto& [canon, form] : forms_)
    for (auto& [hash, running] : form->hashes)
      std::sort(running.limited.begin(), running.limited.end(),
                [](const Wish* a, const Wish* b) { return *a->limit > *b->limit; });
}

void BodyHasher::finish() {
  if (forms_.empty()) start();
  for (auto& [canon, form] : forms_) {
    form->canonicalizer.finish();
    for (auto& [hash, running] : form->hashes) {
      Form::feed(running, {});  // limits of 0 of an empty body
      const std::string whole = running.digest.finish();
      for (auto* list : {&running.limited, &running.whole})
        for (Wish* wish : *list) wish->result = whole;
    }
  }
}

const std::string& BodyHasher::hash(std::size_t wish) const { return wishes_[wish].result; }

std::uint64_t BodyHasher::size(Canon canon) const {
  const auto form = forms_.find(canon);
  return form == forms_.end() ? 0 : form->second->canonicalizer.size();
}

}  // namespace sekisho::signature
