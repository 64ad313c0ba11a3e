// What ready-made actors hold, as their users name it.
//
// Values: of a Cap'n Proto struct, capnp::Text, capnp::Data, std::int64_t or double. A value is given as what fills a T::Builder, as a
//         T::Reader, as what a text or data is made of, or as a number; it is read as a T::Reader, or as the number.
// Keys:   capnp::Text, capnp::Data or std::uint64_t. They are ordered: texts and data by their bytes, numbers by their size.
#pragma once

#include <troupe/protocol.h>

#include <capnp/any.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe::detail {

using FillValue = std::function<void(capnp::AnyPointer::Builder)>;

template <class T>
concept HeldNumber = std::same_as<T, std::int64_t> || std::same_as<T, double>;

template <class T>
struct ReaderOf {
  using Type = typename T::Reader;
};
template <HeldNumber T>
struct ReaderOf<T> {
  using Type = T;
};

// Of each type another.
template <class T>
constexpr std::uint64_t valueType() {
  if constexpr (std::same_as<T, capnp::Text>) {
    return 1;
  } else if constexpr (std::same_as<T, capnp::Data>) {
    return 2;
  } else if constexpr (std::same_as<T, std::int64_t>) {
    return 3;
  } else if constexpr (std::same_as<T, double>) {
    return 4;
  } else {
    return T::_capnpPrivate::typeId;
  }
}

template <class T>
typename ReaderOf<T>::Type readValue(capnp::AnyPointer::Reader from) {
  if constexpr (HeldNumber<T>) {
    T value{};
    const capnp::Data::Reader bytes = from.getAs<capnp::Data>();
    std::memcpy(&value, bytes.begin(), std::min(sizeof value, bytes.size()));
    return value;
  } else {
    return from.getAs<T>();
  }
}

template <class T, class V>
FillValue fillingValue(V value) {
  return [value = std::move(value)](capnp::AnyPointer::Builder to) mutable {
    if constexpr (requires(capnp::AnyPointer::Builder b) { value(b.initAs<T>()); }) {
      value(to.initAs<T>());
    } else if constexpr (std::same_as<T, capnp::Text>) {
      const TextArg text(value);
      text.copyTo(to.initAs<capnp::Text>(text.size()).begin());
    } else if constexpr (std::same_as<T, capnp::Data>) {
      const DataArg data(value);
      data.copyTo(to.initAs<capnp::Data>(data.size()).begin());
    } else if constexpr (HeldNumber<T>) {
      const T number = static_cast<T>(value);
      std::memcpy(to.initAs<capnp::Data>(sizeof number).begin(), &number, sizeof number);
    } else {
      to.setAs<T>(value);
    }
  };
}

// A value that came in a reply, which it keeps.
struct HeldValue {
  std::shared_ptr<const void> reply;  // null: there is none
  capnp::AnyPointer::Reader value;
};

// Keys as bytes, whose order is that of the keys.
template <class K>
struct KeyOf;

template <>
struct KeyOf<capnp::Text> {
  static constexpr std::uint64_t kType = 1;
  using Argument = TextArg;
  using Key = std::string;
  static std::string bytesOf(const TextArg& key) {
    std::string bytes(key.size(), '\0');
    key.copyTo(bytes.data());
    return bytes;
  }
  static Key keyOf(const std::string& bytes) { return bytes; }
};

template <>
struct KeyOf<capnp::Data> {
  static constexpr std::uint64_t kType = 2;
  using Argument = DataArg;
  using Key = std::vector<std::byte>;
  static std::string bytesOf(const DataArg& key) {
    std::string bytes(key.size(), '\0');
    key.copyTo(bytes.data());
    return bytes;
  }
  static Key keyOf(const std::string& bytes) {
    const auto span = std::as_bytes(std::span(bytes));
    return {span.begin(), span.end()};
  }
};

template <>
struct KeyOf<std::uint64_t> {
  static constexpr std::uint64_t kType = 3;
  using Argument = std::uint64_t;
  using Key = std::uint64_t;
  static std::string bytesOf(std::uint64_t key) {
    std::string bytes(sizeof key, '\0');
    for (std::size_t i = bytes.size(); i > 0; --i, key >>= 8) bytes[i - 1] = static_cast<char>(key & 0xff);
    return bytes;
  }
  static Key keyOf(const std::string& bytes) {
    std::uint64_t key = 0;
    for (const char byte : bytes) key = key << 8 | static_cast<unsigned char>(byte);
    return key;
  }
};

}  // namespace troupe::detail
