// Counter: a whole number that many change at once, as an actor: multiprocessing's Value.
//
//     app.add<troupe::Counter>("visits");
//
//     auto visits = co_await find<troupe::Counter>("visits");
//     const std::int64_t after = co_await visits.add(1);
//
// Atomic:    each of these happens as a whole, one after the other, whoever asks.
// Crash:     the number survives the counter's own death, and a call that it had in hand is done once, as long as it dies not more
//            often with one call than `child.onCrash` allows. Of an add() whose caller dies before it is answered nobody knows
//            whether it has happened; it has not happened twice.
// Errors:    refused (the sum would be no std::int64_t: nothing has changed); and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <cstdint>
#include <string>
#include <utility>

namespace troupe {

struct CounterSpec {
  std::int64_t initial = 0;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

class Counter : public RefBase {
 public:
  using Spec = CounterSpec;

  struct Exchange {
    bool done = false;
    std::int64_t value = 0;  // that it has now
    explicit operator bool() const { return done; }
  };

  explicit Counter(RefBase counter) : RefBase(std::move(counter)) {}
  // The same, where nothing takes longer than that; 5 s otherwise.
  Counter within(Duration deadline) const {
    Counter other = *this;
    other.deadline_ = deadline;
    return other;
  }

  Task<std::int64_t> get() const;
  Task<> set(std::int64_t value) const;
  // What it is after that.
  Task<std::int64_t> add(std::int64_t by) const;
  // Sets it to `desired` where it is `expected`.
  Task<Exchange> compareExchange(std::int64_t expected, std::int64_t desired) const;

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const CounterSpec& spec);
};

}  // namespace troupe
