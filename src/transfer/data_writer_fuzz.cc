// Any octets: either they are refused, or what goes out has CRLF line ends only, one lone dot, at its end, and gives
// the same octets back when a receiver takes the stuffing off.
// covers: data_writer.cc
#include <cstdint>
#include <cstdlib>

#include "transfer/data_writer.h"

using namespace sekisho::transfer;

namespace {
bool write(std::string_view octets, std::size_t cut, std::string& out) {
  DataWriter writer(Form::kDotStuffed);
  for (; !octets.empty(); octets.remove_prefix(std::min(cut, octets.size())))
    if (!writer.append(octets.substr(0, cut), out)) return false;
  return writer.finish(out).ok();
}
bool is_clean(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\0') return false;
    if (octets[i] == '\r' && (i + 1 == octets.size() || octets[i + 1] != '\n')) return false;
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r')) return false;
  }
  return true;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t cut = 1 + data[0] % 32;
  std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string out, again;
  const bool taken = write(input, cut, out);
  if (taken != is_clean(input) || write(input, SIZE_MAX, again) != taken) abort();
  if (!taken) return 0;
  if (out != again || !is_clean(out) || !out.ends_with(".\r\n")) abort();
  if (!input.empty() && !input.ends_with("\r\n")) input += "\r\n";
  std::string back;
  for (std::string_view rest = out; !rest.empty();) {
    const std::size_t end = rest.find("\r\n") + 2;
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    if (line == ".\r\n") {
      if (!rest.empty()) abort();  // the dot came before the end
      break;
    }
    if (line.front() == '.') line.remove_prefix(1);
    back += line;
  }
  if (back != input) abort();
  return 0;
}
