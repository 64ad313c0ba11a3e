// Mutex: an actor that one process at a time holds: multiprocessing's Lock and RLock, but no process takes it to its grave.
//
//     app.add<troupe::Mutex>("ledger");
//
//     auto mutex = co_await find<troupe::Mutex>("ledger");
//     auto held = co_await mutex.lock();
//     if (held.abandoned()) repair();
//     co_await held.unlock();
//
// Order:     first come, first served.
// Ownership: the process that locked it holds it, until it is unlocked, `held` is destroyed, or the process ends. Where it crashes, the next
//            holder is told: what the mutex guards may be half changed.
// Waiting:   for ever, or as long as within() says: then lock() ends with `timedOut`, and nothing has happened. Who dies while waiting
//            waits no longer.
// Crash:     who holds and who waits survives the mutex's own death.
// Errors:    timedOut; refused: locked twice by one process where it is not recursive, unlocked twice, or by another process; and those
//            of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/lease.h>
#include <troupe/self.h>
#include <troupe/spec.h>

#include <cstdint>
#include <string>
#include <utility>

namespace troupe {

struct MutexSpec {
  // One process may lock it several times, and has to unlock it as often.
  bool recursive = false;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct MutexStatus {
  bool locked = false;
  bool abandoned = false;  // which the next holder will be told
  std::uint64_t waiting = 0;
};

class Mutex {
 public:
  using Spec = MutexSpec;

  class Held : public detail::Lease {
   public:
    // Whoever held it before has ended without unlocking it, and not in order.
    bool abandoned() const { return abandoned_; }
    Task<> unlock() { return release(); }

   private:
    friend class Mutex;
    explicit Held(Lease lease) : Lease(std::move(lease)) {}
  };

  explicit Mutex(RefBase mutex) : mutex_(std::move(mutex)) {}
  // The same, where nothing waits longer than that.
  Mutex within(Duration wait) const {
    Mutex other = *this;
    other.wait_ = wait;
    return other;
  }

  Task<Held> lock() const;
  // False where another process holds it.
  Task<Held> tryLock() const;
  // What this process has kept (Held::keep), or holds. Errors: refused, where it does not hold it.
  Task<> unlock() const;
  Task<MutexStatus> status() const;

  const std::string& path() const { return mutex_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const MutexSpec& spec);

 private:
  static Task<Held> take(RefBase mutex, Duration wait, bool tries);

  RefBase mutex_;
  Duration wait_ = kForever;
};

}  // namespace troupe
