#include <troupe/semaphore.h>

#include "actors/lock_keeper.h"

namespace troupe {

namespace actors {
namespace {

class SemaphoreActor final : public Actor<SemaphoreActor, SemaphoreProtocol> {
 public:
  explicit SemaphoreActor(const SemaphoreSpec& spec)
      : permits_(keeper_.claims(), {.permits = spec.permits, .mutex = false}) {}

  void init() { keeper_.begin(permits_); }
  Task<> run() { return keeper_.run(); }

  void acquire(AcquireParams in, AcquireResults out) {
    if (const auto why = keeper_.refuses(caller(), in.getTicket())) return out.refuse(*why);
    if (const auto why = permits_.refusesToGive(caller(), in.getCount())) return out.refuse(*why);
    keeper_.add({.owner = caller(),
                 .ticket = in.getTicket(),
                 .deadline = instantIn(in.getWait()),
                 .call = out.later(),
                 .count = in.getCount()});
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

void Semaphore::declare(Group& group, std::string id, const SemaphoreSpec& spec) {
  if (spec.permits == 0)
    throw Error(ErrorKind::invalid, "the semaphore \"" + id + "\": 0 permits, and at least 1 is needed");
  group.child<actors::SemaphoreActor>(std::move(id), spec.child, spec);
}

}  // namespace troupe
