#include <troupe/barrier.h>

#include "actors/lock_keeper.h"

namespace troupe {

namespace actors {
namespace {

class BarrierActor final : public Actor<BarrierActor, BarrierProtocol> {
 public:
  explicit BarrierActor(const BarrierSpec& spec) : rules_(keeper_.claims(), spec.parties) {}

  void init() { keeper_.begin(rules_); }
  Task<> run() { return keeper_.run(); }

  void wait(WaitParams in, WaitResults out) {
    if (const auto why = keeper_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    rules_.enter(caller());
    keeper_.add({.owner = caller(),
                 .ticket = in.getTicket(),
                 .deadline = instantIn(in.getWait()),
                 .call = out.later()});
    rules_.come();
    keeper_.serve();
  }
  void enter(EnterParams, EnterResults) {
    keeper_.watch(caller());
    rules_.enter(caller());
  }
  void leave(LeaveParams, LeaveResults out) {
    if (const auto why = rules_.leave(caller())) return out.refuse(*why);
  }
  void abort(AbortParams, AbortResults) {
    rules_.breakIt("it was aborted");
    keeper_.serve();
  }
  void reset(ResetParams, ResetResults) {
    rules_.breakIt("it was reset");
    keeper_.serve();
    rules_.mend();
  }
  void letGo(LetGoParams in) { keeper_.letGo(caller(), in.getTicket(), in.getUnseen()); }
  void status(StatusParams, StatusResults out) { keeper_.tell(out); }

 private:
  LockKeeper keeper_{*this, self()};
  BarrierRules rules_;
};

}  // namespace
}  // namespace actors

void Barrier::declare(Group& group, std::string id, const BarrierSpec& spec) {
  if (spec.parties == 0)
    throw Error(ErrorKind::invalid, "the barrier \"" + id + "\": 0 parties, and at least 1 is needed");
  group.child<actors::BarrierActor>(std::move(id), spec.child, spec);
}

}  // namespace troupe
