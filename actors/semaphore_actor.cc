#include <troupe/semaphore.h>

#include "actors/lease_actor.h"

namespace troupe {

namespace actors {
namespace {

class SemaphoreActor final : public LeaseActor<SemaphoreActor, SemaphoreProtocol, Permits> {
 public:
  explicit SemaphoreActor(const SemaphoreSpec& spec)
      : LeaseActor(Permits::Kind{.permits = spec.permits, .mutex = false}) {}

  void acquire(AcquireParams in, AcquireResults out) { claim(in, in.getCount(), out); }
};

}  // namespace
}  // namespace actors

void Semaphore::declare(Group& group, std::string id, const SemaphoreSpec& spec) {
  if (spec.permits == 0)
    throw Error(ErrorKind::invalid, "the semaphore \"" + id + "\": 0 permits, and at least 1 is needed");
  group.child<actors::SemaphoreActor>(std::move(id), spec.child, spec);
}

}  // namespace troupe
