// Condition: waiting for what others do, who may die before they have done it.
#include "tests/support/locks.h"

namespace tests {

namespace {

using troupe::Condition;
using troupe::ConditionStatus;
using troupe::Error;
using troupe::ErrorKind;

Board& board() { return Board::shared(); }

// Notes when it has the mutex again, and unlocks it when it is told to.
class Sleeper final : public troupe::Actor<Sleeper> {
 public:
  Task<> run() {
    auto condition = co_await find<Condition>("condition");
    auto held = co_await condition.lock();
    const bool notified = co_await held.wait();
    board().note(name() + (notified ? " notified" : " late") + (held.abandoned() ? ", abandoned" : ""));
    co_await held.unlock();
    co_await sleepFor(troupe::kForever);
  }
};

// Has the mutex for ever.
class Holder final : public troupe::Actor<Holder> {
 public:
  Task<> run() {
    auto condition = co_await find<Condition>("condition");
    const auto held = co_await condition.lock();
    board().note("it is held");
    co_await sleepFor(troupe::kForever);
  }
};

void aCondition(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Condition>("condition");
  for (const char* id : {"a", "b", "c"}) app.child<Sleeper>(id, {.restart = troupe::Restart::temporary});
  app.each<Holder>("holder");
}

void aConditionAlone(troupe::App& app) { app.add<Condition>("condition"); }

Task<Condition> whereThreeSleep(Self& self) {
  auto condition = co_await self.find<Condition>("condition");
  co_await becomes(self, condition, "three wait",
                   [](const ConditionStatus& status) { return status.waiting == 3; });
  co_return condition;
}

std::size_t woken() {
  const auto notes = board().notes();
  return static_cast<std::size_t>(std::ranges::count_if(
      notes, [](const std::string& note) { return note.find(" notified") != std::string::npos; }));
}

}  // namespace

class ConditionTest : public AppTest {};

TEST_F(ConditionTest, WakesSoManyAsAreNotifiedAndEachHasTheMutexThen) {
  runApp(&aCondition, [](Self& self) -> Task<> {
    auto condition = co_await whereThreeSleep(self);
    auto held = co_await condition.lock();
    co_await held.notify();
    co_await becomes(self, condition, "one wants the mutex",
                     [](const ConditionStatus& status) { return status.locking == 1; });
    EXPECT_EQ(woken(), 0U) << "it is not free";
    co_await held.unlock();
    co_await until(self, "one goes on", [] { return woken() == 1; });
    EXPECT_EQ((co_await condition.status()).waiting, 2U);
    auto again = co_await condition.lock();
    co_await again.notifyAll();
    co_await again.unlock();
    co_await until(self, "all go on", [] { return woken() == 3; });
  });
}

TEST_F(ConditionTest, WaitsNoLongerThanItIsToldAndHasTheMutexAgain) {
  runApp(&aConditionAlone, [](Self& self) -> Task<> {
    auto condition = co_await self.find<Condition>("condition");
    auto held = co_await condition.lock();
    EXPECT_FALSE(co_await held.wait(20ms));
    EXPECT_TRUE((co_await condition.status()).locked);
    co_await held.notifyAll();
    co_await held.unlock();
    EXPECT_FALSE((co_await condition.status()).locked);
  });
}

TEST_F(ConditionTest, LockingWaitsNoLongerThanItIsTold) {
  runApp(&aCondition, [](Self& self) -> Task<> {
    auto condition = co_await whereThreeSleep(self);
    co_await troupe::SupervisorRef("/").start("holder");
    co_await until(self, "it is held", [] { return board().count("it is held") == 1; });
    const Error late = co_await errorOf(condition.within(20ms).lock());
    EXPECT_EQ(late.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(late.what()).find("/condition"), std::string::npos) << late.what();
    EXPECT_FALSE(co_await condition.tryLock());
  });
}

TEST_F(ConditionTest, OnlyItsHolderWaitsAndNotifies) {
  runApp(&aConditionAlone, [](Self& self) -> Task<> {
    auto condition = co_await self.find<Condition>("condition");
    auto held = co_await condition.lock();
    EXPECT_EQ((co_await errorOf(condition.lock())).kind(), ErrorKind::refused);
    co_await held.unlock();
    const Error notHeld = co_await errorOf(held.notify());
    EXPECT_EQ(notHeld.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(notHeld.what()).find("does not hold the mutex"), std::string::npos)
        << notHeld.what();
    EXPECT_EQ((co_await errorOf(held.wait())).kind(), ErrorKind::refused);
    EXPECT_EQ((co_await errorOf(held.unlock())).kind(), ErrorKind::refused);
  });
}

TEST_F(ConditionTest, WhoIsNotifiedAndDiesPassesItOn) {
  runApp(&aCondition, [](Self& self) -> Task<> {
    auto condition = co_await whereThreeSleep(self);
    auto held = co_await condition.lock();
    co_await held.notify();
    for (const char* id : {"a", "b"}) {
      const std::string victim = id;
      co_await killChild(self, victim);
    }
    // Else it would be given to one whose end is not known yet, and the last be told that its holder died.
    co_await becomes(self, condition, "only the last is left", [](const ConditionStatus& status) {
      return status.waiting == 0 && status.locking == 1;
    });
    co_await held.unlock();
    co_await until(self, "the last is notified", [] { return board().count("c notified") == 1; });
  });
}

TEST_F(ConditionTest, TheDeathOfTheHolderWakesAllAndTheFirstIsTold) {
  runApp(&aCondition, [](Self& self) -> Task<> {
    auto condition = co_await whereThreeSleep(self);
    const std::string holder = (co_await troupe::SupervisorRef("/").start("holder")).id;
    co_await until(self, "it is held", [] { return board().count("it is held") == 1; });
    co_await killChild(self, holder);
    co_await until(self, "all go on", [] { return woken() >= 3; });
    const auto notes = board().notes();
    EXPECT_EQ(std::ranges::count_if(
                  notes, [](const std::string& note) { return note.find("abandoned") != std::string::npos; }),
              1);
  });
}

TEST_F(ConditionTest, AWaitThatIsGivenUpHoldsNothing) {
  runApp(&aConditionAlone, [](Self& self) -> Task<> {
    auto condition = co_await self.find<Condition>("condition");
    auto held = co_await condition.lock();
    {
      auto task = held.wait();
      task.resume();
      co_await becomes(self, condition, "it waits",
                       [](const ConditionStatus& status) { return status.waiting == 1; });
    }
    co_await becomes(self, condition, "none waits",
                     [](const ConditionStatus& status) { return status.waiting == 0; });
    auto again = co_await condition.lock();
    co_await again.notifyAll();
    co_await again.unlock();
  });
}

TEST_F(ConditionTest, WhoHoldsAndWhoWaitsOutlivesItsOwnProcess) {
  runApp(&aCondition, [](Self& self) -> Task<> {
    auto condition = co_await whereThreeSleep(self);
    auto held = co_await condition.lock();
    co_await killChild(self, "condition");
    const ConditionStatus status = co_await condition.status();
    EXPECT_TRUE(status.locked);
    EXPECT_EQ(status.waiting, 3U);
    co_await held.notifyAll();
    co_await killChild(self, "condition");
    co_await held.unlock();
    co_await until(self, "all go on", [] { return woken() == 3; });
  });
}

// --- Under kills ---

namespace {

constexpr int kShelf = 3;

struct Shared {
  Progress progress;
  Places<1> inside;
  std::atomic<int> stock;
};
Shared& shared() {
  static auto* const memory = sharedByAll<Shared>();
  return *memory;
}

// Puts something on the shelf, or takes something from it, as soon as it can.
class Hand final : public troupe::Actor<Hand> {
 public:
  Hand(unsigned index, int by) : index_(index), by_(by) {}

