// Calls a function when a point in time has come, of many that may be asked for: the next one is waited for.
//
// Times are of the machine's monotonic clock, so those that an earlier process has kept mean the same. A newer program takes over from
// this one without waiting for them: it asks for its own.
#pragma once

#include <troupe/actor.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "loop/task_group.h"

namespace troupe::actors {

// Nanoseconds of the monotonic clock.
using Instant = std::int64_t;
inline constexpr Instant kNever = std::numeric_limits<Instant>::max();

inline Instant now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// In so many nanoseconds from now; never, where they are negative.
inline Instant instantIn(std::int64_t wait) {
  const Instant from = now();
  return wait < 0 || wait > kNever - from ? kNever : from + wait;
}

class Alarm {
 public:
  // Called outside of any turn, at or after the time, for which it may ask again.
  Alarm(Self self, std::function<void()> ring) : self_(self), ring_(std::move(ring)) {}

  void at(Instant time) {
    if (time >= next_) return;
    next_ = time;
    // One that sleeps until then is there, where an earlier time was asked for since.
    if (asleep_.insert(time).second) tasks_.spawn(wait(time));
  }

 private:
  Task<> wait(Instant time) {
    co_await self_.sleepFor(std::chrono::nanoseconds(std::max<Instant>(time - now(), 0)));
    asleep_.erase(time);
    // An earlier one was asked for meanwhile, and its ringing has asked for what is left.
    if (time != next_) co_return;
    next_ = kNever;
    ring_();
  }

  Self self_;
  std::function<void()> ring_;
  Instant next_ = kNever;
  std::set<Instant> asleep_;
  loop::TaskGroup tasks_{[](std::exception_ptr error) { std::rethrow_exception(std::move(error)); }};
};

}  // namespace troupe::actors
