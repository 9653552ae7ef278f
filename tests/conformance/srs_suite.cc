// Answers lines on stdin with lines on stdout, for srs.py: verb, secret, hash length, separator, time, domain and
// address, with tabs between; the address made, or ERROR.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "mail/srs/srs.h"

namespace {

using namespace sekisho;

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> out(1);
  for (const char c : line)
    if (c == '\t')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

std::string answer(const std::vector<std::string>& words) {
  const srs::Rewriter rewriter({words[1]}, {std::stoul(words[2]), words[3].at(0), srs::kMaxAgeDays});
  const std::int64_t now_s = std::stoll(words[4]);
  const auto mailbox = srs::split_plain(words[6]);
  if (!mailbox) return "ERROR";
  if (words[0] == "forward") {
    const auto made = rewriter.forward(*mailbox, words[5], now_s);
    return made ? made->mailbox.text() : "ERROR";
  }
  const auto back = rewriter.reverse(*mailbox, now_s);
  return back ? back->mailbox.text() : "ERROR";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto words = words_of(line);
    if (words.size() != 7) return 2;
    std::cout << answer(words) << "\n";
  }
  return 0;
}
