// A Cap'n Proto message in one piece of bytes, in standard stream framing: what lies in a file or a packet.
//
// Errors:  reading throws kj::Exception where the bytes are no message, or reading them would take much longer than
//          their number allows.
// Threads: any; nothing here has state.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace troupe::wire {

// A copy that is aligned as words are. What is no whole number of words is cut.
inline kj::Array<capnp::word> wordsOf(std::span<const std::byte> bytes) {
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  if (words.size() > 0) std::memcpy(words.begin(), bytes.data(), words.asBytes().size());
  return words;
}

inline std::vector<std::byte> flatBytes(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  const auto* first = reinterpret_cast<const std::byte*>(bytes.begin());
  return {first, first + bytes.size()};
}

// Of a message that lies in memory by its segments.
inline std::vector<std::byte> flatBytes(std::span<const kj::ArrayPtr<const capnp::word>> segments) {
  const auto words = capnp::messageToFlatArray(kj::arrayPtr(segments.data(), segments.size()));
  const auto bytes = std::as_bytes(std::span(words.begin(), words.size()));
  return {bytes.begin(), bytes.end()};
}

// Structs in structs: of Troupe's own messages; and of those that have parameters or results of the user's in them.
inline constexpr int kNesting = 32;
inline constexpr int kNestingOfPayloads = 72;

// A message that was read; its readers are valid as long as it lives.
class FlatMessage {
 public:
  explicit FlatMessage(std::span<const std::byte> bytes, int nesting = kNesting)
      : words_(wordsOf(bytes)), reader_(words_.asPtr(), optionsFor(words_.size(), nesting)) {}
  FlatMessage(const FlatMessage&) = delete;
  FlatMessage& operator=(const FlatMessage&) = delete;

  template <class T>
  typename T::Reader root() const {
    return reader_.getRoot<T>();
  }
  kj::ArrayPtr<const capnp::word> words() const { return words_.asPtr(); }

 private:
  static capnp::ReaderOptions optionsFor(std::size_t words, int nesting) {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 8 * std::max<std::size_t>(words, 1024);
    options.nestingLimit = nesting;
    return options;
  }

  kj::Array<capnp::word> words_;
  // Cap'n Proto counts what is read, also through a const message.
  mutable capnp::FlatArrayMessageReader reader_;
};

}  // namespace troupe::wire
