#include "cmd/certificate_watch.h"

#include <algorithm>

#include "base/log/log.h"

namespace sekisho::cmd {

namespace {
// A change is judged at the second look that sees it: at most half a second, and the reading.
constexpr std::int64_t kLookMs = 200;
constexpr std::int64_t kWarnMs = 60'000;
constexpr std::int64_t kDayS = 86'400;
constexpr std::int64_t kSteps[] = {14 * kDayS, 3 * kDayS, 1 * kDayS, 0};

int step_of(std::int64_t left_s) {
  return static_cast<int>(
      std::count_if(std::begin(kSteps), std::end(kSteps), [left_s](std::int64_t limit) { return left_s <= limit; }));
}

void tell_slow(const io::CertificateFacts& facts) {
  if (facts.slow)
    log::write<log::Event::k_tls_slow_key>(log::name(facts.files.key), log::name(facts.key_type), facts.key_bits);
}
}  // namespace

std::vector<ExpiryAlarm::Word> ExpiryAlarm::due(const std::vector<io::CertificateFacts>& certificates,
                                                std::int64_t now_s) {
  std::vector<Word> out;
  std::map<std::string, int> told;
  for (const auto& facts : certificates) {
    const std::int64_t left_s = facts.not_after_s - now_s;
    const int step = step_of(left_s);
    const auto before = told_.find(facts.fingerprint);
    if (step > 0 && (before == told_.end() || before->second < step))
      out.push_back({facts.files.certificate, facts.name(), left_s});
    told[facts.fingerprint] = step;
  }
  told_ = std::move(told);
  return out;
}

void CertificateWatch::use(std::shared_ptr<io::Keychain> certificates) {
  if (certificates)
    for (const auto& facts : certificates->certificates()) tell_slow(facts);
  certificates_ = std::move(certificates);
}

void CertificateWatch::tell(const std::vector<io::KeychainNews>& news, std::int64_t now_s) {
  for (const auto& each : news) {
    if (!each.loaded) {
      log::write<log::Event::k_tls_refused>(log::name(each.fault.file), log::name(each.fault.reason));
      meter_.certificate(false);
      continue;
    }
    log::write<log::Event::k_tls_loaded>(log::name(each.facts.files.certificate), log::name(each.facts.name()),
                                         (each.facts.not_after_s - now_s) / kDayS);
    tell_slow(each.facts);
    meter_.certificate(true);
  }
}

void CertificateWatch::warn(const io::Keychain& certificates, std::int64_t now_s) {
  const auto all = certificates.certificates();
  std::map<std::string, double> left;  // of two certificates of one name the shorter life
  for (const auto& facts : all) {
    const auto seconds = static_cast<double>(facts.not_after_s - now_s);
    const auto [at, made] = left.emplace(facts.name(), seconds);
    if (!made) at->second = std::min(at->second, seconds);
  }
  meter_.certificates_expire({left.begin(), left.end()});
  for (const auto& word : alarm_.due(all, now_s)) {
    const auto file = log::name(word.file), name = log::name(word.name);
    if (word.left_s > 0)
      log::write<log::Event::k_tls_expires>(file, name, word.left_s / kDayS);
    else
      log::write<log::Event::k_tls_expired>(file, name, -word.left_s / kDayS);
  }
}

core::Task<void> CertificateWatch::run() {
  std::shared_ptr<io::Keychain> known;
  std::int64_t warn_at_ms = 0;
  for (;;) {
    auto certificates = certificates_;  // use() may change it meanwhile
    std::vector<io::KeychainNews> news;
    if (certificates) {
      std::function<void()> look = [&] { news = certificates->look(clock_.now_s()); };
      co_await pool_.run(std::move(look));
    }
    tell(news, clock_.now_s());
    if (certificates && (certificates != known || !news.empty() || io::now_ms() >= warn_at_ms)) {
      warn(*certificates, clock_.now_s());
      warn_at_ms = io::now_ms() + kWarnMs;
    }
    if (!certificates && known) meter_.certificates_expire({});
    known = std::move(certificates);
    const auto slept = co_await io::sleep_until(io::now_ms() + kLookMs);
    if (!slept) co_return;
  }
}

}  // namespace sekisho::cmd
