// Restarts: what follows when a running child ends by itself.
#include "supervision/core.h"
#include "supervision/restart_rules.h"

#include <algorithm>
#include <utility>

namespace troupe::supervision {

void Core::endRunning(Slot& slot, const ExitReason& reason, Cause cause) {
  report(Event::ended, slot, reason);
  // Whatever ends while a sweep is on its way to it would have been stopped: it triggers nothing.
  if (inSweep(slot)) return settleSwept(slot, reason);
  // A replacement is no restart: it is counted nowhere, waits for nothing, and leaves the siblings alone.
  if (reason.kind == ExitKind::recycled && slot.spec->recycleAfter > 0 &&
      isRestarted(slot.spec->restart, reason)) {
    slots_.enter(slot, SlotPhase::waiting);
    return start(slot, Attempt::restart);
  }
  if (isRestarted(slot.spec->restart, reason)) {
    if (now_ - slot.readyAt >= slot.spec->backOff.limit) slot.restartsInARow = 0;
    const Duration delay = nextDelay(slot);
    slots_.enter(slot, SlotPhase::waiting);
    if (cause == Cause::message) {
      report(Event::restarting, slot, reason, delay);
      std::get<Report>(actions_.back()).counted = false;
    } else if (!spend(slot, reason, delay)) {
      return;
    }
    if (delay == Duration::zero()) return restart(slot);
    slot.restartCause = reason;
    slot.counted = true;
    return arm(slot, TimerUse::restart, later(now_, delay));
  }
  const bool significant = slot.spec->significant;
  slots_.enter(slot, SlotPhase::stopped);
  const bool shuts = significant && shutsDown(flags_.autoShutdown, slots_.significantAlive());
  const std::string name = slot.name();
  if (shuts && becameReady_) report(Event::autoShutdown, slot, reason);
  settle(slot, reason);
  if (!shuts) return;
  // As in OTP, the supervisor is ready first.
  if (!becameReady_) {
    shutDownWhenReady_ = true;
    return;
  }
  stopAll(because(ExitKind::shutdown, "the significant child \"" + name + "\" ended"));
}

// After a failed restart. The way through the timer lets stop and requests get in between; the attempt counts
// when it begins.
void Core::scheduleRestart(Slot& slot, const ExitReason& cause) {
  slots_.enter(slot, SlotPhase::waiting);
  slot.restartCause = cause;
  slot.counted = false;
  arm(slot, TimerUse::restart, later(now_, nextDelay(slot)));
}

Duration Core::nextDelay(Slot& slot) {
  if (slot.spec->backOff.first == Duration::zero()) return Duration::zero();
  return backOffDelay(slot.spec->backOff, slot.restartsInARow++, random_());
}

bool Core::spend(Slot& slot, const ExitReason& cause, Duration delay) {
  if (budget_.spend(now_)) {
    report(Event::restarting, slot, cause, delay);
    return true;
  }
  report(Event::gaveUp, slot, cause);
  const std::string text = "after \"" + slot.name() + "\" (" + cause.toString() + ")";
  settle(slot, cause);
  stopAll(because(ExitKind::limitReached, text));
  return false;
}

void Core::restart(Slot& slot) {
  if (slot.instance != 0 || flags_.strategy == Strategy::oneForOne) return start(slot, Attempt::restart);
  beginRound(flags_.strategy == Strategy::oneForAll ? 0 : slot.rank);
}

// A round that is under way grows to hold the new one, and begins again with its stopping.
void Core::beginRound(Rank from) {
  if (round_.step == Round::Step::none) {
    ++round_.number;
    round_.from = from;
  }
  round_.from = std::min(round_.from, from);
  round_.step = Round::Step::stopping;
  round_.current = 0;
  Rank next = round_.from;
  while (Slot* slot = slots_.firstFrom(next)) {
    next = slot->rank + 1;
    requeue(*slot);
  }
  sweepFrom(round_.from);
}

// What has a process is left to the sweep. As in OTP, a round also starts those that had been stopped before
// it; only what has been stopped by hand in this very round stays so.
void Core::requeue(Slot& slot) {
  if (slot.isTemplate() || slot.hasProcess() || slot.phase == SlotPhase::queued) return;
  if (slot.phase == SlotPhase::stopped && slot.skippedRound == round_.number) return;
  disarm(slot);
  if (slot.spec->restart == Restart::temporary) return drop(slot, because(ExitKind::shutdown));
  slot.attempt = Attempt::restart;
  slots_.enter(slot, SlotPhase::queued);
}

bool Core::inSweep(const Slot& slot) const { return sweep_.active && slot.rank >= sweep_.from; }

}  // namespace troupe::supervision
