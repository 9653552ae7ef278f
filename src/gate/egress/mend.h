#pragma once
// What is done to one mail before it goes: the facts are gathered, road/mediation plans, and the pool signs.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gate/egress/egress.h"
#include "mail/smtp/command.h"

namespace sekisho::egress {

struct Mail {
  core::TransactionId id;
  smtp::Path path;  // MAIL FROM
  smtp::MailParameters parameters;
};
struct Mended {
  std::shared_ptr<const mail::Message> message;
  std::vector<std::string> prepend;
  mediation::Plan plan;  // made, or only planned when observed
  bool observed = false;
  author::Author author;
  trail::Digest digest{};              // of the message as it came
  std::optional<smtp::Reply> failure;  // 4xx: a mail that should be signed and cannot be waits
};

core::Task<Mended> mend(World& world, const Config& config, const session::SessionFacts& facts, const Mail& mail,
                        std::shared_ptr<const mail::Message> message, dns::Resolver& resolver);

}  // namespace sekisho::egress
