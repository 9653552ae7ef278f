#include "base/store/tip.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/core/text.h"

namespace sekisho::store {

namespace {
// One length for every seq, so that the file is changed in place by one write.
std::string body_of(const Tip& tip) {
  char seq[32];
  std::snprintf(seq, sizeof seq, "%020llu", static_cast<unsigned long long>(tip.seq));
  return "sekisho ledger tip\nseq " + std::string(seq) + "\nchain " + core::hex({tip.chain.data(), kChainSize}) + "\n";
}
constexpr std::size_t kSeqAt = 23, kChainAt = kSeqAt + 20 + 7;
}  // namespace

std::string format_tip(const Tip& tip, const Salt& salt) {
  const std::string body = body_of(tip);
  const Chain check = ChainHasher(salt).next("tip", body);
  return body + "check " + core::hex({check.data(), 8}) + "\n";
}

std::optional<Tip> parse_tip(std::string_view text, const Salt& salt) {
  if (text.size() < kChainAt + kChainSize * 2) return {};
  const auto seq = core::parse_uint(text.substr(kSeqAt, 20));
  const auto chain = core::unhex(text.substr(kChainAt, kChainSize * 2));
  if (!seq || !chain) return {};
  Tip tip{*seq, {}};
  std::copy(chain->begin(), chain->end(), tip.chain.begin());
  if (format_tip(tip, salt) != text) return {};
  return tip;
}

TipFile::~TipFile() {
  if (fd_ >= 0) files_.close(fd_);
}

void TipFile::note(std::uint64_t seq, const Chain& chain) {
  if (fd_ < 0) {
    const auto fd = files_.open(catalog_.folder() + "/tip", O_WRONLY | O_CREAT, 0644);
    if (!fd) return;
    fd_ = *fd;
  }
  const std::string text = format_tip({seq, chain}, catalog_.identity().salt);
  for (std::size_t done = 0; done < text.size();) {
    const auto written = files_.write(fd_, std::string_view(text).substr(done), done);
    if (!written || *written == 0) return;
    done += *written;
  }
}

std::optional<Problem> compare_with_tip(const Catalog& catalog, std::uint64_t last_seq, const Chain& last_chain,
                                        std::uint64_t& noted_seq) {
  const std::string path = catalog.folder() + "/tip";
  const auto text = read_file(path);
  if (!text) {
    if (text.error() == ENOENT) return {};
    return Problem{ProblemKind::kUnreadable, path, 0, os_failure(text.error(), path, 0, "reading").text()};
  }
  if (text->empty()) return {};  // made by a commit that had no room for it
  const auto tip = parse_tip(*text, catalog.identity().salt);
  if (!tip) return Problem{ProblemKind::kBadSignature, path, 0, "the noted end of the ledger is damaged"};
  if (tip->seq > last_seq) {
    noted_seq = tip->seq;
    return Problem{
        ProblemKind::kShortOfHead, path, 0,
        "the ledger ends at seq " + std::to_string(last_seq) + " but had committed seq " + std::to_string(tip->seq)};
  }
  if (tip->seq == last_seq && tip->chain != last_chain)
    return Problem{ProblemKind::kBrokenChain, path, 0,
                   "the record with seq " + std::to_string(last_seq) + " is not the one that was committed"};
  return {};
}

}  // namespace sekisho::store
