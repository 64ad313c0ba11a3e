// Large messages in tests: their words, and an arena with what its receiver sees of it.
#pragma once

#include <kj/array.h>

#include <cstring>
#include <span>
#include <vector>

#include "os/shared_memory.h"
#include "wire/arena_memory.h"
#include "wire/message.h"

namespace troupe::test {

// The words of a finished message, aligned.
class Words {
 public:
  explicit Words(std::span<const std::byte> bytes)
      : words_(kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word))) {
    std::memcpy(words_.begin(), bytes.data(), bytes.size());
  }
  operator std::span<const capnp::word>() const { return {words_.begin(), words_.size()}; }
  std::uint64_t& at(std::size_t index) { return reinterpret_cast<std::uint64_t*>(words_.begin())[index]; }
  std::size_t size() const { return words_.size(); }

 private:
  kj::Array<capnp::word> words_;
};

// An arena and what its receiver sees of it.
struct World {
  explicit World(std::size_t limit = 1 << 20)
      : memory(os::makeSharedMemory("arena", wire::arenaBytesFor(limit))),
        arena(os::openSharedMemory(memory), limit, 1),
        mapping(memory, os::sizeOf(memory)),
        view({static_cast<std::byte*>(mapping.data()), mapping.bytes()}) {}

  void send(std::span<const std::byte> message) {
    for (const wire::BlockRef& block : wire::blocksOf(message)) {
      arena.open()->sending(block, {.actor = 2, .lane = 0});
      arena.open()->sent(block);
    }
  }
  std::vector<std::span<const capnp::word>> segments(std::span<const capnp::word> message) const {
    std::vector<std::span<const capnp::word>> all;
    for (const wire::BlockRef& block : wire::blocksOf(message)) all.push_back(view.content(block).value());
    return all;
  }

  os::Fd memory;
  wire::ArenaMemory arena;
  os::Mapping mapping;
  wire::ArenaView view;
};

}  // namespace troupe::test
