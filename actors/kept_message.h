// Values of any Cap'n Proto type as bytes, as they lie in kept tables.
#pragma once

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <troupe/error.h>

#include <cstddef>
#include <functional>
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
  capnp::FlatArrayMessageReader message(words,
                                        {.traversalLimitInWords = words.size() * 2 + 64, .nestingLimit = 64});
  use(message.getRoot<capnp::AnyPointer>());
}

}  // namespace troupe::actors
