// Pools: workers that share one mailbox.
#include <csignal>
#include <set>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Ref;
using troupe::SupervisorRef;

Task<std::set<int>> workersOf(Ref<Puppet> pool, int calls) {
  std::vector<troupe::Call<Puppet::WhoResults>> waiting;
  for (int i = 0; i < calls; ++i) waiting.push_back(pool.who());
  std::set<int> pids;
  for (auto& each : waiting) pids.insert((co_await each)->getPid());
  co_return pids;
}

}  // namespace

class Pools : public AppTest {};

TEST_F(Pools, AreFoundByTheirIdAndServedByAllWorkers) {
  runApp([](troupe::App& app) { app.pool<PuppetActor>("pool", {.size = 3}); },
         [](Self& self) -> Task<> {
           auto pool = (co_await self.find<Puppet>("pool")).within(5min);
           EXPECT_EQ(pool.path(), "/pool");
           EXPECT_EQ(co_await orderOf(SupervisorRef("/pool")), "1 2 3");
           // Naps keep a worker busy, so that the others must take the rest.
           std::vector<troupe::Call<Puppet::NapResults>> naps;
           for (int i = 0; i < 9; ++i) naps.push_back(pool.nap(100));
           std::uint32_t handled = 0;
           for (auto& each : naps) handled = std::max(handled, (co_await each)->getHandled());
           EXPECT_LT(handled, 9u) << "one worker did it all";
           const Error error =
               co_await errorOf([](Self& self) -> Task<> { co_await self.find<Stranger>("pool"); }(self));
           EXPECT_EQ(error.kind(), ErrorKind::invalid);
         });
}

TEST_F(Pools, LoseOnlyTheCallInHandWithAWorker) {
  runApp([](troupe::App& app) { app.pool<PuppetActor>("pool", {.size = 2, .maxRestarts = 100}); },
         [](Self& self) -> Task<> {
           auto pool = (co_await self.find<Puppet>("pool")).within(5min);
           for (int round = 0; round < 10; ++round) {
             std::vector<troupe::Call<Puppet::EchoResults>> echoes;
             auto crash = pool.crash(round % 2 == 0 ? "kill" : "throw");
             for (int i = 0; i < 100; ++i) echoes.push_back(pool.echo(std::to_string(i)));
             const Error error = co_await errorOf(std::move(crash));
             EXPECT_EQ(error.kind(), ErrorKind::crashed);
             for (int i = 0; i < 100; ++i) {
               const auto reply = co_await echoes[static_cast<std::size_t>(i)];
               EXPECT_EQ(std::string(reply->getText().cStr()), std::to_string(i));
             }
           }
         });
}

TEST_F(Pools, GoOnWithTheOthersWhileAWorkerIsDown) {
  runApp(
      [](troupe::App& app) {
        app.pool<PuppetActor>(
            "pool",
            {.size = 2, .maxRestarts = 100, .backOff = {.first = 500ms, .limit = 600ms, .jitter = 0}});
      },
      [](Self& self) -> Task<> {
        auto pool = (co_await self.find<Puppet>("pool")).within(5min);
        const auto pids = co_await pidsOf(SupervisorRef("/pool"));
        kill(pids.at("1"), SIGKILL);
        co_await becomesDead(self, pids.at("1"));
        const auto servers = co_await workersOf(pool, 50);
        EXPECT_EQ(servers, (std::set<int>{pids.at("2")}));
        co_await becomesRunning(self, SupervisorRef("/pool"), "1", pids.at("1"));
      });
}

TEST_F(Pools, KeepTheirMailboxWhenTheirSupervisorIsKilled) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 100});
        app.pool<PuppetActor>("pool", {.size = 2});
      },
      [](Self& self) -> Task<> {
        auto pool = (co_await self.find<Puppet>("pool")).within(5min);
        const auto before = co_await pidsOf(SupervisorRef("/pool"));
        kill((co_await pidsOf(SupervisorRef("/"))).at("pool"), SIGKILL);
        for (int i = 0; i < 500; ++i) co_await pool.note("kept");
        for (const auto& [id, pid] : before) co_await becomesDead(self, pid);
        const auto after = co_await workersOf(pool, 20);
        for (const auto& [id, pid] : before) EXPECT_FALSE(after.contains(pid)) << id;
        co_await until(self, "all notes", [] { return Board::shared().count("kept") >= 498; });
        EXPECT_LE(Board::shared().count("kept"), 500u);
      });
}

TEST_F(Pools, GiveUpLikeAnySupervisor) {
  const Ended ended = runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 100});
        app.pool<PuppetActor>("pool", {.size = 2, .maxRestarts = 1, .within = 1h});
      },
      [](Self& self) -> Task<> {
        auto pool = (co_await self.find<Puppet>("pool")).within(5min);
        const int before = (co_await pidsOf(SupervisorRef("/"))).at("pool");
        const auto workers = co_await pidsOf(SupervisorRef("/pool"));
        for (const auto& [id, pid] : workers) kill(pid, SIGKILL);
        co_await becomesRunning(self, SupervisorRef("/"), "pool", before);
        EXPECT_STREQ((co_await pool.echo("alive"))->getText().cStr(), "alive");
      });
  EXPECT_NE(ended.err.find("gave up"), std::string::npos);
}

// Each death has cost a message, of which its onCrash says when it is enough.
TEST_F(Pools, DoNotGiveUpWhateverTheirMessagesDo) {
  const Ended ended = runApp(
      [](troupe::App& app) { app.pool<PuppetActor>("pool", {.size = 2, .spares = 1, .maxRestarts = 0}); },
      [](Self& self) -> Task<> {
        auto pool = (co_await self.find<Puppet>("pool")).within(5min);
        for (int i = 0; i < 50; ++i) co_await pool.die(i % 2 == 0 ? "kill" : "throw");
        for (int i = 0; i < 10; ++i)
          EXPECT_EQ((co_await errorOf(pool.crash("segv"))).kind(), ErrorKind::crashed);
        EXPECT_STREQ((co_await pool.echo("alive"))->getText().cStr(), "alive");
      });
  EXPECT_NE(ended.err.find("which had a message in hand"), std::string::npos) << ended.err;
}

TEST_F(Pools, OfOneWorkerPerCoreAreTheDefault) {
  runApp([](troupe::App& app) { app.pool<PuppetActor>("pool"); },
         [](Self&) -> Task<> {
           const auto counts = co_await SupervisorRef("/pool").count();
           EXPECT_GE(counts.active, 1u);
           EXPECT_EQ(counts.active, counts.specs);
         });
}

}  // namespace tests
