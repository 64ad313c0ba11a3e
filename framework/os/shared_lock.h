// A lock between processes that have one memory mapped, which none of them takes to its grave.
//
// Each user of the memory has a number that no other ever had, and holds the kernel's lock of the byte of that number, by an open
// description of its own, as long as it lives. The lock is a word of the memory with its holder's number in it. Whoever finds a number
// there that has no living user takes its place. So no list of what is held lies in the memory, where the wild pointer of one process
// would lead another one astray, as with the robust locks of the C library: a word that is spoilt costs time, at most that of the
// process whose number it looks like.
//
// Stopped:  a holder that is stopped (SIGSTOP), or hangs, keeps it; others wait no longer than they say.
// Forked:   a process that a user forks, and that lives on without exec, keeps its user's byte with its descriptors.
// Fairness: none.
// Threads:  one; another thread is another user.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "os/fd.h"

namespace troupe::os {

// Zero at first.
struct SharedLockWords {
  std::atomic<std::uint32_t> holder;  // its number; the highest bit: somebody sleeps
  std::atomic<std::uint32_t> users;   // how many numbers were given out
  std::atomic<std::int32_t> pid;      // of the last holder; for messages alone
};

class SharedLock {
 public:
  // The words lie in that memory, and stay mapped as long as this lives. Errors: system.
  SharedLock(SharedLockWords& words, const Fd& memory);
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

  // again: this very user holds it already.
  enum class Outcome { taken, timeOver, again };
  Outcome lock(std::chrono::nanoseconds limit);
  void unlock();
  // A guess, where it was just let go of.
  pid_t holder() const { return words_.pid.load(std::memory_order_relaxed); }

  // In a process that was forked meanwhile: the number is the parent's.
  void forget() { own_.release(); }

 private:
  bool take(std::uint32_t expected, std::uint32_t flag);
  bool isDead(std::uint32_t number) const;

  SharedLockWords& words_;
  Fd own_;
  pid_t pid_;
  std::uint32_t number_ = 0;
  bool holds_ = false;
};

}  // namespace troupe::os
