// Condition: a mutex whose holders can wait for what others change while they hold it: multiprocessing's Condition.
//
//     app.add<troupe::Condition>("stock");
//
//     auto stock = co_await find<troupe::Condition>("stock");
//     auto held = co_await stock.lock();
//     while (!there()) co_await held.wait();             // gives the mutex back, and has it again
//     take();
//     co_await held.notifyAll();
//     co_await held.unlock();
//
// Order:     first come, first served: of those who lock it, and of those who wait to be notified.
// Ownership: as that of a Mutex. Where a holder ends, what it was about to say is lost: all who wait are woken, and the first of them is told
//            that the mutex was abandoned. So look again after each wait().
// Waiting:   lock() for ever, or as long as within() says: then it ends with `timedOut`. One who is notified and dies, or gives up, before it
//            knows is as if it had not been there: the next is notified.
// Crash:     who holds and who waits survives the condition's own death.
// Errors:    timedOut; refused: locked twice by one process, and what only its holder may do, done by others; and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/lease.h>
#include <troupe/self.h>
#include <troupe/spec.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace troupe {

struct ConditionSpec {
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct ConditionStatus {
  bool locked = false;
  std::uint64_t locking = 0;  // wait for the mutex
  std::uint64_t waiting = 0;  // wait to be notified
};

class Condition {
 public:
  using Spec = ConditionSpec;

  class Held : public detail::Lease {
   public:
    // Whoever held it before, at the last lock() or wait(), has ended without unlocking it.
    bool abandoned() const { return abandoned_; }
    Task<> unlock() { return release(); }
    // Until it is notified; false where it was not within `limit`. The mutex is held again in any case, however long that takes.
    Task<bool> wait(Duration limit = kForever);
    // So many of those who wait, the longest first.
    Task<> notify(std::uint64_t count = 1);
    Task<> notifyAll() { return notify(std::numeric_limits<std::uint64_t>::max()); }

   private:
    friend class Condition;
    explicit Held(Lease lease) : Lease(std::move(lease)) {}
  };

  explicit Condition(RefBase condition) : condition_(std::move(condition)) {}
  // The same, where lock() waits no longer than that.
  Condition within(Duration wait) const {
    Condition other = *this;
    other.wait_ = wait;
    return other;
  }

  Task<Held> lock() const;
  // False where another process holds it.
  Task<Held> tryLock() const;
  Task<ConditionStatus> status() const;

  const std::string& path() const { return condition_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const ConditionSpec& spec);

 private:
  static Task<Held> take(RefBase condition, Duration wait, bool tries);

  RefBase condition_;
  Duration wait_ = kForever;
};

}  // namespace troupe
