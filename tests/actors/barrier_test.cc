// Barrier: all pass or none, again and again; a dead party breaks it at once.
#include "tests/support/locks.h"

namespace tests {

namespace {

using troupe::Barrier;
using troupe::BarrierStatus;
using troupe::Error;
using troupe::ErrorKind;

Board& board() { return Board::shared(); }

void aBarrier(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Barrier>("barrier", {.parties = 3});
}

Task<> come(Barrier barrier) {
  try {
    board().note("passes as " + std::to_string(co_await barrier.wait()));
  } catch (const Error& error) {
    board().note(std::string(error.what()).find("SIGKILL") != std::string::npos ? "told of a kill" : "told");
  }
}

Task<> waitersAre(Self& self, Barrier barrier, std::uint64_t waiting) {
  co_await becomes(self, barrier, std::to_string(waiting) + " wait",
                   [waiting](const BarrierStatus& status) { return status.waiting == waiting; });
}

// Takes part, and never comes.
class Idler final : public troupe::Actor<Idler> {
 public:
  Task<> run() {
    auto barrier = co_await find<Barrier>("barrier");
    co_await barrier.enter();
    board().note("entered");
    co_await sleepFor(troupe::kForever);
  }
};

// Comes and waits.
class Comer final : public troupe::Actor<Comer> {
 public:
  Task<> run() {
    auto barrier = co_await find<Barrier>("barrier");
    co_await come(barrier);
    co_await sleepFor(troupe::kForever);
  }
};

}  // namespace

class BarrierTest : public AppTest {};

TEST_F(BarrierTest, AllPassWhenAllHaveCome) {
  runApp(&aBarrier, [](Self& self) -> Task<> {
    auto barrier = co_await self.find<Barrier>("barrier");
    for (int i = 0; i < 2; ++i) self.spawn(come(barrier));
    co_await waitersAre(self, barrier, 2);
    EXPECT_EQ(board().notes().size(), 0U);
    EXPECT_EQ(co_await barrier.wait(), 2U);
    co_await until(self, "the others pass",
                   [] { return board().count("passes as 0") == 1 && board().count("passes as 1") == 1; });
  });
}

TEST_F(BarrierTest, APartyThatDiesBeforeItComesBreaksItAtOnce) {
  runApp(
      [](troupe::App& app) {
        aBarrier(app);
        app.child<Idler>("idler", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto barrier = co_await self.find<Barrier>("barrier");
        co_await until(self, "it has entered", [] { return board().count("entered") == 1; });
        for (int i = 0; i < 2; ++i) self.spawn(come(barrier));
        co_await waitersAre(self, barrier, 2);
        co_await killChild(self, "idler");
        co_await until(self, "both are told", [] { return board().count("told of a kill") == 2; });
        const Error broken = co_await errorOf(barrier.wait());
        EXPECT_EQ(broken.kind(), ErrorKind::refused);
        EXPECT_NE(
            std::string(broken.what()).find("/barrier: it is broken: a party has ended: killed by SIGKILL"),
            std::string::npos)
            << broken.what();
        co_await barrier.reset();
        for (int i = 0; i < 3; ++i) self.spawn(come(barrier));
        co_await until(self, "all pass", [] { return board().notesAfter("passes as ").size() == 3; });
      });
}

TEST_F(BarrierTest, APartyThatDiesWhileItWaitsBreaksItAtOnce) {
  runApp(
      [](troupe::App& app) {
        aBarrier(app);
        app.child<Comer>("comer", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto barrier = co_await self.find<Barrier>("barrier");
        self.spawn(come(barrier));
        co_await waitersAre(self, barrier, 2);
        co_await killChild(self, "comer");
        co_await until(self, "the other is told", [] { return board().count("told of a kill") == 1; });
        EXPECT_TRUE((co_await barrier.status()).broken);
      });
}

TEST_F(BarrierTest, OneThatEndsInOrderOrLeavesBreaksNothing) {
  runApp(
      [](troupe::App& app) {
        aBarrier(app);
        app.child<Idler>("idler", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto barrier = co_await self.find<Barrier>("barrier");
        co_await until(self, "it has entered", [] { return board().count("entered") == 1; });
        co_await barrier.enter();
        EXPECT_EQ((co_await barrier.status()).parties, 2U);
        co_await barrier.leave();
        EXPECT_EQ((co_await errorOf(barrier.leave())).kind(), ErrorKind::refused);
        co_await troupe::SupervisorRef("/").stop("idler");
        co_await becomes(self, barrier, "no party is left",
                         [](const BarrierStatus& status) { return status.parties == 0; });
        EXPECT_FALSE((co_await barrier.status()).broken);
      });
}

TEST_F(BarrierTest, AbortTellsAllWhoWaitAndWhoCome) {
  runApp(&aBarrier, [](Self& self) -> Task<> {
    auto barrier = co_await self.find<Barrier>("barrier");
    self.spawn(come(barrier));
    co_await waitersAre(self, barrier, 1);
    co_await barrier.abort();
    co_await until(self, "it is told", [] { return board().count("told") == 1; });
    const Error aborted = co_await errorOf(barrier.wait());
    EXPECT_NE(std::string(aborted.what()).find("it was aborted"), std::string::npos) << aborted.what();
  });
}

TEST_F(BarrierTest, ResetTellsAllWhoWaitAndBeginsAnew) {
  runApp(&aBarrier, [](Self& self) -> Task<> {
    auto barrier = co_await self.find<Barrier>("barrier");
    self.spawn(come(barrier));
    co_await waitersAre(self, barrier, 1);
    co_await barrier.reset();
    co_await until(self, "it is told", [] { return board().count("told") == 1; });
    EXPECT_FALSE((co_await barrier.status()).broken);
    for (int i = 0; i < 3; ++i) self.spawn(come(barrier));
    co_await until(self, "all pass", [] { return board().notesAfter("passes as ").size() == 3; });
  });
}

TEST_F(BarrierTest, WhoWaitsInVainHasNotCome) {
  runApp(&aBarrier, [](Self& self) -> Task<> {
    auto barrier = co_await self.find<Barrier>("barrier");
    self.spawn(come(barrier));
    co_await waitersAre(self, barrier, 1);
    const Error late = co_await errorOf(barrier.within(20ms).wait());
    EXPECT_EQ(late.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(late.what()).find("not all have come within 20 ms"), std::string::npos)
        << late.what();
    EXPECT_EQ((co_await barrier.status()).waiting, 1U);
    for (int i = 0; i < 2; ++i) self.spawn(come(barrier));
    co_await until(self, "all pass", [] { return board().notesAfter("passes as ").size() == 3; });
  });
}

TEST_F(BarrierTest, WhoWaitsAndWhoIsAPartyOutlivesItsOwnProcess) {
  runApp(
      [](troupe::App& app) {
        aBarrier(app);
        app.child<Comer>("comer", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto barrier = co_await self.find<Barrier>("barrier");
        co_await waitersAre(self, barrier, 1);
        co_await killChild(self, "barrier");
        for (int i = 0; i < 2; ++i) self.spawn(come(barrier));
        co_await until(self, "all pass", [] { return board().notesAfter("passes as ").size() == 3; });
        co_await killChild(self, "barrier");
        co_await killChild(self, "comer");
        co_await becomes(self, barrier, "it is broken",
                         [](const BarrierStatus& status) { return status.broken; });
      });
}

TEST_F(BarrierTest, ASpecThatMakesNoSenseIsRefused) {
  const Ended ended = runToEnd([](troupe::App& app) { app.add<Barrier>("barrier", {.parties = 0}); },
                               [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("the barrier \"barrier\": 0 parties"), std::string::npos) << ended.err;
}

// --- Again and again, and under kills ---

namespace {

constexpr unsigned kParties = 3;

struct Shared {
  Progress progress;
  std::array<std::atomic<unsigned>, kParties> come;
  std::array<std::atomic<unsigned>, kParties> passed;  // by places
};
Shared& shared() {
  static auto* const memory = sharedByAll<Shared>();
  return *memory;
}

// Does 1000 rounds, each of which all must have come to.
class Runner final : public troupe::Actor<Runner> {
 public:
  explicit Runner(unsigned index) : index_(index) {}

  Task<> run() {
    auto barrier = co_await find<Barrier>("barrier");
    for (unsigned round = 1; round <= 1000; ++round) {
      ++shared().come[index_];
      co_await barrier.wait();
      for (const auto& come : shared().come) {
        if (come < round || come > round + 1) ++shared().progress.wrong;
      }
      ++shared().progress.rounds[index_];
    }
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
};

// Comes again and again. Where the barrier is broken, it waits for main to mend it.
class Party final : public troupe::Actor<Party> {
 public:
  explicit Party(unsigned index) : index_(index) {}

  Task<> run() {
    auto barrier = co_await find<Barrier>("barrier");
    for (;;) {
      try {
        ++shared().passed.at(co_await barrier.wait());
        ++shared().progress.rounds[index_];
        continue;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::refused) throw;
      }
      co_await sleepFor(1ms);
    }
  }

 private:
  unsigned index_;
};

Task<> mend(Self& self, Barrier barrier) {
  for (;;) {
    const BarrierStatus status = co_await barrier.status();
    if (status.broken) co_await barrier.reset();
    co_await self.sleepFor(1ms);
  }
}

}  // namespace

TEST_F(BarrierTest, IsPassedAThousandTimesByAllAtOnceThoughItIsKilled) {
  shared().progress.wrong = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Barrier>("barrier", {.parties = kParties, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < kParties; ++i) app.child<Runner>("r" + std::to_string(i), {}, i);
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"barrier"};
        const auto all = [](const std::string&) { return true; };
        static_cast<void>(co_await killAtRandom(self, victims, 100, all));
        co_await until(self, "all are through", [] {
          return std::ranges::all_of(std::span(shared().progress.rounds).first(kParties),
                                     [](const auto& rounds) { return rounds == 1000; });
        });
        EXPECT_EQ(shared().progress.wrong, 0U);
      });
}

TEST_F(BarrierTest, IsNeverHalfPassedAndNobodyWaitsForEverWhoeverIsKilled) {
  shared().progress.wrong = 0;
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Barrier>("barrier", {.parties = kParties, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < kParties; ++i) app.child<Party>("p" + std::to_string(i), {}, i);
      },
      [](Self& self) -> Task<> {
        auto barrier = co_await self.find<Barrier>("barrier");
        self.spawn(mend(self, barrier.within(5min)));
        const std::vector<std::string> victims{"barrier", "p0", "p1", "p2"};
        const auto isParty = [](const std::string& id) { return id != "barrier"; };
        const unsigned killed = co_await killAtRandom(self, victims, kKills, isParty);
        co_await allGoOn(self, shared().progress, kParties);
        for (const char* party : {"p0", "p1", "p2"}) {
          const std::string id = party;
          co_await troupe::SupervisorRef("/").stop(id);
        }
        // Each round has been passed in each place: noted, but for one at each death between the answer and the note.
        const auto [least, most] = std::ranges::minmax(
            {shared().passed[0].load(), shared().passed[1].load(), shared().passed[2].load()});
        EXPECT_GT(least, 10U);
        EXPECT_LE(most - least, killed + kParties);
      });
}

}  // namespace tests
