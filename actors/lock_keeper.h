// What the actors of locks have in common: keeps the claims, answers those whom the rules name, watches the owners' processes, and sees
// to the limits of who waits.
//
// Commit: what a turn changes counts with the turn. Outside of turns each answer counts together with what was changed for it, which is
// all that the rules change at a time.
#pragma once

#include <troupe/kept_table.h>

#include <span>

#include "actors/lock_rules.h"
#include "actors/parties.h"

namespace troupe::actors {

class LockKeeper {
 public:
  LockKeeper(ActorBase& actor, Self self);
  Claims& claims() { return claims_; }

  // In init(): goes on with what the process before has kept.
  void begin(LockRules& rules);
  // The actor's run().
  Task<> run();

  // In handlers.
  LockRules::Refusal refuses(const Caller& owner, std::uint64_t ticket) const;
  void watch(const Caller& owner) { parties_.watch(owner); }
  void add(const Claim& claim);
  // Answers who is to be answered.
  void serve();
  void letGo(const Caller& owner, std::uint64_t ticket, bool unseen);
  void tell(WaitProtocol::StatusResults::Builder status) const;

 private:
  void load(Claims::Number number, std::span<const std::byte> bytes);

  Self self_;
  KeptTable table_;
  Claims claims_;
  LockRules* rules_ = nullptr;
  Parties parties_;
  Alarm alarm_;
};

}  // namespace troupe::actors
