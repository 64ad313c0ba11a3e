// What is to be done with the desk of a process that has died, before a successor may take it over: what its
// turns had committed is carried out (mailbox/recovery.h); the messages that were in hand are handed out
// again, as often as the policy allows, or taken off the desk, so that no successor sees them, and listed.
//
// Nobody else may use the memory meanwhile: see the lock in os/shared_memory.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "mailbox/destination.h"
#include "os/fd.h"
#include "wire/arena_view.h"
#include "wire/packet.h"

namespace troupe::mailbox {

struct CallInHand {
  wire::ActorId caller = 0;
  std::uint32_t generation = 0;  // of the caller
  std::uint64_t call = 0;
  std::uint64_t interfaceId = 0;
  std::uint16_t method = 0;
};

// A message that was in hand and is not tried again.
struct InHand {
  wire::ActorId sender = 0;
  std::uint32_t generation = 0;  // of the sender
  unsigned attempts = 1;
  std::vector<std::byte> message;  // with its framing; of a large one the whole, or its short form
};

struct Settlement {
  std::vector<CallInHand> calls;  // whose callers are to be told
  std::vector<InHand> dropped;
  std::vector<wire::BlockRef> unsent;  // of the process's own large messages that its successor sends
  std::uint64_t tookOver = 0;          // KeptStore::tookOver()
  bool ruined = false;                 // overwritten by a stray pointer: no successor can use this memory
};

// The blocks of large messages that were in hand or done. `again`: the message is handed out again; else it is over, and they are
// to be freed, also a second time.
using SettleBlocks = std::function<void(wire::ActorId sender, std::span<const wire::BlockRef>, bool again)>;
// A large message that is going to be dropped, whole and framed, before its blocks are freed; nothing, where that can't be had.
using CopyWhole =
    std::function<std::vector<std::byte>(wire::ActorId sender, std::span<const wire::BlockRef>)>;

// `attempts`: so often a message may be in the hands of a process that dies; 1: never again. Never throws for
// what stands in the memory: a malformed packet counts for nothing. Errors: system, invalid (mapping it), and those of
// the functions.
Settlement settle(const os::Fd& deskMemory, unsigned attempts = 1, const SettleBlocks& settleBlocks = {},
                  const CopyWhole& copyWhole = {});

// Whether a message was in the hands of the process that has died, and nobody has dealt with it yet. Errors: as settle().
bool anyInHand(const os::Fd& deskMemory);

// KeptStore::tookOver(), whoever has the desk. Errors: as settle().
std::uint64_t tookOver(const os::Fd& deskMemory);

// The packets on a desk, whoever has it: those that were done too, and nonsense where one is being read meanwhile.
// Errors: as settle().
std::vector<std::vector<std::byte>> packetsOn(const os::Fd& deskMemory);

// Takes the messages that no process has begun off a desk that will have no successor: as packets of one
// message each, with the headers that they came with, in their order. Errors: as settle().
std::vector<std::vector<std::byte>> takeUnhandled(const os::Fd& deskMemory);

// Takes what has been sent and has not left off a desk that will have no successor: as packets of one message
// each, that may be repetitions, in their order. Errors: as settle().
struct Posthumous {
  Destination to;
  std::vector<std::byte> packet;
};
std::vector<Posthumous> takeUnsent(const os::Fd& deskMemory, wire::ActorId owner, std::uint32_t generation);

}  // namespace troupe::mailbox
