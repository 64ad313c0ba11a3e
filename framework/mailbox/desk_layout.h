// The memory of a desk, as it is shared between an actor's process, its successor, and the root.
//
// A slot holds one packet. It goes through these states, and a process may die between any two of them:
//   free         the packet's `bytes` is 0, or all its messages are done
//   delivered    the kernel has written a packet: `bytes` is not 0; no message begun. A successor hands it
//                out.
//   in hand      some messages are begun, not all are done
// Freeing a slot sets `bytes` to 0 first, then clears what is left of the old packet, `begun` and `done`,
// then lets the kernel write: so a packet that is found was never seen through the masks of the packet before
// it, nor continued by its content, also where its length is a lie and the process died before it could
// compare it with what read() said.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "wire/packet.h"

namespace troupe::mailbox {

inline constexpr std::size_t kDeskSlots = 8;
inline constexpr std::uint64_t kDeskLayout = 0x31306b7365440000;  // changes with this layout
inline constexpr std::size_t kPageBytes = 4096;

struct DeskSlot {
  std::uint64_t arrival;             // order among the slots
  std::atomic<std::uint64_t> begun;  // a bit a message
  std::atomic<std::uint64_t> done;
};

struct DeskMemory {
  std::uint64_t layout;    // kDeskLayout, or 0 in new memory
  std::uint64_t arrivals;  // packets so far
  DeskSlot slots[kDeskSlots];
  alignas(kPageBytes) std::byte packets[kDeskSlots][kPageBytes];

  wire::PacketHeader& header(std::size_t slot) {
    return *reinterpret_cast<wire::PacketHeader*>(packets[slot]);
  }
  // The compiler may not move stores across this; the kernel and a successor see them in this order.
  static void barrier() { std::atomic_signal_fence(std::memory_order_seq_cst); }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::size_t kDeskBytes = sizeof(DeskMemory);

// All bits of `messages` messages.
constexpr std::uint64_t maskOf(unsigned messages) { return messages >= 64 ? ~0ULL : (1ULL << messages) - 1; }

}  // namespace troupe::mailbox
