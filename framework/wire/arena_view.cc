#include "wire/arena_view.h"

#include <algorithm>

namespace troupe::wire {

namespace {

constexpr std::size_t pagesFor(std::size_t bytes) { return (bytes + kArenaPage - 1) / kArenaPage; }

// What makes no sense is free.
BlockState stateOf(std::uint64_t word) {
  const std::uint64_t state = word & 7;
  return state > static_cast<std::uint64_t>(BlockState::taken) ? BlockState::free
                                                               : static_cast<BlockState>(state);
}

std::uint64_t wordOf(std::uint64_t serial, BlockState state) {
  return state == BlockState::free ? 0 : serial << 3 | static_cast<std::uint64_t>(state);
}

}  // namespace

std::size_t arenaBytes(std::size_t dataBytes) {
  const std::size_t data = pagesFor(dataBytes);
  // The table is sized by all pages after the first, its own included: see ArenaView.
  std::size_t table = 0;
  while (pagesFor((table + data) * sizeof(BlockHeader)) > table) ++table;
  return (1 + table + data) * kArenaPage;
}

ArenaView::ArenaView(std::span<std::byte> memory) {
  const std::size_t all = memory.size() / kArenaPage;
  if (all < 3 || all > UINT32_MAX) return;
  const std::size_t table = pagesFor((all - 1) * sizeof(BlockHeader));
  if (1 + table >= all) return;
  memory_ = memory.data();
  pages_ = static_cast<std::uint32_t>(all - 1 - table);
  dataStart_ = (1 + table) * kArenaPage;
}

std::optional<std::uint32_t> ArenaView::pageOf(const BlockRef& ref) const {
  if (ref.serial >> 61 != 0 || ref.offset < dataStart_ || ref.offset % kArenaPage != 0) return std::nullopt;
  const std::uint64_t page = (ref.offset - dataStart_) / kArenaPage;
  if (page >= pages_) return std::nullopt;
  return static_cast<std::uint32_t>(page);
}

std::optional<std::span<const capnp::word>> ArenaView::content(const BlockRef& ref) const {
  return whole(ref, false);
}

std::optional<std::span<const capnp::word>> ArenaView::unsentContent(const BlockRef& ref) const {
  return whole(ref, true);
}

std::optional<std::span<const capnp::word>> ArenaView::whole(const BlockRef& ref, bool unsent) const {
  const auto page = pageOf(ref);
  if (!page) return std::nullopt;
  const std::uint64_t word = block(*page).word.load(std::memory_order_acquire);
  const BlockState state = stateOf(word);
  if (word >> 3 != ref.serial || state == BlockState::free || (state == BlockState::building) != unsent)
    return std::nullopt;
  const std::uint32_t pages = block(*page).pages.load(std::memory_order_relaxed);
  if (pages > pages_ - *page || ref.words > std::uint64_t{pages} * (kArenaPage / sizeof(capnp::word)))
    return std::nullopt;
  return std::span(reinterpret_cast<const capnp::word*>(data(*page)), ref.words);
}

bool ArenaView::move(const BlockRef& ref, BlockState from, BlockState to) const {
  const auto page = pageOf(ref);
  if (!page) return false;
  std::uint64_t before = wordOf(ref.serial, from);
  return block(*page).word.compare_exchange_strong(before, wordOf(ref.serial, to), std::memory_order_acq_rel,
                                                   std::memory_order_relaxed);
}

// Its state may move on meanwhile, but only forwards: each is tried, in their order.
bool ArenaView::free(const BlockRef& ref) const {
  return move(ref, BlockState::building, BlockState::free) ||
         move(ref, BlockState::sending, BlockState::free) || move(ref, BlockState::sent, BlockState::free) ||
         move(ref, BlockState::taken, BlockState::free);
}

bool ArenaView::take(const BlockRef& ref) const {
  return move(ref, BlockState::sending, BlockState::taken) || move(ref, BlockState::sent, BlockState::taken);
}

void ArenaView::address(const BlockRef& ref, BlockTarget to) const {
  const auto page = pageOf(ref);
  if (!page || block(*page).word.load(std::memory_order_acquire) >> 3 != ref.serial) return;
  block(*page).to.store(to.actor, std::memory_order_relaxed);
  block(*page).lane.store(to.lane, std::memory_order_relaxed);
}

void ArenaView::forEach(const std::function<void(const Block&)>& each) const {
  if (pages_ == 0) return;
  const auto end = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(header().highest.load(std::memory_order_acquire), pages_));
  for (std::uint32_t page = 0; page < end;) {
    BlockHeader& at = this->block(page);
    const std::uint64_t word = at.word.load(std::memory_order_acquire);
    const std::uint32_t pages = at.pages.load(std::memory_order_relaxed);
    if (stateOf(word) == BlockState::free || pages == 0 || pages > pages_ - page) {
      ++page;
      continue;
    }
    each({.page = page,
          .pages = pages,
          .serial = word >> 3,
          .state = stateOf(word),
          .to = {at.to.load(std::memory_order_relaxed), at.lane.load(std::memory_order_relaxed)}});
    page += pages;
  }
}

bool ArenaView::empty() const {
  bool found = false;
  forEach([&found](const Block&) { found = true; });
  return !found;
}

}  // namespace troupe::wire
