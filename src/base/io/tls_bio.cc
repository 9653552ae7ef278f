#include "base/io/tls_bio.h"

#include <sys/socket.h>

#include <cerrno>
#include <exception>

namespace sekisho::io {
namespace {
TlsWire& wire_of(BIO* bio) { return *static_cast<TlsWire*>(BIO_get_data(bio)); }

bool waits() { return errno == EAGAIN || errno == EINTR; }

int read_wire(BIO* bio, char* into, std::size_t size, std::size_t* count) {
  TlsWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  if (wire.reads_left == 0) {
    wire.starved = true;
    errno = EAGAIN;
    BIO_set_retry_read(bio);
    return 0;
  }
  --wire.reads_left;
  const ssize_t n = ::recv(wire.fd, into, size, MSG_DONTWAIT);
  if (n > 0) {
    *count = static_cast<std::size_t>(n);
    return 1;
  }
  if (n == 0)
    wire.ended = true;
  else if (waits())
    BIO_set_retry_read(bio);
  return 0;
}

int write_wire(BIO* bio, const char* octets, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  *count = 0;
  const ssize_t n = ::send(wire_of(bio).fd, octets, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n >= 0) {
    *count = static_cast<std::size_t>(n);
    return 1;
  }
  if (waits()) BIO_set_retry_write(bio);
  return 0;
}

long control_wire(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return wire_of(bio).ended ? 1 : 0;
  return 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
  if (!method) std::terminate();
  BIO_meth_set_read_ex(method, read_wire);
  BIO_meth_set_write_ex(method, write_wire);
  BIO_meth_set_ctrl(method, control_wire);
  return method;
}
}  // namespace

BIO* make_bio(TlsWire& wire) {
  static BIO_METHOD* const kMethod = make_method();
  BIO* bio = BIO_new(kMethod);
  if (!bio) return nullptr;
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace sekisho::io
