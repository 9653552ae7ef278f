// Socketmap and tcp_table: however the octets are cut, the answers are the same; answers are whole; nothing grows.
// covers: dialogue.cc policy.cc
#include <cstdlib>

#include "service/mediator/dialogue.h"

using namespace sekisho;
using namespace sekisho::mediator;

namespace {
void must(bool holds) {
  if (!holds) std::abort();
}

const Policy& the_policy() {
  static const Policy policy = [] {
    Policy out;
    out.rewriter = std::make_shared<const srs::Rewriter>(std::vector<std::string>{"secret"}, srs::Options{});
    out.srs_domain = mail::Domain::parse("srs.example");
    out.kept_below.insert(*mail::Domain::parse("own.example"));
    return out;
  }();
  return policy;
}

struct Run {
  std::string out;
  std::optional<End> end;
  std::size_t questions = 0;
};

Run run(Protocol protocol, std::string_view octets, std::size_t piece) {
  Run result;
  Dialogue dialogue(protocol);
  const Ask ask = [&result](Direction direction, std::string_view key) {
    ++result.questions;
    Answer found = answer(the_policy(), direction, key, 1'704'462'070);
    must(found.address.empty() || mail::Address::parse(found.address).ok());
    return found;
  };
  for (std::size_t at = 0; at < octets.size() && !result.end; at += piece)
    result.end = dialogue.feed(octets.substr(at, piece), ask, result.out);
  return result;
}

bool whole_netstrings(std::string_view text) {
  while (!text.empty()) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return false;
    const std::size_t size = std::strtoul(std::string(text.substr(0, colon)).c_str(), nullptr, 10);
    if (text.size() < colon + size + 2 || text[colon + size + 1] != ',') return false;
    text.remove_prefix(colon + size + 2);
  }
  return true;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 40'000) return 0;
  const auto protocol = static_cast<Protocol>(data[0] % 3);
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Run whole = run(protocol, octets, octets.size());
  const Run cut = run(protocol, octets, 1 + data[0] / 3 % 11);
  must(whole.out == cut.out && whole.end == cut.end && whole.questions == cut.questions);
  if (protocol == Protocol::kSocketmap) must(whole_netstrings(whole.out));
  if (protocol != Protocol::kSocketmap) must(whole.out.empty() || whole.out.back() == '\n');
  return 0;
}
