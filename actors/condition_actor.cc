#include <troupe/condition.h>

#include "actors/lease_actor.h"

namespace troupe {

namespace actors {
namespace {

class ConditionActor final : public LeaseActor<ConditionActor, ConditionProtocol, ConditionRules> {
 public:
  void lock(LockParams in, LockResults out) { claim(in, 1, out); }
  void sleep(SleepParams in, SleepResults out) {
    if (const auto why = rules().refuses(caller(), in.getTicket())) return out.refuse(*why);
    rules().sleep(caller(), in.getTicket(), instantIn(in.getWait()), out.later());
    keeper().serve();
  }
  void notify(NotifyParams in, NotifyResults out) {
    if (const auto why = rules().refuses(caller(), in.getTicket())) return out.refuse(*why);
    rules().notify(in.getCount());
    keeper().serve();
  }
};

}  // namespace
}  // namespace actors

void Condition::declare(Group& group, std::string id, const ConditionSpec& spec) {
  group.child<actors::ConditionActor>(std::move(id), spec.child);
}

}  // namespace troupe
