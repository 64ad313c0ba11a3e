// How the children of a supervisor come to their ends, and how it learns of them.
#include <troupe/error.h>

#include <csignal>

#include "mailbox/settle.h"
#include "os/kill_point.h"
#include "os/work_limits.h"
#include "supervision/restart_rules.h"
#include "supervision/spec_check.h"
#include "supervision/supervisor.h"
#include "wire/reason_codec.h"

namespace troupe::supervision {

namespace {

// From the closing of its lane to the end of a process that is ending.
constexpr auto kTimeToEnd = std::chrono::seconds(1);

// A process that takes too long is ended by signals that say so (os/work_limits.h).
ExitReason byLimit(const Child& child, ExitReason reason) {
  using Of = os::WorkTimer::Of;
  if (reason.kind != ExitKind::signaled || !child.ready) return reason;
  const Limits& limits = child.spec.limits;
  if (reason.code == os::WorkTimer::signalOf(Of::cpuTime) && limits.cpuPerMessage > Duration::zero())
    return because(ExitKind::cpuLimit, describe(limits.cpuPerMessage) + " for a message");
  if (reason.code == os::WorkTimer::signalOf(Of::wallTime) && limits.wallPerMessage > Duration::zero())
    return because(ExitKind::wallLimit, describe(limits.wallPerMessage) + " for a message");
  return reason;
}

// To be asked before the root hears of the end, and deals with the message.
bool diedOfMessage(const Child& child) {
  try {
    return child.desk.valid() && mailbox::anyInHand(child.desk);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void Supervisor::kill(Child& child, ExitReason why) {
  if (child.reaped || child.pid == 0) return;
  if (!child.killedFor) child.killedFor = std::move(why);
  os::sendSignal(child.pid, SIGKILL);
}

// Why it ends, in its own words.
void Supervisor::onLeaving(Child& child, ExitReason reason) {
  if (child.said) return;
  child.said = std::move(reason);
  if (child.said->kind == ExitKind::shutdown && child.part == Part::current)
    apply(core_.leaving(Clock::now(), child.key, child.incarnation));
}

// Mostly it is ending, and will be reaped in a moment. One that lives on has cut its own tie: nobody could stop it in order.
void Supervisor::onLaneClosed(Child& child) {
  if (child.reaped) return;
  child.watchdog = std::make_unique<loop::Timer>(loop_, [this, &child] {
    kill(child, {.kind = ExitKind::signaled, .code = SIGKILL, .text = "it has closed its control lane"});
  });
  child.watchdog->startIn(kTimeToEnd);
}

void Supervisor::watchHealth(Child& child) {
  // Asked every half of the time, it has the other half to answer.
  const Duration half = child.spec.watchdog / 2;
  child.watchdog = std::make_unique<loop::Timer>(loop_, [this, &child, half] {
    // Where this process itself was held up, the answer may be there unread; or the end, which has a timer of its own.
    if (child.pongAwaited) child.lane->receivePending();
    if (child.lane->closed() || child.part == Part::resting) return;
    if (child.pongAwaited) {
      return kill(child, {.kind = ExitKind::hung, .text = "its event loop did not answer the watchdog"});
    }
    child.pongAwaited = true;
    wire::ControlMessage ping;
    ping->setPing();
    child.lane->send(std::move(ping));
    child.watchdog->startIn(half);
  });
  child.watchdog->startIn(half);
}

void Supervisor::reap() {
  while (const auto end = os::reapChild()) {
    const auto found = byPid_.find(end->pid);
    if (found != byPid_.end()) onEnd(*found->second, *end);
  }
}

void Supervisor::onEnd(Child& child, const os::ProcessEnd& end) {
  child.reaped = true;
  os::killPoint("childEnded");
  // What it said last is still in the lane.
  child.lane->receivePending();
  const bool unexplainedKill = end.signaled && end.code == SIGKILL && !child.killedFor;
  const ExitReason reason = byLimit(child, reasonOf(child, end, unexplainedKill && outOfMemory_.struck()));
  if (child.part == Part::spare) return onSpareEnded(child, reason);
  if (child.part == Part::resting) return onRestingEnded(child);
  if (!endedInUpgrade(child, reason)) finishEnd(child, reason);
}

void Supervisor::finishEnd(Child& child, const ExitReason& reason) {
  const auto cause = diedOfMessage(child) ? Core::Cause::message : Core::Cause::child;
  tellEnded(child, toldReason(child, reason));
  // The reason may be the child's own.
  const auto actions = core_.ended(Clock::now(), child.key, child.incarnation, reason, cause);
  erase(child);
  apply(actions);
}

void Supervisor::giveUpClaim(Child& child, const ExitReason& why) {
  claims_.erase(child.claim);
  resting_.giveUp(child.key);
  endedSoon(child, why);
}

// The core must have done with the event at hand before it hears of the next.
void Supervisor::endedSoon(const Child& child, ExitReason reason) {
  loop_.post([this, key = child.key, incarnation = child.incarnation, reason = std::move(reason)] {
    Child* const child = find(key, incarnation);
    if (child == nullptr) return;
    if (child->actor != 0) tellEnded(*child, reason);
    erase(*child);
    apply(core_.ended(Clock::now(), key, incarnation, reason));
  });
}

ExitReason Supervisor::toldReason(const Child& child, const ExitReason& reason) {
  return trueReason(reason, {.askedToStop = child.askedToStop,
                             .saidLeaving = child.said && child.said->kind == ExitKind::shutdown,
                             .becameReady = child.ready,
                             .killedFor = child.killedFor ? &*child.killedFor : nullptr});
}

void Supervisor::tellEnded(const Child& child, const ExitReason& reason, bool keepsEnds) {
  tellEnded(child.actor, child.generation, reason, keepsEnds);
}

void Supervisor::tellEnded(wire::ActorId actor, std::uint32_t generation, const ExitReason& reason,
                           bool keepsEnds) {
  wire::ControlMessage message;
  auto ended = message->initEnded();
  ended.setActor(actor);
  ended.setGeneration(generation);
  ended.setKeepsEnds(keepsEnds);
  wire::write(ended.initReason(), reason);
  setup_.up(std::move(message));
}

}  // namespace troupe::supervision
