// Event: set or not, and known to all who wait.
#include "tests/support/locks.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Event;
using troupe::EventStatus;

Board& board() { return Board::shared(); }

void anEvent(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Event>("event");
}

Task<> waitFor(Event event) {
  co_await event.wait();
  board().note("goes on");
}

Task<> waitersAre(Self& self, Event event, std::uint64_t waiting) {
  co_await becomes(self, event, std::to_string(waiting) + " wait",
                   [waiting](const EventStatus& status) { return status.waiting == waiting; });
}

}  // namespace

class EventTest : public AppTest {};

TEST_F(EventTest, AllWhoWaitGoOnWhenItIsSetHoweverSoonItIsCleared) {
  runApp(&anEvent, [](Self& self) -> Task<> {
    auto event = co_await self.find<Event>("event");
    EXPECT_FALSE(co_await event.isSet());
    for (int i = 0; i < 3; ++i) self.spawn(waitFor(event));
    co_await waitersAre(self, event, 3);
    EXPECT_EQ(board().count("goes on"), 0U);
    co_await event.set();
    co_await event.clear();
    co_await until(self, "all go on", [] { return board().count("goes on") == 3; });
    EXPECT_FALSE(co_await event.isSet());
    co_await event.set();
    EXPECT_TRUE(co_await event.isSet());
    co_await event.wait();
  });
}

TEST_F(EventTest, WaitsNoLongerThanItIsTold) {
  runApp(&anEvent, [](Self& self) -> Task<> {
    auto event = co_await self.find<Event>("event");
    const Error late = co_await errorOf(event.within(20ms).wait());
    EXPECT_EQ(late.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(late.what()).find("the event /event: it was not set within 20 ms"),
              std::string::npos)
        << late.what();
    EXPECT_EQ((co_await event.status()).waiting, 0U);
  });
}

TEST_F(EventTest, AWaitThatIsGivenUpLeavesNothing) {
  runApp(&anEvent, [](Self& self) -> Task<> {
    auto event = co_await self.find<Event>("event");
    {
      auto task = event.wait();
      task.resume();
      co_await waitersAre(self, event, 1);
    }
    co_await waitersAre(self, event, 0);
  });
}

TEST_F(EventTest, WhatItIsAndWhoWaitsOutlivesItsOwnProcess) {
  runApp(&anEvent, [](Self& self) -> Task<> {
    auto event = co_await self.find<Event>("event");
    self.spawn(waitFor(event));
    co_await waitersAre(self, event, 1);
    co_await killChild(self, "event");
    co_await event.set();
    co_await until(self, "it goes on", [] { return board().count("goes on") == 1; });
    co_await killChild(self, "event");
    EXPECT_TRUE(co_await event.isSet());
  });
}

// --- Under kills ---

namespace {

Progress& progress() {
  static auto* const shared = sharedByAll<Progress>();
  return *shared;
}

class Waiter final : public troupe::Actor<Waiter> {
 public:
  explicit Waiter(unsigned index) : index_(index) {}

  Task<> run() {
    auto event = co_await find<Event>("event");
    for (;;) {
      co_await event.wait();
      ++progress().rounds[index_];
    }
  }

 private:
  unsigned index_;
};

class Setter final : public troupe::Actor<Setter> {
 public:
  Task<> run() {
    auto event = co_await find<Event>("event");
    for (;;) {
      co_await event.set();
      co_await event.clear();
      co_await sleepFor(200us);
    }
  }
};

}  // namespace

TEST_F(EventTest, NobodyWaitsForEverWhoeverIsKilled) {
  progress().wrong = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Event>("event", {.child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < 3; ++i) app.child<Waiter>("w" + std::to_string(i), {}, i);
        app.child<Setter>("setter");
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"event", "setter", "w0", "w1", "w2"};
        const auto all = [](const std::string&) { return true; };
        static_cast<void>(co_await killAtRandom(self, victims, kKills, all));
        co_await allGoOn(self, progress(), 3);
      });
}

}  // namespace tests
