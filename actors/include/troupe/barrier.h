// Barrier: so many parties wait for each other, again and again: multiprocessing's Barrier, which a dead party breaks at once.
//
//     app.add<troupe::Barrier>("phase", {.parties = 3});
//
//     auto phase = co_await find<troupe::Barrier>("phase");
//     const unsigned place = co_await phase.wait();
//
// Parties:   a process is one since it first waited, or entered, until it leaves or ends. Where one ends other than in order, or while it
//            waits, the barrier is broken: all who wait, and whoever comes, are told at once, until somebody resets it.
// Passing:   when so many have come, all of them pass, or none: whoever dies.
// Waiting:   for ever, or as long as within() says: then wait() ends with `timedOut`, and it is as if it had not come. Others go on waiting;
//            abort() tells them.
// Crash:     who waits, and who is a party, survives the barrier's own death.
// Errors:    timedOut; refused: the barrier is broken, aborted or reset; and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <cstdint>
#include <string>
#include <utility>

namespace troupe {

struct BarrierSpec {
  std::uint64_t parties = 2;  // 1 or more
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct BarrierStatus {
  std::uint64_t parties = 0;  // processes that have waited or entered
  std::uint64_t waiting = 0;
  bool broken = false;
};

class Barrier {
 public:
  using Spec = BarrierSpec;

  explicit Barrier(RefBase barrier) : barrier_(std::move(barrier)) {}
  // The same, where nothing waits longer than that.
  Barrier within(Duration wait) const {
    Barrier other = *this;
    other.wait_ = wait;
    return other;
  }

  // Until all have come; which of them this one was, from 0.
  Task<unsigned> wait() const;
  // This process is a party from here on, so that its death breaks the barrier before it has ever waited.
  Task<> enter() const;
  // It is none any more. Errors: refused, where it is none, or waits.
  Task<> leave() const;
  // Breaks it.
  Task<> abort() const;
  // It is as new, but for its parties; who waits is told.
  Task<> reset() const;
  Task<BarrierStatus> status() const;

  const std::string& path() const { return barrier_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const BarrierSpec& spec);

 private:
  RefBase barrier_;
  Duration wait_ = kForever;
};

}  // namespace troupe
