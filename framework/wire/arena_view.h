// The arena of an actor: memory in which its large messages lie, shared by the sender, who alone gives out blocks of it (wire/arena.h),
// by the receivers, who read them in place and free them, and by the root, which cleans up after the dead.
//
// Layout:  a page for the ArenaHeader; a table with a BlockHeader for each data page; the data pages. A block is a run of
//          data pages, and its header is that of its first page. All other headers are free, so that freeing a block
//          is one store, and free neighbours are one stretch by nature.
// State:   free -> building (its message is being made, or waits to be sent)
//               -> sending (its message is about to be written, or was just written: after a death only the pipe can tell)
//               -> sent (the receiver's)
//               -> taken (a receiver reads it: no other will) -> free. Each use has a serial of its own, and all changes but
//          the first are compare-exchanges from it: who is late, or does it twice, changes nothing. Of a message of
//          several blocks the first is taken for all.
// Death:   all that is needed to go on stands in the memory; see Arena and node/arenas.h for what is done with the blocks of the
//          dead.
// Trust:   everybody who has it mapped may write any bytes into it. Whatever they are, nothing here reads beyond the memory,
//          fails or loops for ever; the data of a block may change while it is read.
// Threads: any; what processes do to each other's blocks is atomic.
#pragma once

#include <capnp/common.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "wire/packet.h"

namespace troupe::wire {

inline constexpr std::size_t kArenaPage = 4096;
inline constexpr std::uint64_t kArenaLayout = 0x31306e6572410000;  // changes with this layout

struct ArenaHeader {
  std::atomic<std::uint64_t> layout;   // kArenaLayout, or 0 in new memory
  std::atomic<std::uint64_t> highest;  // all blocks lie in the first so many data pages
};

enum class BlockState : std::uint8_t { free, building, sending, sent, taken };

struct BlockHeader {
  std::atomic<std::uint64_t> word;  // serial * 8 + BlockState; 0 is free
  std::atomic<ActorId> to;          // whom its message goes to; from `sending` on
  std::atomic<std::uint32_t> pages;
  std::atomic<std::uint32_t> lane;  // wire::Lane, or kUndeliverable
};
static_assert(sizeof(BlockHeader) == 24 && std::atomic<std::uint64_t>::is_always_lock_free);

// Says where a part of a message lies.
struct BlockRef {
  std::uint64_t offset = 0;  // in bytes, from the start of the arena
  std::uint64_t serial = 0;
  std::uint32_t words = 0;
  friend bool operator==(const BlockRef&, const BlockRef&) = default;
};

// Where messages go: as mailbox::Destination, in numbers.
struct BlockTarget {
  ActorId actor = 0;
  std::uint32_t lane = 0;
  friend bool operator==(const BlockTarget&, const BlockTarget&) = default;
};

// The lane of a message whose sender has found its destination gone, and gives it to the root: it is not on its way there, and not
// among what is freed with the mailbox.
inline constexpr std::uint32_t kUndeliverable = 0xffffffff;

// Bytes of an arena whose blocks hold `dataBytes` in all.
std::size_t arenaBytes(std::size_t dataBytes);

// An arena as everybody sees it. Refers to the memory, which must be aligned to a page and stay.
class ArenaView {
 public:
  struct Block {
    std::uint32_t page = 0;
    std::uint32_t pages = 0;
    std::uint64_t serial = 0;
    BlockState state = BlockState::free;
    BlockTarget to;
  };

  ArenaView() = default;
  explicit ArenaView(std::span<std::byte> memory);

  // 0, where the memory is too small to be an arena.
  std::uint32_t pages() const { return pages_; }
  // Where the data pages begin; all before is the headers'.
  std::size_t dataStart() const { return dataStart_; }
  ArenaHeader& header() const { return *reinterpret_cast<ArenaHeader*>(memory_); }
  BlockHeader& block(std::uint32_t page) const {
    return reinterpret_cast<BlockHeader*>(memory_ + kArenaPage)[page];
  }
  std::byte* data(std::uint32_t page) const { return memory_ + dataStart_ + std::size_t{page} * kArenaPage; }
  std::uint64_t offsetOf(std::uint32_t page) const { return dataStart_ + std::uint64_t{page} * kArenaPage; }

  // The content of a block that was sent. Nothing, where `ref` does not lead to a whole block of its serial.
  std::optional<std::span<const capnp::word>> content(const BlockRef& ref) const;

  // The same of one that was not sent yet, for its sender.
  std::optional<std::span<const capnp::word>> unsentContent(const BlockRef& ref) const;

  // Ends the use of a block. False where it is over already, or `ref` makes no sense.
  bool free(const BlockRef& ref) const;
  // For a receiver that is going to read it, alone: false as above, or where another has taken it.
  bool take(const BlockRef& ref) const;
  // From one state to another of the same use. False where it is in no such state.
  bool move(const BlockRef& ref, BlockState from, BlockState to) const;
  void address(const BlockRef& ref, BlockTarget to) const;

  // All blocks that are not free, in their order; those that make no sense are left out. Others may change them meanwhile.
  void forEach(const std::function<void(const Block&)>& each) const;
  bool empty() const;
  BlockRef refTo(const Block& block) const {
    return {.offset = offsetOf(block.page), .serial = block.serial};
  }

 private:
  std::optional<std::uint32_t> pageOf(const BlockRef& ref) const;
  std::optional<std::span<const capnp::word>> whole(const BlockRef& ref, bool unsent) const;

  std::byte* memory_ = nullptr;
  std::uint32_t pages_ = 0;
  std::size_t dataStart_ = 0;
};

}  // namespace troupe::wire
