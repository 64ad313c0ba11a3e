// OTP's supervisor suite, part by part, under its names: requests, counts, live changes.
#include "simulator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>

namespace troupe::supervision::test {
namespace {

using Log = std::vector<std::string>;

TEST(OtpSupervisor, child_adm) {
  Simulator sim;
  sim.begin();
  ASSERT_TRUE(sim.ok(sim.startChild(child("a"))));
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 1, .supervisors = 0, .workers = 1}));

  EXPECT_EQ(sim.error(sim.startChild(child("a"))),
            "cannot start child \"a\" of supervisor \"top\": a child of this id is already started");
  EXPECT_EQ(sim.error(sim.restartChild("a")),
            "cannot restart child \"a\" of supervisor \"top\": it is running");
  EXPECT_EQ(sim.error(sim.deleteChild("a")),
            "cannot delete child \"a\" of supervisor \"top\": it is running");

  EXPECT_TRUE(sim.ok(sim.stopChild("a")));
  EXPECT_TRUE(sim.ok(sim.stopChild("a"))) << "stopping again is fine";
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 0, .supervisors = 0, .workers = 1}));
  EXPECT_EQ(
      sim.error(sim.startChild(child("a"))),
      "cannot start child \"a\" of supervisor \"top\": a child of this id is already present; it is stopped");

  EXPECT_TRUE(sim.ok(sim.restartChild("a")));
  EXPECT_NE(sim.pid("a"), 0U);
  EXPECT_TRUE(sim.ok(sim.stopChild("a")));
  EXPECT_FALSE(sim.forgotten().contains("a"));
  EXPECT_TRUE(sim.ok(sim.deleteChild("a")));
  EXPECT_TRUE(sim.forgotten().contains("a"));

  EXPECT_EQ(sim.error(sim.restartChild("a")),
            "cannot restart child \"a\" of supervisor \"top\": it has no such child (not found)");
  EXPECT_EQ(sim.errorKind(sim.deleteChild("a")), ErrorKind::gone);
  EXPECT_EQ(sim.errorKind(sim.stopChild("a")), ErrorKind::gone);
  EXPECT_TRUE(sim.list().empty());
}

TEST(OtpSupervisor, child_adm_simple) {
  Simulator sim({}, {each("t")});
  sim.begin();
  ASSERT_EQ(sim.started(sim.startInstance("t")).id, "t:1");
  ASSERT_EQ(sim.started(sim.startInstance("t")).id, "t:2");

  EXPECT_TRUE(sim.ok(sim.stopChild("t:1")));
  EXPECT_TRUE(sim.ok(sim.stopChild("t:1"))) << "already dead is fine";
  EXPECT_EQ(sim.errorKind(sim.stopChild("t:3")), ErrorKind::gone) << "there never was such an instance";
  EXPECT_EQ(sim.errorKind(sim.stopChild("t")), ErrorKind::invalid);
  EXPECT_EQ(sim.errorKind(sim.restartChild("t")), ErrorKind::invalid);
  EXPECT_EQ(sim.errorKind(sim.restartChild("t:2")), ErrorKind::invalid);
  EXPECT_EQ(sim.errorKind(sim.deleteChild("t")), ErrorKind::invalid);
  EXPECT_EQ(sim.errorKind(sim.deleteChild("t:2")), ErrorKind::invalid);
  EXPECT_EQ(sim.errorKind(sim.startInstance("u")), ErrorKind::gone);
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 1, .supervisors = 0, .workers = 1}));
  EXPECT_EQ(sim.started(sim.startInstance("t")).id, "t:3") << "a number is not used again";
}

TEST(OtpSupervisor, extra_return) {
  Simulator sim;
  sim.begin();
  sim.script("a", {.extra = "port 8080"});
  EXPECT_EQ(sim.started(sim.startChild(child("a"))).extra, "port 8080");
  EXPECT_TRUE(sim.ok(sim.stopChild("a")));
  EXPECT_EQ(sim.started(sim.restartChild("a")).extra, "port 8080");
}

