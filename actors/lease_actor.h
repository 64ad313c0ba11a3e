// What the actors of mutexes, semaphores and conditions have in common: leases that are claimed, held and given back.
#pragma once

#include <utility>

#include "actors/lock_keeper.h"

namespace troupe::actors {

template <class Self, class P, class Rules>
class LeaseActor : public Actor<Self, P> {
  using Base = Actor<Self, P>;

 public:
  template <class... Args>
  explicit LeaseActor(Args&&... args) : rules_(keeper_.claims(), std::forward<Args>(args)...) {}

  void init() { keeper_.begin(rules_); }
  Task<> run() { return keeper_.run(); }

  void release(typename Base::ReleaseParams in, typename Base::ReleaseResults out) {
    if (const auto why = rules_.release(this->caller(), in.getTicket(), in.getCount()))
      return out.refuse(*why);
    keeper_.serve();
  }
  void letGo(typename Base::LetGoParams in) { keeper_.letGo(this->caller(), in.getTicket(), in.getUnseen()); }
  void status(typename Base::StatusParams, typename Base::StatusResults out) { keeper_.tell(out); }

 protected:
  // A call for so many.
  void claim(auto in, std::uint64_t count, auto& out) {
    const Caller owner = this->caller();
    if (const auto why = keeper_.refuses(owner, in.getTicket())) return out.refuse(*why);
    if (const auto why = rules_.refusesToGive(owner, count)) return out.refuse(*why);
    keeper_.add({.owner = owner,
                 .ticket = in.getTicket(),
                 .deadline = instantIn(in.getWait()),
                 .call = out.later(),
                 .count = count});
    keeper_.serve();
  }
  LockKeeper& keeper() { return keeper_; }
  Rules& rules() { return rules_; }

 private:
  LockKeeper keeper_{*this, this->self()};
  Rules rules_;
};

}  // namespace troupe::actors
