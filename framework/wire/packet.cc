#include "wire/packet.h"

#include <cstring>

namespace troupe::wire {

namespace {

// One segment is what senders make; a few more are legal framing and cost nothing.
constexpr std::uint32_t kMaxSegments = 8;

}  // namespace

const char* toString(PacketFault fault) {
  switch (fault) {
    case PacketFault::none: return "no fault";
    case PacketFault::tooShort: return "shorter than a packet's header";
    case PacketFault::wrongLength: return "its length field is wrong";
    case PacketFault::foreignVersion: return "of another version of the packet format";
    case PacketFault::wrongCount: return "its number of messages is wrong";
    case PacketFault::wrongFraming: return "the framing of its messages is wrong";
  }
  return "unknown fault";
}

std::size_t framedBytes(std::span<const std::byte> messages) {
  std::uint32_t table[kMaxSegments + 1];
  if (messages.size() < 8) return 0;
  std::memcpy(&table[0], messages.data(), 8);
  // One segment is what nearly all have.
  std::size_t total = 8 + std::size_t{table[1]} * sizeof(capnp::word);
  if (table[0] != 0) {
    if (table[0] >= kMaxSegments) return 0;
    const std::size_t segments = table[0] + 1;
    total = (4 * (segments + 1) + 7) / 8 * 8;
    if (messages.size() < total) return 0;
    std::memcpy(&table[1], messages.data() + 4, 4 * segments);
    for (std::size_t i = 1; i <= segments; ++i) total += std::size_t{table[i]} * sizeof(capnp::word);
  }
  return total <= messages.size() ? total : 0;
}

unsigned countMessages(std::span<const std::byte> framed) {
  unsigned count = 0;
  for (std::size_t at = 0; at < framed.size(); ++count) {
    const std::size_t size = framedBytes(framed.subspan(at));
    if (size == 0 || count == kMaxPacketMessages) return 0;
    at += size;
  }
  return count;
}

bool PacketBuilder::append(std::span<const std::byte> message) {
  if (header_.messages == kMaxPacketMessages || header_.bytes + message.size() > kMaxPacketBytes)
    return false;
  std::memcpy(bytes_.data() + header_.bytes, message.data(), message.size());
  header_.bytes += static_cast<std::uint32_t>(message.size());
  ++header_.messages;
  return true;
}

std::span<const std::byte> PacketBuilder::finish(ActorId sender, std::uint32_t generation,
                                                 std::uint64_t sequence, std::uint32_t flags) {
  header_.sender = sender;
  header_.generation = generation;
  header_.sequence = sequence;
  header_.flags = flags;
  std::memcpy(bytes_.data(), &header_, sizeof header_);
  return {bytes_.data(), header_.bytes};
}

void PacketBuilder::clear() { header_ = PacketHeader{.bytes = sizeof(PacketHeader)}; }

PacketFault PacketView::parse(const void* packet, std::size_t bytes, PacketView& view) {
  if (bytes < sizeof(PacketHeader)) return PacketFault::tooShort;
  std::memcpy(&view.header_, packet, sizeof(PacketHeader));
  const PacketHeader& header = view.header_;
  if (header.version != kPacketVersion) return PacketFault::foreignVersion;
  if (header.bytes != bytes || bytes > kMaxPacketBytes) return PacketFault::wrongLength;
  if (header.messages == 0 || header.messages > kMaxPacketMessages) return PacketFault::wrongCount;

  view.base_ = static_cast<const std::byte*>(packet);
  std::size_t at = sizeof(PacketHeader);
  for (unsigned i = 0; i < header.messages; ++i) {
    view.offsets_[i] = static_cast<std::uint16_t>(at);
    const std::size_t size = framedBytes({view.base_ + at, bytes - at});
    if (size == 0) return PacketFault::wrongFraming;
    at += size;
  }
  view.offsets_[header.messages] = static_cast<std::uint16_t>(at);
  return at == bytes ? PacketFault::none : PacketFault::wrongFraming;
}

std::span<const capnp::word> PacketView::message(unsigned index) const {
  const std::size_t from = offsets_[index];
  const std::size_t words = (offsets_[index + 1] - from) / sizeof(capnp::word);
  return {reinterpret_cast<const capnp::word*>(base_ + from), words};
}

}  // namespace troupe::wire
