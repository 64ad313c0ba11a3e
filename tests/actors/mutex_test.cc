// Mutex: one holder at a time, who is never a dead one.
#include "tests/support/locks.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Mutex;
using troupe::MutexStatus;

Board& board() { return Board::shared(); }

void aMutex(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Mutex>("mutex");
}

// Locks the mutex when it is told to, and keeps it for ever.
class Holder final : public troupe::Actor<Holder> {
 public:
  Task<> run() {
    auto mutex = co_await find<Mutex>("mutex");
    const auto held = co_await mutex.lock();
    board().note(name() + (held.abandoned() ? " has it, abandoned" : " has it"));
    co_await sleepFor(troupe::kForever);
  }
};

void withHolder(troupe::App& app) {
  aMutex(app);
  app.child<Holder>("holder", {.restart = troupe::Restart::temporary});
}

// Leaves by an exception while it holds the mutex, when somebody waits for it.
class Thrower final : public troupe::Actor<Thrower> {
 public:
  Task<> run() {
    auto mutex = co_await find<Mutex>("mutex");
    const auto held = co_await mutex.lock();
    board().note("holds");
    for (bool waits = false; !waits;) {
      const MutexStatus status = co_await mutex.status();
      waits = status.waiting == 1;
    }
    throw std::runtime_error("the pen broke");
  }
};

// Has it as long as it lives.
class Keeper final : public troupe::Actor<Keeper> {
 public:
  Task<> run() {
    auto mutex = co_await find<Mutex>("mutex");
    held_ = co_await mutex.lock();
    board().note("keeps it");
    co_await sleepFor(troupe::kForever);
  }

 private:
  std::optional<Mutex::Held> held_;
};

bool oneWaits(const MutexStatus& status) { return status.waiting == 1; }

}  // namespace

class MutexTest : public AppTest {};

TEST_F(MutexTest, OneHoldsItAtATimeInTheOrderInWhichTheyCame) {
  runApp(
      [](troupe::App& app) {
        aMutex(app);
        app.child<Holder>("a", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto mutex = co_await self.find<Mutex>("mutex");
        co_await until(self, "a has it", [] { return board().count("a has it") == 1; });
        const auto tried = co_await mutex.tryLock();
        EXPECT_FALSE(tried);
        EXPECT_TRUE((co_await mutex.status()).locked);
        co_await killChild(self, "a");
        auto held = co_await mutex.lock();
        EXPECT_TRUE(held);
        co_await held.unlock();
        EXPECT_FALSE((co_await mutex.status()).locked);
      });
}

namespace {

void oneOfEach(troupe::App& app) {
  app.add<Mutex>("mutex");
  app.add<troupe::Semaphore>("semaphore");
  app.add<troupe::Condition>("condition");
  app.add<troupe::Event>("event");
  app.add<troupe::Barrier>("barrier", {.parties = 1});
}

// What `begin` makes of a lock that has gone when it is awaited.
template <class Lock, class Begin>
auto begunBy(Lock lock, Begin begin) {
  const auto there = std::make_unique<Lock>(std::move(lock));
  return begin(*there);
}

}  // namespace

TEST_F(MutexTest, ATaskIsGoodWhereTheLockItWasAskedOfHasGone) {
  runApp(&oneOfEach, [](Self& self) -> Task<> {
    const auto mutex = co_await self.find<Mutex>("mutex");
    auto locking = begunBy(mutex, [](const Mutex& lock) { return lock.within(5min).lock(); });
    auto trying = begunBy(mutex, [](const Mutex& lock) { return lock.tryLock(); });
    auto asking = begunBy(mutex, [](const Mutex& lock) { return lock.status(); });
    auto held = co_await std::move(locking);
    EXPECT_TRUE((co_await std::move(asking)).locked);
    co_await held.unlock();
    EXPECT_TRUE(co_await std::move(trying));

    const auto semaphore = co_await self.find<troupe::Semaphore>("semaphore");
    auto acquiring = begunBy(semaphore, [](const troupe::Semaphore& lock) { return lock.acquire(); });
    auto counting = begunBy(semaphore, [](const troupe::Semaphore& lock) { return lock.status(); });
    const auto permit = co_await std::move(acquiring);
    EXPECT_TRUE(permit);
    EXPECT_EQ((co_await std::move(counting)).waiting, 0U);

    const auto condition = co_await self.find<troupe::Condition>("condition");
    auto entering = begunBy(condition, [](const troupe::Condition& lock) { return lock.lock(); });
    auto looking = begunBy(condition, [](const troupe::Condition& lock) { return lock.status(); });
    const auto inside = co_await std::move(entering);
    EXPECT_TRUE((co_await std::move(looking)).locked);

    const auto event = co_await self.find<troupe::Event>("event");
    auto setting = begunBy(event, [](const troupe::Event& lock) { return lock.set(); });
    auto waiting = begunBy(event, [](const troupe::Event& lock) { return lock.wait(); });
    auto telling = begunBy(event, [](const troupe::Event& lock) { return lock.isSet(); });
    co_await std::move(setting);
    co_await std::move(waiting);
    EXPECT_TRUE(co_await std::move(telling));

    const auto barrier = co_await self.find<troupe::Barrier>("barrier");
    auto passing = begunBy(barrier, [](const troupe::Barrier& lock) { return lock.wait(); });
    auto leaving = begunBy(barrier, [](const troupe::Barrier& lock) { return lock.leave(); });
    EXPECT_EQ(co_await std::move(passing), 0U);
    co_await std::move(leaving);
  });
}

TEST_F(MutexTest, TheDeathOfItsHolderReleasesItAndTheNextIsTold) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto mutex = co_await self.find<Mutex>("mutex");
    co_await until(self, "it is held", [] { return board().count("holder has it") == 1; });
    self.spawn([](Mutex of) -> Task<> {
      auto held = co_await of.lock();
      board().note(held.abandoned() ? "got it, abandoned" : "got it");
      co_await held.unlock();
      board().note("gave it back");
    }(mutex));
    co_await becomes(self, mutex, "one waits", &oneWaits);
    co_await killChild(self, "holder");
    co_await until(self, "it is told", [] { return board().count("gave it back") == 1; });
    EXPECT_EQ(board().count("got it, abandoned"), 1U);
    const auto held = co_await mutex.lock();
    EXPECT_FALSE(held.abandoned()) << "only the next";
  });
}

