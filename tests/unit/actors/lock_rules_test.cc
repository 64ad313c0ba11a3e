// Who gets what, of those who have claims: without processes and messages.
#include "actors/lock_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace troupe::actors {
namespace {

using Outcome = LockAnswer::Outcome;
using State = Claim::State;

const Caller kAnn{.actor = 1, .generation = 1};
const Caller kBob{.actor = 2, .generation = 1};
const Caller kCid{.actor = 3, .generation = 1};
const ExitReason kKilled{.kind = ExitKind::signaled, .code = 9};

// What is kept, as a successor finds it.
struct Memory {
  std::map<Claims::Number, Claim> claims;
  Claims::Note note;

  Claims make() {
    return Claims({.claim =
                       [this](Claims::Number number, const Claim* claim) {
                         if (claim == nullptr) {
                           claims.erase(number);
                         } else {
                           claims[number] = *claim;
                         }
                       },
                   .note = [this](const Claims::Note& changed) { note = changed; }});
  }
};

class LockRulesTest : public testing::Test {
 protected:
  std::uint64_t ask(const Caller& owner, std::uint64_t count = 1, Instant deadline = kNever) {
    claims_.add({.owner = owner, .ticket = ++ticket_, .deadline = deadline, .count = count});
    return ticket_;
  }
  // "1 granted, 2 over" by tickets; all that is to be said at that time.
  static std::string said(LockRules& rules, Instant now = 0) {
    std::string text;
    while (const auto answer = rules.next(now)) {
      text += (text.empty() ? "" : ", ") + std::to_string(answer->claim.ticket);
      text += answer->outcome == Outcome::GRANTED     ? " granted"
              : answer->outcome == Outcome::TIME_OVER ? " over"
                                                      : " broken";
      if (answer->abandoned) text += " abandoned";
    }
    return text;
  }

