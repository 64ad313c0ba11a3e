// The memory of what an actor keeps: named values, written only from committed records of the log
// (mailbox/turn_log.h), so that what stands here is always a state between two turns.
//
// An entry has a place of its own for its value. It never changes its name, fingerprint or size; a value of another layout under the
// same name is another, later entry, and counts only from its first value on. From then on the older entry's place is free for
// another one, as is that of an entry that never had a value: so there are two places for each value that an actor may keep. A record of
// the log names its entry by place and by `made`: one for an entry whose place another has got since means nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::mailbox {

inline constexpr std::size_t kMostKept = 64;             // values
inline constexpr std::size_t kKeptNameBytes = 64;        // with the 0 at its end
inline constexpr std::size_t kLargestKept = 64u << 10;   // bytes of one value
inline constexpr std::size_t kMostKeptBytes = 1u << 20;  // of all

// Places are of two sizes. Pages of this memory that were never written to are not there, so large ones cost what is used of them.
inline constexpr std::size_t kSmallKept = 1u << 10;
inline constexpr std::size_t kSmallKeptPlaces = 2 * kMostKept + 2;  // two for the framework's own
inline constexpr std::size_t kKeptPlaces = kSmallKeptPlaces + 2 * kMostKept;

// A value of the framework's own: the generation of the last process that took over in an upgrade and became ready. It is committed
// together with what that process has made of older values, so that it says which program can read them. No actor can have a
// value of that name by chance.
inline constexpr const char* kTookOverName = "\x01tookOver";

struct KeptEntry {
  std::uint64_t made;  // counts the entries of this memory; 0: none is here
  char name[kKeptNameBytes];
  std::uint64_t fingerprint;  // of its type's layout
  std::uint64_t capacity;
  std::uint64_t bytes;    // of the value
  std::uint64_t written;  // not 0: it has a value
};

// An entry, as the log names it.
struct KeptId {
  std::size_t index = 0;
  std::uint64_t made = 0;
};

struct KeptMemory {
  std::uint64_t made;  // entries so far
  // Places that were ever used, of each size: the others are not read, as reading makes pages.
  std::uint64_t usedSmall;
  std::uint64_t usedLarge;
  KeptEntry entry[kKeptPlaces];
  alignas(64) std::byte small[kSmallKeptPlaces][kSmallKept];
  alignas(4096) std::byte large[kKeptPlaces - kSmallKeptPlaces][kLargestKept];

  std::span<std::byte> place(std::size_t index) {
    if (index < kSmallKeptPlaces) return small[index];
    return large[index - kSmallKeptPlaces];
  }
};

}  // namespace troupe::mailbox
