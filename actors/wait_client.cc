// The side of events and barriers that their users see; and claims, of whichever kind.
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
using Outcome = actors::LockAnswer::Outcome;

}  // namespace

// --- An event ---

Task<> Event::set() const { co_await Ref<EventProtocol>(event_).set(); }
Task<> Event::clear() const { co_await Ref<EventProtocol>(event_).clear(); }
Task<bool> Event::isSet() const { co_return (co_await status()).set; }

Task<> Event::wait() const {
  actors::OpenClaim claim(event_);
  const Ref<EventProtocol> event(event_);
  auto call = event.within(actors::callWithin(wait_)).wait(claim.ticket(), actors::waitOf(wait_));
  const auto reply = co_await call;
  claim.close();
  if (reply->getOutcome() != Outcome::GRANTED)
    throw actors::waitedInVain("waiting for the event " + path() + ": it was not set", wait_);
}

Task<EventStatus> Event::status() const {
  const auto reply = co_await Ref<EventProtocol>(event_).status();
  co_return EventStatus{.set = reply->getFlag(), .waiting = reply->getWaiting()};
}

ServedProtocol Event::served() { return {Protocol<EventProtocol>::kId, Protocol<EventProtocol>::kName}; }

// --- A barrier ---

Task<unsigned> Barrier::wait() const {
  actors::OpenClaim claim(barrier_);
  const Ref<BarrierProtocol> barrier(barrier_);
  auto call = barrier.within(actors::callWithin(wait_)).wait(claim.ticket(), actors::waitOf(wait_));
  const auto reply = co_await call;
  claim.close();
  switch (reply->getOutcome()) {
    case Outcome::GRANTED: co_return reply->getPlace();
    case Outcome::BROKEN:
      throw Error(ErrorKind::refused,
                  "waiting at the barrier " + path() + ": it is broken: " + reply->getWhy().cStr());
    case Outcome::TIME_OVER: break;
  }
  throw actors::waitedInVain("waiting at the barrier " + path() + ": not all have come", wait_);
}

Task<> Barrier::enter() const { co_await Ref<BarrierProtocol>(barrier_).enter(); }
Task<> Barrier::leave() const { co_await Ref<BarrierProtocol>(barrier_).leave(); }
Task<> Barrier::abort() const { co_await Ref<BarrierProtocol>(barrier_).abort(); }
Task<> Barrier::reset() const { co_await Ref<BarrierProtocol>(barrier_).reset(); }

Task<BarrierStatus> Barrier::status() const {
  const auto reply = co_await Ref<BarrierProtocol>(barrier_).status();
  co_return BarrierStatus{
      .parties = reply->getParties(), .waiting = reply->getWaiting(), .broken = reply->getFlag()};
}

ServedProtocol Barrier::served() {
  return {Protocol<BarrierProtocol>::kId, Protocol<BarrierProtocol>::kName};
}

}  // namespace troupe
