#include "actor/two_copies.h"

#include <algorithm>
#include <cstring>

namespace troupe::actor {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

static_assert(TwoCopies::Word::is_always_lock_free && sizeof(TwoCopies::Word) == sizeof(std::uint64_t));

// The words of a copy are read while a writer may be writing them, so they are atomic, and relaxed. Of what was read:
// - all of value `seen` was there: counted's release store came after it, and its load here is an acquire.
// - nothing of value seen + 2, which goes to the same copy: its writer has stored begun = seen + 2 before a release fence, and its words
//   after that; had one of them been read, then behind the acquire fence here begun would be at least that.
bool TwoCopies::read(void* to) const {
  auto* const bytes = static_cast<std::byte*>(to);
  for (;;) {
    const std::uint64_t seen = counts_.counted.load(memory_order_acquire);
    const Word* const from = copy(seen);
    for (std::size_t i = 0, at = 0; at < bytes_; ++i, at += sizeof(Word)) {
      const std::uint64_t word = from[i].load(memory_order_relaxed);
      std::memcpy(bytes + at, &word, std::min(sizeof word, bytes_ - at));
    }
    std::atomic_thread_fence(memory_order_acquire);
    // Acquires as well: who has begun seen + 2 has found seen + 1 counted.
    const std::uint64_t begun = counts_.begun.load(memory_order_acquire);
    if (begun <= seen + 1) return true;
    if (counts_.counted.load(memory_order_relaxed) == seen) return false;
  }
}

void TwoCopies::prepare(const void* from) {
  const auto* const bytes = static_cast<const std::byte*>(from);
  const std::uint64_t next = counts_.counted.load(memory_order_relaxed) + 1;
  counts_.begun.store(next, memory_order_release);
  std::atomic_thread_fence(memory_order_release);
  Word* const to = copy(next);
  for (std::size_t i = 0, at = 0; at < bytes_; ++i, at += sizeof(Word)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, std::min(sizeof word, bytes_ - at));
    to[i].store(word, memory_order_relaxed);
  }
}

void TwoCopies::count() {
  counts_.counted.store(counts_.counted.load(memory_order_relaxed) + 1, memory_order_release);
}

}  // namespace troupe::actor
