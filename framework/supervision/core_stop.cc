// Stops: of one child, of a round's children, of all.
#include "supervision/core.h"
#include "supervision/restart_rules.h"

#include <algorithm>
#include <utility>

namespace troupe::supervision {
namespace {

ExitReason brutallyKilled() {
  return because(ExitKind::shutdown, "killed without being asked, as its spec says");
}

}  // namespace

// A child that is still being started keeps its deadline for that: otherwise a hanging init without a stop
// limit would hold up the stop for ever.
void Core::askStop(Slot& slot) {
  if (slot.phase == SlotPhase::stopping) return;
  const bool starting = slot.phase != SlotPhase::running;
  const Duration limit = slot.spec->stop.limit;
  disarm(slot);
  slots_.enter(slot, SlotPhase::stopping);
  slot.askedToStop = true;
  if (slot.killedFor) return;
  if (limit == Duration::zero()) return kill(slot, brutallyKilled());
  actions_.push_back(AskStop{.key = slot.key, .incarnation = slot.incarnation});
  const Time by = limit == kForever ? Time::max() : later(now_, limit);
  if (starting && slot.spec->readyWithin != kForever && slot.readyBy < by) {
    arm(slot, TimerUse::ready, slot.readyBy);
  } else if (limit != kForever) {
    arm(slot, TimerUse::stop, by);
  }
}

// All in parallel; one timer on the template is the limit of those that run.
void Core::askStopInstances(Slot& ofTemplate) {
  if (std::exchange(ofTemplate.instances->stopAsked, true)) return;
  const Duration limit = ofTemplate.spec->stop.limit;
  const bool grouped = limit != Duration::zero() && limit != kForever;
  for (const ChildKey key : slots_.instancesOf(ofTemplate)) {
    Slot& slot = *slots_.find(key);
    if (!grouped || slot.phase != SlotPhase::running) {
      askStop(slot);
      continue;
    }
    slots_.enter(slot, SlotPhase::stopping);
    slot.askedToStop = true;
    actions_.push_back(AskStop{.key = slot.key, .incarnation = slot.incarnation});
  }
  if (grouped) arm(ofTemplate, TimerUse::stopInstances, later(now_, limit));
}

void Core::killInstances(const Slot& ofTemplate) {
  for (const ChildKey key : slots_.instancesOf(ofTemplate)) {
    Slot& slot = *slots_.find(key);
    if (slot.phase == SlotPhase::stopping && !slot.killedFor) {
      disarm(slot);
      kill(slot, because(ExitKind::stopTimeout));
    }
  }
}

void Core::endStopping(Slot& slot, const ExitReason& reason) {
  report(reason.clean() ? Event::stopped : Event::stopFailed, slot, reason);
  if (inSweep(slot)) return settleSwept(slot, reason);
  const bool ofRound = round_.current == slot.key;
  settle(slot, reason);
  if (ofRound) continueRound();
}

// A start that came to its end before the sweep came to it.
void Core::endSwept(Slot& slot, const ExitReason& reason) {
  report(slot.phase == SlotPhase::ignoring ? Event::ignored : Event::startFailed, slot, reason);
  settleSwept(slot, reason);
}

// The end of a child that a sweep stopped, or would have.
void Core::settleSwept(Slot& slot, const ExitReason& reason) {
  if (phase_ == Phase::stopping) return slot.byHand ? drop(slot, reason) : settle(slot, reason);
  const bool stays = slot.skippedRound == round_.number || slot.spec->restart == Restart::temporary;
  if (stays) return settle(slot, reason);
  answerStopWaiters(std::exchange(slot.stopWaiters, {}));
  slot.attempt = Attempt::restart;
  slots_.enter(slot, SlotPhase::queued);
}

void Core::sweepFrom(Rank from) {
  sweep_ = {.active = true, .from = from};
  advanceSweep();
}

void Core::advanceSweep() {
  while (Slot* slot = slots_.lastIn(sweep_.from, sweep_.below)) {
    if (slot->isTemplate() && slot->instances->live > 0) return askStopInstances(*slot);
    if (slot->hasProcess()) return askStop(*slot);
    disarm(*slot);
    sweep_.below = slot->rank;
  }
  sweep_.active = false;
  if (phase_ == Phase::stopping) return finish();
  round_.step = Round::Step::starting;
  round_.cursor = round_.from;
  continueRound();
}

void Core::stopAll(ExitReason why) {
  phase_ = Phase::stopping;
  finishReason_ = std::move(why);
  round_.step = Round::Step::none;
  round_.current = 0;
  for (Deferred& request : std::exchange(deferred_, {})) {
    refuse(request.caller.token, request.what, "the supervisor is stopping", ErrorKind::gone);
  }
  for (const ChildInfo& child : slots_.list()) {
    Slot& slot = *slots_.find(child.key);
    if (slot.hasProcess()) continue;
    const bool hoped = slot.phase != SlotPhase::stopped;
    // What a restart of this supervisor would not bring back is gone now.
    if (slot.byHand || slot.instance != 0) {
      drop(slot, because(ExitKind::shutdown));
    } else if (hoped) {
      settle(slot, because(ExitKind::shutdown));
    }
  }
  sweepFrom(0);
}

void Core::finish() {
  phase_ = Phase::finished;
  actions_.push_back(Finish{.reason = finishReason_});
}

}  // namespace troupe::supervision
