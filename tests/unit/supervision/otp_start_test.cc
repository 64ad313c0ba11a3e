// OTP's supervisor suite, part by part, under its names: starting, stopping, specs.
#include "simulator.h"

#include <gtest/gtest.h>

namespace troupe::supervision::test {
namespace {

using Log = std::vector<std::string>;

TEST(OtpSupervisor, sup_start_normal) {
  Simulator sim;
  sim.begin();
  EXPECT_TRUE(sim.becameReady());
  EXPECT_FALSE(sim.finished());

  sim.stop();

  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(OtpSupervisor, sup_start_ignore_child) {
  Simulator sim({}, {child("a"), child("b"), child("c")});
  sim.script("b", ignores());

  sim.begin();

  EXPECT_TRUE(sim.becameReady());
  EXPECT_EQ(sim.state("b"), ChildState::stopped);
  EXPECT_TRUE(sim.ok(sim.restartChild("b"))) << "its spec was kept";
  EXPECT_EQ(sim.counts(), (Counts{.specs = 3, .active = 2, .supervisors = 0, .workers = 3}));
}

TEST(OtpSupervisor, sup_start_ignore_temporary_child) {
  Simulator sim({}, {child("a", {.restart = Restart::temporary}), child("b")});
  sim.script("a", ignores());

  sim.begin();

  EXPECT_TRUE(sim.becameReady());
  EXPECT_EQ(sim.ids(), Log{"b"});
  EXPECT_TRUE(sim.forgotten().contains("a"));
}

TEST(OtpSupervisor, sup_start_ignore_temporary_child_start_child) {
  Simulator sim;
  sim.begin();
  sim.script("a", ignores());

  const Token token = sim.startChild(child("a", {.restart = Restart::temporary}));

  ASSERT_TRUE(sim.ok(token));
  EXPECT_TRUE(sim.started(token).ignored);
  EXPECT_EQ(sim.counts().specs, 0U);
}

TEST(OtpSupervisor, sup_start_ignore_temporary_child_start_child_simple) {
  Simulator sim({}, {each("t", {.restart = Restart::temporary})});
  sim.begin();
  sim.script("t", ignores());

  const Token token = sim.startInstance("t");

  ASSERT_TRUE(sim.ok(token));
  EXPECT_TRUE(sim.started(token).ignored);
  EXPECT_TRUE(sim.list().empty());
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1}));
}

TEST(OtpSupervisor, sup_start_ignore_permanent_child_start_child_simple) {
  Simulator sim({}, {each("t")});
  sim.begin();
  sim.script("t", ignores());

  const Token token = sim.startInstance("t");

  ASSERT_TRUE(sim.ok(token));
  EXPECT_TRUE(sim.started(token).ignored);
  EXPECT_TRUE(sim.list().empty());
}

TEST(OtpSupervisor, sup_start_fail) {
  Simulator sim({}, {child("a"), child("b"), child("c")});
  sim.script("b", fails("no such file"));

  sim.begin();

  EXPECT_FALSE(sim.becameReady());
  EXPECT_EQ(sim.takeLog(), (Log{"start a", "start b", "end b", "ask a", "end a"}));
  EXPECT_EQ(sim.finished(),
            reason(ExitKind::childFailed, 0, "child \"b\" failed to start: exception: no such file"));
}

TEST(OtpSupervisor, sup_start_child_returns_error) {
  Simulator sim;
  sim.begin();
  sim.script("a", fails("no"));

  const Token token = sim.startChild(child("a"));

  EXPECT_EQ(sim.errorKind(token), ErrorKind::crashed);
  EXPECT_EQ(sim.error(token), "supervisor \"top\": child \"a\" failed to start: exception: no");
  EXPECT_TRUE(sim.list().empty()) << "the spec is dropped";
  EXPECT_TRUE(sim.ok(sim.startChild(child("b"))));
}

TEST(OtpSupervisor, sup_start_restart_child_returns_error) {
  Simulator sim({}, {child("a")});
  sim.begin();
  EXPECT_TRUE(sim.ok(sim.stopChild("a")));
  sim.next("a", fails("no"));

  EXPECT_EQ(sim.errorKind(sim.restartChild("a")), ErrorKind::crashed);

  EXPECT_EQ(sim.state("a"), ChildState::stopped) << "the spec is kept";
  EXPECT_TRUE(sim.ok(sim.restartChild("a")));
}

TEST(OtpSupervisor, sup_start_child_returns_error_simple) {
  Simulator sim({}, {each("t")});
  sim.begin();
  sim.next("t", fails("no"));

  EXPECT_EQ(sim.errorKind(sim.startInstance("t")), ErrorKind::crashed);

  EXPECT_TRUE(sim.list().empty());
  EXPECT_TRUE(sim.reports(Event::restarting).empty());
}

TEST(OtpSupervisor, sup_start_map) {
  const ChildSpec spec{.restart = Restart::transient, .stop = Stop::within(2s)};
  Simulator sim({}, {child("a", spec), child("b")});
  sim.begin();

  EXPECT_EQ(sim.spec("a").spec.restart, Restart::transient);
  EXPECT_EQ(sim.spec("a").spec.stop, Stop::within(2s));
  EXPECT_EQ(sim.spec("b").spec.restart, Restart::permanent);
  EXPECT_EQ(sim.spec("b").spec.stop, Stop::within(5s));
  const Actions unknown = sim.core().spec({}, "c");
  EXPECT_EQ(std::get<Error>(std::get<Answer>(unknown.front()).result).kind(), ErrorKind::gone);
}

