// The side of mutexes, semaphores and conditions that their users see. Tasks run when they are awaited, where the one who made them may
// have gone: they have what they need for themselves. Those of a lease change it, so it has to be there.
#include <troupe/condition.h>
#include <troupe/mutex.h>
#include <troupe/semaphore.h>

#include "actors/open_claim.h"
#include "actors/waiting.h"

namespace troupe {

namespace detail {

using actors::LeaseProtocol;

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  letGo();
  lock_ = other.lock_;
  ticket_ = std::exchange(other.ticket_, 0);
  mine_ = std::exchange(other.mine_, false);
  abandoned_ = other.abandoned_;
  return *this;
}

void Lease::letGo() {
  if (std::exchange(mine_, false)) actors::letClaimGo(lock_, ticket_, false);
}

Task<> Lease::release() {
  if (ticket_ == 0) throw Error(ErrorKind::invalid, "giving back a lease: nothing was got");
  co_await Ref<LeaseProtocol>(lock_).within(kForever).release(ticket_, 0);
  mine_ = false;
}

}  // namespace detail

namespace {

using actors::ConditionProtocol;
using actors::LeaseProtocol;
using actors::MutexProtocol;
using actors::OpenClaim;
using actors::SemaphoreProtocol;

// Of a mutex or a condition.
template <class P>
Task<detail::Lease> locked(RefBase lock, Duration wait, bool tries) {
  OpenClaim claim(lock);
  auto call = Ref<P>(lock).within(actors::callWithin(wait)).lock(claim.ticket(), actors::waitOf(wait));
  const auto reply = co_await call;
  detail::Lease lease = claim.lease(*reply);
  if (!lease && !tries) throw actors::waitedInVain("locking " + lock.path() + ": it was not free", wait);
  co_return lease;
}

Task<detail::Lease> acquired(RefBase semaphore, std::uint64_t count, Duration wait, bool tries) {
  OpenClaim claim(semaphore);
  const Ref<SemaphoreProtocol> ref(semaphore);
  auto call = ref.within(actors::callWithin(wait)).acquire(claim.ticket(), actors::waitOf(wait), count);
  const auto reply = co_await call;
  detail::Lease lease = claim.lease(*reply);
  if (!lease && !tries)
    throw actors::waitedInVain("acquiring " + std::to_string(count) + " permits of " + semaphore.path() +
                                   ": there were fewer, or others came first",
                               wait);
  co_return lease;
}

Task<> released(RefBase lock, std::uint64_t count) {
  co_await Ref<LeaseProtocol>(std::move(lock)).within(kForever).release(0, count);
}

Task<MutexStatus> mutexStatus(RefBase mutex) {
  const auto reply = co_await Ref<MutexProtocol>(std::move(mutex)).status();
  co_return MutexStatus{
      .locked = reply->getHeld() > 0, .abandoned = reply->getFlag(), .waiting = reply->getWaiting()};
}

Task<SemaphoreStatus> semaphoreStatus(RefBase semaphore) {
  const auto reply = co_await Ref<SemaphoreProtocol>(std::move(semaphore)).status();
  co_return SemaphoreStatus{.permits = reply->getHeld(), .waiting = reply->getWaiting()};
}

Task<ConditionStatus> conditionStatus(RefBase condition) {
  const auto reply = co_await Ref<ConditionProtocol>(std::move(condition)).status();
  co_return ConditionStatus{
      .locked = reply->getHeld() > 0, .locking = reply->getWaiting(), .waiting = reply->getAsleep()};
}

template <class P>
ServedProtocol servedBy() {
  return {Protocol<P>::kId, Protocol<P>::kName};
}

}  // namespace

// --- A mutex ---

Task<Mutex::Held> Mutex::take(RefBase mutex, Duration wait, bool tries) {
  co_return Held(co_await locked<MutexProtocol>(std::move(mutex), wait, tries));
}

Task<Mutex::Held> Mutex::lock() const { return take(mutex_, wait_, false); }

Task<Mutex::Held> Mutex::tryLock() const { return take(mutex_, Duration::zero(), true); }

Task<> Mutex::unlock() const { return released(mutex_, 1); }

Task<MutexStatus> Mutex::status() const { return mutexStatus(mutex_); }

ServedProtocol Mutex::served() { return servedBy<MutexProtocol>(); }

// --- A semaphore ---

Task<Semaphore::Permit> Semaphore::take(RefBase semaphore, std::uint64_t count, Duration wait, bool tries) {
  co_return Permit(co_await acquired(std::move(semaphore), count, wait, tries));
}

Task<Semaphore::Permit> Semaphore::acquire(std::uint64_t count) const {
  return take(semaphore_, count, wait_, false);
}

Task<Semaphore::Permit> Semaphore::tryAcquire(std::uint64_t count) const {
  return take(semaphore_, count, Duration::zero(), true);
}

Task<> Semaphore::release(std::uint64_t count) const { return released(semaphore_, count); }

Task<SemaphoreStatus> Semaphore::status() const { return semaphoreStatus(semaphore_); }

ServedProtocol Semaphore::served() { return servedBy<SemaphoreProtocol>(); }

// --- A condition ---

Task<Condition::Held> Condition::take(RefBase condition, Duration wait, bool tries) {
  co_return Held(co_await locked<ConditionProtocol>(std::move(condition), wait, tries));
}

Task<Condition::Held> Condition::lock() const { return take(condition_, wait_, false); }

Task<Condition::Held> Condition::tryLock() const { return take(condition_, Duration::zero(), true); }

Task<bool> Condition::Held::wait(Duration limit) {
  if (ticket_ == 0) throw Error(ErrorKind::invalid, "waiting for a condition: its mutex is not held");
  const Ref<ConditionProtocol> condition(lock_);
  OpenClaim claim(lock_, ticket_);
  auto call = condition.within(kForever).sleep(ticket_, actors::waitOf(limit));
  const auto reply = co_await call;
  claim.close();
  abandoned_ = reply->getAbandoned();
  co_return reply->getOutcome() == actors::LockAnswer::Outcome::GRANTED;
}

Task<> Condition::Held::notify(std::uint64_t count) {
  if (ticket_ == 0) throw Error(ErrorKind::invalid, "notifying of a condition: its mutex is not held");
  const Ref<ConditionProtocol> condition(lock_);
  co_await condition.within(kForever).notify(ticket_, count);
}

Task<ConditionStatus> Condition::status() const { return conditionStatus(condition_); }

ServedProtocol Condition::served() { return servedBy<ConditionProtocol>(); }

}  // namespace troupe
