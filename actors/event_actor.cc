#include <troupe/event.h>

#include "actors/lock_keeper.h"

namespace troupe {

namespace actors {
namespace {

class EventActor final : public Actor<EventActor, EventProtocol> {
 public:
  void init() { keeper_.begin(rules_); }
  Task<> run() { return keeper_.run(); }

  void set(SetParams, SetResults) {
    keeper_.claims().note({.flag = true});
    keeper_.serve();
  }
  void clear(ClearParams, ClearResults) { keeper_.claims().note({}); }
  void wait(WaitParams in, WaitResults out) {
    if (const auto why = keeper_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    keeper_.add({.owner = caller(),
                 .ticket = in.getTicket(),
                 .deadline = instantIn(in.getWait()),
                 .call = out.later()});
    keeper_.serve();
  }
  void letGo(LetGoParams in) { keeper_.letGo(caller(), in.getTicket(), in.getUnseen()); }
  void status(StatusParams, StatusResults out) { keeper_.tell(out); }

 private:
  LockKeeper keeper_{*this, self()};
  EventRules rules_{keeper_.claims()};
};

}  // namespace
}  // namespace actors

void Event::declare(Group& group, std::string id, const EventSpec& spec) {
  group.child<actors::EventActor>(std::move(id), spec.child);
}

}  // namespace troupe