  Memory memory_;
  Claims claims_ = memory_.make();
  std::uint64_t ticket_ = 0;
};

// --- Permits ---

TEST_F(LockRulesTest, PermitsGoOutInTheOrderInWhichTheyWereAskedFor) {
  Permits permits(claims_, {.permits = 3, .mutex = false});
  ask(kAnn, 2);
  ask(kBob, 2);
  ask(kCid, 1);
  EXPECT_EQ(said(permits), "1 granted") << "who asks for few does not pass who asks for many";
  EXPECT_FALSE(permits.release(kAnn, 1, 0));
  EXPECT_EQ(said(permits), "2 granted, 3 granted");
  EXPECT_EQ(claims_.counted(State::holding), 3U);
}

TEST_F(LockRulesTest, WhoWaitsInVainLeavesTheLineToOthers) {
  Permits permits(claims_, {.permits = 2, .mutex = false});
  ask(kAnn);
  ask(kBob, 2, 10);
  ask(kCid);
  EXPECT_EQ(said(permits, 9), "1 granted");
  EXPECT_EQ(claims_.nextDeadline(), 10);
  EXPECT_EQ(said(permits, 10), "2 over, 3 granted");
  EXPECT_EQ(claims_.nextDeadline(), kNever);
}

TEST_F(LockRulesTest, PermitsOfTheDeadComeBack) {
  Permits permits(claims_, {.permits = 2, .mutex = false});
  ask(kAnn, 2);
  ask(kAnn, 1);
  ask(kBob, 2);
  EXPECT_EQ(said(permits), "1 granted");
  permits.ended(kAnn, kKilled);
  EXPECT_EQ(said(permits), "3 granted");
  EXPECT_EQ(claims_.size(), 1U);
}

TEST_F(LockRulesTest, NobodyReleasesWhatHeHasNot) {
  Permits permits(claims_, {.permits = 5, .mutex = false});
  EXPECT_EQ(permits.refusesToGive(kAnn, 6), "6 permits can't be had: there are 5");
  EXPECT_EQ(permits.refusesToGive(kAnn, 0), "0 permits can't be had: there are 5");
  EXPECT_EQ(permits.release(kAnn, 0, 1), "nobody holds it");
  ask(kAnn, 2);
  ask(kAnn, 1);
  said(permits);
  EXPECT_EQ(permits.release(kBob, 1, 0), "not the caller's process holds it, but another");
  EXPECT_EQ(permits.release(kBob, 0, 1), "not the caller's process holds it, but another");
  EXPECT_EQ(permits.release(kAnn, 0, 4), "giving back 4 permits: the caller's process has 3");
  EXPECT_EQ(permits.release(kAnn, 0, 0), "giving back 0 permits: the caller's process has 3");
  EXPECT_FALSE(permits.release(kAnn, 0, 2)) << "the latest whole, and one of the other";
  EXPECT_EQ(claims_.counted(State::holding), 1U);
  EXPECT_FALSE(permits.release(kAnn, 1, 0));
  EXPECT_EQ(permits.release(kAnn, 1, 0), "nobody holds it");
}

TEST_F(LockRulesTest, AMutexIsLockedOnceUnlessItIsRecursive) {
  Permits plain(claims_, {});
  ask(kAnn);
  ask(kBob);
  said(plain);
  EXPECT_EQ(plain.refusesToGive(kAnn, 1), "the caller's process has locked it already");
  EXPECT_EQ(plain.refusesToGive(kBob, 1), "the caller's process waits for it already");
  EXPECT_FALSE(plain.refusesToGive(kCid, 1));
}

TEST_F(LockRulesTest, ARecursiveMutexIsFreeWhenItWasUnlockedAsOften) {
  Permits mutex(claims_, {.recursive = true});
  ask(kAnn);
  ask(kBob);
  ask(kAnn);
  ask(kAnn);
  EXPECT_EQ(said(mutex), "1 granted, 3 granted, 4 granted");
  EXPECT_FALSE(mutex.release(kAnn, 3, 0));
  EXPECT_EQ(mutex.release(kAnn, 3, 0), "that lease of the caller's was given back already");
  EXPECT_FALSE(mutex.release(kAnn, 1, 0));
  EXPECT_EQ(said(mutex), "");
  EXPECT_FALSE(mutex.release(kAnn, 4, 0));
  EXPECT_EQ(said(mutex), "2 granted");
}

TEST_F(LockRulesTest, TheNextHolderIsToldThatTheLastHasDied) {
  Permits mutex(claims_, {});
  ask(kAnn);
  ask(kBob);
  ask(kCid);
  said(mutex);
  mutex.ended(kAnn, kKilled);
  EXPECT_EQ(said(mutex), "2 granted abandoned");
  EXPECT_FALSE(mutex.release(kBob, 2, 0));
  EXPECT_EQ(said(mutex), "3 granted") << "once";
  mutex.ended(kBob, kKilled);
  mutex.letGo(kCid, 3, false);
  ask(kAnn);
  EXPECT_EQ(said(mutex), "4 granted") << "who had nothing leaves nothing behind";
}

TEST_F(LockRulesTest, WhoWasToldAndDidNotSeeItDoesNotCount) {
  Permits mutex(claims_, {});
  ask(kAnn);
  ask(kBob);
  said(mutex);
  mutex.ended(kAnn, kKilled);
  said(mutex);
  mutex.letGo(kBob, 2, true);
  ask(kCid);
  EXPECT_EQ(said(mutex), "3 granted abandoned");
}

// --- A condition ---

class ConditionRulesTest : public LockRulesTest {
 protected:
  void sleep(const Caller& owner, std::uint64_t ticket, Instant deadline = kNever) {
    EXPECT_FALSE(rules_.refuses(owner, ticket));
    rules_.sleep(owner, ticket, deadline, {});
  }
  // They lock it, one after the other, and go to sleep.
  void allSleep() {
    for (const Caller& each : {kAnn, kBob, kCid}) {
      const auto ticket = ask(each);
      said(rules_);
      sleep(each, ticket);
    }
  }
  ConditionRules rules_{claims_};
};

TEST_F(ConditionRulesTest, WhoIsNotifiedHasTheMutexAgainWhenItIsFree) {
  allSleep();
  const Caller dan{.actor = 4, .generation = 1};
  ask(dan);
  EXPECT_EQ(said(rules_), "4 granted");
  rules_.notify(2);
  EXPECT_EQ(said(rules_), "");
  EXPECT_FALSE(rules_.release(dan, 4, 0));
  EXPECT_EQ(said(rules_), "1 granted");
  EXPECT_FALSE(rules_.release(kAnn, 1, 0));
  EXPECT_EQ(said(rules_), "2 granted");
  EXPECT_FALSE(rules_.release(kBob, 2, 0));
  EXPECT_EQ(said(rules_), "");
  EXPECT_EQ(claims_.in(State::asleep).size(), 1U);
}

TEST_F(ConditionRulesTest, OnlyTheHolderSleepsAndNotifies) {
  EXPECT_TRUE(rules_.refuses(kAnn, 1));
  allSleep();
  EXPECT_EQ(rules_.refuses(kAnn, 1), "the caller does not hold the mutex of the condition");
  ask(kAnn);
  said(rules_);
  EXPECT_FALSE(rules_.refuses(kAnn, 4));
  EXPECT_TRUE(rules_.refuses(kBob, 4));
}

TEST_F(ConditionRulesTest, WhoSleepsTooLongHasTheMutexAgainAndIsToldSo) {
  const auto ann = ask(kAnn);
  said(rules_);
  sleep(kAnn, ann, 10);
  ask(kBob);
  EXPECT_EQ(said(rules_, 9), "2 granted");
  EXPECT_EQ(said(rules_, 10), "") << "Bob has it";
  EXPECT_FALSE(rules_.release(kBob, 2, 0));
  EXPECT_EQ(said(rules_, 11), "1 over");
  EXPECT_EQ(claims_.in(State::holding).size(), 1U);
}

TEST_F(ConditionRulesTest, ANotificationOfOneWhoDiesOrGivesUpGoesToTheNext) {
  allSleep();
  const Caller dan{.actor = 4, .generation = 1};
  ask(dan);
  said(rules_);
  rules_.notify(1);
  rules_.ended(kAnn, kKilled);
  EXPECT_FALSE(rules_.release(dan, 4, 0));
  EXPECT_EQ(said(rules_), "2 granted");
  rules_.letGo(kBob, 2, true);
  EXPECT_EQ(said(rules_), "3 granted");
}

TEST_F(ConditionRulesTest, TheDeathOfTheHolderWakesAll) {
  allSleep();
  const Caller dan{.actor = 4, .generation = 1};
  ask(dan);
  said(rules_);
  rules_.ended(dan, kKilled);
  EXPECT_EQ(said(rules_), "1 granted abandoned");
  EXPECT_EQ(claims_.in(State::asleep).size(), 0U);
}

// --- An event ---

TEST_F(LockRulesTest, AnEventLetsAllGoOnWhoWaitAndWhoCome) {
  EventRules event(claims_);
  ask(kAnn);
  ask(kBob, 1, 5);
  EXPECT_EQ(said(event, 5), "2 over");
  claims_.note({.flag = true});
  ask(kCid);
  EXPECT_EQ(said(event, 6), "1 granted, 3 granted");
  claims_.note({});
  ask(kAnn);
  EXPECT_EQ(said(event, 7), "");
  event.ended(kAnn, kKilled);
  EXPECT_EQ(claims_.size(), 0U);
}

// --- A barrier ---

class BarrierRulesTest : public LockRulesTest {
 protected:
  void come(const Caller& owner, Instant deadline = kNever) {
    rules_.enter(owner);
    ask(owner, 1, deadline);
    rules_.come();
  }
  BarrierRules rules_{claims_, 3};
};

TEST_F(BarrierRulesTest, AllPassWhenAllHaveCome) {
  for (int round = 0; round < 1000; ++round) {
    come(kBob);
    come(kAnn);
    ASSERT_EQ(said(rules_), "");
    come(kCid);
    for (unsigned place = 0; place < 3; ++place) {
      const auto answer = rules_.next(0);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->outcome, Outcome::GRANTED);
      EXPECT_EQ(answer->place, place);
    }
    ASSERT_EQ(said(rules_), "");
  }
  EXPECT_EQ(claims_.size(), 3U) << "they are parties";
}

