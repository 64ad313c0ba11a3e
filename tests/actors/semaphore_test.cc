// Semaphore: never more permits out than there are, and none lost with the dead.
#include "tests/support/locks.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Semaphore;
using troupe::SemaphoreStatus;

Board& board() { return Board::shared(); }

void aSemaphore(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Semaphore>("semaphore", {.permits = 3});
}

// Acquires two permits, and keeps them for ever.
class Holder final : public troupe::Actor<Holder> {
 public:
  Task<> run() {
    auto semaphore = co_await find<Semaphore>("semaphore");
    const auto permits = co_await semaphore.acquire(2);
    board().note("has two");
    co_await sleepFor(troupe::kForever);
  }
};

void withHolder(troupe::App& app) {
  aSemaphore(app);
  app.child<Holder>("holder", {.restart = troupe::Restart::temporary});
}

Task<> acquire(Semaphore from, std::uint64_t count) {
  const auto permits = co_await from.acquire(count);
  board().note("acquired " + std::to_string(count));
}

Task<> permitsAre(Self& self, Semaphore semaphore, std::uint64_t permits) {
  co_await becomes(self, semaphore, std::to_string(permits) + " permits are out",
                   [permits](const SemaphoreStatus& status) { return status.permits == permits; });
}

bool oneWaits(const SemaphoreStatus& status) { return status.waiting == 1; }

}  // namespace

class SemaphoreTest : public AppTest {};

TEST_F(SemaphoreTest, HandsOutSoManyPermitsAndNoMore) {
  runApp(&aSemaphore, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    auto two = co_await semaphore.acquire(2);
    auto one = co_await semaphore.tryAcquire();
    EXPECT_TRUE(one);
    EXPECT_FALSE(co_await semaphore.tryAcquire());
    self.spawn(acquire(semaphore, 2));
    co_await becomes(self, semaphore, "one waits", &oneWaits);
    co_await one.release();
    EXPECT_FALSE(co_await semaphore.tryAcquire()) << "others came first";
    EXPECT_EQ(board().count("acquired 2"), 0U);
    co_await two.release();
    co_await until(self, "they are acquired", [] { return board().count("acquired 2") == 1; });
    co_await permitsAre(self, semaphore, 0);
  });
}

TEST_F(SemaphoreTest, PermitsOfADeadHolderComeBack) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    co_await until(self, "two are out", [] { return board().count("has two") == 1; });
    self.spawn(acquire(semaphore, 3));
    co_await becomes(self, semaphore, "one waits", &oneWaits);
    co_await killChild(self, "holder");
    co_await until(self, "they are acquired", [] { return board().count("acquired 3") == 1; });
  });
}

TEST_F(SemaphoreTest, ReleasingTooOftenOrWhatAnotherHasIsAnError) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    co_await until(self, "two are out", [] { return board().count("has two") == 1; });
    const Error foreign = co_await errorOf(semaphore.release());
    EXPECT_EQ(foreign.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(foreign.what()).find("but another"), std::string::npos) << foreign.what();
    auto permit = co_await semaphore.acquire();
    const Error more = co_await errorOf(semaphore.release(2));
    EXPECT_NE(std::string(more.what()).find("giving back 2 permits: the caller's process has 1"),
              std::string::npos)
        << more.what();
    co_await permit.release();
    EXPECT_EQ((co_await errorOf(permit.release())).kind(), ErrorKind::refused);
    EXPECT_EQ((co_await semaphore.status()).permits, 2U);
  });
}

TEST_F(SemaphoreTest, MoreThanThereAreIsAnError) {
  runApp(&aSemaphore, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    const Error many = co_await errorOf(semaphore.acquire(4));
    EXPECT_EQ(many.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(many.what()).find("4 permits can't be had: there are 3"), std::string::npos)
        << many.what();
    EXPECT_EQ((co_await errorOf(semaphore.acquire(0))).kind(), ErrorKind::refused);
  });
}

