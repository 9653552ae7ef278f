#pragma once
// What is done to a mail that goes on: our results written on top, forged ones taken away (RFC 8601 sections 4, 5), a
// trace field (RFC 5321 section 4.4) and the verdict for MUA rules and Sieve. Nothing else of the message is touched.
// Re-entrant.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/ip_address.h"
#include "mail/message/message.h"
#include "road/identity/identity.h"
#include "road/verdict/verdict.h"

namespace sekisho::action {

struct Settings {
  std::string host;
  std::string authserv_id;
  std::vector<std::string> trusted_ids;  // further names of ours
};

// How the mail came in. Texts are outside octets; the writer makes them safe.
struct Arrival {
  core::IpAddress client_ip;
  std::string helo, mail_from, reverse_name;
  bool esmtp = true;
  bool utf8 = false;  // SMTPUTF8 (RFC 6531)
  // Who handed the mail to us where that is not the client: then the trace field names it, and the results the client.
  struct Relay {
    core::IpAddress ip;
    std::string helo;
  };
  std::optional<Relay> relay;
  std::string tls;  // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty in the clear
  std::string id;   // transaction id
  std::int64_t now_s = 0;
};

struct Removed {
  const mail::HeaderField* field;
  std::size_t index;  // among the message's fields of this name, from 1
  std::string reason;
};
struct Headers {
  std::vector<std::string> added;      // whole fields "Name: value" without the final CRLF, top first
  std::vector<Removed> removed;        // fields of that message
  std::string authentication_results;  // the value of ours
};

// Fields that claim to be ours: Authentication-Results with one of our names, and every X-Sekisho-*.
std::vector<Removed> forged_fields(const mail::Message& message, const Settings& settings);
std::string authentication_results(const identity::Papers& papers, const Settings& settings, const Arrival& arrival);
Headers write_headers(const mail::Message& message, const identity::Papers& papers, const verdict::Verdict& verdict,
                      const Settings& settings, const Arrival& arrival);
// For a mail that is only observed: nothing is touched, but RFC 5321 section 4.4 demands the trace field.
Headers write_trace(const Settings& settings, const Arrival& arrival);
// RFC 5322 date in UTC: "Thu, 15 Jan 2026 00:00:00 +0000".
std::string date_text(std::int64_t epoch_s);

}  // namespace sekisho::action