TEST(OtpSupervisor, simple_one_for_one_extra) {
  Simulator sim({}, {each("t")});
  sim.script("t", {.extra = "port 8080"});
  sim.begin();
  EXPECT_EQ(sim.started(sim.startInstance("t")).extra, "port 8080");
}

TEST(OtpSupervisor, count_children) {
  Simulator sim({}, {each("t", {.restart = Restart::temporary})});
  sim.begin();
  for (const std::size_t total : {1000U, 2000U}) {
    for (int i = 0; i < 1000; ++i) sim.startInstance("t");
    EXPECT_EQ(sim.list().size(), total);
    EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = total, .supervisors = 0, .workers = total}));
  }
  for (const std::string& id : sim.ids()) sim.end(id, reason(ExitKind::signaled, 9));
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1}));
}

TEST(OtpSupervisor, count_children_supervisor) {
  ChildDeclaration ofSupervisors = each("t", {.restart = Restart::temporary});
  ofSupervisors.isSupervisor = true;
  Simulator sim({}, {ofSupervisors});
  sim.begin();
  for (int i = 0; i < 1000; ++i) sim.startInstance("t");
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 1000, .supervisors = 1000, .workers = 0}));
  sim.end("t:500", reason(ExitKind::signaled, 9));
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 999, .supervisors = 999, .workers = 0}));
}

TEST(OtpSupervisor, count_restarting_children) {
  Simulator sim({.maxRestarts = 100}, {each("t")});
  sim.begin();
  for (int i = 0; i < 2; ++i) sim.startInstance("t");
  sim.script("t:1", hangs());

  sim.end("t:1", crash());

  EXPECT_EQ(sim.state("t:1"), ChildState::restarting);
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 1, .supervisors = 0, .workers = 2}));
  EXPECT_TRUE(sim.ok(sim.stopChild("t:1")));
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 1, .supervisors = 0, .workers = 1}));
}

TEST(OtpSupervisor, do_not_save_child_specs_for_temporary_children) {
  for (const Strategy strategy : {Strategy::oneForOne, Strategy::oneForAll, Strategy::restForOne}) {
    Simulator sim({.strategy = strategy});
    sim.begin();
    const ChildDeclaration temporary = child("a", {.restart = Restart::temporary});
    for (const ExitReason& why : {reason(ExitKind::signaled, 9), normal(), crash()}) {
      ASSERT_TRUE(sim.ok(sim.startChild(temporary)));
      sim.end("a", why);
      EXPECT_TRUE(sim.list().empty());
    }
    ASSERT_TRUE(sim.ok(sim.startChild(temporary)));
    EXPECT_TRUE(sim.ok(sim.stopChild("a")));
    EXPECT_TRUE(sim.ok(sim.startChild(temporary)));
  }
}

// Processor time of `count` starts and stops: unlike a clock's, it does not count the load of the machine.
double costOf(const std::function<void()>& work) {
  const std::clock_t before = std::clock();
  work();
  return static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
}

double startAndStopInstances(int count, Restart restart) {
  Simulator sim({}, {each("t", {.restart = restart})});
  Core& core = sim.core();
  core.begin({});
  return costOf([&] {
    for (ChildKey key = 2; key < static_cast<ChildKey>(count) + 2; ++key) {
      core.startInstance({}, {}, "t");
      core.ready({}, key, 1, Core::Outcome::started);
    }
    EXPECT_EQ(std::get<Counts>(std::get<Answer>(core.count({}).front()).result).active,
              static_cast<unsigned>(count));
    for (int i = 1; i <= count; ++i) {
      core.stopChild({}, {}, instanceId("t", static_cast<std::uint64_t>(i)));
      core.ended({}, static_cast<ChildKey>(i) + 1, 1, shutdown());
    }
    EXPECT_EQ(std::get<Counts>(std::get<Answer>(core.count({}).front()).result), Counts{.specs = 1});
  });
}

