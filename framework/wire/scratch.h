// The memory that small messages are built in: a packet's size of zeros, used again and again by this process, so that
// making a message neither allocates memory nor clears more of it than the last one has used.
//
// Threads: each has its own.
#pragma once

#include <capnp/common.h>

#include <array>
#include <cstddef>
#include <memory>

#include "wire/packet.h"

namespace troupe::wire {

struct ScratchMemory {
  // What stands before the only segment of a framed message (docs/wire-format.md).
  std::uint32_t segmentsLessOne = 0;
  std::uint32_t segmentWords = 0;
  alignas(8) std::array<capnp::word, kMaxPacketBytes / sizeof(capnp::word)> segment{};
};

class Scratch {
 public:
  Scratch();
  // Gives it back: `usedWords` of its segment may be other than zero, from the first on.
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  ScratchMemory* operator->() const { return memory_.get(); }
  std::size_t usedWords = 0;

 private:
  std::unique_ptr<ScratchMemory> memory_;
};

}  // namespace troupe::wire
