#include "supervision/core.h"

#include "supervision/restart_rules.h"
#include "supervision/spec_check.h"

#include <algorithm>
#include <utility>

namespace troupe::supervision {

Core::Core(std::string supervisor, const SupervisorSpec& flags, const std::vector<ChildDeclaration>& children,
           Random random)
    : supervisor_(std::move(supervisor)),
      flags_(flags),
      random_(random ? std::move(random) : [] { return 0.5; }),
      budget_(flags_.maxRestarts, flags_.within) {
  checkSupervisor(supervisor_, flags_);
  checkChildren(supervisor_, flags_, children);
  for (const auto& child : children) slots_.add(child, false);
}

// --- Events ------------------------------------------------------------------------------------------------

Actions Core::begin(Time now) {
  enter(now);
  if (phase_ == Phase::fresh) {
    phase_ = Phase::starting;
    round_ = {.step = Round::Step::starting, .number = 1};
    for (Slot* slot = slots_.firstFrom(0); slot != nullptr; slot = slots_.firstFrom(slot->rank + 1)) {
      if (!slot->isTemplate()) slots_.enter(*slot, SlotPhase::queued);
    }
    continueRound();
  }
  return leave();
}

Actions Core::ready(Time now, ChildKey key, Incarnation incarnation, Outcome outcome, std::string extra) {
  enter(now);
  Slot* slot = current(key, incarnation);
  // A child on which SIGKILL is on its way has not made it.
  if (slot != nullptr && !slot->killedFor && outcome == Outcome::started) {
    slot->becameReady = true;
    if (slot->phase == SlotPhase::starting) becomeReady(*slot, std::move(extra));
  } else if (slot != nullptr && slot->phase == SlotPhase::starting && !slot->killedFor) {
    // Its ready timer goes on: it guards the end now.
    slots_.enter(*slot, SlotPhase::ignoring);
  }
  return leave();
}

Actions Core::ended(Time now, ChildKey key, Incarnation incarnation, ExitReason reason, Cause cause) {
  enter(now);
  if (Slot* slot = current(key, incarnation)) {
    disarm(*slot);
    reason = takeReason(*slot, std::move(reason));
    switch (slot->phase) {
      case SlotPhase::starting: inSweep(*slot) ? endSwept(*slot, reason) : failStart(*slot, reason); break;
      case SlotPhase::ignoring: inSweep(*slot) ? endSwept(*slot, reason) : endIgnoring(*slot, reason); break;
      case SlotPhase::running: endRunning(*slot, reason, cause); break;
      default: endStopping(*slot, reason); break;
    }
    if (sweep_.active) advanceSweep();
  }
  return leave();
}

Actions Core::leaving(Time now, ChildKey key, Incarnation incarnation) {
  enter(now);
  if (Slot* slot = current(key, incarnation)) slot->leaving = true;
  return leave();
}

Actions Core::timer(Time now, TimerId id) {
  enter(now);
  const auto it = timers_.find(id);
  if (it == timers_.end()) return leave();
  const Timer timer = it->second;
  timers_.erase(it);
  Slot& slot = *slots_.find(timer.key);
  slot.timer = 0;
  switch (timer.use) {
    case TimerUse::ready: kill(slot, because(ExitKind::notReady)); break;
    case TimerUse::stop: kill(slot, because(ExitKind::stopTimeout)); break;
    case TimerUse::stopInstances: killInstances(slot); break;
    case TimerUse::restart:
      if (slot.counted || spend(slot, slot.restartCause, Duration::zero())) restart(slot);
      break;
  }
  return leave();
}

Actions Core::stop(Time now, ExitReason why) {
  enter(now);
  if (phase_ != Phase::stopping && phase_ != Phase::finished) stopAll(std::move(why));
  return leave();
}

const ChildSpec* Core::specOf(ChildKey key) const {
  const Slot* slot = slots_.find(key);
  return slot == nullptr ? nullptr : slot->spec.get();
}

// --- What the others share ---------------------------------------------------------------------------------

void Core::enter(Time now) { now_ = std::max(now_, now); }

Actions Core::leave() {
  runDeferred();
  return std::exchange(actions_, {});
}

Slot* Core::current(ChildKey key, Incarnation incarnation) {
  Slot* slot = slots_.find(key);
  return slot != nullptr && slot->incarnation == incarnation && slot->hasProcess() ? slot : nullptr;
}

void Core::arm(Slot& slot, TimerUse use, Time at) {
  disarm(slot);
  slot.timer = ++lastTimer_;
  timers_.emplace(slot.timer, Timer{.key = slot.key, .use = use});
  actions_.push_back(ArmTimer{.timer = slot.timer, .at = at});
}

void Core::disarm(Slot& slot) {
  if (slot.timer == 0) return;
  timers_.erase(slot.timer);
  actions_.push_back(CancelTimer{.timer = std::exchange(slot.timer, 0)});
}

void Core::report(Event event, const Slot& slot, ExitReason reason, Duration delay) {
  actions_.push_back(Report{.event = event,
                            .supervisor = supervisor_,
                            .id = slot.name(),
                            .key = slot.key,
                            .incarnation = slot.incarnation,
                            .reason = std::move(reason),
                            .restarts = budget_.spent(),
                            .maxRestarts = flags_.maxRestarts,
                            .within = flags_.within,
                            .delay = delay});
}

void Core::kill(Slot& slot, ExitReason why) {
  slot.killedFor = why;
  actions_.push_back(Kill{.key = slot.key, .incarnation = slot.incarnation, .why = std::move(why)});
}

ExitReason Core::takeReason(Slot& slot, ExitReason reported) {
  return trueReason(std::move(reported), {.askedToStop = slot.askedToStop,
                                          .saidLeaving = slot.leaving,
                                          .becameReady = slot.becameReady,
                                          .killedFor = slot.killedFor ? &*slot.killedFor : nullptr});
}

void Core::drop(Slot& slot, const ExitReason& reason) {
  disarm(slot);
  // The name is free before anybody hears of it.
  actions_.push_back(Forget{.key = slot.key, .id = slot.name(), .final = reason});
  answerStartWaiter(slot, Error::gone("cannot start child \"" + slot.name() + "\" of supervisor \"" +
                                          supervisor_ + "\": it was stopped before it became ready",
                                      reason));
  const auto waiters = std::move(slot.stopWaiters);
  slots_.remove(slot);
  answerStopWaiters(waiters);
}

void Core::settle(Slot& slot, const ExitReason& reason) {
  if (slot.instance != 0 || slot.spec->restart == Restart::temporary) return drop(slot, reason);
  disarm(slot);
  slots_.enter(slot, SlotPhase::stopped);
  answerStartWaiter(slot, Error::gone("cannot start child \"" + slot.name() + "\" of supervisor \"" +
                                          supervisor_ + "\": it was stopped before it became ready",
                                      reason));
  answerStopWaiters(std::exchange(slot.stopWaiters, {}));
}

void Core::answerStopWaiters(std::vector<Token> waiters) {
  for (const Token token : waiters) answer(token, Done{});
}

void Core::answerStartWaiter(Slot& slot, Result result) {
  if (slot.startWaiter) answer(*std::exchange(slot.startWaiter, std::nullopt), std::move(result));
}

}  // namespace troupe::supervision
