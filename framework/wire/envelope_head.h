// What every message says of itself, by the layout of schemas/envelope.capnp: read from a plain message (wire/plain.h), and written
// before parameters that are written in place, without Cap'n Proto's objects for either.
#pragma once

#include <capnp/any.h>
#include <capnp/common.h>

#include <cstdint>
#include <optional>
#include <span>

namespace troupe::wire {

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
std::optional<bool> largeAtOnce(std::span<const capnp::word> message);

// The head of a plain message. Nothing, where its root is no struct.
std::optional<EnvelopeHead> headOf(std::span<const capnp::word> message);

// A call or cast that is made in place: [frame] [root] [envelope] [parameters].
class PlainEnvelope {
 public:
  // So many words stand before the parameters, at most.
  static constexpr std::size_t kHeadWords = 7;

  // At `memory`, for parameters of so many words of data, pointers, and words behind those. Without its number and deadline.
  PlainEnvelope(std::span<std::uint64_t> memory, EnvelopeHead::Kind kind, std::uint64_t interface,
                std::uint16_t method, unsigned dataWords, unsigned pointers, std::size_t more);
  void setCall(std::uint64_t number, std::int64_t deadline);
  std::uint64_t* params() const { return memory_.data() + memory_.size() - paramWords_; }
  std::span<const std::byte> framed() const { return std::as_bytes(memory_); }

 private:
  std::span<std::uint64_t> memory_;
  std::size_t paramWords_;
};

}  // namespace troupe::wire
