#pragma once
// Errors are values. Result<T, E> holds a T or an E, never neither; E is the room's small enum or struct.
#include <cassert>
#include <optional>
#include <utility>
#include <variant>

namespace sekisho::core {

template <class E>
struct Error {
  E value;
};

// `return core::error(DnsError::kTimeout);` makes the failing side of any Result<T, DnsError>.
template <class E>
Error<std::decay_t<E>> error(E&& value) {
  return {std::forward<E>(value)};
}

template <class T, class E>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  template <class U>
  Result(Error<U> failure) : state_(std::in_place_index<1>, std::move(failure.value)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // Only after ok() was true.
  T& value() & { return assert(ok()), *std::get_if<0>(&state_); }
  const T& value() const& { return assert(ok()), *std::get_if<0>(&state_); }
  T&& value() && { return assert(ok()), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) const& { return ok() ? value() : std::move(other); }
  // Only after ok() was false.
  const E& error() const { return assert(!ok()), *std::get_if<1>(&state_); }

 private:
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  template <class U>
  Result(Error<U> failure) : error_(std::move(failure.value)) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const E& error() const { return assert(error_), *error_; }

 private:
  std::optional<E> error_;
};

}  // namespace sekisho::core
