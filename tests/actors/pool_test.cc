// A pool at work: map(), limits, recycling, and what becomes of a task whose worker dies.
#include <algorithm>
#include <csignal>
#include <set>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/quiet_puppet.h"
#include "tests/support/sanitized.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::OnCrash;
using troupe::PoolSpec;
using troupe::Ref;
using namespace troupe::literals;

Board& board() { return Board::shared(); }

// Echoes; but "segv", "kill", "throw" end it so, "deny" is refused, "loop" never ends, "wait" neither, and "bomb" takes all memory.
class Worker final : public QuietPuppet<Worker> {
 public:
  Task<> echo(EchoParams in, EchoResults out) {
    const std::string text = in.getText().cStr();
    if (text == "segv" || text == "kill" || text == "throw") endAs(text);
    if (text == "deny") co_return out.refuse("not this one");
    for (volatile std::uint64_t turns = 0; text == "loop";) turns = turns + 1;
    if (text == "wait") co_await sleepFor(troupe::kForever);
    if (text == "bomb") takeAll();
    if (text == "slow") co_await sleepFor(50ms);
    out.setText(text + " done");
  }
  void who(WhoParams, WhoResults out) {
    out.setPid(self().pid());
    out.setGeneration(self().generation());
    out.setPath(path());
  }

 private:
  static void takeAll() {
    std::vector<std::vector<char>> all;
    for (;;) all.emplace_back(std::size_t{1} << 20, 'x');
  }
};

AppRun::Describe workers(PoolSpec spec) {
  return [spec](troupe::App& app) { app.pool<Worker>("workers", spec); };
}

using Echo = std::function<troupe::Call<Puppet::EchoResults>(const std::string&)>;
Echo echoOf(Ref<Puppet> workers) {
  return [workers = workers.within(5min)](const std::string& text) { return workers.echo(text); };
}

std::vector<std::string> numbers(int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) texts.push_back(std::to_string(i));
  return texts;
}

// How the call of each input has ended: "<input>: <text>" or "<input>: <kind of the reason or error>".
Task<std::vector<std::string>> outcomes(Ref<Puppet> workers, std::vector<std::string> inputs,
                                        troupe::MapSpec spec = {}) {
  auto results = troupe::map(std::move(inputs), echoOf(workers), spec);
  std::vector<std::string> ends;
  while (auto result = co_await results.next()) {
    const std::string end = result->ok() ? (*result)->getText().cStr()
                            : result->error().kind() == ErrorKind::crashed
                                ? result->error().exitReason().toString()
                                : toString(result->error().kind());
    ends.push_back(result->input() + ": " + end);
  }
  co_return ends;
}

}  // namespace

class PoolTest : public AppTest {};

TEST_F(PoolTest, MapGivesEachInputAResultInTheOrderAskedFor) {
  runApp(workers({.size = 3}), [](Self& self) -> Task<> {
    auto pool = co_await self.find<Puppet>("workers");
    auto inputs = numbers(200);
    inputs[0] = "slow";
    const troupe::MapSpec ordered{.inFlight = 8, .ordered = true};
    const auto inOrder = co_await outcomes(pool, inputs, ordered);
    EXPECT_EQ(inOrder.size(), 200U);
    for (std::size_t i = 0; i < inOrder.size(); ++i)
      EXPECT_EQ(inOrder[i], inputs[i] + ": " + inputs[i] + " done");
    const auto asFinished = co_await outcomes(pool, inputs);
    EXPECT_EQ(asFinished.size(), 200U);
    EXPECT_NE(asFinished.front(), "slow: slow done");
    EXPECT_EQ(std::set(asFinished.begin(), asFinished.end()), std::set(inOrder.begin(), inOrder.end()));
    EXPECT_EQ((co_await outcomes(pool, {})).size(), 0U);
  });
}

TEST_F(PoolTest, ATaskWhoseWorkerDiesFailsWithTheCauseAndTheRunGoesOn) {
  runApp(workers({.size = 2, .maxRestarts = 1000, .onCrash = OnCrash::retry(1)}), [](Self& self) -> Task<> {
    auto pool = co_await self.find<Puppet>("workers");
    auto inputs = numbers(50);
    for (const char* bad : {"segv", "kill", "throw", "deny"}) inputs.insert(inputs.begin() + 7, bad);
    const auto ends = co_await outcomes(pool, inputs);
    EXPECT_EQ(ends.size(), 54U);
    EXPECT_EQ(std::ranges::count(ends, "kill: killed by SIGKILL"), 1);
    EXPECT_EQ(std::ranges::count(ends, "deny: refused"), 1);
    EXPECT_EQ(std::ranges::count_if(
                  ends, [](const auto& end) { return end.starts_with("segv: killed by SIGSEGV"); }),
              1);
    EXPECT_EQ(
        std::ranges::count_if(ends, [](const auto& end) { return end.starts_with("throw: exception"); }), 1);
    EXPECT_EQ(std::ranges::count_if(ends, [](const auto& end) { return end.ends_with(" done"); }), 50);
  });
}