TEST(OtpSupervisor, sup_start_map_simple) {
  Simulator sim({}, {each("t", {.restart = Restart::transient})});
  sim.begin();
  ASSERT_TRUE(sim.ok(sim.startInstance("t")));

  EXPECT_EQ(sim.spec("t:1").spec.restart, Restart::transient);
  EXPECT_EQ(sim.spec("t:1").id, "t:1");
  EXPECT_TRUE(sim.spec("t").isTemplate);
}

// --- Stop --------------------------------------------------------------------------------------------------

TEST(OtpSupervisor, sup_stop_infinity) {
  Simulator sim({},
                {child("a", {.stop = Stop::infinity()}), supervisorChild("s", {.stop = Stop::infinity()})});
  sim.script("a", {.stopTakes = 100h});
  sim.begin();

  sim.stop();
  sim.advance(99h);
  EXPECT_FALSE(sim.finished()) << "waits for ever";
  sim.advance(1h);

  EXPECT_EQ(sim.finished(), shutdown());
  EXPECT_TRUE(sim.reports(Event::stopFailed).empty());
}

TEST(OtpSupervisor, sup_stop_timeout) {
  Simulator sim({}, {child("a", {.stop = Stop::within(1s)}), child("b", {.stop = Stop::within(1s)})});
  sim.script("b", hangsOnStop());
  sim.begin();
  sim.takeLog();

  sim.stop();
  EXPECT_EQ(sim.takeLog(), Log{"ask b"});
  sim.advance(1s);

  EXPECT_EQ(sim.takeLog(), (Log{"kill b", "end b", "ask a", "end a"}));
  EXPECT_EQ(sim.finished(), shutdown());
  ASSERT_EQ(sim.reports(Event::stopFailed).size(), 1U);
  EXPECT_EQ(sim.reports(Event::stopFailed)[0].reason, reason(ExitKind::stopTimeout));
}

TEST(OtpSupervisor, sup_stop_timeout_dynamic) {
  Simulator sim({}, {each("t", {.stop = Stop::within(1s)})});
  sim.script("t:2", hangsOnStop());
  sim.begin();
  for (int i = 0; i < 3; ++i) sim.startInstance("t");
  sim.takeLog();

  sim.stop();
  EXPECT_EQ(sim.takeLog(),
            (Log{"ask t:1", "ask t:2", "ask t:3", "end t:1", "forget t:1", "end t:3", "forget t:3"}));
  sim.advance(1s);

  EXPECT_EQ(sim.takeLog(), (Log{"kill t:2", "end t:2", "forget t:2"}));
  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(OtpSupervisor, sup_stop_brutal_kill) {
  Simulator sim({}, {child("a"), child("b", {.stop = Stop::brutalKill()})});
  sim.begin();
  sim.takeLog();

  sim.stop();

  EXPECT_EQ(sim.takeLog(), (Log{"kill b", "end b", "ask a", "end a"}));
  EXPECT_TRUE(sim.reports(Event::stopFailed).empty());
}

TEST(OtpSupervisor, sup_stop_brutal_kill_dynamic) {
  Simulator sim({}, {each("t", {.stop = Stop::brutalKill()})});
  sim.begin();
  for (int i = 0; i < 2; ++i) sim.startInstance("t");
  sim.takeLog();

  sim.stop();

  EXPECT_EQ(sim.takeLog(), (Log{"kill t:1", "kill t:2", "end t:1", "forget t:1", "end t:2", "forget t:2"}));
  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(OtpSupervisor, sup_stop_race) {
  Simulator sim({}, {child("a"), child("b"), child("c"), child("d")});
  sim.script("d", {.stopTakes = 1s});
  sim.script("c", {.onStop = Behaviour::OnStop::crash});
  sim.begin();
  sim.takeLog();

  sim.stop();
  sim.end("b", reason(ExitKind::exited, 3));
  sim.advance(1s);

  EXPECT_EQ(sim.takeLog(), (Log{"ask d", "end b", "end d", "ask c", "end c", "ask a", "end a"}));
  EXPECT_EQ(sim.finished(), shutdown());
  EXPECT_EQ(sim.reports(Event::ended).at(0).reason, reason(ExitKind::exited, 3)) << "its true reason is kept";
  EXPECT_EQ(sim.reports(Event::stopFailed).at(0).reason, crash());
  EXPECT_TRUE(sim.reports(Event::restarting).empty());
}

TEST(OtpSupervisor, sup_stop_non_shutdown_exit_dynamic) {
  Simulator sim({}, {each("t", {.restart = Restart::transient})});
  sim.script("t:1", {.onStop = Behaviour::OnStop::crash});
  sim.script("t:2", {.stopTakes = 1s});
  sim.begin();
  for (int i = 0; i < 3; ++i) sim.startInstance("t");

  sim.stop();
  sim.end("t:2", reason(ExitKind::exited, 7));

  EXPECT_EQ(sim.finished(), shutdown());
  EXPECT_EQ(sim.reports(Event::stopFailed).size(), 2U);
  EXPECT_EQ(sim.forgotten().at("t:1"), crash());
  EXPECT_EQ(sim.forgotten().at("t:2"), reason(ExitKind::exited, 7));
}

TEST(OtpSupervisor, order_of_children) {
  Simulator sim({.strategy = Strategy::oneForAll}, {child("a"), child("b"), child("c")});
  sim.begin();
  EXPECT_EQ(sim.takeLog(), (Log{"start a", "start b", "start c"}));
  EXPECT_EQ(sim.ids(), (Log{"a", "b", "c"}));

  sim.end("b", crash());
  EXPECT_EQ(sim.takeLog(),
            (Log{"end b", "ask c", "end c", "ask a", "end a", "start a", "start b", "start c"}));

  sim.stop();
  EXPECT_EQ(sim.takeLog(), (Log{"ask c", "end c", "ask b", "end b", "ask a", "end a"}));
}

}  // namespace
}  // namespace troupe::supervision::test
