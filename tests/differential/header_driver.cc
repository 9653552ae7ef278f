// What Sekisho reads in a header, for the comparison with another reader: a mail in hexadecimal a line in, a JSON
// document a line out, until the input ends. Octets beyond ASCII are told as latin-1 where they are raw.
#include <boost/json.hpp>
#include <boost/json/src.hpp>
#include <iostream>
#include <string>

#include "base/core/text.h"
#include "mail/address/mailbox.h"
#include "mail/charset/charset.h"
#include "mail/message/message.h"
#include "road/identity/author/author.h"

namespace {

using namespace sekisho;
namespace json = boost::json;

// JSON wants UTF-8; each octet becomes the character of its number.
std::string latin1(std::string_view octets) {
  std::string out;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | octet >> 6);
      out += static_cast<char>(0x80 | (octet & 0x3f));
    }
  }
  return out;
}

std::string decoded(std::string_view text) {
  core::Budget budget;
  return mail::decode_words(text, budget).text;
}

json::object addresses_of(std::string_view value) {
  core::Budget budget;
  const auto list = mail::parse_mailboxes(value, budget);
  json::array boxes;
  for (const auto& box : list.mailboxes) {
    boxes.push_back({{"name", decoded(box.display_name)},
                     {"local", box.address ? json::value(latin1(box.address->local())) : nullptr},
                     {"domain", box.address ? json::value(box.address->domain().text()) : nullptr}});
  }
  json::array groups;
  for (const auto& name : list.group_names) groups.push_back(json::value(decoded(name)));
  return {{"boxes", std::move(boxes)}, {"groups", std::move(groups)}};
}

json::object author_of(const mail::Message& message) {
  core::Budget budget;
  const auto author = author::evaluate(message, budget);
  return {{"domain", author.author_domain ? json::value(author.author_domain->text()) : nullptr}};
}

bool holds_addresses(std::string_view name) {
  for (const std::string_view one : {"From", "Sender", "Reply-To", "To", "Cc"})
    if (core::iequals(name, one)) return true;
  return false;
}

json::object field_of(const mail::HeaderField& field) {
  json::object out{{"name", latin1(field.name)}, {"value", latin1(field.value)}, {"raw", latin1(field.raw)}};
  if (holds_addresses(field.name)) out["list"] = addresses_of(field.value);
  if (core::iequals(field.name, "Subject")) out["text"] = decoded(core::trim(field.value));
  return out;
}

json::object answer(std::string octets) {
  core::Budget budget;
  const auto message = mail::Message::parse(std::move(octets), budget);
  if (!message) return {{"error", static_cast<int>(message.error())}};
  json::array fields;
  for (const auto& field : (*message)->fields()) fields.push_back(field_of(field));
  return {{"fields", std::move(fields)}, {"body_size", (*message)->body().size()}, {"author", author_of(**message)}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    auto octets = core::unhex(line);
    std::cout << json::serialize(octets ? answer(std::move(*octets)) : json::object{{"error", "not hexadecimal"}})
              << std::endl;
  }
  return 0;
}
