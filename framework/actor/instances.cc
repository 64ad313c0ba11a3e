// A process that is one instance of a template after the other (ChildSpec::instancesPerProcess).
//
// Between two of them there is no actor: nothing of the last is open, locked or mapped any more when the supervisor hears that the
// process rests, as nothing would be after its end. Only the ends of one to which nothing ever came, and who kept nothing, stay:
// where nobody was introduced to it either, the root makes them the next one's.
#include <cstdio>
#include <optional>

#include "actor/actor_process.h"
#include "actor/describe_exception.h"
#include "os/process.h"

namespace troupe::actor {

namespace {

// What stays the same, whoever it is.
Assignment another(const Assignment& before) {
  return {.path = before.path,
          .program = before.program,
          .alone = before.alone,
          .limits = before.limits,
          .recycleAfter = before.recycleAfter,
          .instances = before.instances - 1,
          .actorClass = before.actorClass,
          .factory = before.factory};
}

}  // namespace

// True where the process goes on. What its destructors send leaves before.
bool ActorProcess::makesWay(const ExitReason& reason) {
  const bool orderly = reason.kind == ExitKind::normal || reason.kind == ExitKind::shutdown;
  if (instances_ <= 1 || !orderly || !ready_) return false;
  if (signalled_ || signals_.next() || handingOver_ || draining_ || outbox_.paused()) return false;
  if (!cancelTasks()) return false;
  actor_.reset();
  // Destructors may have begun some.
  if (!cancelTasks()) return false;
  outbox_.flush();
  if (outbox_.owedPackets() > 0 || !control_.drained() || !os::isAlone()) return false;
  // One that has come goes to nobody else.
  signals_.leaveBlocked();
  if (signals_.next()) return false;
  if (leaving_) leaving_(reason);
  ending_ = reason;
  over_ = true;
  loop_.stop();
  return true;
}

void ActorProcess::leaveTo(Assignment& next) {
  next.control = control_.release();
  if (outbox_.hasMet() || desk_.hasRead() || !memory_->isUnused() || !bodies_.own().unopened()) return;
  next.ends = {desk_.releaseMailbox(), calls_.releaseLane(), std::move(deskLock_), bodies_.own().release()};
  next.memory = std::move(memory_);
}

bool ActorProcess::cancelTasks() {
  for (loop::TaskGroup* const tasks : {&run_, &background_, &life_}) {
    tasks->cancelAll();
    if (tasks->size() > 0) return false;
  }
  return true;
}

void runActor(Assignment assignment) {
  // Only destroyed where the process goes on: else it ends under it.
  std::unique_ptr<ActorProcess> process;
  // Nothing may leave this: below on the stack lies the supervisor that this process was forked from.
  try {
    for (;;) {
      // Else what the factory holds would be there twice.
      std::optional<Assignment> next;
      if (assignment.instances > 1) next = another(assignment);
      process = std::make_unique<ActorProcess>(std::move(assignment));
      process->run();
      process->leaveTo(*next);
      const ExitReason reason = process->ending();
      process.reset();
      awaitNext(*next, reason);
      assignment = std::move(*next);
    }
  } catch (...) {
    std::fprintf(stderr, "an exception in the event loop: %s\n", describe(std::current_exception()).c_str());
  }
  os::endProcess(1);
}

}  // namespace troupe::actor