TEST_F(BarrierRulesTest, ADeathBreaksItForAllUntilItIsMended) {
  for (const Caller& each : {kAnn, kBob}) come(each);
  rules_.enter(kCid);
  rules_.ended(kCid, kKilled);
  EXPECT_EQ(said(rules_), "1 broken, 2 broken");
  EXPECT_EQ(claims_.note().text, "a party has ended: killed by SIGKILL");
  come(kAnn);
  EXPECT_EQ(said(rules_), "3 broken");
  rules_.mend();
  for (const Caller& each : {kAnn, kBob, kCid}) come(each);
  EXPECT_EQ(said(rules_), "4 granted, 5 granted, 6 granted");
}

TEST_F(BarrierRulesTest, AnEndInOrderBreaksItOnlyForOneWhoWaits) {
  rules_.enter(kAnn);
  rules_.ended(kAnn, {.kind = ExitKind::shutdown});
  EXPECT_FALSE(claims_.note().flag);
  come(kBob);
  EXPECT_EQ(rules_.leave(kBob), "the caller's process waits at the barrier");
  rules_.ended(kBob, {.kind = ExitKind::shutdown});
  EXPECT_TRUE(claims_.note().flag);
  EXPECT_EQ(claims_.size(), 0U);
  EXPECT_EQ(rules_.leave(kBob), "the caller's process is no party of the barrier");
}

