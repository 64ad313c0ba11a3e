// What every message says of itself, by the layout of schemas/envelope.capnp: read from a plain message (wire/plain.h), and written
// before parameters that are written in place, without Cap'n Proto's objects for either.
#pragma once

#include <capnp/any.h>
#include <capnp/common.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace troupe::wire {

namespace envelope {

// Where the fields stand in the envelope's data, as the schema compiler has placed them.
constexpr std::size_t kFirst = 0;   // interface, or the number of a result or error
constexpr std::size_t kKinds = 1;   // method, kind, large
constexpr std::size_t kNumber = 2;  // of a call
constexpr std::size_t kDeadline = 3;
constexpr unsigned kKindAt = 16;
constexpr unsigned kLargeAt = 32;

constexpr std::uint64_t structPointer(std::uint64_t offset, std::uint64_t data, std::uint64_t pointers) {
  return offset << 2 | data << 32 | pointers << 48;
}
// A struct of no size, which stands where its pointer does.
constexpr std::uint64_t kEmptyStruct = 0xfffffffc;

inline std::uint64_t wordAt(const capnp::word* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

}  // namespace envelope

struct EnvelopeHead {
  // As Envelope::Which.
  enum Kind : std::uint16_t { call = 0, cast = 1, result = 2, error = 3 };

  std::uint16_t kind = call;
  bool large = false;
  bool references = false;            // there are some
  std::uint64_t interface = 0;        // of a call or cast
  std::uint16_t method = 0;           // of a call or cast
  std::uint64_t number = 0;           // of the call, its result or error
  std::int64_t deadline = 0;          // of a call
  const capnp::word* body = nullptr;  // its pointer, if there is one
};

// `large` of a message that nobody has walked over yet, where it stands as senders put it: in one segment, with the root right behind
// its pointer. Nothing, where it has to be looked for.
inline std::optional<bool> largeAtOnce(std::span<const capnp::word> message) {
  using namespace envelope;
  constexpr std::size_t kAt = 2 + kKinds;
  if (message.size() <= kAt) return std::nullopt;
  const std::uint64_t root = wordAt(message.data() + 1);
  const bool one = (wordAt(message.data()) & 0xffffffff) == 0;
  const std::uint64_t dataWords = root >> 32 & 0xffff;
  if (!one || (root & 0xffffffff) != 0 || dataWords <= kKinds) return std::nullopt;
  return (wordAt(message.data() + kAt) >> kLargeAt & 1) != 0;
}

// Takes it from the struct that lies there, of so many words and pointers.
inline void readHead(const capnp::word* at, std::size_t data, std::size_t pointers, EnvelopeHead& head) {
  using namespace envelope;
  // An older sender's is shorter.
  const auto field = [&](std::size_t index) { return index < data ? wordAt(at + index) : 0; };
  const std::uint64_t kinds = field(kKinds);
  const std::uint64_t first = field(kFirst);
  head.kind = static_cast<std::uint16_t>(kinds >> kKindAt);
  head.large = (kinds >> kLargeAt & 1) != 0;
  const bool asks = head.kind <= EnvelopeHead::cast;
  const bool isCall = head.kind == EnvelopeHead::call;
  head.interface = asks ? first : 0;
  head.method = asks ? static_cast<std::uint16_t>(kinds) : 0;
  head.number = isCall ? field(kNumber) : asks ? 0 : first;
  head.deadline = isCall ? static_cast<std::int64_t>(field(kDeadline)) : 0;
  head.body = pointers > 0 ? at + data : nullptr;
  head.references = pointers > 1 && wordAt(at + data + 1) != 0;
}

// The head of a plain message. Nothing, where its root is no struct.
std::optional<EnvelopeHead> headOf(std::span<const capnp::word> message);

// A call or cast that is made in place: [frame] [root] [envelope] [parameters].
class PlainEnvelope {
 public:
  // So many words stand before the parameters, at most.
  static constexpr std::size_t kHeadWords = 7;

  // All that one takes, for parameters of so many words.
  static constexpr std::size_t wordsFor(EnvelopeHead::Kind kind, std::size_t params) {
    return 3 + dataWordsOf(kind) + params;
  }

  // In that memory, for parameters of so many words of data, pointers, and what stands behind those. Without its number and deadline.
  PlainEnvelope(std::span<std::uint64_t> memory, EnvelopeHead::Kind kind, std::uint64_t interface,
                std::uint16_t method, unsigned dataWords, unsigned pointers)
      : memory_(memory), params_(memory.data() + wordsFor(kind, 0)) {
    using namespace envelope;
    const std::size_t data = dataWordsOf(kind);
    memory_[0] = std::uint64_t{memory_.size() - 1} << 32;
    memory_[1] = structPointer(0, data, 1);
    memory_[2 + kFirst] = interface;
    memory_[2 + kKinds] = method | std::uint64_t{kind} << kKindAt;
    memory_[2 + data] = dataWords + pointers == 0 ? kEmptyStruct : structPointer(0, dataWords, pointers);
  }
  void setCall(std::uint64_t number, std::int64_t deadline);
  std::uint64_t* params() const { return params_; }
  std::span<const std::byte> framed() const { return std::as_bytes(memory_); }

 private:
  static constexpr std::size_t dataWordsOf(EnvelopeHead::Kind kind) {
    return kind == EnvelopeHead::call ? 4 : 2;
  }

  std::span<std::uint64_t> memory_;
  std::uint64_t* params_;
};

}  // namespace troupe::wire
