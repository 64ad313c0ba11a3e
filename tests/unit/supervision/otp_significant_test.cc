// OTP's supervisor suite, part by part, under its names: significant children and automatic shutdown.
#include "simulator.h"

#include <gtest/gtest.h>

namespace troupe::supervision::test {
namespace {

constexpr AutoShutdown kAny = AutoShutdown::anySignificant;
constexpr AutoShutdown kAll = AutoShutdown::allSignificant;

ChildDeclaration significant(std::string id, Restart restart) {
  return child(std::move(id), {.restart = restart, .significant = true});
}

void expectNoShutdown(Restart restart) {
  for (const AutoShutdown when : {AutoShutdown::never, kAny, kAll}) {
    Simulator sim({.maxRestarts = 10, .autoShutdown = when}, {child("a", {.restart = restart}), child("b")});
    sim.begin();
    sim.end("a", normal());
    EXPECT_FALSE(sim.finished());
    EXPECT_NE(sim.pid("b"), 0U);
  }
}

TEST(OtpSupervisor, nonsignificant_temporary) { expectNoShutdown(Restart::temporary); }
TEST(OtpSupervisor, nonsignificant_transient) { expectNoShutdown(Restart::transient); }

TEST(OtpSupervisor, significant_temporary) {
  for (const ExitReason& why : {normal(), shutdown(), crash(), reason(ExitKind::signaled, 9)}) {
    Simulator any({.autoShutdown = kAny},
                  {significant("a", Restart::temporary), significant("b", Restart::temporary), child("c")});
    any.begin();
    any.end("a", why);
    ASSERT_TRUE(any.finished()) << why.toString();
    EXPECT_EQ(any.finished()->kind, ExitKind::shutdown);

    Simulator all({.autoShutdown = kAll},
                  {significant("a", Restart::temporary), significant("b", Restart::temporary), child("c")});
    all.begin();
    all.end("a", why);
    EXPECT_FALSE(all.finished()) << "`all` only on the last";
    all.end("b", why);
    ASSERT_TRUE(all.finished());
    EXPECT_TRUE(all.finished()->clean());
  }
}

TEST(OtpSupervisor, significant_temporary_stopped_by_hand) {
  for (const AutoShutdown when : {kAny, kAll}) {
    Simulator sim({.autoShutdown = when}, {significant("a", Restart::temporary), child("b")});
    sim.begin();
    EXPECT_TRUE(sim.ok(sim.stopChild("a")));
    EXPECT_FALSE(sim.finished());
  }
}

TEST(OtpSupervisor, significant_transient) {
  for (const AutoShutdown when : {kAny, kAll}) {
    Simulator sim({.maxRestarts = 5, .autoShutdown = when},
                  {significant("a", Restart::transient), child("b")});
    sim.begin();
    sim.end("a", crash());
    EXPECT_FALSE(sim.finished()) << "a crash restarts";
    EXPECT_NE(sim.pid("a"), 0U);
    EXPECT_TRUE(sim.ok(sim.stopChild("a")));
    EXPECT_TRUE(sim.ok(sim.restartChild("a")));
    sim.end("a", normal());
    ASSERT_TRUE(sim.finished());
    EXPECT_EQ(sim.finished()->kind, ExitKind::shutdown);
    EXPECT_EQ(sim.reports(Event::autoShutdown).size(), 1U);
  }
}

TEST(OtpSupervisor, significant_simple) {
  for (const AutoShutdown when : {AutoShutdown::never, kAny, kAll}) {
    const ChildSpec spec{.restart = Restart::temporary, .significant = true};
    EXPECT_THROW(Core("top", {.autoShutdown = when}, {each("t", spec)}), Error);
  }
}

TEST(OtpSupervisor, significant_bystander) {
  for (const Strategy strategy : {Strategy::oneForAll, Strategy::restForOne}) {
    for (const AutoShutdown when : {kAny, kAll}) {
      Simulator sim({.strategy = strategy, .autoShutdown = when},
                    {child("a"), significant("b", Restart::temporary), significant("c", Restart::transient)});
      sim.begin();
      sim.end("a", crash());
      EXPECT_FALSE(sim.finished()) << "its death was caused by a sibling";
      EXPECT_FALSE(sim.has("b"));
      EXPECT_NE(sim.pid("c"), 0U);
    }
  }
}

TEST(OtpSupervisor, significant_escalation) {
  Simulator inner({.autoShutdown = kAny}, {significant("deep", Restart::temporary)});
  inner.begin();
  inner.end("deep", crash());
  ASSERT_TRUE(inner.finished());

  for (const bool cascades : {true, false}) {
    Simulator outer(
        {.autoShutdown = kAny},
        {supervisorChild("inner", {.restart = Restart::transient, .significant = cascades}), child("b")});
    outer.begin();
    outer.end("inner", *inner.finished());
    EXPECT_EQ(outer.finished().has_value(), cascades);
  }
}

TEST(OtpSupervisor, significant_upgrade_never_any) {
  Simulator sim({}, {child("a", {.restart = Restart::temporary}), child("b")});
  sim.begin();
  const auto a = sim.pid("a");

  const Token token = sim.change({.flags = SupervisorSpec{.autoShutdown = kAny},
                                  .children = {{significant("a", Restart::temporary), child("b")}}});
  ASSERT_TRUE(sim.ok(token)) << sim.error(token);

  EXPECT_EQ(sim.pid("a"), a);
  sim.end("a", normal());
  EXPECT_TRUE(sim.finished());
}

TEST(OtpSupervisor, significant_upgrade_any_never) {
  Simulator sim({.autoShutdown = kAny}, {significant("a", Restart::temporary), child("b")});
  sim.begin();
  EXPECT_EQ(sim.errorKind(sim.change({.flags = SupervisorSpec{}, .children = {}})), ErrorKind::invalid)
      << "a significant child is left";

  ASSERT_TRUE(sim.ok(sim.change(
      {.flags = SupervisorSpec{}, .children = {{child("a", {.restart = Restart::temporary}), child("b")}}})));

  sim.end("a", normal());
  EXPECT_FALSE(sim.finished());
}

TEST(OtpSupervisor, significant_upgrade_any_all) {
  Simulator sim({.autoShutdown = kAny},
                {significant("a", Restart::temporary), significant("b", Restart::temporary)});
  sim.begin();
  ASSERT_TRUE(sim.ok(sim.change({.flags = SupervisorSpec{.autoShutdown = kAll}, .children = {}})));
  sim.end("a", normal());
  EXPECT_FALSE(sim.finished());
  sim.end("b", normal());
  EXPECT_TRUE(sim.finished());
}

TEST(OtpSupervisor, significant_upgrade_child) {
  Simulator sim({.autoShutdown = kAll},
                {significant("a", Restart::transient), significant("b", Restart::transient)});
  sim.begin();
  ASSERT_TRUE(sim.ok(sim.change({.flags = {}, .children = {{child("b", {.restart = Restart::transient})}}})));
  sim.end("a", normal());
  EXPECT_TRUE(sim.finished()) << "b counts no longer";
}

}  // namespace
}  // namespace troupe::supervision::test
