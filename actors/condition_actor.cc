#include <troupe/condition.h>

#include "actors/lock_keeper.h"

namespace troupe {

namespace actors {
namespace {

class ConditionActor final : public Actor<ConditionActor, ConditionProtocol> {
 public:
  void init() { keeper_.begin(rules_); }
  Task<> run() { return keeper_.run(); }

  void lock(LockParams in, LockResults out) {
    if (const auto why = keeper_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    if (const auto why = rules_.refusesToGive(caller(), 1)) return out.refuse(*why);
    keeper_.add({.owner = caller(),
                 .ticket = in.getTicket(),
                 .deadline = instantIn(in.getWait()),
                 .call = out.later()});
    keeper_.serve();
  }
  void sleep(SleepParams in, SleepResults out) {
    if (const auto why = rules_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    rules_.sleep(caller(), in.getTicket(), instantIn(in.getWait()), out.later());
    keeper_.serve();
  }
  void notify(NotifyParams in, NotifyResults out) {
    if (const auto why = rules_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    rules_.notify(in.getCount());
    keeper_.serve();
  }
  void release(ReleaseParams in, ReleaseResults out) {
    if (const auto why = rules_.release(caller(), in.getTicket(), in.getCount())) return out.refuse(*why);
    keeper_.serve();
  }
  void letGo(LetGoParams in) { keeper_.letGo(caller(), in.getTicket(), in.getUnseen()); }
  void status(StatusParams, StatusResults out) { keeper_.tell(out); }

 private:
  LockKeeper keeper_{*this, self()};
  ConditionRules rules_{keeper_.claims()};
};

}  // namespace
}  // namespace actors

void Condition::declare(Group& group, std::string id, const ConditionSpec& spec) {
  group.child<actors::ConditionActor>(std::move(id), spec.child);
}

}  // namespace troupe
