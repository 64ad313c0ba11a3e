// OTP's cases about significant children and automatic shutdown, with processes.
#include <csignal>

#include "tests/conformance/otp.h"

namespace tests {

namespace {

constexpr AutoShutdown kNever = AutoShutdown::never;
constexpr AutoShutdown kAny = AutoShutdown::anySignificant;
constexpr AutoShutdown kAll = AutoShutdown::allSignificant;

ChildSpec significant(Restart restart) { return {.restart = restart, .significant = true}; }

}  // namespace

class Significant : public OtpSupervisor {
 protected:
  static Task<> leave(Self& self, std::string path, ExitKind kind = ExitKind::normal) {
    auto puppet = co_await self.find<Puppet>(path);
    co_await puppet.leave(static_cast<std::uint16_t>(kind), 0, "");
  }
  static void expectNoShutdown(Restart restart) {
    for (const AutoShutdown when : {kNever, kAny, kAll}) {
      run(
          {.maxRestarts = 10, .autoShutdown = when},
          [&](Group& s) { s.child<PuppetActor>("a", {.restart = restart}).child<PuppetActor>("b"); },
          [restart](Self& self, SupervisorRef s) -> Task<> {
            const int before = (co_await pidsOf(s)).at("b");
            co_await leave(self, "/s/a");
            if (restart == Restart::temporary) {
              co_await becomesOrder(self, s, "b");
            } else {
              co_await becomesState(self, s, "a", ChildState::stopped);
            }
            EXPECT_EQ((co_await pidsOf(s)).at("b"), before);
          });
    }
  }
};

TEST_F(Significant, nonsignificant_temporary) { expectNoShutdown(Restart::temporary); }
TEST_F(Significant, nonsignificant_transient) { expectNoShutdown(Restart::transient); }

TEST_F(Significant, significant_temporary) {
  for (const std::string how : {"normal", "shutdown", "crash", "kill"}) {
    const auto end = [how](Self& self, std::string path) -> Task<> {
      if (how == "kill") return crash(self, path);
      if (how == "crash") return crash(self, path, "throw");
      return leave(self, path, how == "normal" ? ExitKind::normal : ExitKind::shutdown);
    };
    const auto children = [](Group& s) {
      s.child<PuppetActor>("a", significant(Restart::temporary))
          .child<PuppetActor>("b", significant(Restart::temporary))
          .child<PuppetActor>("c");
    };
    run({.autoShutdown = kAny}, children, [end](Self& self, SupervisorRef) -> Task<> {
      co_await end(self, "/s/a");
      co_await becomesGone(self, "/s");
    });
    run({.autoShutdown = kAll}, children, [end](Self& self, SupervisorRef s) -> Task<> {
      co_await end(self, "/s/a");
      co_await becomesOrder(self, s, "b c");
      EXPECT_EQ((co_await pidsOf(s)).size(), 2u) << "`all` only on the last";
      co_await end(self, "/s/b");
      co_await becomesGone(self, "/s");
    });
  }
}

TEST_F(Significant, significant_temporary_stopped_by_hand) {
  for (const AutoShutdown when : {kAny, kAll}) {
    run(
        {.autoShutdown = when},
        [](Group& s) { s.child<PuppetActor>("a", significant(Restart::temporary)).child<PuppetActor>("b"); },
        [](Self&, SupervisorRef s) -> Task<> {
          co_await s.stop("a");
          EXPECT_EQ((co_await pidsOf(s)).size(), 1u);
          EXPECT_EQ(co_await orderOf(s), "b");
        });
  }
}

TEST_F(Significant, significant_transient) {
  for (const AutoShutdown when : {kAny, kAll}) {
    run(
        {.maxRestarts = 5, .autoShutdown = when},
        [](Group& s) { s.child<PuppetActor>("a", significant(Restart::transient)).child<PuppetActor>("b"); },
        [](Self& self, SupervisorRef s) -> Task<> {
          const int before = (co_await pidsOf(s)).at("a");
          kill(before, SIGKILL);
          co_await becomesRunning(self, s, "a", before);
          co_await s.stop("a");
          co_await s.restart("a");
          co_await leave(self, "/s/a");
          co_await becomesGone(self, "/s");
        });
  }
}

TEST_F(Significant, significant_simple) {
  runApp(
      [](troupe::App& app) {
        Group& s = app.supervisor("s", {.autoShutdown = kAny});
        EXPECT_THROW(s.each<PuppetActor>("t", significant(Restart::temporary), Script{}), Error);
        EXPECT_THROW(s.child<PuppetActor>("a", significant(Restart::permanent)), Error);
        Group& never = app.supervisor("never");
        EXPECT_THROW(never.child<PuppetActor>("a", significant(Restart::transient)), Error);
      },
      [](Self&) -> Task<> { co_return; });
}

TEST_F(Significant, significant_bystander) {
  for (const Strategy strategy : {Strategy::oneForAll, Strategy::restForOne}) {
    run(
        {.strategy = strategy, .maxRestarts = 2, .autoShutdown = kAny},
        [](Group& s) {
          s.child<PuppetActor>("a")
              .child<PuppetActor>("b", significant(Restart::temporary))
              .child<PuppetActor>("c", significant(Restart::transient));
        },
        [](Self& self, SupervisorRef s) -> Task<> {
          const int before = (co_await pidsOf(s)).at("c");
          co_await crash(self, "/s/a");
          co_await becomesRunning(self, s, "c", before);
          EXPECT_EQ(co_await orderOf(s), "a c") << "the death of b was caused by its sibling";
        });
  }
}

TEST_F(Significant, significant_escalation) {
  for (const bool cascades : {true, false}) {
    run(
        {.autoShutdown = kAny},
        [&](Group& s) {
          s.child<PuppetActor>("b");
          s.supervisor("inner",
                       {.autoShutdown = kAny, .restart = Restart::transient, .significant = cascades})
              .child<PuppetActor>("deep", significant(Restart::temporary));
        },
        [cascades](Self& self, SupervisorRef s) -> Task<> {
          co_await leave(self, "/s/inner/deep");
          if (cascades) {
            co_await becomesGone(self, "/s");
          } else {
            co_await becomesState(self, s, "inner", ChildState::stopped);
            EXPECT_EQ((co_await pidsOf(s)).size(), 1u);
          }
        });
  }
}

TEST_F(Significant, significant_upgrade_never_any) {
  run(
      {},
      [](Group& s) { s.child<PuppetActor>("a", {.restart = Restart::temporary}).child<PuppetActor>("b"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        const auto before = co_await pidsOf(s);
        const SupervisorSpec any = {.autoShutdown = kAny};
        co_await s.change(any);
        const std::vector<troupe::NamedChildSpec> specs = {{"a", significant(Restart::temporary)}};
        co_await s.change(specs);
        EXPECT_EQ(co_await pidsOf(s), before);
        co_await leave(self, "/s/a");
        co_await becomesGone(self, "/s");
      });
}

TEST_F(Significant, significant_upgrade_any_never) {
  run(
      {.autoShutdown = kAny},
      [](Group& s) { s.child<PuppetActor>("a", significant(Restart::temporary)).child<PuppetActor>("b"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        const SupervisorSpec never = {};
        const Error error = co_await errorOf(s.change(never));
        EXPECT_EQ(error.kind(), ErrorKind::invalid) << "a significant child is left";
        const std::vector<troupe::NamedChildSpec> specs = {{"a", {.restart = Restart::temporary}}};
        co_await s.change(specs);
        co_await s.change(never);
        co_await leave(self, "/s/a");
        co_await becomesOrder(self, s, "b");
      });
}

TEST_F(Significant, significant_upgrade_any_all) {
  run(
      {.autoShutdown = kAny},
      [](Group& s) {
        s.child<PuppetActor>("a", significant(Restart::temporary))
            .child<PuppetActor>("b", significant(Restart::temporary));
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        const SupervisorSpec all = {.autoShutdown = kAll};
        co_await s.change(all);
        co_await leave(self, "/s/a");
        co_await becomesOrder(self, s, "b");
        co_await leave(self, "/s/b");
        co_await becomesGone(self, "/s");
      });
}

TEST_F(Significant, significant_upgrade_child) {
  run(
      {.autoShutdown = kAll},
      [](Group& s) {
        s.child<PuppetActor>("a", significant(Restart::transient))
            .child<PuppetActor>("b", significant(Restart::transient));
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        const std::vector<troupe::NamedChildSpec> specs = {{"b", {.restart = Restart::transient}}};
        co_await s.change(specs);
        co_await leave(self, "/s/a");
        co_await becomesGone(self, "/s");
      });
}

}  // namespace tests
