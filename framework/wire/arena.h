// An arena as its sender sees it: gives out blocks, and takes back those that were freed. Pure: it knows memory only.
//
// Order:     the lowest free stretch that is large enough is taken, so that what is used stays small and warm.
// Ownership: a block is its sender's until it was sent, then its receivers', who free it (ArenaView). Free blocks are found
//            when room is needed, and by trim().
// Death:     the successor finds everything in the memory. Whatever instruction the process died at, each block is free, or in
//            the state that the last whole step left it in.
// Errors:    none; where there is no room, there is none.
// Threads:   one. The receivers may free blocks at any time.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "wire/arena_view.h"

namespace troupe::wire {

class Arena {
 public:
  // Takes over what a predecessor left. Blocks that were never sent are freed, but for those of
  // `committed`: their messages will be sent by this process. `generation` counts the actor's processes.
  Arena(std::span<std::byte> memory, std::uint32_t generation, std::span<const BlockRef> committed = {});

  const ArenaView& view() const { return view_; }

  // One more message: its blocks get this serial.
  std::uint64_t nextSerial();
  std::uint64_t lastSerial() const { return serial_; }

  // A block with room for `words`, all zero, in the state `building`; ref.words is how many it holds. Nothing, where there is no room.
  // Of the first `overwritten` words nothing is promised: the caller is about to write all of them.
  struct Given {
    BlockRef ref;
    capnp::word* data = nullptr;
  };
  std::optional<Given> allocate(std::uint64_t serial, std::size_t words, std::size_t overwritten = 0);
  // Of a block that is being built only the first `words` are needed.
  void shrink(BlockRef& ref, std::size_t words);

  // The message is about to be written to `to`; it was written; it was not. The first two change nothing for one that was
  // written before.
  void sending(const BlockRef& ref, BlockTarget to) const;
  void sent(const BlockRef& ref) const { view_.move(ref, BlockState::sending, BlockState::sent); }
  void unsent(const BlockRef& ref) const { view_.move(ref, BlockState::sending, BlockState::building); }
  void free(const BlockRef& ref) const { view_.free(ref); }

  // Finds all that was freed, and gives memory that is free and was used back to the system: `punch` makes a stretch, in
  // bytes from the start of the arena, zero again, or says false. True where there may be more to do later.
  using Punch = std::function<bool(std::size_t offset, std::size_t bytes)>;
  bool trim(const Punch& punch);

  // Finds the first stretch from `from` to `to`, in bytes from the start of the arena, that may hold anything but zeros; an empty one
  // where there is none. Without this all that was given out once is cleared from end to end.
  struct Stretch {
    std::size_t from = 0;
    std::size_t to = 0;
  };
  using Find = std::function<Stretch(std::size_t from, std::size_t to)>;
  void findWith(Find find) { find_ = std::move(find); }

  std::size_t usedBytes() const;
  std::size_t capacityBytes() const { return std::size_t{view_.pages()} * kArenaPage; }
  std::size_t largestFreeBytes() const;

  // Called after each store to the shared memory: for tests that end a process there.
  void watch(std::function<void()> stored) { stored_ = std::move(stored); }

 private:
  struct Used {
    std::uint32_t page = 0;
    std::uint32_t pages = 0;
    std::uint64_t serial = 0;
  };
  void recover(std::span<const BlockRef> committed);
  bool over(const Used& used) const;
  void collect(std::size_t most);
  void addFree(std::uint32_t page, std::uint32_t pages);
  std::optional<std::uint32_t> takeFree(std::uint32_t pages);
  void clear(std::uint32_t page, std::uint32_t pages, std::size_t overwritten);
  void zero(std::size_t from, std::size_t to) const;
  void raise(std::uint64_t highest);
  void stored() const {
    if (stored_) stored_();
  }

  ArenaView view_;
  std::uint64_t serial_;
  std::map<std::uint32_t, std::uint32_t> free_;  // page -> pages
  std::vector<Used> used_;
  std::size_t looked_ = 0;     // where collect() goes on in used_
  std::vector<bool> touched_;  // data pages that may not be zero
  bool tableTouched_ = false;
  Find find_;
  std::function<void()> stored_;
};

}  // namespace troupe::wire
