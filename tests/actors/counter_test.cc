// Counter: what it does, and what becomes of it when somebody dies.
#include <troupe/counter.h>

#include <atomic>
#include <csignal>
#include <limits>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Counter;
using troupe::Error;
using troupe::ErrorKind;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }

void describeApp(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Counter>("counter", {.initial = 40});
}

}  // namespace

class CounterTest : public AppTest {};

TEST_F(CounterTest, AddsSetsAndExchanges) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto counter = co_await self.find<Counter>("counter");
    EXPECT_EQ(co_await counter.get(), 40);
    EXPECT_EQ(co_await counter.add(2), 42);
    EXPECT_EQ(co_await counter.add(-50), -8);
    co_await counter.set(7);
    const auto done = co_await counter.compareExchange(7, 8);
    EXPECT_TRUE(done);
    EXPECT_EQ(done.value, 8);
    const auto late = co_await counter.compareExchange(7, 9);
    EXPECT_FALSE(late);
    EXPECT_EQ(late.value, 8) << "what to try with next";
    EXPECT_EQ(co_await counter.within(5min).get(), 8);
  });
}

TEST_F(CounterTest, ASumThatIsNoNumberIsRefusedAndChangesNothing) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto counter = co_await self.find<Counter>("counter");
    co_await counter.set(std::numeric_limits<std::int64_t>::max() - 1);
    const Error error = co_await errorOf(counter.add(2));
    EXPECT_EQ(error.kind(), ErrorKind::refused);
    EXPECT_NE(error.message().find("/counter"), std::string::npos) << error.what();
    EXPECT_NE(error.message().find("adding 2 to 9223372036854775806"), std::string::npos) << error.what();
    EXPECT_EQ(co_await counter.get(), std::numeric_limits<std::int64_t>::max() - 1);
  });
}

TEST_F(CounterTest, OutlivesItsOwnProcess) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto counter = co_await self.find<Counter>("counter");
    EXPECT_EQ(co_await counter.add(1), 41);
    const auto pids = co_await pidsOf(SupervisorRef("/"));
    kill(pids.at("counter"), SIGKILL);
    EXPECT_EQ(co_await counter.within(troupe::kForever).add(1), 42);
  });
}

// --- Under kills ---

namespace {

constexpr unsigned kKills = 1000;
constexpr unsigned kWriters = 4;

// Of all processes.
struct Ledger {
  std::atomic<bool> enough;
  std::atomic<std::int64_t> begun;
  std::atomic<std::int64_t> acknowledged;
  std::atomic<std::int64_t> last[kWriters];
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

class Writer final : public troupe::Actor<Writer> {
 public:
  explicit Writer(unsigned index) : index_(index) {}

  Task<> run() {
    const auto counter = (co_await find<Counter>("counter")).within(troupe::kForever);
    while (!ledger().enough) {
      ++ledger().begun;
      const std::int64_t after = co_await counter.add(1);
      ++ledger().acknowledged;
      EXPECT_GT(after, ledger().last[index_]) << "it has forgotten something";
      ledger().last[index_] = after;
    }
    board().note("ended " + name());
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
};

}  // namespace

// Writers and the counter itself are killed at random. Each add that was acknowledged counts once, each that was in hand at its
// writer's death at most once.
TEST_F(CounterTest, IsExactWhoeverIsKilled) {
  ledger().enough = false;  // the ledger must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Counter>("counter", {.child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < kWriters; ++i) app.child<Writer>("w" + std::to_string(i), {}, i);
      },
      [](Self& self) -> Task<> {
        const auto counter = (co_await self.find<Counter>("counter")).within(troupe::kForever);
        const std::vector<std::string> victims{"counter", "w0", "w1", "w2", "w3"};
        const auto isWriter = [](const std::string& id) { return id != "counter"; };
        const unsigned killsOfWriters = co_await killAtRandom(self, victims, kKills, isWriter);
        ledger().enough = true;
        for (const char* id : {"ended w0", "ended w1", "ended w2", "ended w3"}) {
          const std::string ended = id;
          const std::function<bool()> has = [ended] { return board().count(ended) > 0; };
          co_await until(self, ended, has);
        }
        const std::int64_t sum = co_await counter.get();
        EXPECT_GE(sum, ledger().acknowledged);
        EXPECT_LE(sum, ledger().begun);
        EXPECT_LE(sum - ledger().acknowledged, killsOfWriters);
        EXPECT_GT(sum, 0U) << "there was no load";
      });
}

}  // namespace tests
