// What lies at the beginning of shared memory, before what its users share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "actor/two_copies.h"
#include "os/shared_lock.h"

namespace troupe::actor {

inline constexpr std::uint64_t kSharedMagic = 0x3165'7270'756f'7274;  // of this layout

struct SharedHead {
  // Never changed:
  std::uint64_t magic;
  std::uint64_t id;  // of a memory, by chance its own
  std::uint64_t fingerprint;
  std::uint64_t bytes;  // of the value or block
  std::uint64_t form;
  // Of a value, on a line of its own in the processor's cache:
  alignas(64) os::SharedLockWords lock;
  CopyCounts counts;
  // For messages: ended by zero, cut off where they are too long.
  alignas(64) char name[64];
  char type[64];
};

inline constexpr std::size_t kMostSharedName = sizeof(SharedHead::name) - 1;
inline constexpr std::size_t kSharedContent = 256;   // where values and numbers lie
inline constexpr std::size_t kSharedBlockAt = 4096;  // where blocks do: at a page
static_assert(sizeof(SharedHead) == kSharedContent);

}  // namespace troupe::actor
