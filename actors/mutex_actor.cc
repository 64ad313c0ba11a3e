#include <troupe/mutex.h>

#include "actors/lease_actor.h"

namespace troupe {

namespace actors {
namespace {

class MutexActor final : public LeaseActor<MutexActor, MutexProtocol, Permits> {
 public:
  explicit MutexActor(const MutexSpec& spec) : LeaseActor(Permits::Kind{.recursive = spec.recursive}) {}

  void lock(LockParams in, LockResults out) { claim(in, 1, out); }
};

}  // namespace
}  // namespace actors

void Mutex::declare(Group& group, std::string id, const MutexSpec& spec) {
  group.child<actors::MutexActor>(std::move(id), spec.child, spec);
}

}  // namespace troupe
