// What is to be done with the desk of a process that has died, before a successor may take it over: the
// messages that were in hand are taken off it, so that no successor sees them; those that were calls are
// listed, so that their callers learn.
//
// Nobody else may use the memory meanwhile: see the lock in os/shared_memory.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

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

struct Settlement {
  std::vector<CallInHand> calls;
  unsigned casts = 0;   // dropped
  bool ruined = false;  // overwritten by a stray pointer: no successor can use this memory
};

// The large messages that were in hand or done are over: their blocks are to be freed, also a second time.
using FreeBlocks = std::function<void(wire::ActorId sender, std::span<const wire::BlockRef>)>;

// Never throws for what stands in the memory: a malformed packet counts for nothing. Errors: system, invalid
// (mapping it).
Settlement settle(const os::Fd& deskMemory, const FreeBlocks& freeBlocks = {});

// Takes the messages that no process has begun off a desk that will have no successor: as packets of one
// message each, with the headers that they came with, in their order. Errors: as settle().
std::vector<std::vector<std::byte>> takeUnhandled(const os::Fd& deskMemory);

}  // namespace troupe::mailbox
