// The side of events and barriers that their users see; and claims, of whichever kind. Tasks run when they are awaited, where the one who
// made them may have gone: they have what they need for themselves.
#include <troupe/barrier.h>
#include <troupe/event.h>

#include "actor/actor_process.h"
#include "actors/open_claim.h"
#include "actors/waiting.h"

namespace troupe {

namespace actors {

namespace {

std::uint64_t nextClaim() {
  static std::uint64_t last = 0;
  return ++last;
}

Task<> castLetGo(RefBase lock, std::uint64_t ticket, bool unseen) {
  co_await Ref<WaitProtocol>(std::move(lock)).letGo(ticket, unseen);
}

}  // namespace

void letClaimGo(const RefBase& lock, std::uint64_t ticket, bool unseen) {
  actor::ActorProcess::current().spawn(castLetGo(lock, ticket, unseen));
}

OpenClaim::OpenClaim(RefBase lock) : OpenClaim(std::move(lock), nextClaim()) {}

OpenClaim::~OpenClaim() {
  if (open_) letClaimGo(lock_, ticket_, true);
}

detail::Lease OpenClaim::lease(LockAnswer::Reader answer) {
  close();
  if (answer.getOutcome() != LockAnswer::Outcome::GRANTED) return {};
  return {lock_, ticket_, answer.getAbandoned()};
}

}  // namespace actors

namespace {

using actors::BarrierProtocol;
using actors::EventProtocol;
using LockOutcome = actors::LockAnswer::Outcome;

Task<> eventSet(RefBase event) { co_await Ref<EventProtocol>(std::move(event)).set(); }
Task<> eventCleared(RefBase event) { co_await Ref<EventProtocol>(std::move(event)).clear(); }

Task<EventStatus> eventStatus(RefBase event) {
  const auto reply = co_await Ref<EventProtocol>(std::move(event)).status();
  co_return EventStatus{.set = reply->getFlag(), .waiting = reply->getWaiting()};
}

Task<bool> eventIsSet(RefBase event) { co_return (co_await eventStatus(std::move(event))).set; }

Task<> eventAwaited(RefBase event, Duration wait) {
  actors::OpenClaim claim(event);
  const Ref<EventProtocol> ref(event);
  auto call = ref.within(actors::callWithin(wait)).wait(claim.ticket(), actors::waitOf(wait));
  const auto reply = co_await call;
  claim.close();
  if (reply->getOutcome() != LockOutcome::GRANTED)
    throw actors::waitedInVain("waiting for the event " + event.path() + ": it was not set", wait);
}

Task<unsigned> barrierPassed(RefBase barrier, Duration wait) {
  actors::OpenClaim claim(barrier);
  const Ref<BarrierProtocol> ref(barrier);
  auto call = ref.within(actors::callWithin(wait)).wait(claim.ticket(), actors::waitOf(wait));
  const auto reply = co_await call;
  claim.close();
  switch (reply->getOutcome()) {
    case LockOutcome::GRANTED: co_return reply->getPlace();
    case LockOutcome::BROKEN:
      throw Error(ErrorKind::refused,
                  "waiting at the barrier " + barrier.path() + ": it is broken: " + reply->getWhy().cStr());
    case LockOutcome::TIME_OVER: break;
  }
  throw actors::waitedInVain("waiting at the barrier " + barrier.path() + ": not all have come", wait);
}

Task<> barrierEntered(RefBase barrier) { co_await Ref<BarrierProtocol>(std::move(barrier)).enter(); }
Task<> barrierLeft(RefBase barrier) { co_await Ref<BarrierProtocol>(std::move(barrier)).leave(); }
Task<> barrierAborted(RefBase barrier) { co_await Ref<BarrierProtocol>(std::move(barrier)).abort(); }
Task<> barrierReset(RefBase barrier) { co_await Ref<BarrierProtocol>(std::move(barrier)).reset(); }

Task<BarrierStatus> barrierStatus(RefBase barrier) {
  const auto reply = co_await Ref<BarrierProtocol>(std::move(barrier)).status();
  co_return BarrierStatus{
      .parties = reply->getParties(), .waiting = reply->getWaiting(), .broken = reply->getFlag()};
}

}  // namespace

// --- An event ---

Task<> Event::set() const { return eventSet(event_); }
Task<> Event::clear() const { return eventCleared(event_); }
Task<bool> Event::isSet() const { return eventIsSet(event_); }
Task<> Event::wait() const { return eventAwaited(event_, wait_); }
Task<EventStatus> Event::status() const { return eventStatus(event_); }

ServedProtocol Event::served() { return {Protocol<EventProtocol>::kId, Protocol<EventProtocol>::kName}; }

// --- A barrier ---

Task<unsigned> Barrier::wait() const { return barrierPassed(barrier_, wait_); }
Task<> Barrier::enter() const { return barrierEntered(barrier_); }
Task<> Barrier::leave() const { return barrierLeft(barrier_); }
Task<> Barrier::abort() const { return barrierAborted(barrier_); }
Task<> Barrier::reset() const { return barrierReset(barrier_); }
Task<BarrierStatus> Barrier::status() const { return barrierStatus(barrier_); }

ServedProtocol Barrier::served() {
  return {Protocol<BarrierProtocol>::kId, Protocol<BarrierProtocol>::kName};
}

}  // namespace troupe
