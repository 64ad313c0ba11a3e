// The packet: what one write(2) puts into a mailbox or reply lane, at most 4096 bytes.
//
// A fixed header of 32 bytes, then 1 to 64 messages, each in standard Cap'n Proto stream framing
// (docs/wire-format.md). All numbers are little-endian. `bytes` stands first: a receiver zeroes it before it
// lets the kernel write a packet over it, so that a length other than 0 proves that a packet has been
// delivered.
//
// Errors: reading a packet never throws; what is wrong with it is a PacketFault, and costs this packet only.
#pragma once

#include <capnp/common.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace troupe::wire {

using ActorId = std::uint64_t;

inline constexpr std::size_t kMaxPacketBytes = 4096;
inline constexpr std::size_t kMaxPacketMessages = 64;
inline constexpr std::uint16_t kPacketVersion = 1;

struct PacketHeader {
  std::uint32_t bytes = 0;  // of the whole packet, this header included
  std::uint16_t version = kPacketVersion;
  std::uint16_t messages = 0;
  ActorId sender = 0;
  std::uint64_t sequence = 0;    // of the first message: numbers the sender's messages; 0: not numbered
  std::uint32_t generation = 0;  // of the sender: counts its processes
  std::uint32_t flags = 0;       // see below; a receiver ignores those it does not know
};
// The sender's process had a predecessor, which may have written these messages already.
inline constexpr std::uint32_t kMayRepeat = 1;
static_assert(sizeof(PacketHeader) == 32);

// A message with its framing must fit a packet.
inline constexpr std::size_t kMaxMessageBytes = kMaxPacketBytes - sizeof(PacketHeader);

enum class PacketFault {
  none,
  tooShort,        // no whole header
  wrongLength,     // the header's length is not what was read
  foreignVersion,  // of another version of this format
  wrongCount,      // no messages, or more than a packet may have
  wrongFraming,    // a message's framing leads out of the packet, or leaves something over
};
const char* toString(PacketFault fault);

// The bytes that the first message takes with its framing; 0 where that leads out of them.
std::size_t framedBytes(std::span<const std::byte> messages);
// The messages, each with its framing, that take all of these bytes; 0 where their framing is wrong, or they are too many for a packet.
unsigned countMessages(std::span<const std::byte> framed);

// A packet being filled by its sender.
class PacketBuilder {
 public:
  // `message` with its stream framing: a multiple of 8 bytes. False where there is no room left for it.
  bool append(std::span<const std::byte> message);
  bool empty() const { return header_.messages == 0; }
  unsigned messages() const { return header_.messages; }

  // The finished packet; valid until the next call of anything here.
  std::span<const std::byte> finish(ActorId sender, std::uint32_t generation, std::uint64_t sequence,
                                    std::uint32_t flags = 0);
  void clear();

 private:
  PacketHeader header_{.bytes = sizeof(PacketHeader)};
  alignas(8) std::array<std::byte, kMaxPacketBytes> bytes_;
};

// A packet that was read. Refers to the memory it was given, which must be aligned to 8 bytes and stay.
class PacketView {
 public:
  PacketView() = default;
  // Checks header and framing of all of it.
  static PacketFault parse(const void* packet, std::size_t bytes, PacketView& view);

  const PacketHeader& header() const { return header_; }
  unsigned messages() const { return header_.messages; }
  // The words of message `index` < messages(), framing included.
  std::span<const capnp::word> message(unsigned index) const;

 private:
  PacketHeader header_;
  const std::byte* base_ = nullptr;
  std::array<std::uint16_t, kMaxPacketMessages + 1> offsets_{};
};

}  // namespace troupe::wire
