#pragma once
// Inner header: the descriptor as OpenSSL sees it, with a limit on how often one call may read. OpenSSL goes on reading
// as long as records bring no application data (empty records, KeyUpdate, refused renegotiation); without a limit a
// peer that fills the kernel's buffer with them would hold the loop for as long.
#include <openssl/bio.h>

namespace sekisho::io {

struct TlsWire {
  int fd = -1;
  unsigned reads_left = 0;
  bool starved = false;  // the last call ended at the limit, not at the end of what is there
  bool ended = false;
};
// Refers to the wire, which outlives it. Null: out of memory.
BIO* make_bio(TlsWire& wire);

}  // namespace sekisho::io
