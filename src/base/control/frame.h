#pragma once
// Private to the room: the octets on the wire.
#include <span>
#include <string>
#include <string_view>

namespace sekisho::control {

constexpr std::size_t kMaxFrame = 64u << 20;
constexpr std::size_t kMostDescriptors = 64;
std::string frame(const std::string& octets);
// How many octets went out together with the descriptors; 0: none, and no descriptor either.
std::size_t send_descriptors(int fd, std::string_view octets, std::span<const int> descriptors);

}  // namespace sekisho::control
