#include "wire/arena.h"

#include <algorithm>
#include <cstring>

#include "os/kill_point.h"

namespace troupe::wire {

namespace {

constexpr std::size_t kPageWords = kArenaPage / sizeof(capnp::word);
// So many blocks are looked at whenever one is asked for: so those that were freed come back as fast as they go.
constexpr std::size_t kLookAt = 16;
// A serial has 61 bits: the process, then its messages.
constexpr unsigned kCountBits = 38;
// Of what is longer than this it pays to ask which of it was ever written: to clear it takes longer.
constexpr std::size_t kLong = std::size_t{512} << 10;

}  // namespace

Arena::Arena(std::span<std::byte> memory, std::uint32_t generation, std::span<const BlockRef> committed)
    : view_(memory), serial_(std::uint64_t{generation & 0x7fffff} << kCountBits) {
  touched_.resize(view_.pages());
  if (view_.pages() > 0) recover(committed);
}

std::uint64_t Arena::nextSerial() { return serial_ = (serial_ + 1) & (~0ULL >> 3); }

// Its predecessor may have died between any two stores. What lies between blocks is free.
void Arena::recover(std::span<const BlockRef> committed) {
  const bool known = view_.header().layout.load(std::memory_order_relaxed) == kArenaLayout;
  tableTouched_ = known;
  const std::uint64_t end =
      known ? std::min<std::uint64_t>(view_.header().highest.load(std::memory_order_relaxed), view_.pages())
            : 0;
  std::fill_n(touched_.begin(), static_cast<std::ptrdiff_t>(end), true);
  std::uint32_t from = 0;
  view_.forEach([&](const ArenaView::Block& block) {
    if (!known) return;
    const bool keep =
        block.state != BlockState::building || std::ranges::any_of(committed, [&](const BlockRef& ref) {
          return ref.offset == view_.offsetOf(block.page) && ref.serial == block.serial;
        });
    if (!keep) {
      view_.free(view_.refTo(block));
      return os::killPoint("blockRecovered");
    }
    used_.push_back({block.page, block.pages, block.serial});
    addFree(from, block.page - from);
    from = block.page + block.pages;
  });
  addFree(from, view_.pages() - from);
  if (known) return;
  view_.header().highest.store(0, std::memory_order_relaxed);
  view_.header().layout.store(kArenaLayout, std::memory_order_release);
}

void Arena::addFree(std::uint32_t page, std::uint32_t pages) {
  if (pages == 0) return;
  auto next = free_.lower_bound(page);
  if (next != free_.end() && page + pages == next->first) {
    pages += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == page) {
      before->second += pages;
      return;
    }
  }
  free_.emplace_hint(next, page, pages);
}

std::optional<std::uint32_t> Arena::takeFree(std::uint32_t pages) {
  const auto found =
      std::ranges::find_if(free_, [pages](const auto& stretch) { return stretch.second >= pages; });
  if (found == free_.end()) return std::nullopt;
  const auto [page, had] = *found;
  free_.erase(found);
  if (had > pages) free_.emplace(page + pages, had - pages);
  return page;
}

bool Arena::over(const Used& used) const {
  const std::uint64_t word = view_.block(used.page).word.load(std::memory_order_acquire);
  return word >> 3 != used.serial || (word & 7) == 0;
}

void Arena::collect(std::size_t most) {
  for (std::size_t i = 0; i < most && !used_.empty(); ++i) {
    if (looked_ >= used_.size()) looked_ = 0;
    if (!over(used_[looked_])) {
      ++looked_;
      continue;
    }
    // Whatever somebody wrote there: it is free.
    view_.block(used_[looked_].page).word.store(0, std::memory_order_relaxed);
    addFree(used_[looked_].page, used_[looked_].pages);
    used_[looked_] = used_.back();
    used_.pop_back();
  }
}

std::optional<Arena::Given> Arena::allocate(std::uint64_t serial, std::size_t words,
                                            std::size_t overwritten) {
  const std::size_t wanted = std::max<std::size_t>((words + kPageWords - 1) / kPageWords, 1);
  if (wanted > view_.pages()) return std::nullopt;
  const auto pages = static_cast<std::uint32_t>(wanted);
  collect(kLookAt);
  auto page = takeFree(pages);
  if (!page) {
    collect(used_.size());
    page = takeFree(pages);
  }
  if (!page) return std::nullopt;
  used_.push_back({*page, pages, serial});
  clear(*page, pages, overwritten);
  os::killPoint("blockFound");
  // First where it ends, then that it is there.
  raise(std::uint64_t{*page} + pages);
  BlockHeader& header = view_.block(*page);
  header.pages.store(pages, std::memory_order_relaxed);
  stored();
  os::killPoint("blockSized");
  header.word.store(serial << 3 | static_cast<std::uint64_t>(BlockState::building),
                    std::memory_order_release);
  stored();
  os::killPoint("blockMade");
  return Given{.ref = {.offset = view_.offsetOf(*page),
                       .serial = serial,
                       .words = static_cast<std::uint32_t>(pages * kPageWords)},
               .data = reinterpret_cast<capnp::word*>(view_.data(*page))};
}

