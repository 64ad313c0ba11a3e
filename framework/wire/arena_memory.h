// An actor's own arena: its memory, mapped when it is first needed, and what may be put into it.
//
// Ownership: the memory is the directory's, and outlives this process.
// Errors:    none: where it can't be mapped, there is no arena.
// Threads:   one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "os/fd.h"
#include "os/shared_memory.h"
#include "wire/arena.h"

namespace troupe::wire {

// Bytes of an arena for messages of up to `limit` bytes: four of the largest, or many small ones. It takes memory only
// where something lies in it.
std::size_t arenaBytesFor(std::size_t limit);

class ArenaMemory {
 public:
  // `memory` may be no descriptor: there is no arena then. `generation` counts the actor's processes.
  ArenaMemory(os::Fd memory, std::size_t limit, std::uint32_t generation);

  // Bytes of the largest message.
  std::size_t limit() const { return limit_; }
  // Null, where there is none, or it is another process's.
  Arena* open();
  // The same, where a block of so many bytes is going to be taken.
  Arena* openFor(std::size_t bytes);
  void free(const BlockRef& block) const;
  // Takes over at once what a predecessor has left, if anything: see Arena.
  void recover(std::span<const BlockRef> committed);

  // Another process of this actor has it from here on, which frees what was not sent; or this one has it again, as its
  // process number `generation`.
  // Nothing of this process's own lies in it by then that is not committed.
  void letGo();
  bool isLetGo() const { return letGo_; }
  // It was never looked at by this process, and so is as it came.
  bool unopened() const { return !arena_ && !letGo_; }
  os::Fd release() { return std::move(memory_); }
  void takeBack(os::Fd memory, std::uint32_t generation);

  // True from the first message on until nothing is left of any.
  bool inUse() const { return inUse_; }
  // Gives memory back that is not used any more.
  void trim();

 private:
  void map(std::span<const BlockRef> committed);

  os::Fd memory_;
  std::size_t limit_;
  std::uint32_t generation_;
  os::Mapping mapping_;
  std::optional<Arena> arena_;
  bool inUse_ = false;
  bool letGo_ = false;
  bool huge_ = false;  // the mapping prefers huge pages
};

}  // namespace troupe::wire