TEST_F(SemaphoreTest, WaitsNoLongerThanItIsToldAndThenNothingHasHappened) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    co_await until(self, "two are out", [] { return board().count("has two") == 1; });
    const Error late = co_await errorOf(semaphore.within(20ms).acquire(2));
    EXPECT_EQ(late.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(late.what()).find("acquiring 2 permits of /semaphore"), std::string::npos)
        << late.what();
    EXPECT_TRUE(co_await semaphore.tryAcquire()) << "nobody is before it any more";
  });
}

TEST_F(SemaphoreTest, PermitsAreReleasedWhenTheyAreDestroyedUnlessTheyAreKept) {
  runApp(&aSemaphore, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    { const auto permits = co_await semaphore.acquire(2); }
    co_await permitsAre(self, semaphore, 0);
    {
      auto permits = co_await semaphore.acquire(2);
      permits.keep();
    }
    co_await semaphore.release();
    co_await permitsAre(self, semaphore, 1);
    co_await semaphore.release();
    co_await permitsAre(self, semaphore, 0);
  });
}

TEST_F(SemaphoreTest, WhoHasPermitsAndWhoWaitsOutlivesItsOwnProcess) {
  runApp(&withHolder, [](Self& self) -> Task<> {
    auto semaphore = co_await self.find<Semaphore>("semaphore");
    co_await until(self, "two are out", [] { return board().count("has two") == 1; });
    self.spawn(acquire(semaphore, 2));
    co_await becomes(self, semaphore, "one waits", &oneWaits);
    co_await killChild(self, "semaphore");
    EXPECT_EQ((co_await semaphore.status()).permits, 2U);
    co_await killChild(self, "holder");
    co_await until(self, "they are acquired", [] { return board().count("acquired 2") == 1; });
  });
}

TEST_F(SemaphoreTest, ASpecThatMakesNoSenseIsRefused) {
  const Ended ended = runToEnd([](troupe::App& app) { app.add<Semaphore>("semaphore", {.permits = 0}); },
                               [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("the semaphore \"semaphore\": 0 permits"), std::string::npos) << ended.err;
}

// --- Under kills ---

namespace {

struct Shared {
  Progress progress;
  Places<3> inside;
};
Shared& shared() {
  static auto* const memory = sharedByAll<Shared>();
  return *memory;
}

// Needs one or two permits at a time.
class Worker final : public troupe::Actor<Worker> {
 public:
  explicit Worker(unsigned index) : index_(index) {}

  Task<> run() {
    auto semaphore = co_await find<Semaphore>("semaphore");
    auto& progress = shared().progress;
    const unsigned count = 1 + index_ % 2;
    for (;;) {
      auto permits = co_await semaphore.acquire(count);
      for (unsigned i = 0; i < count; ++i) {
        if (!shared().inside.take()) ++progress.wrong;
      }
      co_await sleepFor(100us);
      for (unsigned i = 0; i < count; ++i) {
        if (!shared().inside.leave()) ++progress.wrong;
      }
      ++progress.rounds[index_];
      if (index_ % 3 != 0) co_await permits.release();
    }
  }

 private:
  unsigned index_;
};

}  // namespace

TEST_F(SemaphoreTest, PermitsAreConservedAndNobodyWaitsForEverWhoeverIsKilled) {
  shared().progress.wrong = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Semaphore>("semaphore", {.permits = 3, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < 5; ++i) app.child<Worker>("w" + std::to_string(i), {}, i);
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"semaphore", "w0", "w1", "w2", "w3", "w4"};
        const auto all = [](const std::string&) { return true; };
        static_cast<void>(co_await killAtRandom(self, victims, kKills, all));
        co_await allGoOn(self, shared().progress, 5);
        EXPECT_EQ(shared().progress.wrong, 0U);
        for (const char* worker : {"w0", "w1", "w2", "w3", "w4"}) {
          const std::string id = worker;
          co_await troupe::SupervisorRef("/").stop(id);
        }
        auto semaphore = co_await self.find<Semaphore>("semaphore");
        co_await permitsAre(self, semaphore, 0);
        const auto permits = co_await semaphore.acquire(3);
        EXPECT_TRUE(permits) << "all are there";
      });
}

}  // namespace tests