// Headers as well as data: somebody may have written what he should not.
void Arena::clear(std::uint32_t page, std::uint32_t pages, std::size_t overwritten) {
  const std::uint32_t end = page + pages;
  for (std::uint32_t at = page; at < end; ++at) {
    auto& word = view_.block(at).word;
    if (word.load(std::memory_order_relaxed) != 0) word.store(0, std::memory_order_relaxed);
  }
  tableTouched_ = true;
  const auto first = touched_.begin() + page;
  const auto last = touched_.begin() + end;
  const std::size_t kept = view_.offsetOf(page) + overwritten * sizeof(capnp::word);
  for (auto from = std::find(first, last, true); from != last;) {
    const auto to = std::find(from, last, false);
    const auto offset = [&](auto each) {
      return view_.offsetOf(static_cast<std::uint32_t>(each - touched_.begin()));
    };
    zero(std::max(offset(from), kept), offset(to));
    from = std::find(to, last, true);
  }
  std::fill(first, last, true);
}

// A large message that was made in place may have been written in a few places only.
void Arena::zero(std::size_t from, std::size_t to) const {
  while (from < to) {
    Stretch there{from, to};
    if (find_ && to - from >= kLong) there = find_(from, to);
    if (there.from >= there.to) return;
    std::memset(view_.data(0) - view_.dataStart() + there.from, 0, there.to - there.from);
    from = there.to;
  }
}

void Arena::raise(std::uint64_t highest) {
  if (view_.header().highest.load(std::memory_order_relaxed) >= highest) return;
  view_.header().highest.store(highest, std::memory_order_release);
  stored();
}

void Arena::shrink(BlockRef& ref, std::size_t words) {
  const auto found = std::find_if(used_.rbegin(), used_.rend(), [&](const Used& used) {
    return view_.offsetOf(used.page) == ref.offset && used.serial == ref.serial;
  });
  ref.words = static_cast<std::uint32_t>(words);
  if (found == used_.rend()) return;
  const auto pages =
      static_cast<std::uint32_t>(std::max<std::size_t>((words + kPageWords - 1) / kPageWords, 1));
  if (pages >= found->pages) return;
  view_.block(found->page).pages.store(pages, std::memory_order_release);
  stored();
  os::killPoint("blockCut");
  addFree(found->page + pages, found->pages - pages);
  found->pages = pages;
}

void Arena::sending(const BlockRef& ref, BlockTarget to) const {
  view_.address(ref, to);
  stored();
  view_.move(ref, BlockState::building, BlockState::sending);
  stored();
}

bool Arena::trim(const Punch& punch) {
  collect(used_.size());
  bool more = !used_.empty();
  for (const auto& [page, pages] : free_) {
    for (std::uint32_t from = page; from < page + pages;) {
      if (!touched_[from]) {
        ++from;
        continue;
      }
      std::uint32_t end = from + 1;
      while (end < page + pages && touched_[end]) ++end;
      os::killPoint("punching");
      if (punch(view_.offsetOf(from), std::size_t{end - from} * kArenaPage)) {
        os::killPoint("punched");
        std::fill(touched_.begin() + from, touched_.begin() + end, false);
      } else {
        more = true;
      }
      from = end;
    }
  }
  if (more || !tableTouched_) return more;
  view_.header().highest.store(0, std::memory_order_release);
  os::killPoint("tableCleared");
  tableTouched_ = !punch(kArenaPage, view_.dataStart() - kArenaPage);
  return tableTouched_;
}

std::size_t Arena::usedBytes() const {
  std::size_t pages = 0;
  for (const Used& used : used_) pages += used.pages;
  return pages * kArenaPage;
}

std::size_t Arena::largestFreeBytes() const {
  std::size_t pages = 0;
  for (const auto& [page, length] : free_) pages = std::max<std::size_t>(pages, length);
  return pages * kArenaPage;
}

}  // namespace troupe::wire
