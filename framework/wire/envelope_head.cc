#include "wire/envelope_head.h"

namespace troupe::wire {

using namespace envelope;

std::optional<EnvelopeHead> headOf(std::span<const capnp::word> message) {
  const std::uint64_t root = wordAt(message.data() + 1);
  EnvelopeHead head;
  if (root == 0) return head;
  if ((root & 3) != 0) return std::nullopt;
  readHead(message.data() + 2 + (static_cast<std::int32_t>(root) >> 2), root >> 32 & 0xffff, root >> 48,
           head);
  return head;
}

void PlainEnvelope::setCall(std::uint64_t number, std::int64_t deadline) {
  memory_[2 + kNumber] = number;
  memory_[2 + kDeadline] = static_cast<std::uint64_t>(deadline);
}

}  // namespace troupe::wire
