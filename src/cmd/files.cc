#include "cmd/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace sekisho::cmd {

core::Result<std::string, std::string> read_octets(const std::string& path) {
  std::error_code fault;
  if (path != "-" && std::filesystem::is_directory(path, fault))
    return core::error(path + ": is a folder, a file is wanted");
  std::FILE* in = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (!in) return core::error(path + ": " + std::strerror(errno));
  std::string out;
  char buffer[65536];
  std::size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, in)) > 0 && out.size() <= kMaxFile) out.append(buffer, n);
  const bool failed = std::ferror(in);
  if (in != stdin) std::fclose(in);
  if (failed) return core::error(path + ": " + std::strerror(errno));
  if (out.size() > kMaxFile) return core::error(path + ": over 1 GiB, that is no message");
  return out;
}

core::Result<std::shared_ptr<const mail::Message>, std::string> read_message(const std::string& path,
                                                                             core::Budget& budget) {
  auto octets = read_octets(path);
  if (!octets) return core::error(octets.error());
  auto message = mail::Message::from_file(std::move(*octets), budget);
  if (message) return *message;
  switch (message.error()) {
    case mail::MessageError::kBareCr:
      return core::error(path + ": a CR stands without LF; the gate would refuse it (550 5.5.2)");
    case mail::MessageError::kBareLf:
      return core::error(path + ": an LF stands without CR");
    case mail::MessageError::kTooComplex:
      return core::error(path + ": too many header fields");
  }
  return core::error(path + ": cannot be read");
}

}  // namespace sekisho::cmd
