#include "wire/envelope_head.h"

#include <cstring>

namespace troupe::wire {

namespace {

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

std::uint64_t wordAt(std::span<const capnp::word> message, std::size_t at) {
  std::uint64_t word = 0;
  std::memcpy(&word, message.data() + at, sizeof word);
  return word;
}

}  // namespace

std::optional<bool> largeAtOnce(std::span<const capnp::word> message) {
  constexpr std::size_t kAt = 2 + kKinds;
  if (message.size() <= kAt) return std::nullopt;
  const std::uint64_t root = wordAt(message, 1);
  const bool one = (wordAt(message, 0) & 0xffffffff) == 0;
  const std::uint64_t dataWords = root >> 32 & 0xffff;
  if (!one || (root & 0xffffffff) != 0 || dataWords <= kKinds) return std::nullopt;
  return (wordAt(message, kAt) >> kLargeAt & 1) != 0;
}

std::optional<EnvelopeHead> headOf(std::span<const capnp::word> message) {
  EnvelopeHead head;
  const std::uint64_t root = wordAt(message, 1);
  if (root == 0) return head;
  if ((root & 3) != 0) return std::nullopt;
  const std::size_t at =
      2 + static_cast<std::size_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(root) >> 2));
  const std::size_t data = root >> 32 & 0xffff;
  const std::size_t pointers = root >> 48;
  // An older sender's is shorter.
  const auto field = [&](std::size_t index) { return index < data ? wordAt(message, at + index) : 0; };
  const std::uint64_t kinds = field(kKinds);
  head.kind = static_cast<std::uint16_t>(kinds >> kKindAt);
  head.large = (kinds >> kLargeAt & 1) != 0;
  const bool asks = head.kind == EnvelopeHead::call || head.kind == EnvelopeHead::cast;
  if (asks) {
    head.interface = field(kFirst);
    head.method = static_cast<std::uint16_t>(kinds);
  }
  head.number = head.kind == EnvelopeHead::call ? field(kNumber) : asks ? 0 : field(kFirst);
  if (head.kind == EnvelopeHead::call) head.deadline = static_cast<std::int64_t>(field(kDeadline));
  if (pointers > 0) head.body = message.data() + at + data;
  head.references = pointers > 1 && wordAt(message, at + data + 1) != 0;
  return head;
}

PlainEnvelope::PlainEnvelope(std::span<std::uint64_t> memory, EnvelopeHead::Kind kind,
                             std::uint64_t interface, std::uint16_t method, unsigned dataWords,
                             unsigned pointers, std::size_t more)
    : paramWords_(dataWords + pointers + more) {
  const std::size_t data = kind == EnvelopeHead::call ? 4 : 2;
  memory_ = memory.first(3 + data + paramWords_);
  memory_[0] = std::uint64_t{memory_.size() - 1} << 32;
  memory_[1] = structPointer(0, data, 1);
  memory_[2 + kFirst] = interface;
  memory_[2 + kKinds] = method | std::uint64_t{kind} << kKindAt;
  memory_[2 + data] = dataWords + pointers == 0 ? kEmptyStruct : structPointer(0, dataWords, pointers);
}

void PlainEnvelope::setCall(std::uint64_t number, std::int64_t deadline) {
  memory_[2 + kNumber] = number;
  memory_[2 + kDeadline] = static_cast<std::uint64_t>(deadline);
}

}  // namespace troupe::wire