double startAndStopChildren(int count) {
  Core core("top", {.strategy = Strategy::restForOne}, {});
  core.begin({});
  return costOf([&] {
    for (ChildKey key = 1; key <= static_cast<ChildKey>(count); ++key) {
      core.startChild({}, {}, child("c" + std::to_string(key)));
      core.ready({}, key, 1, Core::Outcome::started);
    }
    core.stop({}, shutdown());
    for (auto key = static_cast<ChildKey>(count); key > 0; --key) core.ended({}, key, 1, shutdown());
    EXPECT_TRUE(core.finished());
  });
}

TEST(OtpSupervisor, simple_one_for_one_scale_many_temporary_children) {
  const double thousand = startAndStopInstances(1000, Restart::temporary);
  const double tenThousand = startAndStopInstances(10000, Restart::temporary);
  EXPECT_LT(tenThousand, 50 * thousand + 0.5) << "about linear is 10; squares are 100";
}

TEST(OtpSupervisor, scale_start_stop_many_children) {
  const double thousand = startAndStopChildren(1000);
  const double tenThousand = startAndStopChildren(10000);
  EXPECT_LT(tenThousand, 50 * thousand + 0.5);
}

TEST(OtpSupervisor, hanging_restart_loop) {
  Simulator sim({.maxRestarts = 8, .within = 10s});
  sim.begin();
  ASSERT_TRUE(sim.ok(sim.startChild(child("a", {.stop = Stop::brutalKill()}))));
  Behaviour slowFailure = fails("no");
  slowFailure.initTakes = 2s;
  sim.script("a", slowFailure);

  sim.end("a", crash());
  sim.advance(3s);

  EXPECT_NE(sim.error(sim.startChild(child("a"))).find("already present; it is restarting"),
            std::string::npos);
  EXPECT_NE(sim.error(sim.restartChild("a")).find("it is restarting"), std::string::npos);
  EXPECT_NE(sim.error(sim.deleteChild("a")).find("it is restarting"), std::string::npos);
  EXPECT_EQ(sim.state("a"), ChildState::restarting);
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 0, .supervisors = 0, .workers = 1}));

  EXPECT_TRUE(sim.ok(sim.stopChild("a"))) << "at once, though its init hangs";
  EXPECT_EQ(sim.state("a"), ChildState::stopped);
  sim.script("a", {});
  EXPECT_TRUE(sim.ok(sim.restartChild("a")));

  sim.script("a", slowFailure);
  sim.end("a", crash());
  sim.advance(3s);
  sim.stop();
  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(OtpSupervisor, hanging_restart_loop_rest_for_one) {
  Simulator sim({.strategy = Strategy::restForOne, .maxRestarts = 8, .within = 10s},
                {child("a"), child("b", {.stop = Stop::brutalKill()}), child("c")});
  sim.begin();
  const auto a = sim.pid("a");
  Behaviour slowFailure = fails("no");
  slowFailure.initTakes = 2s;
  sim.script("b", slowFailure);

  sim.end("b", crash());
  sim.advance(1s);

  EXPECT_EQ(sim.state("a"), ChildState::running);
  EXPECT_EQ(sim.state("b"), ChildState::restarting);
  EXPECT_EQ(sim.counts(), (Counts{.specs = 3, .active = 1, .supervisors = 0, .workers = 3}));
  EXPECT_NE(sim.error(sim.startChild(child("b"))).find("already present"), std::string::npos);
  EXPECT_NE(sim.error(sim.restartChild("b")).find("it is restarting"), std::string::npos);

  EXPECT_TRUE(sim.ok(sim.stopChild("b")));
  EXPECT_EQ(sim.pid("a"), a) << "started earlier: untouched throughout";
  sim.script("b", {});
  EXPECT_TRUE(sim.ok(sim.restartChild("b")));

  sim.script("b", slowFailure);
  sim.end("b", crash());
  sim.stop();
  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(OtpSupervisor, hanging_restart_loop_simple) {
  Simulator sim({.maxRestarts = 8, .within = 10s}, {each("t", {.stop = Stop::brutalKill()})});
  sim.begin();
  ASSERT_TRUE(sim.ok(sim.startInstance("t")));
  sim.script("t", hangs());

  sim.end("t:1", crash());

  EXPECT_EQ(sim.state("t:1"), ChildState::restarting);
  EXPECT_EQ(sim.errorKind(sim.restartChild("t:1")), ErrorKind::invalid);
  EXPECT_EQ(sim.counts(), (Counts{.specs = 1, .active = 0, .supervisors = 0, .workers = 1}));
  EXPECT_TRUE(sim.ok(sim.stopChild("t:1")));
  EXPECT_TRUE(sim.list().empty());
  sim.script("t", {});
  EXPECT_TRUE(sim.ok(sim.startInstance("t")));
  sim.script("t", hangs());
  sim.end("t:2", crash());
  sim.stop();
  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(OtpSupervisor, code_change) {
  Simulator sim({.maxRestarts = 0, .within = 1s});
  sim.begin();

  EXPECT_TRUE(sim.ok(sim.change({.flags = SupervisorSpec{.maxRestarts = 1, .within = 3s}, .children = {}})));
  EXPECT_EQ(sim.core().flags().maxRestarts, 1U);

  EXPECT_EQ(sim.errorKind(sim.change({.flags = {}, .children = {{child("")}}})), ErrorKind::invalid);
  EXPECT_TRUE(
      sim.ok(sim.change({.flags = {}, .children = {{child("a", {.stop = Stop::within(2s)}), child("b")}}})));
  EXPECT_EQ(sim.counts().active, 0U) << "additions are not started";
  EXPECT_TRUE(sim.ok(sim.restartChild("a")));
  EXPECT_TRUE(sim.ok(sim.restartChild("b")));
  const auto a = sim.pid("a");

  EXPECT_TRUE(
      sim.ok(sim.change({.flags = {}, .children = {{child("a", {.stop = Stop::within(1s)}), child("c")}}})));
  EXPECT_EQ(sim.ids(), (Log{"a", "c", "b"})) << "what was removed is kept, after the others";
  EXPECT_EQ(sim.pid("a"), a);
  EXPECT_NE(sim.pid("b"), 0U);
  EXPECT_EQ(sim.spec("a").spec.stop, Stop::within(1s));

  EXPECT_EQ(sim.errorKind(sim.change({.flags = SupervisorSpec{.within = 0s}, .children = {}})),
            ErrorKind::invalid);
  EXPECT_EQ(sim.core().flags().maxRestarts, 1U) << "a refused change changes nothing";
  sim.takeLog();
  sim.stop();
  EXPECT_EQ(sim.takeLog(), (Log{"ask b", "end b", "ask a", "end a"}));
}

TEST(OtpSupervisor, code_change_simple) {
  Simulator sim({.maxRestarts = 10}, {each("t", {.stop = Stop::brutalKill()})});
  sim.begin();
  sim.startInstance("t");

  EXPECT_TRUE(sim.ok(sim.change({.flags = {}, .children = {{each("t", {.restart = Restart::temporary})}}})));
  EXPECT_EQ(sim.spec("t:1").spec.restart, Restart::temporary) << "also those that run go by the new spec";
  EXPECT_EQ(sim.errorKind(sim.change({.flags = {}, .children = {{child("t")}}})), ErrorKind::invalid);
  EXPECT_EQ(
      sim.errorKind(sim.change({.flags = SupervisorSpec{.strategy = Strategy::oneForAll}, .children = {}})),
      ErrorKind::invalid)
      << "a template is kept, and does not go with that strategy";

  sim.end("t:1", crash());
  EXPECT_TRUE(sim.list().empty());
}

}  // namespace
}  // namespace troupe::supervision::test
