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
#include <string>

namespace troupe::actors {

// A value that is given to be kept, in one piece; or why it can't be kept.
class GivenValue {
 public:
  // `what` is to keep it: "queue".
  GivenValue(capnp::AnyPointer::Reader value, const std::string& what) {
    if (value.targetSize().capCount > 0) {
      refused_ = "a value with references to actors can't be put into a " + what;
      return;
    }
    capnp::MallocMessageBuilder message(static_cast<unsigned>(value.targetSize().wordCount + 1));
    message.setRoot(value);
    words_ = capnp::messageToFlatArray(message);
    if (isTooDeep()) {
      refused_ = "a value of structs in structs, or lists, more than " + std::to_string(kDeepest) +
                 " deep can't be put into a " + what;
    }
  }

  // Empty where nothing speaks against it.
  const std::string& refused() const { return refused_; }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words_.begin(), words_.size())); }

 private:
  // A message may be 64 deep, and one that gives the value back has it some levels down.
  static constexpr int kDeepest = 56;

  bool isTooDeep() const {
    try {
      capnp::FlatArrayMessageReader message(
          words_,
          {.traversalLimitInWords = std::numeric_limits<std::uint64_t>::max(), .nestingLimit = kDeepest});
      static_cast<void>(message.getRoot<capnp::AnyPointer>().targetSize());
      return false;
    } catch (const kj::Exception&) {
      return true;
    }
  }

  kj::Array<capnp::word> words_;
  std::string refused_;
};

// Of bytes that were such a value's: it trusts them.
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
