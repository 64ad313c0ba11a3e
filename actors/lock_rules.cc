#include "actors/lock_rules.h"

#include <algorithm>

namespace troupe::actors {

void LockRules::letGo(const Caller& owner, std::uint64_t ticket, bool) {
  if (const auto number = claims_.find(owner, ticket)) claims_.take(*number);
}

std::optional<LockRules::Answer> LockRules::nextLate(Instant now) {
  const auto number = claims_.late(now);
  if (!number) return {};
  return Answer{.claim = claims_.take(*number), .outcome = LockAnswer::Outcome::TIME_OVER};
}

void LockRules::takeAll(const Caller& owner) {
  for (const Number number : claims_.of(owner)) claims_.take(number);
}

// --- Permits ---

LockRules::Refusal Permits::refusesToGive(const Caller& owner, std::uint64_t count) const {
  if (count == 0 || count > kind_.permits)
    return std::to_string(count) + " permits can't be had: there are " + std::to_string(kind_.permits);
  if (!kind_.mutex || kind_.recursive || claims_.of(owner).empty()) return {};
  if (claims_.has(owner, State::holding)) return "the caller's process has locked it already";
  return "the caller's process waits for it already";
}

LockRules::Refusal Permits::refusesToTake(const Caller& owner) const {
  if (claims_.in(State::holding).empty()) return "nobody holds it";
  if (!claims_.has(owner, State::holding)) return "not the caller's process holds it, but another";
  return "that lease of the caller's was given back already";
}

LockRules::Refusal Permits::release(const Caller& owner, std::uint64_t ticket, std::uint64_t count) {
  if (ticket != 0) {
    const auto number = claims_.find(owner, ticket);
    if (!number || claims_.at(*number).state != State::holding) return refusesToTake(owner);
    claims_.take(*number);
    return {};
  }
  std::uint64_t has = 0;
  for (const Number number : claims_.of(owner)) {
    if (claims_.at(number).state == State::holding) has += claims_.at(number).count;
  }
  if (has == 0) return refusesToTake(owner);
  if (count == 0 || count > has)
    return "giving back " + std::to_string(count) + " permits: the caller's process has " +
           std::to_string(has);
  // The last ones first.
  const std::vector<Number> numbers = claims_.of(owner);
  for (auto number = numbers.rbegin(); count > 0; ++number) {
    Claim claim = claims_.at(*number);
    if (claim.state != State::holding) continue;
    const std::uint64_t now = std::min(count, claim.count);
    count -= now;
    claim.count -= now;
    if (claim.count == 0) {
      claims_.take(*number);
    } else {
      claims_.change(*number, claim);
    }
  }
  return {};
}

// The first in the line, if there is enough for it; or one whose process has it already.
std::optional<Claims::Number> Permits::nextHolder() const {
  const auto& waiting = claims_.in(State::waiting);
  if (waiting.empty()) return {};
  const Number first = *waiting.begin();
  // A recursive mutex is held more often than it has permits.
  const std::uint64_t held = claims_.counted(State::holding);
  if (held <= kind_.permits && claims_.at(first).count <= kind_.permits - held) return first;
  if (!kind_.recursive) return {};
  for (const Number number : claims_.of(claims_.at(*claims_.in(State::holding).begin()).owner)) {
    if (claims_.at(number).state == State::waiting) return number;
  }
  return {};
}

LockRules::Answer Permits::hold(Number number) {
  Claim claim = claims_.at(number);
  claim.abandoned = claims_.note().flag;
  if (claim.abandoned) claims_.note({});
  Answer answer{.claim = claim, .abandoned = claim.abandoned};
  if (claim.late) answer.outcome = LockAnswer::Outcome::TIME_OVER;
  claim.state = State::holding;
  claim.deadline = kNever;
  claim.call = {};
  claims_.change(number, claim);
  return answer;
}

std::optional<LockRules::Answer> Permits::next(Instant now) {
  if (const auto number = nextHolder()) return hold(*number);
  return nextLate(now);
}

// One that ends in order has come to the end of what it held it for.
void Permits::ended(const Caller& owner, const ExitReason& reason) {
  if (kind_.mutex && !reason.clean() && claims_.has(owner, State::holding)) claims_.note({.flag = true});
  takeAll(owner);
}

// Nobody has been told yet that it was abandoned, so the next one is.
void Permits::letGo(const Caller& owner, std::uint64_t ticket, bool unseen) {
  const auto number = claims_.find(owner, ticket);
  if (!number) return;
  const Claim claim = claims_.take(*number);
  if (unseen && claim.state == State::holding && claim.abandoned) claims_.note({.flag = true});
}

// --- A condition ---

LockRules::Refusal ConditionRules::refuses(const Caller& owner, std::uint64_t ticket) const {
  const auto number = claims_.find(owner, ticket);
  if (number && claims_.at(*number).state == State::holding) return {};
  return "the caller does not hold the mutex of the condition";
}

void ConditionRules::sleep(const Caller& owner, std::uint64_t ticket, Instant deadline,
                           Later<LockAnswer> call) {
  claims_.take(*claims_.find(owner, ticket));
  claims_.add({.owner = owner, .ticket = ticket, .deadline = deadline, .call = call, .state = State::asleep});
}

void ConditionRules::notify(std::uint64_t count) {
  const auto& asleep = claims_.in(State::asleep);
  for (; count > 0 && !asleep.empty(); --count) wakeOne(*asleep.begin(), true);
}

void ConditionRules::wakeOne(Number number, bool notified) {
  Claim claim = claims_.take(number);
  claim.state = State::waiting;
  claim.deadline = kNever;
  claim.notified = notified;
  claim.late = !notified;
  claims_.add(claim);
}

std::optional<LockRules::Answer> ConditionRules::next(Instant now) {
  for (auto late = claims_.late(now); late && claims_.at(*late).state == State::asleep;
       late = claims_.late(now))
    wakeOne(*late, false);
  return Permits::next(now);
}

void ConditionRules::ended(const Caller& owner, const ExitReason& reason) {
  const bool held = claims_.has(owner, State::holding);
  const auto waited = claims_.last(owner, State::waiting);
  const bool notified = waited && claims_.at(*waited).notified;
  Permits::ended(owner, reason);
  if (held) {
    notify(claims_.in(State::asleep).size());
  } else if (notified) {
    notify(1);
  }
}

void ConditionRules::letGo(const Caller& owner, std::uint64_t ticket, bool unseen) {
  const auto number = claims_.find(owner, ticket);
  const bool notified = unseen && number && claims_.at(*number).notified;
  Permits::letGo(owner, ticket, unseen);
  if (notified) notify(1);
}

// --- An event ---

std::optional<LockRules::Answer> EventRules::next(Instant now) {
  const auto& waiting = claims_.in(State::waiting);
  if (claims_.note().flag && !waiting.empty()) return Answer{.claim = claims_.take(*waiting.begin())};
  return nextLate(now);
}

// --- A barrier ---

void BarrierRules::enter(const Caller& owner) {
  if (!claims_.find(owner, 0)) claims_.add({.owner = owner, .state = State::party});
}

LockRules::Refusal BarrierRules::leave(const Caller& owner) {
  const auto number = claims_.find(owner, 0);
  if (!number) return "the caller's process is no party of the barrier";
  if (claims_.has(owner, State::waiting)) return "the caller's process waits at the barrier";
  claims_.take(*number);
  return {};
}

// Those that pass are marked as holders, each with its place as what it counts, until they are told.
void BarrierRules::come() {
  const std::set<Number> waiting = claims_.in(State::waiting);
  if (claims_.note().flag || waiting.size() < parties_) return;
  std::uint64_t place = 0;
  for (const Number number : waiting) {
    Claim claim = claims_.at(number);
    claim.state = State::holding;
    claim.deadline = kNever;
    claim.count = place++;
    claims_.change(number, claim);
  }
}

void BarrierRules::breakIt(const std::string& why) { claims_.note({.flag = true, .text = why}); }

std::optional<LockRules::Answer> BarrierRules::next(Instant now) {
  if (const auto& passing = claims_.in(State::holding); !passing.empty()) {
    const Claim claim = claims_.take(*passing.begin());
    return Answer{.claim = claim, .place = static_cast<std::uint32_t>(claim.count)};
  }
  const auto& waiting = claims_.in(State::waiting);
  if (claims_.note().flag && !waiting.empty()) {
    return Answer{.claim = claims_.take(*waiting.begin()),
                  .outcome = LockAnswer::Outcome::BROKEN,
                  .why = claims_.note().text};
  }
  return nextLate(now);
}

// One that ends in order, and does not wait, has left.
void BarrierRules::ended(const Caller& owner, const ExitReason& reason) {
  if (claims_.of(owner).empty()) return;
  const bool waited = claims_.has(owner, State::waiting);
  takeAll(owner);
  if (waited || !reason.clean()) breakIt("a party has ended: " + reason.toString());
}

}  // namespace troupe::actors
