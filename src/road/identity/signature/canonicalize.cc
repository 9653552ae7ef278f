#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/core/text.h"
#include "road/identity/signature/signature.h"

namespace sekisho::signature {
namespace {
constexpr std::size_t kSmall = 512;  // spans up to this size are gathered and handed on together

// The first place from `i` on that relaxed form may change: a tab, a space before more white space or a line end, or
// a space whose follower is not here yet.
std::size_t find_irregular(const char* p, std::size_t i, std::size_t n) {
#if defined(__SSE2__)
  const __m128i tab = _mm_set1_epi8('\t'), space = _mm_set1_epi8(' '), cr = _mm_set1_epi8('\r');
  for (; i + 17 <= n; i += 16) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i + 1));
    const __m128i follower =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(b, space), _mm_cmpeq_epi8(b, tab)), _mm_cmpeq_epi8(b, cr));
    const __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(a, tab), _mm_and_si128(_mm_cmpeq_epi8(a, space), follower));
    const unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(hit));
    if (mask) return i + static_cast<std::size_t>(std::countr_zero(mask));
  }
#endif
  for (; i < n; ++i) {
    if (p[i] == '\t') return i;
    if (p[i] == ' ' && (i + 1 == n || core::is_wsp(p[i + 1]) || p[i + 1] == '\r')) return i;
  }
  return n;
}

std::size_t skip_wsp(const char* p, std::size_t i, std::size_t n) {
#if defined(__SSE2__)
  const __m128i tab = _mm_set1_epi8('\t'), space = _mm_set1_epi8(' ');
  for (; i + 16 <= n; i += 16) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    const unsigned mask =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(a, tab), _mm_cmpeq_epi8(a, space))));
    if (mask != 0xffff) return i + static_cast<std::size_t>(std::countr_one(mask));
  }
#endif
  while (i < n && core::is_wsp(p[i])) ++i;
  return i;
}
}  // namespace

void BodyCanonicalizer::flush() {
  if (used_ > 0) out_.update({gathered_, used_});
  used_ = 0;
}

void BodyCanonicalizer::emit(std::string_view octets) {
  size_ += octets.size();
  if (octets.size() > kSmall || octets.size() > sizeof gathered_ - used_) flush();
  if (octets.size() > kSmall) return out_.update(octets);
  std::memcpy(gathered_ + used_, octets.data(), octets.size());
  used_ += octets.size();
}

// RFC 6376 section 3.4.3: "ignores all empty lines at the end"; in the middle they count.
void BodyCanonicalizer::release() {
  for (; held_lines_ > 1; --held_lines_) emit("\r\n");
  if (sizeof gathered_ - used_ < 3) flush();
  // The usual case, one line end and an indent, without branches.
  const std::size_t before = used_;
  std::memcpy(gathered_ + used_, "\r\n", 2);
  used_ += held_lines_ * 2;
  gathered_[used_] = ' ';
  used_ += held_wsp_;
  size_ += used_ - before;
  held_lines_ = 0;
  held_wsp_ = false;
}

void BodyCanonicalizer::emit_span(std::string_view span) {
  std::uint64_t lines = 0;
  for (; span.ends_with("\r\n"); ++lines) span.remove_suffix(2);
  if (!span.empty()) {
    release();
    emit(span);
  }
  held_lines_ += lines;
}

void BodyCanonicalizer::simple(std::string_view octets) {
  if (octets.ends_with('\r')) {
    held_cr_ = true;
    octets.remove_suffix(1);
  }
  emit_span(octets);
}

// Section 3.4.4: runs of WSP become one SP, WSP before a line end goes, then the empty lines at the end.
void BodyCanonicalizer::relaxed(std::string_view octets) {
  const char* p = octets.data();
  const std::size_t n = octets.size();
  std::size_t i = 0;
  while (i < n) {
    if (core::is_wsp(p[i])) {
      held_wsp_ = true;
      i = skip_wsp(p, i + 1, n);
      if (i == n) return;
    }
    if (p[i] == '\r' && i + 1 == n) {
      held_cr_ = true;
      return;
    }
    if (p[i] == '\r' && p[i + 1] == '\n') {
      held_wsp_ = false;
      ++held_lines_;
      i += 2;
      continue;
    }
    const std::size_t end = find_irregular(p, i, n);
    std::string_view span = octets.substr(i, end - i);
    if (end == n && span.ends_with('\r')) {
      held_cr_ = true;
      span.remove_suffix(1);
    }
    emit_span(span);
    i = end;
  }
}

void BodyCanonicalizer::update(std::string_view octets) {
  if (octets.empty()) return;
  if (held_cr_) {
    held_cr_ = false;
    if (octets[0] == '\n') {
      held_wsp_ = false;
      ++held_lines_;
      octets.remove_prefix(1);
    } else {
      release();
      emit("\r");
    }
  }
  if (canon_ == Canon::kSimple)
    simple(octets);
  else
    relaxed(octets);
}

void BodyCanonicalizer::finish() {
  if (held_cr_) {
    release();
    emit("\r");
  }
  // Section 3.4.3: "If there is no body or no trailing CRLF on the message body, a CRLF is added"; section 3.4.4: only
  // a body that is not empty gets one.
  if (size_ > 0 || canon_ == Canon::kSimple) emit("\r\n");
  flush();
  held_cr_ = held_wsp_ = false;
  held_lines_ = 0;
}

namespace {
// Everything between the folds as one line: CRLFs go, WSP runs become one SP, none at either end.
void append_relaxed_value(std::string_view text, std::string& out) {
  const std::size_t start = out.size();
  out.resize(start + text.size());
  char* const first = out.data() + start;
  char* at = first;
  bool space = false;
  for (char c : text) {
    if (core::is_wsp(c)) {
      space = true;
    } else if (c != '\r' && c != '\n') {
      if (space && at != first) *at++ = ' ';
      space = false;
      *at++ = c;
    }
  }
  out.resize(start + static_cast<std::size_t>(at - first));
}

void append_relaxed_name(std::string_view name, std::string& out) {
  for (char c : core::trim(name)) out += core::lower(c);
  out += ':';
}

std::string_view without_crlf(std::string_view raw) {
  if (raw.ends_with('\n')) raw.remove_suffix(1);
  if (raw.ends_with('\r')) raw.remove_suffix(1);
  return raw;
}
}  // namespace

void append_canonical(Canon canon, std::string_view raw, std::string& out) {
  append_canonical_signature(canon, raw, {}, out);
  out += "\r\n";
}

void append_canonical_signature(Canon canon, std::string_view raw, std::string_view hole, std::string& out) {
  std::string_view before = without_crlf(raw), after;
  if (hole.data()) {
    const auto at = static_cast<std::size_t>(hole.data() - raw.data());
    after = before.substr(std::min(at + hole.size(), before.size()));
    before = before.substr(0, at);
  }
  if (canon == Canon::kSimple) {
    out.append(before).append(after);
    return;
  }
  const auto colon = before.find(':');
  append_relaxed_name(before.substr(0, colon), out);
  if (colon == std::string_view::npos) return;
  before.remove_prefix(colon + 1);
  if (after.empty()) return append_relaxed_value(before, out);
  // The hole joins what stands around it before white space is counted.
  append_relaxed_value(std::string(before).append(after), out);
}

}  // namespace sekisho::signature
