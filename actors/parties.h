// The processes that something of an actor belongs to: tells when one of them has ended.
//
// A process is watched from when it is first named until it has ended, whether anything is its or not: there are as many as use the
// actor. A newer program takes over from this one without waiting for their ends: it watches them itself.
#pragma once

#include <troupe/actor.h>

#include <exception>
#include <functional>
#include <set>
#include <utility>

#include "loop/task_group.h"

namespace troupe::actors {

class Parties {
 public:
  // `ended` is called outside of any turn.
  using Ended = std::function<void(const Caller&, const ExitReason&)>;
  Parties(Self self, Ended ended) : self_(self), ended_(std::move(ended)) {}

  void watch(const Caller& party) {
    if (party && watched_.insert(party).second) tasks_.spawn(watchOne(self_.monitor(party), party));
  }

 private:
  Task<> watchOne(Monitor monitor, Caller party) {
    const Down down = co_await monitor.next();
    watched_.erase(party);
    ended_(party, down.reason);
  }

  Self self_;
  Ended ended_;
  std::set<Caller> watched_;
  loop::TaskGroup tasks_{[](std::exception_ptr error) { std::rethrow_exception(std::move(error)); }};
};

}  // namespace troupe::actors
