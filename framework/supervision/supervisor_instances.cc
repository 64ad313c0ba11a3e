// Processes that are one instance of a template after the other: as if each instance had ended with its process.
#include <csignal>

#include "os/kill_point.h"
#include "supervision/supervisor.h"

namespace troupe::supervision {

// It has said why it leaves, and that nothing is left of it. What has come before that is the instance's.
void Supervisor::onResting(Child& child) {
  // Its end is on the way already.
  if (child.killedFor) return;
  if (child.part != Part::current || !child.ready || !child.said || !child.said->clean())
    return kill(
        child, {.kind = ExitKind::signaled, .code = SIGKILL, .text = "it rests, and did not leave in order"});
  const ExitReason reason = *child.said;
  // The instance has ended in order all the same.
  const bool mayRest =
      child.spec.instancesPerProcess > 1 && !child.upgraded && !upgrades_.contains(child.key);
  if (!mayRest) return kill(child, toldReason(child, reason));
  os::killPoint("restHeard");
  tellEnded(child, toldReason(child, reason));
  if (const auto named = byId_.find(child.id); named != byId_.end() && named->second == &child)
    byId_.erase(named);
  auto taken = children_.extract(child.key);
  const auto actions = core_.ended(Clock::now(), child.key, child.incarnation, reason);
  child.rest();
  renameOutput(child);
  resting_.add(std::move(taken.mapped()));
  apply(actions);
}

Child* Supervisor::replaceByResting(Child& child) {
  if (child.upgraded || child.spec.instancesPerProcess <= 1) return nullptr;
  auto process = resting_.take(child);
  if (!process) return nullptr;
  Child* const placed = place(child, std::move(process));
  renameOutput(*placed);
  os::killPoint("restTaken");
  return placed;
}

// No instance has ended with it.
void Supervisor::onRestingEnded(Child& process) {
  byPid_.erase(process.pid);
  resting_.ended(process);
}

}  // namespace troupe::supervision
