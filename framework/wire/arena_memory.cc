#include "wire/arena_memory.h"

#include <troupe/error.h>

#include <algorithm>
#include <utility>

namespace troupe::wire {

namespace {
constexpr std::size_t kLeastArena = std::size_t{64} << 20;
// Blocks of this size fill huge pages nearly to their ends. Smaller ones would hold memory that they don't need.
constexpr std::size_t kHuge = std::size_t{8} << 20;
}  // namespace

std::size_t arenaBytesFor(std::size_t limit) { return arenaBytes(std::max(4 * limit, kLeastArena)); }

ArenaMemory::ArenaMemory(os::Fd memory, std::size_t limit, std::uint32_t generation)
    : memory_(std::move(memory)), limit_(limit), generation_(generation) {}

Arena* ArenaMemory::open() {
  if (letGo_) return nullptr;
  if (!arena_) map({});
  inUse_ = arena_.has_value();
  return arena_ ? &*arena_ : nullptr;
}

Arena* ArenaMemory::openFor(std::size_t bytes) {
  Arena* const arena = open();
  if (arena != nullptr && bytes >= kHuge && !std::exchange(huge_, true)) mapping_.preferHugePages();
  return arena;
}

void ArenaMemory::recover(std::span<const BlockRef> committed) {
  if (memory_.valid() && !os::isUntouched(memory_)) map(committed);
  inUse_ = arena_.has_value();
}

void ArenaMemory::map(std::span<const BlockRef> committed) {
  if (!memory_.valid()) return;
  try {
    mapping_ = os::Mapping(memory_, os::sizeOf(memory_));
    arena_.emplace(std::span(static_cast<std::byte*>(mapping_.data()), mapping_.bytes()), generation_,
                   committed);
    arena_->findWith([this](std::size_t from, std::size_t to) {
      const os::Stretch used = os::findUsed(memory_, from, to);
      return Arena::Stretch{used.from, used.to};
    });
    huge_ = false;
  } catch (const Error&) {
    // Asked for again next time.
  }
}

void ArenaMemory::free(const BlockRef& block) const {
  if (arena_) arena_->free(block);
}

void ArenaMemory::letGo() {
  letGo_ = true;
  inUse_ = false;
}

void ArenaMemory::takeBack(os::Fd memory, std::uint32_t generation) {
  letGo_ = false;
  generation_ = generation;
  arena_.reset();
  memory_ = std::move(memory);
}

void ArenaMemory::trim() {
  if (!arena_ || letGo_) return;
  inUse_ = arena_->trim(
      [this](std::size_t offset, std::size_t bytes) { return os::punchHole(memory_, offset, bytes); });
}

}  // namespace troupe::wire
