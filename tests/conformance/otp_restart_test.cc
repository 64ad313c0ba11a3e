// OTP's cases about restarts: the strategies, the restart types, the limit and what is beyond it; with processes.
#include <csignal>

#include "tests/conformance/otp.h"

namespace tests {

namespace {

void abc(Group& s) { s.child<PuppetActor>("a").child<PuppetActor>("b").child<PuppetActor>("c"); }

}  // namespace

class Restarts : public OtpSupervisor {
 protected:
  // Kills a child, and waits until it runs again.
  static Task<> replace(Self& self, SupervisorRef s, std::string id) {
    const int before = co_await becomesRunning(self, s, id);
    kill(before, SIGKILL);
    co_await becomesRunning(self, s, id, before);
  }
};

TEST_F(Restarts, one_for_one) {
  run({.maxRestarts = 2, .within = 1h}, abc, [](Self& self, SupervisorRef s) -> Task<> {
    auto before = co_await pidsOf(s);
    co_await replace(self, s, "b");
    auto after = co_await pidsOf(s);
    EXPECT_EQ(after["a"], before["a"]);
    EXPECT_NE(after["b"], before["b"]);
    EXPECT_EQ(after["c"], before["c"]);
    co_await replace(self, s, "b");
    co_await crash(self, "/s/b");
    co_await becomesGone(self, "/s");
    for (const auto& [id, pid] : after) EXPECT_FALSE(isAlive(pid)) << id;
  });
}

TEST_F(Restarts, one_for_one_escalation) {
  const Ended ended = run(
      {.maxRestarts = 3, .within = 1h},
      [](Group& s) { s.child<PuppetActor>("a", {}, Script::fails(2, 100)).child<PuppetActor>("b"); },
      [](Self& self, SupervisorRef) -> Task<> {
        co_await crash(self, "/s/a");
        co_await becomesGone(self, "/s");
      });
  EXPECT_EQ(Board::shared().count("init /s/a"), 4u) << "the first start and three restarts";
  EXPECT_EQ(Board::shared().count("stopped /s/b"), 1u) << "siblings are stopped";
  expectContains(ended.err, "gave up after \"a\"");
}

TEST_F(Restarts, one_for_all) {
  run({.strategy = Strategy::oneForAll, .maxRestarts = 2, .within = 1h}, abc,
      [](Self& self, SupervisorRef s) -> Task<> {
        auto before = co_await pidsOf(s);
        co_await replace(self, s, "b");
        co_await becomesRunning(self, s, "c");
        auto after = co_await pidsOf(s);
        EXPECT_EQ(after.size(), 3u);
        for (const auto& [id, pid] : before) {
          EXPECT_NE(after[id], pid) << id;
          EXPECT_FALSE(isAlive(pid)) << "no old process is left: " << id;
        }
        co_await replace(self, s, "a");
        co_await becomesRunning(self, s, "c");
        co_await crash(self, "/s/c");
        co_await becomesGone(self, "/s");
      });
}

TEST_F(Restarts, one_for_all_escalation) {
  run(
      {.strategy = Strategy::oneForAll, .maxRestarts = 4, .within = 1h},
      [](Group& s) { s.child<PuppetActor>("a").child<PuppetActor>("b", {}, Script::fails(2, 100)); },
      [](Self& self, SupervisorRef) -> Task<> {
        co_await crash(self, "/s/a");
        co_await becomesGone(self, "/s");
      });
  EXPECT_EQ(Board::shared().count("init /s/b"), 5u);
}

TEST_F(Restarts, one_for_all_other_child_fails_restart) {
  run(
      {.strategy = Strategy::oneForAll, .maxRestarts = 3, .within = 1h},
      [](Group& s) { s.child<PuppetActor>("a").child<PuppetActor>("b", {}, Script::fails(2, 2)); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await crash(self, "/s/a");
        co_await until(self, "three starts", [] { return Board::shared().count("init /s/b") == 3; });
        co_await becomesRunning(self, s, "b");
        EXPECT_EQ(Board::shared().count("init /s/a"), 3u);
        EXPECT_EQ(Board::shared().count("stopped /s/a"), 1u) << "what was just restarted is stopped";
      });
}

TEST_F(Restarts, rest_for_one) {
  run({.strategy = Strategy::restForOne, .maxRestarts = 2, .within = 1h}, abc,
      [](Self& self, SupervisorRef s) -> Task<> {
        auto before = co_await pidsOf(s);
        co_await replace(self, s, "b");
        co_await becomesRunning(self, s, "c");
        auto after = co_await pidsOf(s);
        EXPECT_EQ(after["a"], before["a"]) << "started earlier: left alone";
        EXPECT_NE(after["b"], before["b"]);
        EXPECT_NE(after["c"], before["c"]) << "started later: restarted too";
        EXPECT_FALSE(isAlive(before["c"]));
        co_await replace(self, s, "c");
        co_await crash(self, "/s/b");
        co_await becomesGone(self, "/s");
      });
}

TEST_F(Restarts, rest_for_one_escalation) {
  run(
      {.strategy = Strategy::restForOne, .maxRestarts = 4, .within = 1h},
      [](Group& s) { s.child<PuppetActor>("a").child<PuppetActor>("b", {}, Script::fails(2, 100)); },
      [](Self& self, SupervisorRef) -> Task<> {
        co_await crash(self, "/s/a");
        co_await becomesGone(self, "/s");
      });
  EXPECT_EQ(Board::shared().count("init /s/a"), 2u);
}

TEST_F(Restarts, rest_for_one_other_child_fails_restart) {
  run(
      {.strategy = Strategy::restForOne, .maxRestarts = 3, .within = 1h},
      [](Group& s) { s.child<PuppetActor>("a").child<PuppetActor>("b", {}, Script::fails(2, 2)); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await crash(self, "/s/a");
        co_await until(self, "three starts", [] { return Board::shared().count("init /s/b") == 3; });
        co_await becomesRunning(self, s, "b");
        EXPECT_EQ(Board::shared().count("init /s/a"), 2u) << "the retry starts at the one that failed";
      });
}

TEST_F(Restarts, simple_one_for_one) {
  run(
      {.maxRestarts = 2, .within = 1h}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await s.start("t", "info=1");
        co_await s.start("t", "info=2");
        auto before = co_await pidsOf(s);
        co_await replace(self, s, "t:1");
        auto after = co_await pidsOf(s);
        EXPECT_EQ(after["t:2"], before["t:2"]);
        co_await replace(self, s, "t:2");
        co_await crash(self, "/s/t:2");
        co_await becomesGone(self, "/s");
      });
}

