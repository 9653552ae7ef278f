#pragma once
// The few cryptographic primitives that rooms share. Thread-safe; no state between calls. A failure of the library
// itself (out of memory, no such algorithm) ends the process: nothing sensible can go on without it.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::crypto {

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view octets);
Digest hmac_sha256(std::string_view key, std::string_view octets);
// For formats of others that are made with it (SRS). 20 octets.
std::array<std::uint8_t, 20> hmac_sha1(std::string_view key, std::string_view octets);
// A key for one purpose out of a master key: HMAC-SHA-256 over the label. Different labels, unrelated keys.
Digest derive_key(std::string_view master, std::string_view label);
// Takes the same time wherever the two differ. Different sizes are unequal.
bool equal(std::string_view a, std::string_view b);
// Overwrites in a way the compiler keeps.
void wipe(std::string& secret);
std::string_view view(const Digest& digest);

// Authenticated encryption without a nonce, for statements that must be short. The synthetic IV is the first `iv_size`
// octets of HMAC-SHA-256(key 1, size of associated, associated, plain text); the text is encrypted by AES-256-CTR under
// key 2 from that IV. So equal inputs give equal output and nothing else is given away, and there is no nonce to
// repeat. `master`: 32 octets or more. The result is the IV followed by as many octets as the text has. iv_size: 8..16.
std::string seal_synthetic(std::string_view master, std::string_view associated, std::string_view plain,
                           std::size_t iv_size);
// Nothing when a single bit of key, associated data or sealed octets differs (but for a chance of 2^-8*iv_size).
std::optional<std::string> open_synthetic(std::string_view master, std::string_view associated, std::string_view sealed,
                                          std::size_t iv_size);

}  // namespace sekisho::crypto
