#pragma once
// Looks after the certificates of a running serve: files that change are taken within a second or refused with a word,
// and the end of each is told 14, 3 and 1 days before, and when it has come.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/io/keychain.h"
#include "cmd/meter.h"

namespace sekisho::cmd {

// Which certificates to speak of now: each step towards the end once. No clock, no log.
class ExpiryAlarm {
 public:
  struct Word {
    std::string file, name;
    std::int64_t left_s;
  };
  std::vector<Word> due(const std::vector<io::CertificateFacts>& certificates, std::int64_t now_s);

 private:
  std::map<std::string, int> told_;  // fingerprint -> step
};

class CertificateWatch {
 public:
  CertificateWatch(core::Clock& clock, io::Pool& pool, RoadMeter& meter) : clock_(clock), pool_(pool), meter_(meter) {}
  // From now on these, or none. What the gates show is theirs to change (Gate::reload). On the loop of run().
  void use(std::shared_ptr<io::Keychain> certificates);
  // Until the loop stops. It refers to the watch, which must outlive the loop.
  core::Task<void> run();

 private:
  void tell(const std::vector<io::KeychainNews>& news, std::int64_t now_s);
  void warn(const io::Keychain& certificates, std::int64_t now_s);
  core::Clock& clock_;
  io::Pool& pool_;
  RoadMeter& meter_;
  std::shared_ptr<io::Keychain> certificates_;
  ExpiryAlarm alarm_;
};

}  // namespace sekisho::cmd