TEST_F(Restarts, simple_one_for_one_extra) {
  run(
      {.maxRestarts = 2}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        EXPECT_EQ((co_await s.start("t", "info=first")).info, "first");
        co_await replace(self, s, "t:1");
        EXPECT_EQ((co_await s.start("t", "info=second")).info, "second");
      });
}

TEST_F(Restarts, simple_one_for_one_escalation) {
  run(
      {.maxRestarts = 3, .within = 1h},
      [](Group& s) {
        // The constructor given here does not take what a start brings along: so these always start with their own script.
        s.each<PuppetActor>("t", {}, Script::fails(2, 100));
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await s.start("t");
        co_await crash(self, "/s/t:1");
        co_await becomesGone(self, "/s");
      });
  EXPECT_EQ(Board::shared().count("init /s/t:1"), 4u);
}

TEST_F(Restarts, simple_one_for_one_restart_ignore) {
  run(
      {.maxRestarts = 3}, [](Group& s) { s.each<PuppetActor>("t", {}, Script::fails(2, 2, Does::ignores)); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await s.start("t");
        co_await crash(self, "/s/t:1");
        co_await becomesOrder(self, s, "");
      });
}

// --- Restart types ---

class RestartTypes : public OtpSupervisor {
 protected:
  enum class After { restarted, kept, gone };

  // What becomes of a child of that type that ends in that way.
  static void expectAfter(Restart restart, const ExitReason& reason, After after) {
    run(
        {.maxRestarts = 5},
        [&](Group& s) { s.child<PuppetActor>("a", {.restart = restart}).child<PuppetActor>("b"); },
        [=](Self& self, SupervisorRef s) -> Task<> {
          const int before = co_await becomesRunning(self, s, "a");
          auto a = co_await self.find<Puppet>("/s/a");
          if (reason.kind == ExitKind::signaled) {
            co_await a.die("kill");
          } else {
            co_await a.leave(static_cast<std::uint16_t>(reason.kind), reason.code, reason.text);
          }
          co_await becomesDead(self, before);
          if (after == After::restarted) co_await becomesRunning(self, s, "a", before);
          if (after == After::kept) co_await becomesState(self, s, "a", ChildState::stopped);
          if (after == After::gone) co_await becomesOrder(self, s, "b");
        });
  }
  static ExitReason normal() { return {.kind = ExitKind::normal}; }
  static ExitReason shutdown() { return {.kind = ExitKind::shutdown}; }
  static ExitReason crash() { return {.kind = ExitKind::signaled, .code = SIGKILL}; }
  static ExitReason failure() { return {.kind = ExitKind::exited, .code = 3}; }
};

