#include <troupe/mutex.h>

#include "actors/lock_keeper.h"

namespace troupe {

namespace actors {
namespace {

class MutexActor final : public Actor<MutexActor, MutexProtocol> {
 public:
  explicit MutexActor(const MutexSpec& spec) : permits_(keeper_.claims(), {.recursive = spec.recursive}) {}

  void init() { keeper_.begin(permits_); }
  Task<> run() { return keeper_.run(); }

  void lock(LockParams in, LockResults out) {
    if (const auto why = keeper_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    if (const auto why = permits_.refusesToGive(caller(), 1)) return out.refuse(*why);
    keeper_.add({.owner = caller(),
                 .ticket = in.getTicket(),
                 .deadline = instantIn(in.getWait()),
                 .call = out.later()});
    keeper_.serve();
  }
  void release(ReleaseParams in, ReleaseResults out) {
    if (const auto why = permits_.release(caller(), in.getTicket(), in.getCount())) return out.refuse(*why);
    keeper_.serve();
  }
  void letGo(LetGoParams in) { keeper_.letGo(caller(), in.getTicket(), in.getUnseen()); }
  void status(StatusParams, StatusResults out) { keeper_.tell(out); }

 private:
  LockKeeper keeper_{*this, self()};
  Permits permits_;
};

}  // namespace
}  // namespace actors

void Mutex::declare(Group& group, std::string id, const MutexSpec& spec) {
  group.child<actors::MutexActor>(std::move(id), spec.child, spec);
}

}  // namespace troupe
