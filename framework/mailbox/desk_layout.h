// The memory of a desk, as it is shared between an actor's process, its successor, and the root. It holds
// what has come in, what goes out, and what the actor keeps; mailbox/turn_log.h says how these change
// together.
//
// A slot holds one packet. It goes through these states, and a process may die between any two of them:
//   free         the packet's `bytes` is 0, or all its messages are done
//   delivered    the kernel has written a packet: `bytes` is not 0; no message begun. A successor hands it
//                out.
//   in hand      some messages are begun, not all are done
// Freeing a slot sets `bytes` to 0 first, then clears what is left of the old packet and its masks, then lets
// the kernel write: so a packet that is found was never seen through the masks of the packet before it, nor
// continued by its content, also where its length is a lie and the process died before it could compare it
// with what read() said.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "mailbox/kept_layout.h"
#include "os/shared_memory.h"
#include "wire/packet.h"

namespace troupe::mailbox {

inline constexpr std::size_t kDeskSlots = 32;
inline constexpr std::uint64_t kDeskLayout = 0x35306b7365440000;  // changes with this layout
inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kLogBytes = 8u << 20;

struct DeskSlot {
  std::uint64_t arrival;  // order among the slots; the packet's name in the log; 0 where there never was one
  std::atomic<std::uint64_t> begun;  // a bit a message
  std::atomic<std::uint64_t> done;
  // Of a packet that was written again: its messages that had come before. Counts once `judged` is set.
  std::uint64_t repeated;
  std::uint64_t judged;
  std::uint8_t attempts[wire::kMaxPacketMessages];  // that ended with the death of the process
};

// Which message came last from a sender: its sequence number. A packet that says that it may be a repetition
// is compared with it. Forgets those that were silent for longest, where there are more senders than places.
struct LastFrom {
  static constexpr std::size_t kBuckets = 1024;
  static constexpr std::size_t kWays = 4;
  struct Place {
    wire::ActorId sender;
    std::uint64_t sequence;
    std::uint64_t arrival;  // of its last packet
  };
  Place places[kBuckets][kWays];
};

// What stands before the bytes of each record of the log.
struct LogRecord {
  enum Kind : std::uint8_t {
    wrap = 1,  // the next record is the first one in the memory
    done,      // a message of a packet on the desk is done
    kept,      // a new value of something that the actor keeps
    message,   // a cast or an answer on its way
    packet,  // room for a packet's header, and casts that go on their way together; the last record may still grow
  };
  std::uint32_t bytes;  // that follow, rounded up to 8; of a packet that may grow, as far as it may
  Kind kind;
  std::uint8_t lane;      // message, packet
  std::uint8_t index;     // done: in the packet
  std::uint8_t released;  // message, packet: it has left, or nobody wants it
  std::uint64_t ordinal;  // counts the records; a record that is moved keeps it
  std::uint64_t subject;  // done: slot; kept: place; message, packet: the actor it goes to
  // done: the packet's arrival; kept: `made`; message: its number, 0 before it was first written; packet: of its first.
  std::uint64_t sequence;
  std::int64_t deadline;    // message: an answer that nobody waits for after it; else the largest
  std::uint32_t realBytes;  // kept, message, packet
  std::uint32_t handle;     // message, packet: its name in the process that has the log
};
static_assert(sizeof(LogRecord) == 48);

struct LogMemory {
  // Where the first record begins (the upper half) and where the last one that counts ends (the lower half).
  // Storing this is the commit.
  std::atomic<std::uint64_t> extent;
  alignas(kPageBytes) std::byte bytes[kLogBytes];
};

struct DeskMemory {
  std::uint64_t layout;     // kDeskLayout, or 0 in new memory
  std::uint64_t arrivals;   // packets so far
  std::uint64_t sequences;  // numbers given to messages that were sent: they begin after firstNumber()
  DeskSlot slots[kDeskSlots];
  alignas(kPageBytes) std::byte packets[kDeskSlots][kPageBytes];
  alignas(kPageBytes) LastFrom lastFrom;
  alignas(kPageBytes) KeptMemory kept;
  alignas(kPageBytes) LogMemory log;

  wire::PacketHeader& header(std::size_t slot) {
    return *reinterpret_cast<wire::PacketHeader*>(packets[slot]);
  }
  // 0 where there is no packet. Does not look at a page that was never used: looking at it would take memory for it.
  std::uint32_t bytesIn(std::size_t slot) { return slots[slot].arrival == 0 ? 0 : header(slot).bytes; }
  // The compiler may not move stores across this; the kernel and a successor see them in this order.
  static void barrier() { std::atomic_signal_fence(std::memory_order_seq_cst); }
  // Of an actor's process number `generation`, where that has new memory: numbers of one whose desk was lost must not come again.
  static constexpr std::uint64_t firstNumber(std::uint32_t generation) {
    return std::uint64_t{generation} << 40;
  }
  // Nothing lies on it or has gone out, and nothing is kept: as good as new. One slot may have been made ready to be read into.
  bool isUnused() {
    for (std::size_t i = 1; i < kDeskSlots; ++i)
      if (slots[i].arrival != 0) return false;
    return bytesIn(0) == 0 && slots[0].begun.load(std::memory_order_relaxed) == 0 && kept.made == 0 &&
           log.extent.load(std::memory_order_relaxed) == 0 && (sequences == 0 || sequences == firstNumber(1));
  }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// What may follow in the same memory is the actor's own (mailbox/kept_records.h).
inline constexpr std::size_t kDeskBytes = sizeof(DeskMemory);

// All bits of `messages` messages.
constexpr std::uint64_t maskOf(unsigned messages) { return messages >= 64 ? ~0ULL : (1ULL << messages) - 1; }

// A desk's memory in this process. Ownership: the mapping; the memory itself is its descriptor's.
class MappedDesk {
 public:
  MappedDesk() = default;
  // Errors: system; invalid, where it is too small.
  explicit MappedDesk(const os::Fd& memory) : mapping_(memory, kDeskBytes) {}
  bool valid() const { return mapping_.valid(); }
  DeskMemory& operator*() const { return *static_cast<DeskMemory*>(mapping_.data()); }
  DeskMemory* operator->() const { return &**this; }

 private:
  os::Mapping mapping_;
};

}  // namespace troupe::mailbox
