// What is to be done with the desk of a process that has died, before a successor may take it over: the
// messages that were in hand are taken off it, so that no successor sees them; those that were calls are
// listed, so that their callers learn.
//
// Nobody else may use the memory meanwhile: see the lock in os/shared_memory.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "os/fd.h"
#include "wire/packet.h"

namespace troupe::mailbox {

struct CallInHand {
  wire::ActorId caller = 0;
  std::uint32_t generation = 0;  // of the caller
  std::uint64_t call = 0;
  std::uint64_t interfaceId = 0;
  std::uint16_t method = 0;
};

// A message that was in hand and was taken off the desk.
struct InHand {
  wire::ActorId sender = 0;
  std::uint32_t generation = 0;  // of the sender
  unsigned attempts = 0;         // so many processes have begun it
  std::vector<std::byte> message = {};
};

struct Settlement {
  std::vector<CallInHand> calls;
  unsigned casts = 0;           // dropped
  std::vector<InHand> dropped;  // calls and casts, in the order of their slots
  bool ruined = false;          // overwritten by a stray pointer: no successor can use this memory
};

// Never throws for what stands in the memory: a malformed packet counts for nothing. Errors: system, invalid
// (mapping it).
Settlement settle(const os::Fd& deskMemory);

// Takes the messages that no process has begun off a desk that will have no successor: as packets of one
// message each, with the headers that they came with, in their order. Errors: as settle().
std::vector<std::vector<std::byte>> takeUnhandled(const os::Fd& deskMemory);

}  // namespace troupe::mailbox