TEST_F(MutexTest, AHolderThatIsLeftByAnExceptionLeavesItAbandoned) {
  runApp(
      [](troupe::App& app) {
        aMutex(app);
        app.child<Thrower>("thrower");
      },
      [](Self& self) -> Task<> {
        auto mutex = co_await self.find<Mutex>("mutex");
        co_await until(self, "it is held", [] { return board().count("holds") == 1; });
        const auto held = co_await mutex.lock();
        EXPECT_TRUE(held.abandoned());
      });
}

TEST_F(MutexTest, AHolderThatIsStoppedInOrderHasGivenItBack) {
  runApp(
      [](troupe::App& app) {
        aMutex(app);
        app.child<Keeper>("keeper");
      },
      [](Self& self) -> Task<> {
        auto mutex = co_await self.find<Mutex>("mutex");
        co_await until(self, "it is held", [] { return board().count("keeps it") == 1; });
        co_await troupe::SupervisorRef("/").stop("keeper");
        const auto held = co_await mutex.lock();
        EXPECT_FALSE(held.abandoned());
      });
}

TEST_F(MutexTest, WaitsNoLongerThanItIsToldAndThenNothingHasHappened) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto mutex = co_await self.find<Mutex>("mutex");
    co_await until(self, "it is held", [] { return board().count("holder has it") == 1; });
    const Error late = co_await errorOf(mutex.within(20ms).lock());
    EXPECT_EQ(late.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(late.what()).find("/mutex"), std::string::npos) << late.what();
    EXPECT_NE(std::string(late.what()).find("20 ms"), std::string::npos) << late.what();
    co_await killChild(self, "holder");
    co_await becomes(self, mutex, "it is free", [](const MutexStatus& status) { return !status.locked; });
    EXPECT_TRUE((co_await mutex.status()).abandoned) << "who gave up has not got it";
  });
}

TEST_F(MutexTest, LockingTwiceIsAnErrorUnlessItIsRecursive) {
  runApp(
      [](troupe::App& app) {
        aMutex(app);
        app.add<Mutex>("recursive", {.recursive = true});
      },
      [](Self& self) -> Task<> {
        auto mutex = co_await self.find<Mutex>("mutex");
        auto held = co_await mutex.lock();
        const Error twice = co_await errorOf(mutex.lock());
        EXPECT_EQ(twice.kind(), ErrorKind::refused);
        EXPECT_NE(std::string(twice.what()).find("locked it already"), std::string::npos) << twice.what();
        EXPECT_EQ((co_await errorOf(mutex.tryLock())).kind(), ErrorKind::refused);
        auto recursive = co_await self.find<Mutex>("recursive");
        auto outer = co_await recursive.lock();
        auto inner = co_await recursive.lock();
        co_await outer.unlock();
        EXPECT_TRUE((co_await recursive.status()).locked);
        co_await inner.unlock();
        EXPECT_FALSE((co_await recursive.status()).locked);
      });
}