TEST_F(BarrierRulesTest, WhoWaitsInVainHasNotCome) {
  come(kAnn, 10);
  come(kBob);
  EXPECT_EQ(said(rules_, 10), "1 over");
  come(kCid);
  EXPECT_EQ(said(rules_, 11), "");
  come(kAnn);
  EXPECT_EQ(said(rules_, 12), "2 granted, 3 granted, 4 granted");
}

// --- All of it, at random ---

// Whatever happens in whatever order: never more out than there is, nobody waits for what is free, and a successor that has only what
// was kept goes on as this one would.
TEST_F(LockRulesTest, PermitsAreConservedWhateverHappens) {
  std::mt19937 random(5);
  constexpr std::uint64_t kPermits = 4;
  Memory memory;
  auto claims = std::make_unique<Claims>(memory.make());
  auto permits = std::make_unique<Permits>(*claims, Permits::Kind{.permits = kPermits, .mutex = false});
  std::uint64_t ticket = 0;
  for (Instant now = 0; now < 20'000; ++now) {
    const Caller who{.actor = 1 + random() % 6, .generation = 1};
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        claims->add({.owner = who,
                     .ticket = ++ticket,
                     .deadline = random() % 2 == 0 ? kNever : now + static_cast<Instant>(random() % 20),
                     .count = 1 + random() % kPermits});
        break;
      case 3: static_cast<void>(permits->release(who, 0, 1)); break;
      case 4: permits->letGo(who, ticket - random() % 10, random() % 2 == 0); break;
      case 5: permits->ended(who, kKilled); break;
      case 6:
        if (const auto last = claims->last(who, State::holding)) {
          EXPECT_FALSE(permits->release(who, claims->at(*last).ticket, 0));
        }
        break;
      default:
        claims = std::make_unique<Claims>(memory.make());
        for (const auto& [number, claim] : memory.claims) claims->restore(number, claim);
        permits = std::make_unique<Permits>(*claims, Permits::Kind{.permits = kPermits, .mutex = false});
    }
    // Some of what is to be said is left to the next.
    for (std::size_t i = random() % 4; i > 0 && permits->next(now); --i) {}
    if (random() % 2 == 0) {
      said(*permits, now);
      const auto& waiting = claims->in(State::waiting);
      ASSERT_TRUE(waiting.empty() ||
                  claims->counted(State::holding) + claims->at(*waiting.begin()).count > kPermits);
      ASSERT_GT(claims->nextDeadline(), now);
    }
    ASSERT_LE(claims->counted(State::holding), kPermits);
    ASSERT_EQ(claims->size(), memory.claims.size());
  }
}

}  // namespace
}  // namespace troupe::actors
