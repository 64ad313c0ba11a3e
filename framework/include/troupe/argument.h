// Constructor arguments that cross from one process to another: for children that are started at run time.
//
// What can cross: bool, whole and floating-point numbers, text (std::string; also from const char*), Ref<I>, net::Stream,
// net::Listener, Shared<T> and SharedBlock. Anything else is a compile error. A value that does not fit the constructor's parameter (a negative number for
// an unsigned one, text for a number) is an `invalid` error of the start, which names the argument.
#pragma once

#include <troupe/ref.h>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

class ActorBase;

// An open descriptor on its way.
struct DescriptorArgument {
  enum class Kind : std::uint8_t { stream, listener, memory } kind = Kind::stream;
  std::shared_ptr<const int> descriptor;  // closes it with the last copy
};

// Takes over an open descriptor.
DescriptorArgument ownDescriptor(DescriptorArgument::Kind kind, int fd);

using Argument =
    std::variant<bool, std::int64_t, std::uint64_t, double, std::string, DescriptorArgument, RefBase>;

namespace detail {

template <class T>
concept Text = std::convertible_to<const T&, std::string_view>;

// Types that bring their own way across: `Argument toArgument(T)`, `T fromArgument(const Argument&)` as static members of
// ArgumentCodec<T>. <troupe/net_argument.h> has them for sockets, <troupe/shared.h> for memory.
template <class T>
struct ArgumentCodec;

[[noreturn]] void wrongArgument(const Argument& value, const char* wanted);

template <class T>
Argument toArgument(T value) {
  if constexpr (std::same_as<T, bool>) {
    return value;
  } else if constexpr (std::signed_integral<T>) {
    return static_cast<std::int64_t>(value);
  } else if constexpr (std::unsigned_integral<T>) {
    return static_cast<std::uint64_t>(value);
  } else if constexpr (std::is_enum_v<T>) {
    return toArgument(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::floating_point<T>) {
    return static_cast<double>(value);
  } else if constexpr (Text<T>) {
    return std::string(std::string_view(value));
  } else if constexpr (std::derived_from<T, RefBase>) {
    return static_cast<RefBase>(value);
  } else {
    return ArgumentCodec<T>::toArgument(std::move(value));
  }
}

template <class T>
T fromArgument(const Argument& value) {
  if constexpr (std::same_as<T, bool>) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag;
    wrongArgument(value, "a bool");
  } else if constexpr (std::integral<T>) {
    // std::in_range takes no character types.
    using Whole = std::conditional_t<std::is_signed_v<T>, std::make_signed_t<T>, std::make_unsigned_t<T>>;
    if (const auto* number = std::get_if<std::int64_t>(&value); number && std::in_range<Whole>(*number)) {
      return static_cast<T>(*number);
    }
    if (const auto* number = std::get_if<std::uint64_t>(&value); number && std::in_range<Whole>(*number)) {
      return static_cast<T>(*number);
    }
    wrongArgument(value, "a whole number in the range of the parameter");
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(fromArgument<std::underlying_type_t<T>>(value));
  } else if constexpr (std::floating_point<T>) {
    if (const auto* number = std::get_if<double>(&value)) return static_cast<T>(*number);
    wrongArgument(value, "a floating-point number");
  } else if constexpr (std::same_as<T, std::string>) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    wrongArgument(value, "text");
  } else if constexpr (std::derived_from<T, RefBase>) {
    if (const auto* ref = std::get_if<RefBase>(&value)) return T(*ref);
    wrongArgument(value, "a reference to an actor");
  } else {
    return ArgumentCodec<T>::fromArgument(value);
  }
}

template <class T>
concept Crossing = std::integral<T> || std::is_enum_v<T> || std::floating_point<T> ||
                   std::same_as<T, std::string> || std::derived_from<T, RefBase> ||
                   requires(const Argument& value) { ArgumentCodec<T>::fromArgument(value); };

// Becomes whatever a constructor's parameter asks for.
struct AnyArgument {
  const Argument& value;
  template <class T>
    requires(Crossing<std::remove_cvref_t<T>>)
  operator T() const {
    return fromArgument<std::remove_cvref_t<T>>(value);
  }
};

template <std::size_t>
using AnyArgumentAt = AnyArgument;

}  // namespace detail

class ArgumentList {
 public:
  ArgumentList() = default;
  explicit ArgumentList(std::vector<Argument> values) : values_(std::move(values)) {}
  template <class... Args>
  static ArgumentList of(Args... args) {
    std::vector<Argument> values;
    values.reserve(sizeof...(args));
    (values.push_back(detail::toArgument(std::move(args))), ...);
    return ArgumentList(std::move(values));
  }
  const std::vector<Argument>& values() const { return values_; }

 private:
  std::vector<Argument> values_;
};

namespace detail {

inline constexpr std::size_t kMaxArguments = 6;
[[noreturn]] void wrongArgumentCount(const char* type, std::size_t count);
// The class's name as a person reads it.
std::string readableType(const char* mangled);

template <class A, std::size_t... index, class... Fixed>
std::unique_ptr<A> construct(std::index_sequence<index...>, const std::vector<Argument>& values,
                             Fixed&... fixed) {
  if constexpr (std::constructible_from<A, Fixed&..., AnyArgumentAt<index>...>) {
    return std::make_unique<A>(fixed..., AnyArgument{values[index]}...);
  } else {
    wrongArgumentCount(typeid(A).name(), values.size());
  }
}

// Constructs A from fixed arguments and as many others as there are.
template <class A, std::size_t count = 0, class... Fixed>
std::unique_ptr<A> constructFrom(const std::vector<Argument>& values, Fixed&... fixed) {
  if constexpr (count > kMaxArguments) {
    wrongArgumentCount(typeid(A).name(), values.size());
  } else {
    if (values.size() == count) return construct<A>(std::make_index_sequence<count>(), values, fixed...);
    return constructFrom<A, count + 1>(values, fixed...);
  }
}

}  // namespace detail

}  // namespace troupe