TEST_F(PoolTest, ALimitOfTimeThatIsHitIsAReasonOfItsName) {
  const PoolSpec spec{
      .size = 2, .maxRestarts = 1000, .limits = {.cpuPerMessage = 500ms, .wallPerMessage = 10s}};
  runApp(workers(spec), [](Self& self) -> Task<> {
    auto pool = co_await self.find<Puppet>("workers");
    auto inputs = numbers(20);
    for (const char* bad : {"loop", "wait"}) inputs.insert(inputs.begin() + 3, bad);
    const auto ends = co_await outcomes(pool, inputs);
    EXPECT_EQ(ends.size(), 22U);
    const std::set<std::string> all(ends.begin(), ends.end());
    EXPECT_TRUE(all.contains("loop: took more processor time than its limit: 500ms for a message"));
    EXPECT_TRUE(all.contains("wait: took longer than its limit: 10s for a message"));
    EXPECT_EQ(std::ranges::count_if(ends, [](const auto& end) { return end.ends_with(" done"); }), 20);
  });
}

TEST_F(PoolTest, ALimitOfMemoryThatIsHitIsAReasonOfItsName) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer itself takes more memory than any sensible limit";
  runApp(workers({.size = 2, .maxRestarts = 1000, .limits = {.memory = 64_MiB}}), [](Self& self) -> Task<> {
    auto pool = co_await self.find<Puppet>("workers");
    auto inputs = numbers(20);
    inputs.insert(inputs.begin() + 3, "bomb");
    const auto ends = co_await outcomes(pool, inputs);
    EXPECT_EQ(std::ranges::count(ends, "bomb: asked for more memory than its limit: 67108864 bytes"), 1);
    EXPECT_EQ(std::ranges::count_if(ends, [](const auto& end) { return end.ends_with(" done"); }), 20);
  });
}

TEST_F(PoolTest, LimitsHoldForOneMessageAndNotForManyShortOnes) {
  // Much longer than a message takes; all of them take longer than that.
  runApp(workers({.size = 1, .limits = {.cpuPerMessage = 4s, .wallPerMessage = 4s}}),
         [](Self& self) -> Task<> {
           auto pool = co_await self.find<Puppet>("workers");
           const std::vector<std::string> slow(90, "slow");
           const auto ends = co_await outcomes(pool, slow);
           EXPECT_EQ(std::ranges::count(ends, "slow: slow done"), 90);
           co_await self.sleepFor(4500ms);
           EXPECT_EQ((co_await pool.who())->getGeneration(), 1U) << "what does nothing hits no limit";
         });
}

TEST_F(PoolTest, AWorkerIsReplacedAfterSoManyMessagesWithoutLossOrRestart) {
  const Ended ended =
      runApp(workers({.size = 2, .maxRestarts = 0, .recycleAfter = 10}), [](Self& self) -> Task<> {
        auto pool = co_await self.find<Puppet>("workers");
        const auto ends = co_await outcomes(pool, numbers(500));
        EXPECT_EQ(ends.size(), 500U);
        EXPECT_EQ(std::ranges::count_if(ends, [](const auto& end) { return end.ends_with(" done"); }), 500);
        EXPECT_GE((co_await pool.who())->getGeneration(), 5U);
      });
  EXPECT_EQ(ended.err, "");
}

TEST_F(PoolTest, HasAWorkerForEachCoreUnlessItIsToldOtherwise) {
  runApp(workers({}), [](Self&) -> Task<> {
    const auto children = co_await childrenOf(troupe::SupervisorRef("/workers"));
    EXPECT_EQ(children.size(), std::max(1U, std::thread::hardware_concurrency()));
  });
}

TEST_F(PoolTest, LimitsThatMakeNoSenseAreRefused) {
  const auto refusal = [](PoolSpec spec) {
    return runToEnd(workers(spec), [](Self&) -> Task<> { co_return; }).err;
  };
  EXPECT_NE(refusal({.limits = {.memory = 5}}).find("limits.memory is 5"), std::string::npos);
  EXPECT_NE(refusal({.limits = {.cpuPerMessage = -1s}}).find("limits.cpuPerMessage is -1s"),
            std::string::npos);
  EXPECT_NE(refusal({.restart = troupe::Restart::temporary, .recycleAfter = 3}).find("recycleAfter is 3"),
            std::string::npos);
}

TEST_F(PoolTest, AMapThatIsGivenUpSendsNoMore) {
  runApp(workers({.size = 1}), [](Self& self) -> Task<> {
    auto pool = co_await self.find<Puppet>("workers");
    {
      auto results = troupe::map(numbers(1000), echoOf(pool), {.inFlight = 4});
      EXPECT_TRUE(co_await results.next());
    }
    const auto ends = co_await outcomes(pool, numbers(3));
    EXPECT_EQ(ends.size(), 3U);
  });
}

// Workers are killed at random while a map is under way: with retries each input has its answer, once.
TEST_F(PoolTest, EachInputIsAnsweredOnceWhoeverIsKilled) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.pool<Worker>("workers", {.size = 4, .maxRestarts = 1'000'000, .onCrash = OnCrash::retry(100)});
      },
      [](Self& self) -> Task<> {
        auto pool = co_await self.find<Puppet>("workers");
        self.spawn([](Self& self) -> Task<> {
          const std::vector<std::string> victims{"1", "2", "3", "4"};
          const auto all = [](const std::string&) { return true; };
          co_await killAtRandom(self, victims, 1000, all, "/workers");
          board().note("killed");
        }(self));
        while (board().count("killed") == 0) {
          const auto ends = co_await outcomes(pool, numbers(200));
          EXPECT_EQ(ends.size(), 200U);
          const std::set<std::string> all(ends.begin(), ends.end());
          EXPECT_EQ(all.size(), 200U);
          for (const std::string& end : ends) EXPECT_TRUE(end.ends_with(" done")) << end;
        }
      });
}

}  // namespace tests
