// Messages: the parts joined are the octets that came.
// covers: header.cc message.cc
#include <cstdlib>

#include "mail/message/message.h"

using namespace sekisho::mail;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}

struct Copy : BodySink {
  std::string octets;
  void update(std::string_view more) override { octets.append(more); }
};

void check(const Message& message) {
  std::string header;
  for (const HeaderField& field : message.fields()) {
    header.append(field.raw);
    must(!field.raw.empty());
    must(field.raw.find(field.value) != std::string_view::npos && field.raw.starts_with(field.name));
    must(!field.value.ends_with('\n'));
  }
  must(header == message.header_octets());
  Copy body;
  message.body().copy_to(body);
  const std::size_t blank = message.shape().no_blank_line ? 0 : 2;
  must(header.size() + blank + body.octets.size() == message.size());
  const std::string all = header + (blank ? "\r\n" : "") + body.octets;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] == '\n') must(i > 0 && all[i - 1] == '\r');
    if (all[i] == '\r') must(i + 1 < all.size() && all[i + 1] == '\n');
  }
  must(message.all("received").size() == message.received_count());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(reinterpret_cast<const char*>(data), size);
  sekisho::core::Budget budget;
  if (const auto message = Message::parse(octets, budget)) check(**message);
  sekisho::core::Budget other;
  if (const auto file = Message::from_file(octets, other)) check(**file);
  return 0;
}
