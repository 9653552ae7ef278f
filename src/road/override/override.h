#pragma once
// What an operator decided by hand, with an end and a reason: allow or deny a subject, or bypass all refusals. Kept in
// one small file (written whole, fsynced, renamed), each change is a ledger event by the caller. Thread-safe; look-ups
// are lock-free snapshots.
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/core/ip_address.h"
#include "base/core/result.h"
#include "base/store/file_ops.h"
#include "mail/address/address.h"

namespace sekisho::override_ {

enum class Kind : std::uint8_t { kAllow, kDeny };

// A subject is an IP address, a network in CIDR form, a domain (it and all below), or an address.
struct Subject {
  std::optional<core::IpAddress> ip;
  unsigned bits = 0;
  std::optional<mail::Domain> domain;
  std::optional<mail::Address> address;
  static std::optional<Subject> parse(const std::string& text);
};

struct Entry {
  Kind kind = Kind::kAllow;
  std::string subject;  // as given
  Subject parsed;
  std::int64_t until_s = 0;  // wall time
  std::string why;
};

// Who is asking to pass: what is known so far in the session.
struct Traveller {
  core::IpAddress ip;
  const mail::Domain* mail_from_domain = nullptr;
  const mail::Address* mail_from = nullptr;
  const mail::Domain* author_domain = nullptr;
};

class Overrides {
 public:
  // The file need not exist. A line that cannot be read is an error that names it.
  static core::Result<std::unique_ptr<Overrides>, std::string> open(const std::string& file,
                                                                    store::FileOps& files = store::FileOps::system());
  // Changes: what cannot be written does not come into force.
  core::Result<void, std::string> add(Entry entry);  // replaces an entry of the same subject
  core::Result<bool, std::string> remove(const std::string& subject);
  core::Result<void, std::string> set_bypass(bool on, std::int64_t until_s);
  bool bypassed(std::int64_t now_s) const;
  std::optional<Entry> find(const Traveller& who, std::int64_t now_s) const;  // deny before allow, expired ones never
  bool empty() const;  // no entry at all, not even an expired one
  std::vector<Entry> list(std::int64_t now_s) const;

 private:
  struct State {
    std::vector<Entry> entries;
    std::int64_t bypass_until_s = 0;
  };
  Overrides(std::string file, store::FileOps& files)
      : file_(std::move(file)), files_(files), state_(std::make_shared<State>()) {}
  core::Result<void, std::string> keep(std::shared_ptr<State> next);
  std::shared_ptr<const State> state() const;

  std::string file_;
  store::FileOps& files_;
  mutable std::mutex mutex_;
  std::shared_ptr<const State> state_;
};

}  // namespace sekisho::override_
