// The typed edge: the templates that capnpc-troupe fills in for each interface of a schema, and what their
// code stands on.
//
// Nothing here is written by hand in a program. For `interface Greeter` the generated greeter.actor.h
// specialises Protocol<Greeter> (its name, number and ancestors), RefMethods<Greeter, ...> (what a
// Ref<Greeter> can send) and Handlers<..., Greeter> (how a message finds its handler).
//
// Ownership: TextArg and DataArg are views: what they view must live until the method that they are given to
//            returns.
// Errors:    `invalid`, for text or data that is longer than a message can hold.
// Threads:   any; nothing here is shared between them.
#pragma once

#include <troupe/plain_params.h>

#include <capnp/any.h>
#include <capnp/blob.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace capnp {
struct DynamicList;
struct DynamicStruct;
}  // namespace capnp

namespace troupe {

template <class T>
class Task;
template <class I>
class Ref;
template <class R>
class Results;

template <class... T>
struct TypeList {};

// What is known of the interface I:
//
//     static constexpr std::uint64_t kId;                       its number in the schema
//     static constexpr const char* kName;                       its C++ name, such as "bank::Account"
//     using All = TypeList<I, ...>;                             I and all that it extends, each once
//     static const char* methodName(std::uint16_t method);      "greet"; null if I itself has no such method
template <class I>
struct Protocol;

// The methods that I itself declares, as members of Derived, which sends them. Derived has
//
//     sendCall<Params, Results>(interfaceId, method, name, fill) const
//     sendCast<Params>(interfaceId, method, name, fill) const
//
// which invoke fill(Params::Builder), or what a PlainFill has in its place, before they return, and check(Results::Reader) on the reply; it throws kj::Exception
// where any part of that is malformed. `name` is "Greeter.greet", for people.
template <class I, class Derived>
class RefMethods;

// For each method that I itself declares the types of its handler, as GreetParams and GreetResults, and
//
//     template <class Turn>
//     static bool dispatch(Self& self, std::uint16_t method, Turn& turn);
//
// which gives the handler of `method` to turn.call<Params, Results>(check, handler), or for a cast to
// turn.cast<Params>(check, handler). False: I itself has no such method.
//
//     check(Params::Reader)              throws kj::Exception where any part of the message is malformed
//     handler(const Params::Reader& in, Results<R>&& out)
//     handler(const Params::Reader& in)  returns what the member function returns: void or Task<>
//
// `in` and `out` must live until a Task that handler returned has ended.
template <class Self, class I>
class Handlers;

namespace detail {

// Lives while a list of bytes is made in a message that is filled from end to end right after that: the memory for it need not be
// zero.
class CopiedAtOnce {
 public:
  CopiedAtOnce() { ++depth(); }
  ~CopiedAtOnce() { --depth(); }
  CopiedAtOnce(const CopiedAtOnce&) = delete;
  CopiedAtOnce& operator=(const CopiedAtOnce&) = delete;
  static bool expected() { return depth() > 0; }

 private:
  static unsigned& depth();
};

// Copies all of `bytes` into the list that `init` makes for them.
template <class Bytes, class Init>
void copyAtOnce(const Bytes& bytes, const Init& init) {
  auto list = [&] {
    const CopiedAtOnce copied;
    return init();
  }();
  bytes.copyTo(list.begin());
}

}  // namespace detail

// Text to be sent, from any kind of string. It need not end in a NUL, and may contain some.
class TextArg {
 public:
  template <class S>
    requires(std::convertible_to<const S&, std::string_view> || std::convertible_to<const S&, kj::StringPtr>)
  TextArg(const S& text) : text_(view(text)) {}
  TextArg(std::nullptr_t) = delete;

  // Throws `invalid` where the text is longer than a message can hold.
  unsigned size() const {
    if (text_.size() >= kMostBytes) refuse(text_.size());
    return static_cast<unsigned>(text_.size());
  }
  // What it takes in a message, with its NUL.
  std::size_t words() const { return PlainParams::wordsOf(text_.size() + 1); }
  // Into the text that `init` makes for it.
  template <std::invocable Init>
  void copyInto(const Init& init) const {
    detail::copyAtOnce(*this, init);
  }
  void copyTo(void* to) const {
    if (!text_.empty()) std::memcpy(to, text_.data(), text_.size());
  }