TEST_F(RestartTypes, permanent_normal) { expectAfter(Restart::permanent, normal(), After::restarted); }
TEST_F(RestartTypes, transient_normal) { expectAfter(Restart::transient, normal(), After::kept); }
TEST_F(RestartTypes, temporary_normal) { expectAfter(Restart::temporary, normal(), After::gone); }
TEST_F(RestartTypes, permanent_shutdown) { expectAfter(Restart::permanent, shutdown(), After::restarted); }
TEST_F(RestartTypes, transient_shutdown) { expectAfter(Restart::transient, shutdown(), After::kept); }
TEST_F(RestartTypes, temporary_shutdown) { expectAfter(Restart::temporary, shutdown(), After::gone); }
TEST_F(RestartTypes, permanent_abnormal) {
  expectAfter(Restart::permanent, crash(), After::restarted);
  expectAfter(Restart::permanent, failure(), After::restarted);
}
TEST_F(RestartTypes, transient_abnormal) {
  expectAfter(Restart::transient, crash(), After::restarted);
  expectAfter(Restart::transient, failure(), After::restarted);
}
TEST_F(RestartTypes, temporary_abnormal) {
  expectAfter(Restart::temporary, crash(), After::gone);
  expectAfter(Restart::temporary, failure(), After::gone);
}

TEST_F(Restarts, multiple_restarts) {
  run(
      {.maxRestarts = 1, .within = 50ms}, [](Group& s) { s.child<PuppetActor>("a"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        for (int i = 0; i < 5; ++i) {
          co_await replace(self, s, "a");
          // Wider apart than the period: this is about time itself.
          co_await self.sleepFor(60ms);
        }
        EXPECT_EQ(Board::shared().count("init /s/a"), 6u);
      });
}

TEST_F(Restarts, temporary_bystander) {
  run(
      {.strategy = Strategy::oneForAll, .maxRestarts = 2},
      [](Group& s) {
        s.child<PuppetActor>("a")
            .child<PuppetActor>("b", {.restart = Restart::temporary})
            .child<PuppetActor>("c");
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await replace(self, s, "a");
        co_await becomesRunning(self, s, "c");
        EXPECT_EQ(co_await orderOf(s), "a c");
        EXPECT_EQ(Board::shared().count("stopped /s/b"), 1u);
      });
}

// --- Trees ---

TEST_F(Restarts, tree) {
  run(
      {.maxRestarts = 1, .within = 1h},
      [](Group& s) {
        s.child<PuppetActor>("a");
        s.supervisor("deep", {.maxRestarts = 1, .within = 1h})
            .child<PuppetActor>("x")
            .each<PuppetActor>("t", {}, Script{});
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        const SupervisorRef deep("/s/deep");
        co_await deep.start("t");
        const auto above = co_await pidsOf(s);
        co_await replace(self, deep, "x");
        EXPECT_EQ(co_await pidsOf(s), above) << "a crash stays in its subtree";
        EXPECT_EQ(co_await orderOf(deep), "x t:1");

        co_await crash(self, "/s/deep/x");
        const int rebuilt = co_await becomesRunning(self, s, "deep", above.at("deep"));
        EXPECT_GT(rebuilt, 0);
        EXPECT_EQ(co_await orderOf(deep), "x") << "static children are rebuilt, those on demand are not";
        EXPECT_EQ((co_await pidsOf(s)).at("a"), above.at("a"));

        co_await replace(self, deep, "x");
        co_await crash(self, "/s/deep/x");
        co_await becomesGone(self, "/s");
      });
}

TEST_F(Restarts, simple_global_supervisor) {
  run(
      {.maxRestarts = 5}, [](Group& s) { s.supervisor("deep").child<PuppetActor>("x", {.name = "ex"}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        auto ex = co_await self.find<Puppet>("ex");
        const int first = (co_await ex.who())->getPid();
        kill(first, SIGKILL);
        const int second = (co_await ex.within(5min).who())->getPid();
        EXPECT_NE(second, first) << "the worker was killed: its name leads to the new one";
        const int supervisor = (co_await pidsOf(s)).at("deep");
        kill(supervisor, SIGKILL);
        co_await becomesRunning(self, s, "deep", supervisor);
        const int third = (co_await ex.within(5min).who())->getPid();
        EXPECT_NE(third, second) << "the supervisor was killed";
        EXPECT_FALSE(isAlive(second));
        auto again = co_await self.find<Puppet>("ex");
        EXPECT_EQ(again, ex);
      });
}

}  // namespace tests
