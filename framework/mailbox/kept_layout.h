// The memory of what an actor keeps: named values, written only from committed records of the log
// (mailbox/turn_log.h), so that what stands here is always a state between two turns.
//
// An entry is made once and never changes its name, fingerprint or size; a value of another layout under the
// same name is another, later entry. It counts only from its first value on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::mailbox {

inline constexpr std::size_t kKeptEntries = 64;
inline constexpr std::size_t kKeptNameBytes = 64;       // with the 0 at its end
inline constexpr std::size_t kLargestKept = 64u << 10;  // bytes of one value
inline constexpr std::size_t kKeptBytes = 1u << 20;     // of all

// A value of the framework's own: the generation of the last process that took over in an upgrade and became ready. It is committed
// together with what that process has made of older values, so that it says which program can read them. No actor can have a
// value of that name by chance.
inline constexpr const char* kTookOverName = "\x01tookOver";

struct KeptEntry {
  char name[kKeptNameBytes];
  std::uint64_t fingerprint;  // of its type's layout
  std::uint64_t capacity;
  std::uint64_t offset;
  std::uint64_t bytes;    // of the value
  std::uint64_t written;  // not 0: it has a value
};

struct KeptMemory {
  std::uint64_t entries;  // made so far
  std::uint64_t used;     // bytes
  KeptEntry entry[kKeptEntries];
  alignas(64) std::byte bytes[kKeptBytes];
};

}  // namespace troupe::mailbox
