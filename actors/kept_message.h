// Values of any Cap'n Proto type as bytes, as they lie in kept tables.
#pragma once

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <troupe/error.h>
#include <troupe/spec.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>

namespace troupe::actors {

// Both must have been checked: these trust what they read.
inline kj::Array<capnp::word> flatten(capnp::AnyPointer::Reader value) {
  capnp::MallocMessageBuilder message(static_cast<unsigned>(value.targetSize().wordCount + 1));
  message.setRoot(value);
  return capnp::messageToFlatArray(message);
}

inline void withValue(std::span<const std::byte> bytes,
                      const std::function<void(capnp::AnyPointer::Reader)>& use) {
  const kj::ArrayPtr<const capnp::word> words(reinterpret_cast<const capnp::word*>(bytes.data()),
                                              bytes.size() / sizeof(capnp::word));
  capnp::FlatArrayMessageReader message(
      words, {.traversalLimitInWords = std::numeric_limits<std::uint64_t>::max(), .nestingLimit = 64});
  use(message.getRoot<capnp::AnyPointer>());
}

// The spec of an actor that holds so many bytes: what it was given it can give back.
inline ChildSpec mayAnswer(ChildSpec spec, std::size_t mostBytes) {
  constexpr std::size_t kLargest = 512_MiB;
  spec.maxMessageBytes =
      std::max(spec.maxMessageBytes, std::min(kLargest, std::min(mostBytes, kLargest) + 4096));
  return spec;
}

}  // namespace troupe::actors