 private:
  // Cap'n Proto's limit for a list of bytes, to which the NUL behind a text counts.
  static constexpr std::size_t kMostBytes = (std::size_t{1} << 29) - 1;
  [[noreturn]] static void refuse(std::size_t size);
  template <class S>
  static std::string_view view(const S& text) {
    if constexpr (std::convertible_to<const S&, std::string_view>) {
      return text;
    } else {
      const kj::StringPtr ptr = text;
      return {ptr.begin(), ptr.size()};
    }
  }

  std::string_view text_;
};

// Bytes in one piece: std::span, std::vector, std::string, kj::ArrayPtr, capnp::Data::Reader, ...
// Not a string literal, whose last byte would be its NUL.
template <class R>
concept ByteRange = std::ranges::contiguous_range<const R> && std::ranges::sized_range<const R> &&
                    sizeof(std::ranges::range_value_t<const R>) == 1 && !std::is_array_v<R> &&
                    (std::same_as<std::ranges::range_value_t<const R>, std::byte> ||
                     std::same_as<std::ranges::range_value_t<const R>, unsigned char> ||
                     std::same_as<std::ranges::range_value_t<const R>, char>);

// Bytes to be sent.
class DataArg {
 public:
  template <ByteRange R>
  DataArg(const R& bytes) : data_(std::ranges::data(bytes)), size_(std::ranges::size(bytes)) {}

  // Throws `invalid` where there are more bytes than a message can hold.
  unsigned size() const {
    if (size_ > kMostBytes) refuse(size_);
    return static_cast<unsigned>(size_);
  }
  std::size_t words() const { return PlainParams::wordsOf(size_); }
  // Into the data that `init` makes for it.
  template <std::invocable Init>
  void copyInto(const Init& init) const {
    detail::copyAtOnce(*this, init);
  }
  void copyTo(void* to) const {
    if (size_ != 0) std::memcpy(to, data_, size_);
  }

 private:
  static constexpr std::size_t kMostBytes =
      (std::size_t{1} << 29) - 1;  // Cap'n Proto's limit for a list of bytes
  [[noreturn]] static void refuse(std::size_t size);

  const void* data_;
  std::size_t size_;
};

inline void PlainParams::set(unsigned pointer, const TextArg& text) {
  text.copyTo(bytes(pointer, std::size_t{text.size()} + 1));
}
inline void PlainParams::set(unsigned pointer, const DataArg& data) {
  data.copyTo(bytes(pointer, data.size()));
}

// What a handler may return.
template <class R>
concept HandlerResult = std::is_void_v<R> || std::same_as<R, Task<void>>;

// The check of parameters in which nothing can be malformed: they hold no pointers.
struct NothingToCheck {
  template <class Reader>
  void operator()(const Reader&) const {}
  static bool holds(const capnp::word*) { return true; }
};

// The parts of a deep check. Reading a pointer is what validates it; null pointers need no check.
void checkAny(const capnp::AnyPointer::Reader& value);
void checkAny(const capnp::AnyStruct::Reader& value);
void checkAny(const capnp::AnyList::Reader& value);

// Reads each element, for lists whose elements are pointers with nothing to be checked below them.
template <class List>
void checkElements(const List& list) {
  for (decltype(list.size()) i = 0; i < list.size(); ++i) static_cast<void>(list[i]);
}

// Walks through a DynamicStruct or DynamicList by its schema, and throws kj::Exception where any part of it
// is malformed. Slower than generated checks; for types that only a program knows. A template so that this
// header does not need <capnp/dynamic.h>.
template <class Dynamic>
void checkBySchema(const typename Dynamic::Reader& value);

// The check of a value whose type is a parameter of the schema, once C++ knows what T stands for. To be
// called with <T> alone, where <capnp/dynamic.h> has been included.
template <class T, class Struct = capnp::DynamicStruct, class List = capnp::DynamicList, class Reader>
void checkBound(const Reader& value) {
  if constexpr (std::same_as<T, capnp::AnyPointer>) {
    checkAny(value);
  } else if constexpr (capnp::kind<T>() == capnp::Kind::STRUCT) {
    checkBySchema<Struct>(typename Struct::Reader(value));
  } else if constexpr (capnp::kind<T>() == capnp::Kind::LIST) {
    checkBySchema<List>(typename List::Reader(value));
  }
}

}  // namespace troupe
