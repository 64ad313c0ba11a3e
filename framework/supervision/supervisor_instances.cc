// Processes that are one instance of a template after the other: as if each instance had ended with its process.
#include <csignal>
#include <utility>

#include "os/kill_point.h"
#include "supervision/supervisor.h"
#include "wire/reason_codec.h"

namespace troupe::supervision {

// Nothing is left of the instance that it was. What has come before that is the instance's.
void Supervisor::onResting(Child& child, wire::Control::Resting::Reader resting) {
  // Its end is on the way already.
  if (child.killedFor) return;
  const ExitReason reason = wire::read(resting.getReason());
  if (child.part != Part::current || !child.ready || !reason.clean())
    return kill(
        child, {.kind = ExitKind::signaled, .code = SIGKILL, .text = "it rests, and did not leave in order"});
  onLeaving(child, reason);
  // The instance has ended in order all the same.
  const bool mayRest =
      child.spec.instancesPerProcess > 1 && !child.upgraded && !upgrades_.contains(child.key);
  if (!mayRest) return kill(child, toldReason(child, reason));
  os::killPoint("restHeard");
  tellEnded(child, toldReason(child, reason), resting.getKeepsEnds());
  if (const auto named = byId_.find(child.id); named != byId_.end() && named->second == &child)
    byId_.erase(named);
  auto taken = children_.extract(child.key);
  const auto actions = core_.ended(Clock::now(), child.key, child.incarnation, reason);
  child.rest(resting.getKeepsEnds());
  renameOutput(child);
  resting_.add(std::move(taken.mapped()));
  apply(actions);
}

// The actor whose ends a process keeps for this child. 0: there is none, or the child has its own.
wire::ActorId Supervisor::reserveResting(const Child& child) {
  if (child.spec.instancesPerProcess <= 1 || child.part != Part::current || child.incarnation > 1) return 0;
  const Child* const process = resting_.reserve(child);
  return process == nullptr ? 0 : process->actor;
}

// `withEnds`: only the one that was reserved, which has them.
Child* Supervisor::replaceByResting(Child& child, bool withEnds) {
  if (child.upgraded || child.spec.instancesPerProcess <= 1) return nullptr;
  auto process = resting_.take(child, withEnds);
  if (!process) return nullptr;
  // It gets others.
  if (std::exchange(process->keepsEnds, false) && !withEnds) dropEnds(*process);
  Child* const placed = place(child, std::move(process));
  renameOutput(*placed);
  os::killPoint("restTaken");
  return placed;
}

// No instance has ended with it.
void Supervisor::onRestingEnded(Child& process) {
  byPid_.erase(process.pid);
  if (process.keepsEnds) dropEnds(process);
  resting_.ended(process);
}

void Supervisor::dropEnds(const Child& process) { tellEnded(process, {.kind = ExitKind::shutdown}); }

}  // namespace troupe::supervision