TEST_F(MutexTest, UnlockingTwiceOrWhatAnotherHoldsIsAnError) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto mutex = co_await self.find<Mutex>("mutex");
    co_await until(self, "it is held", [] { return board().count("holder has it") == 1; });
    const Error foreign = co_await errorOf(mutex.unlock());
    EXPECT_EQ(foreign.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(foreign.what()).find("but another"), std::string::npos) << foreign.what();
    co_await killChild(self, "holder");
    auto held = co_await mutex.lock();
    co_await held.unlock();
    EXPECT_FALSE(held);
    const Error twice = co_await errorOf(held.unlock());
    EXPECT_EQ(twice.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(twice.what()).find("/mutex"), std::string::npos) << twice.what();
    EXPECT_NE(std::string(twice.what()).find("nobody holds it"), std::string::npos) << twice.what();
    auto none = co_await mutex.tryLock();
    auto moved = std::move(none);
    EXPECT_EQ((co_await errorOf(none.unlock())).kind(), ErrorKind::invalid);
  });
}

TEST_F(MutexTest, IsUnlockedWhenTheLeaseIsDestroyedUnlessItIsKept) {
  runApp(&aMutex, [](Self& self) -> Task<> {
    auto mutex = co_await self.find<Mutex>("mutex");
    { const auto held = co_await mutex.lock(); }
    auto again = co_await mutex.lock();
    EXPECT_FALSE(again.abandoned());
    again.keep();
    EXPECT_FALSE(again);
    { const auto gone = std::move(again); }
    EXPECT_TRUE((co_await mutex.status()).locked);
    co_await mutex.unlock();
    EXPECT_FALSE((co_await mutex.status()).locked);
  });
}

TEST_F(MutexTest, ALockThatIsGivenUpTakesNothing) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto mutex = co_await self.find<Mutex>("mutex");
    co_await until(self, "it is held", [] { return board().count("holder has it") == 1; });
    {
      auto task = mutex.lock();
      task.resume();
      co_await becomes(self, mutex, "one waits", &oneWaits);
    }
    co_await becomes(self, mutex, "none waits",
                     [](const MutexStatus& status) { return status.waiting == 0; });
    co_await killChild(self, "holder");
    const auto held = co_await mutex.lock();
    EXPECT_TRUE(held.abandoned());
  });
}

TEST_F(MutexTest, WhoHoldsAndWhoWaitsOutlivesItsOwnProcess) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto mutex = co_await self.find<Mutex>("mutex");
    co_await until(self, "it is held", [] { return board().count("holder has it") == 1; });
    self.spawn([](Mutex of) -> Task<> {
      const auto held = co_await of.lock();
      board().note(held.abandoned() ? "got it, abandoned" : "got it");
    }(mutex));
    co_await becomes(self, mutex, "one waits", &oneWaits);
    co_await killChild(self, "mutex");
    const MutexStatus status = co_await mutex.status();
    EXPECT_TRUE(status.locked);
    EXPECT_EQ(status.waiting, 1U);
    co_await killChild(self, "mutex");
    co_await killChild(self, "holder");
    co_await until(self, "it is got", [] { return board().count("got it, abandoned") == 1; });
  });
}

// --- Under kills ---

namespace {

struct Shared {
  Progress progress;
  Places<1> inside;
};
Shared& shared() {
  static auto* const memory = sharedByAll<Shared>();
  return *memory;
}

class Locker final : public troupe::Actor<Locker> {
 public:
  explicit Locker(unsigned index) : index_(index) {}

  Task<> run() {
    auto mutex = co_await find<Mutex>("mutex");
    auto& progress = shared().progress;
    for (;;) {
      auto held = co_await mutex.lock();
      if (!shared().inside.take()) ++progress.wrong;
      if (index_ % 2 == 0) co_await sleepFor(100us);
      if (!shared().inside.leave()) ++progress.wrong;
      ++progress.rounds[index_];
      if (index_ % 3 != 0) co_await held.unlock();
    }
  }

 private:
  unsigned index_;
};

}  // namespace

TEST_F(MutexTest, IsNeverHeldByTwoAndNobodyWaitsForEverWhoeverIsKilled) {
  shared().progress.wrong = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Mutex>("mutex", {.child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < 4; ++i) app.child<Locker>("l" + std::to_string(i), {}, i);
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"mutex", "l0", "l1", "l2", "l3"};
        const auto all = [](const std::string&) { return true; };
        static_cast<void>(co_await killAtRandom(self, victims, kKills, all));
        co_await allGoOn(self, shared().progress, 4);
        EXPECT_EQ(shared().progress.wrong, 0U);
      });
}

}  // namespace tests
