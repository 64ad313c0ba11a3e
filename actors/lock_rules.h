// Who gets what, of those who have claims: the decisions of mutexes and semaphores, conditions, events and barriers, without processes
// and messages.
//
// They follow from the claims as they stand, one answer at a time: next() changes what that answer says and no more, until nothing is
// left to say. So a process that dies between two answers leaves to its successor exactly what it has not come to.
#pragma once

#include <troupe/exit_reason.h>

#include <cstdint>
#include <optional>
#include <string>

#include "actors/claims.h"

namespace troupe::actors {

class LockRules {
 public:
  struct Answer {
    Claim claim;  // whose call it is
    LockAnswer::Outcome outcome = LockAnswer::Outcome::GRANTED;
    bool abandoned = false;
    std::uint32_t place = 0;
    std::string why = {};
  };
  // Why not, where something is refused.
  using Refusal = std::optional<std::string>;

  explicit LockRules(Claims& claims) : claims_(claims) {}
  virtual ~LockRules() = default;
  LockRules(const LockRules&) = delete;
  LockRules& operator=(const LockRules&) = delete;

  virtual std::optional<Answer> next(Instant now) = 0;
  // That process has ended.
  virtual void ended(const Caller& owner, const ExitReason& reason) = 0;
  virtual void letGo(const Caller& owner, std::uint64_t ticket, bool unseen);

 protected:
  using State = Claim::State;
  using Number = Claims::Number;
  // The first whose time is over, and who waits no longer.
  std::optional<Answer> nextLate(Instant now);
  void takeAll(const Caller& owner);

  Claims& claims_;
};

// Permits, of which there are so many: a mutex has one. First come, first served: who asks for many is not passed by those who ask for
// few. The permits of a process that ends are free again.
class Permits : public LockRules {
 public:
  struct Kind {
    std::uint64_t permits = 1;
    bool mutex = true;  // who gets it after one who has ended is told so; and nobody waits for himself
    bool recursive = false;
  };
  Permits(Claims& claims, Kind kind) : LockRules(claims), kind_(kind) {}

  Refusal refusesToGive(const Caller& owner, std::uint64_t count) const;
  Refusal release(const Caller& owner, std::uint64_t ticket, std::uint64_t count);

  std::optional<Answer> next(Instant now) override;
  void ended(const Caller& owner, const ExitReason& reason) override;
  void letGo(const Caller& owner, std::uint64_t ticket, bool unseen) override;

 private:
  std::optional<Number> nextHolder() const;
  Answer hold(Number number);
  Refusal refusesToTake(const Caller& owner) const;

  Kind kind_;
};

// A mutex, and those who gave it back until they are notified. One who is notified, and ends before it knows, is as if it had not been
// there: the next is notified instead. Where the holder ends, all are, since what it was about to say is lost.
class ConditionRules final : public Permits {
 public:
  explicit ConditionRules(Claims& claims) : Permits(claims, {}) {}

  // Why that lease does not allow to sleep or to notify.
  Refusal refuses(const Caller& owner, std::uint64_t ticket) const;
  void sleep(const Caller& owner, std::uint64_t ticket, Instant deadline, Later<LockAnswer> call);
  // The longest first.
  void notify(std::uint64_t count);

  std::optional<Answer> next(Instant now) override;
  void ended(const Caller& owner, const ExitReason& reason) override;
  void letGo(const Caller& owner, std::uint64_t ticket, bool unseen) override;

 private:
  void wakeOne(Number number, bool notified);
};

// The flag of the claims' note says that it is set.
class EventRules final : public LockRules {
 public:
  using LockRules::LockRules;

  std::optional<Answer> next(Instant now) override;
  void ended(const Caller& owner, const ExitReason&) override { takeAll(owner); }
};

// The flag of the claims' note says that it is broken, and its text why. A process is a party since it came for the first time, until it
// leaves or ends.
class BarrierRules final : public LockRules {
 public:
  BarrierRules(Claims& claims, std::uint64_t parties) : LockRules(claims), parties_(parties) {}

  void enter(const Caller& owner);
  Refusal leave(const Caller& owner);
  // After the claim was added: all of them pass, or none.
  void come();
  void breakIt(const std::string& why);
  void mend() { claims_.note({}); }

  std::optional<Answer> next(Instant now) override;
  void ended(const Caller& owner, const ExitReason& reason) override;

 private:
  std::uint64_t parties_;
};

}  // namespace troupe::actors
