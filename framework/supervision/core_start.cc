// Starts, and the part of a round that starts its children one by one.
#include "supervision/core.h"
#include "supervision/restart_rules.h"

#include <utility>

namespace troupe::supervision {

void Core::start(Slot& slot, Attempt attempt) {
  slot.attempt = attempt;
  ++slot.incarnation;
  slot.becameReady = slot.leaving = slot.askedToStop = false;
  slot.killedFor.reset();
  slots_.enter(slot, SlotPhase::starting);
  actions_.push_back(
      Start{.key = slot.key, .incarnation = slot.incarnation, .id = slot.id, .instance = slot.instance});
  slot.readyBy = later(now_, slot.spec->readyWithin);
  if (slot.spec->readyWithin != kForever) arm(slot, TimerUse::ready, slot.readyBy);
}

void Core::becomeReady(Slot& slot, std::string extra) {
  disarm(slot);
  slots_.enter(slot, SlotPhase::running);
  slot.wasReady = true;
  slot.readyAt = now_;
  report(Event::started, slot, {});
  answerStartWaiter(
      slot,
      Started{
          .key = slot.key, .incarnation = slot.incarnation, .id = slot.name(), .extra = std::move(extra)});
  if (round_.current == slot.key) continueRound();
}

void Core::endIgnoring(Slot& slot, const ExitReason& reason) {
  const bool ofRound = round_.current == slot.key;
  report(Event::ignored, slot, reason);
  const auto waiter = std::exchange(slot.startWaiter, std::nullopt);
  Result result =
      Started{.key = slot.key, .incarnation = slot.incarnation, .id = slot.name(), .ignored = true};
  settle(slot, {});
  if (waiter) answer(*waiter, std::move(result));
  if (ofRound) continueRound();
}

void Core::failStart(Slot& slot, const ExitReason& reason) {
  report(Event::startFailed, slot, reason);
  ExitReason cause = reason;
  cause.duringStart = false;  // the text around it says so
  const std::string text = "child \"" + slot.name() + "\" failed to start: " + cause.toString();
  const auto waiter = std::exchange(slot.startWaiter, std::nullopt);
  switch (slot.attempt) {
    case Attempt::initial:
      settle(slot, reason);
      stopAll(because(ExitKind::childFailed, text));
      break;
    case Attempt::added: drop(slot, reason); break;
    case Attempt::byHand: settle(slot, reason); break;
    case Attempt::restart:
      if (round_.current == slot.key) abandonRound(slot);
      scheduleRestart(slot, reason);
      break;
  }
  if (waiter) answer(*waiter, Error::crashed("supervisor \"" + supervisor_ + "\": " + text, reason));
}

void Core::continueRound() {
  round_.current = 0;
  for (Slot* slot = slots_.firstFrom(round_.cursor); slot != nullptr;
       slot = slots_.firstFrom(round_.cursor)) {
    round_.cursor = slot->rank + 1;
    if (slot->phase != SlotPhase::queued) continue;
    round_.current = slot->key;
    return start(*slot, becameReady_ || slot->wasReady ? Attempt::restart : Attempt::initial);
  }
  endRound();
}

std::optional<Start> Core::startsNext() {
  if (round_.step != Round::Step::starting || round_.current == 0) return std::nullopt;
  for (Slot* slot = slots_.firstFrom(round_.cursor); slot != nullptr;
       slot = slots_.firstFrom(slot->rank + 1)) {
    if (slot->phase == SlotPhase::queued)
      return Start{.key = slot->key, .incarnation = slot->incarnation + 1, .id = slot->id};
  }
  return std::nullopt;
}

void Core::endRound() {
  round_.step = Round::Step::none;
  if (becameReady_) return;
  becameReady_ = true;
  phase_ = Phase::running;
  actions_.push_back(BecameReady{});
  // What ended while others were still being started has waited until now, as in OTP.
  if (!shutDownWhenReady_ || !shutsDown(flags_.autoShutdown, slots_.significantAlive())) return;
  stopAll(because(ExitKind::shutdown, "a significant child ended"));
}

// OTP leaves those that were not reached without a process, until the next attempt or somebody starts them by
// hand. In the supervisor's own start they keep their turn.
void Core::abandonRound(const Slot& failed) {
  round_.step = Round::Step::none;
  round_.current = 0;
  if (!becameReady_) return;
  for (Rank next = failed.rank + 1; Slot* slot = slots_.firstFrom(next);) {
    next = slot->rank + 1;
    if (slot->phase == SlotPhase::queued) settle(*slot, because(ExitKind::shutdown));
  }
}

// After the child whose restart the supervisor's own start was waiting for has been stopped by hand.
void Core::resumeInitialStart() {
  if (phase_ != Phase::starting || round_.step != Round::Step::none) return;
  round_ = {.step = Round::Step::starting, .number = round_.number + 1};
  continueRound();
}

}  // namespace troupe::supervision
