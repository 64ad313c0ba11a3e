#include "os/shared_lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "os/shared_memory.h"

namespace troupe::os {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr std::uint32_t kSomebodySleeps = 1U << 31;
constexpr std::uint32_t kNumber = kSomebodySleeps - 1;
// What is done under the lock takes less than going to sleep does, mostly.
constexpr int kLooks = 100;
// Nobody is woken by a death: so a sleeper looks itself, that often.
constexpr nanoseconds kNap = std::chrono::milliseconds(2);

static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);

void sleepWhile(std::atomic<std::uint32_t>& word, std::uint32_t value, nanoseconds limit) {
  const timespec time = {.tv_sec = limit.count() / 1'000'000'000, .tv_nsec = limit.count() % 1'000'000'000};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &time, nullptr, 0);
}

void wakeOne(std::atomic<std::uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace

// A number is never in the word before its byte is locked. Spoilt words may give out a number twice: its byte tells.
SharedLock::SharedLock(SharedLockWords& words, const Fd& memory)
    : words_(words), own_(openSharedMemory(memory)), pid_(::getpid()) {
  do {
    number_ = (words_.users.fetch_add(1, std::memory_order_relaxed) + 1) & kNumber;
  } while (number_ == 0 || !tryLockByte(own_, number_));
}

// Acquires what the last holder has released. A dead one has released nothing: but all that it wrote was written before the kernel let
// go of its byte, which was seen by a system call.
bool SharedLock::take(std::uint32_t expected, std::uint32_t flag) {
  if (!words_.holder.compare_exchange_strong(expected, number_ | flag, std::memory_order_acquire,
                                             std::memory_order_relaxed))
    return false;
  words_.pid.store(pid_, std::memory_order_relaxed);
  holds_ = true;
  return true;
}

// Its own number, where it does not hold the lock, is a word that was spoilt.
bool SharedLock::isDead(std::uint32_t number) const {
  return number == 0 || number == number_ || !byteLockedByAnother(own_, number);
}

// Who has slept does not know who else does: so it takes the lock as one that somebody sleeps for, and one wakes for nothing at last. A
// sleeper that is woken and dies before it takes the lock has used up the wake: the others look again by themselves.
SharedLock::Outcome SharedLock::lock(nanoseconds limit) {
  if (holds_) return Outcome::again;
  for (int i = 0; i < kLooks; ++i) {
    if (words_.holder.load(std::memory_order_relaxed) == 0 && take(0, 0)) return Outcome::taken;
  }
  const auto begun = Clock::now();
  for (;;) {
    const std::uint32_t seen = words_.holder.load(std::memory_order_relaxed);
    if (isDead(seen & kNumber)) {
      if (take(seen, kSomebodySleeps)) return Outcome::taken;
      continue;
    }
    const nanoseconds left = limit - (Clock::now() - begun);
    if (left <= nanoseconds::zero()) return Outcome::timeOver;
    std::uint32_t expected = seen;
    if ((seen & kSomebodySleeps) == 0 &&
        !words_.holder.compare_exchange_strong(expected, seen | kSomebodySleeps, std::memory_order_relaxed))
      continue;
    sleepWhile(words_.holder, seen | kSomebodySleeps, std::min(left, kNap));
  }
}

void SharedLock::unlock() {
  holds_ = false;
  if ((words_.holder.exchange(0, std::memory_order_release) & kSomebodySleeps) != 0) wakeOne(words_.holder);
}

}  // namespace troupe::os