  Task<> run() {
    auto condition = co_await find<Condition>("condition");
    for (;;) {
      auto held = co_await condition.lock();
      enter();
      while (shared().stock + by_ < 0 || shared().stock + by_ > kShelf) {
        leave();
        co_await held.wait();
        enter();
      }
      shared().stock += by_;
      co_await held.notifyAll();
      leave();
      ++shared().progress.rounds[index_];
      co_await held.unlock();
    }
  }

 private:
  static void enter() {
    if (!shared().inside.take()) ++shared().progress.wrong;
  }
  static void leave() {
    if (!shared().inside.leave()) ++shared().progress.wrong;
  }

  unsigned index_;
  int by_;
};

}  // namespace

TEST_F(ConditionTest, IsNeverHeldByTwoAndNobodyWaitsForEverWhoeverIsKilled) {
  shared().progress.wrong = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Condition>("condition", {.child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < 4; ++i) app.child<Hand>("h" + std::to_string(i), {}, i, i % 2 == 0 ? 1 : -1);
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"condition", "h0", "h1", "h2", "h3"};
        const auto all = [](const std::string&) { return true; };
        static_cast<void>(co_await killAtRandom(self, victims, kKills, all));
        co_await allGoOn(self, shared().progress, 4);
        EXPECT_EQ(shared().progress.wrong, 0U);
        EXPECT_GE(shared().stock, 0);
        EXPECT_LE(shared().stock, kShelf);
      });
}

}  // namespace tests
