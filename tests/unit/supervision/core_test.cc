// What the core promises beyond OTP's suite: that nothing blocks, the back-off, true reasons, and requests at
// odd moments.
#include "simulator.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::supervision::test {
namespace {

using Log = std::vector<std::string>;

TEST(SupervisionCore, EachChildWaitsForTheOneBeforeItToBeReady) {
  Simulator sim({}, {child("a"), child("b")});
  sim.script("a", {.initTakes = 1s});
  sim.begin();
  EXPECT_EQ(sim.takeLog(), Log{"start a"});
  EXPECT_EQ(sim.state("b"), ChildState::starting);
  sim.advance(1s);
  EXPECT_EQ(sim.takeLog(), Log{"start b"});
  EXPECT_TRUE(sim.becameReady());
}

TEST(SupervisionCore, WhileOneStartsTheNextStartIsKnown) {
  Core core("top", {.strategy = Strategy::oneForAll}, {child("a"), child("b")});
  EXPECT_FALSE(core.startsNext());
  core.begin({});
  ASSERT_TRUE(core.startsNext());
  EXPECT_EQ(core.startsNext()->id, "b");
  EXPECT_EQ(core.startsNext()->incarnation, 1U);
  core.ready({}, 1, 1, Core::Outcome::started);
  EXPECT_FALSE(core.startsNext()) << "it is the last one, and starts";
  core.ready({}, 2, 1, Core::Outcome::started);

  core.ended({}, 2, 1, crash());
  core.ended({}, 1, 1, shutdown());

  ASSERT_TRUE(core.startsNext()) << "a round";
  EXPECT_EQ(core.startsNext()->key, 2U);
  EXPECT_EQ(core.startsNext()->incarnation, 2U);
}

TEST(SupervisionCore, AStartThatTakesTooLongFailsWithNotReady) {
  Simulator sim({}, {child("a"), child("b", {.readyWithin = 2s})});
  sim.script("b", hangs());
  sim.begin();
  sim.advance(2s);
  EXPECT_EQ(sim.takeLog(), (Log{"start a", "start b", "kill b", "end b", "ask a", "end a"}));
  ASSERT_TRUE(sim.finished());
  EXPECT_EQ(sim.finished()->text, "child \"b\" failed to start: did not become ready in time");
  EXPECT_EQ(sim.reports(Event::startFailed).at(0).reason.kind, ExitKind::notReady);
}

TEST(SupervisionCore, AChildThatIgnoresAndDoesNotEndIsKilled) {
  Core core("top", {}, {child("a", {.readyWithin = 2s})});
  core.begin({});
  core.ready({}, 1, 1, Core::Outcome::ignored);
  const Actions late = core.timer(Time{2s}, 1);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Kill>(late[0]));
  core.ended(Time{2s}, 1, 1, reason(ExitKind::signaled, 9));
  EXPECT_TRUE(core.becameReady()) << "it has ignored all the same";
}

TEST(SupervisionCore, AFailedForkIsAFailedStart) {
  Core core("top", {}, {child("a")});
  core.begin({});
  const Actions actions = core.ended({}, 1, 1, reason(ExitKind::notStarted, 11));
  const auto* finish = std::get_if<Finish>(&actions.back());
  ASSERT_NE(finish, nullptr);
  EXPECT_EQ(finish->reason.kind, ExitKind::childFailed);
}

TEST(SupervisionCore, LateEventsOfAnEarlierIncarnationAreIgnored) {
  Core core("top", {}, {child("a", {.readyWithin = kForever})});
  core.begin({});
  core.ready({}, 1, 1, Core::Outcome::started);
  core.ended({}, 1, 1, crash());
  EXPECT_TRUE(core.ended({}, 1, 1, crash()).empty());
  EXPECT_TRUE(core.ready({}, 1, 1, Core::Outcome::started).empty());
  EXPECT_TRUE(core.ended({}, 77, 1, crash()).empty());
  EXPECT_TRUE(core.timer({}, 77).empty());
}

TEST(SupervisionCore, AnOrderlyEndOfItsOwnIsAShutdown) {
  Simulator sim({}, {child("a", {.restart = Restart::transient})});
  sim.begin();
  sim.leave("a");
  sim.end("a", normal());
  EXPECT_EQ(sim.reports(Event::ended).at(0).reason, shutdown());
}

TEST(SupervisionCore, AReasonThatOnlyTheDriverKnowsIsKept) {
  Simulator sim({}, {child("a")});
  sim.begin();
  sim.end("a", reason(ExitKind::hung));
  EXPECT_EQ(sim.reports(Event::ended).at(0).reason.kind, ExitKind::hung);
  EXPECT_NE(sim.pid("a"), 0U) << "and it was restarted";
}

TEST(SupervisionCore, StopDuringTheStartStopsWhatHasBeenStarted) {
  Simulator sim({}, {child("a"), child("b"), child("c")});
  sim.script("b", hangs());
  sim.begin();
  sim.stop();
  EXPECT_EQ(sim.takeLog(), (Log{"start a", "start b", "ask b", "end b", "ask a", "end a"}));
  EXPECT_EQ(sim.finished(), shutdown());
  EXPECT_FALSE(sim.becameReady());
}

TEST(SupervisionCore, AHangingInitDoesNotHoldUpAStopWithoutALimit) {
  Simulator sim({}, {child("a", {.stop = Stop::infinity(), .readyWithin = 30s})});
  sim.script("a", {.init = Behaviour::Init::hang, .onStop = Behaviour::OnStop::hang});
  sim.begin();
  sim.advance(10s);
  sim.stop();
  sim.advance(20s);
  EXPECT_EQ(sim.finished(), shutdown());
}

TEST(SupervisionCore, StopBeforeBeginAndAgainIsFine) {
  Simulator sim({}, {child("a")});
  sim.stop();
  EXPECT_EQ(sim.finished(), shutdown());
  sim.begin();
  sim.stop();
  EXPECT_TRUE(sim.takeLog().empty());
}

TEST(SupervisionCore, OneForOneRestartsSideBySide) {
  Simulator sim({.maxRestarts = 5}, {child("a"), child("b")});
  sim.begin();
  sim.script("a", hangs());
  sim.end("a", crash());
  sim.end("b", crash());
  EXPECT_EQ(sim.state("a"), ChildState::restarting);
  EXPECT_EQ(sim.state("b"), ChildState::running) << "not held up by a";
}

TEST(SupervisionCore, ACrashDuringARoundJoinsIt) {
  Simulator sim({.strategy = Strategy::restForOne, .maxRestarts = 5}, {child("a"), child("b"), child("c")});
  sim.begin();
  sim.next("b", hangs());
  sim.end("b", crash());
  sim.takeLog();

  sim.end("a", crash());

  EXPECT_EQ(sim.takeLog(), (Log{"end a", "ask b", "end b", "start a", "start b", "start c"}));
  EXPECT_EQ(sim.reports(Event::restarting).size(), 2U) << "each crash counts";
}

TEST(SupervisionCore, ACrashDuringTheSupervisorsOwnStartIsARestart) {
  for (const Strategy strategy : {Strategy::oneForOne, Strategy::oneForAll, Strategy::restForOne}) {
    Simulator sim({.strategy = strategy}, {child("a"), child("b")});
    sim.next("b", hangs());
    sim.next("b", {});
    sim.begin();
    sim.end("a", crash());
    EXPECT_NE(sim.pid("a"), 0U);
    EXPECT_EQ(sim.becameReady(), strategy != Strategy::oneForOne) << "in a round, b is started anew";
    EXPECT_FALSE(sim.finished());
  }
}

TEST(SupervisionCore, AnAutoShutdownDuringTheStartWaitsForItsEnd) {
  Simulator sim({.autoShutdown = AutoShutdown::anySignificant},
                {child("a", {.restart = Restart::temporary, .significant = true}), child("b")});
  sim.script("b", {.initTakes = 1s});
  sim.begin();
  sim.end("a", normal());
  EXPECT_FALSE(sim.finished());
  sim.advance(1s);
  EXPECT_TRUE(sim.becameReady());
  ASSERT_TRUE(sim.finished());
  EXPECT_EQ(sim.finished()->kind, ExitKind::shutdown);
}

// --- Back-off ----------------------------------------------------------------------------------------------

TEST(SupervisionCore, RestartsBackOffExponentiallyAndStartOverAfterAQuietTime) {
  const BackOff backOff{.first = 1s, .limit = 4s, .factor = 2.0, .jitter = 0.0};
  Simulator sim({.maxRestarts = 100}, {child("a", {.backOff = backOff})});
  sim.begin();
  for (const Duration wait : {Duration(1s), Duration(2s), Duration(4s), Duration(4s)}) {
    sim.end("a", crash());
    sim.advance(wait - 1ns);
    EXPECT_EQ(sim.state("a"), ChildState::restarting);
    sim.advance(1ns);
    EXPECT_EQ(sim.state("a"), ChildState::running);
  }
  sim.advance(4s);
  sim.end("a", crash());
  sim.advance(1s);
  EXPECT_EQ(sim.state("a"), ChildState::running) << "the first wait again";
}

TEST(SupervisionCore, FailedRestartsBackOffToo) {
  Simulator sim({.maxRestarts = 100}, {child("a", {.backOff = {.first = 1s, .jitter = 0.0}})});
  sim.begin();
  sim.script("a", fails("no"));
  sim.takeLog();
  sim.end("a", crash());
  sim.advance(1s + 2s + 4s);
  EXPECT_EQ(sim.takeLog(), (Log{"end a", "start a", "end a", "start a", "end a", "start a", "end a"}));
  EXPECT_EQ(sim.reports(Event::restarting).size(), 3U);
}

TEST(SupervisionCore, TheWaitOfABackOffCanBeEnded) {
  Simulator sim({.maxRestarts = 2}, {child("a", {.backOff = {.first = 1h, .limit = 1h}}), child("b")});
  sim.begin();
  sim.end("a", crash());
  EXPECT_TRUE(sim.ok(sim.stopChild("a")));
  EXPECT_TRUE(sim.ok(sim.restartChild("a"))) << "by hand, and at once";
  sim.end("a", crash());
  sim.stop();
  EXPECT_EQ(sim.finished(), shutdown());
}

// --- Requests ----------------------------------------------------------------------------------------------

TEST(SupervisionCore, StartsByHandDoNotCount) {
  Simulator sim({.maxRestarts = 0}, {child("a")});
  sim.begin();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(sim.ok(sim.stopChild("a")));
    EXPECT_TRUE(sim.ok(sim.restartChild("a")));
  }
  EXPECT_FALSE(sim.finished());
  sim.end("a", crash());
  EXPECT_TRUE(sim.finished()) << "at 0, the first crash gives up";
}

TEST(SupervisionCore, AStartIsAnsweredWhenTheChildIsReady) {
  Simulator sim({}, {each("t")});
  sim.begin();
  sim.script("a", {.initTakes = 1s});
  sim.script("t:1", {.initTakes = 2s});
  const Token a = sim.startChild(child("a"));
  const Token t = sim.startInstance("t");
  const Token quick = sim.startInstance("t");
  EXPECT_FALSE(sim.answered(a));
  EXPECT_TRUE(sim.ok(quick)) << "a slow init holds up nobody else";
  sim.advance(1s);
  EXPECT_TRUE(sim.ok(a));
  EXPECT_FALSE(sim.answered(t));
  sim.advance(1s);
  EXPECT_TRUE(sim.ok(t));
}

TEST(SupervisionCore, AChildCanBeStoppedWhileItStarts) {
  Simulator sim;
  sim.begin();
  sim.next("a", hangs());
  const Token start = sim.startChild(child("a"));
  EXPECT_TRUE(sim.ok(sim.stopChild("a")));
  EXPECT_EQ(sim.errorKind(start), ErrorKind::gone);
  EXPECT_EQ(sim.state("a"), ChildState::stopped);
  EXPECT_TRUE(sim.ok(sim.restartChild("a")));
}

TEST(SupervisionCore, SeveralMayWaitForOneStop) {
  Simulator sim({}, {child("a")});
  sim.script("a", {.stopTakes = 1s});
  sim.begin();
  const Token first = sim.stopChild("a");
  const Token second = sim.stopChild("a");
  EXPECT_NE(sim.error(sim.restartChild("a")).find("it is stopping"), std::string::npos);
  EXPECT_FALSE(sim.answered(first));
  sim.advance(1s);
  EXPECT_TRUE(sim.ok(first) && sim.ok(second));
}

TEST(SupervisionCore, StartsByHandWaitForTheStartOfTheSupervisor) {
  Simulator sim({}, {child("a")});
  sim.script("a", {.initTakes = 1s});
  sim.begin();
  const Token token = sim.startChild(child("b"));
  EXPECT_FALSE(sim.answered(token));
  sim.advance(1s);
  EXPECT_TRUE(sim.ok(token));
  EXPECT_EQ(sim.ids(), (Log{"a", "b"}));
}

TEST(SupervisionCore, WhatWouldWaitForItselfIsRefused) {
  Simulator sim({}, {child("a")});
  sim.script("a", hangs());
  sim.begin();
  EXPECT_EQ(sim.errorKind(sim.startChild(child("b"), "a")), ErrorKind::invalid);
  EXPECT_EQ(sim.errorKind(sim.stopChild("a", "a")), ErrorKind::invalid);
}

TEST(SupervisionCore, AChildStoppedByHandDuringARoundStaysStopped) {
  Simulator sim({.strategy = Strategy::oneForAll, .maxRestarts = 5}, {child("a"), child("b"), child("c")});
  sim.begin();
  sim.next("a", {.initTakes = 1s});
  sim.end("c", crash());
  EXPECT_EQ(sim.state("b"), ChildState::restarting);

  EXPECT_TRUE(sim.ok(sim.stopChild("b")));
  sim.advance(1s);

  EXPECT_EQ(sim.state("b"), ChildState::stopped);
  EXPECT_EQ(sim.state("c"), ChildState::running);
  sim.end("c", crash());
  EXPECT_EQ(sim.state("b"), ChildState::running) << "the next round starts all, as in OTP";
}

TEST(SupervisionCore, AStartInProgressGoesAlongWithARound) {
  Simulator sim({.strategy = Strategy::oneForAll, .maxRestarts = 5}, {child("a")});
  sim.begin();
  sim.next("b", hangs());
  const Token permanent = sim.startChild(child("b"));
  sim.next("c", hangs());
  const Token temporary = sim.startChild(child("c", {.restart = Restart::temporary}));

  sim.end("a", crash());

  EXPECT_TRUE(sim.ok(permanent));
  EXPECT_EQ(sim.errorKind(temporary), ErrorKind::gone);
  EXPECT_EQ(sim.living(), 2U);
}

TEST(SupervisionCore, RequestsWhileItStopsAreErrors) {
  Simulator sim({}, {child("a"), each("t")});
  sim.script("a", {.stopTakes = 1s});
  sim.begin();
  const Token before = sim.stopChild("a");
  sim.stop();
  for (const Token token : {sim.startChild(child("b")), sim.startInstance("t"), sim.stopChild("a"),
                            sim.restartChild("a"), sim.deleteChild("a"), sim.change({})}) {
    EXPECT_EQ(sim.errorKind(token), ErrorKind::gone);
  }
  EXPECT_EQ(sim.state("a"), ChildState::stopping) << "looking is still possible";
  sim.advance(1s);
  EXPECT_TRUE(sim.ok(before));
  EXPECT_EQ(sim.errorKind(sim.stopChild("a")), ErrorKind::gone) << "and after it";
}

TEST(SupervisionCore, StoppingAllForgetsWhatARestartOfTheSupervisorWouldNotBringBack) {
  Simulator sim({}, {child("a"), child("b", {.restart = Restart::temporary}), each("t")});
  sim.begin();
  sim.startChild(child("c"));
  sim.startChild(child("d"));
  EXPECT_TRUE(sim.ok(sim.stopChild("d")));
  sim.startInstance("t");
  sim.stop();
  Log forgotten;
  for (const auto& [id, why] : sim.forgotten()) forgotten.push_back(id);
  EXPECT_EQ(forgotten, (Log{"b", "c", "d", "t:1"}));
}

TEST(SupervisionCore, ALowerLimitCountsWhatHasBeenSpent) {
  Simulator sim({.maxRestarts = 5, .within = 10s}, {child("a")});
  sim.begin();
  sim.end("a", crash());
  sim.end("a", crash());
  EXPECT_TRUE(sim.ok(sim.change({.flags = SupervisorSpec{.maxRestarts = 2, .within = 10s}, .children = {}})));
  sim.end("a", crash());
  EXPECT_TRUE(sim.finished());
}

TEST(SupervisionCore, RestartsWhoseCauseIsAMessageCountForNothing) {
  Core core("pool", {.maxRestarts = 1, .within = 10s}, {child("a")});
  core.begin({});
  Incarnation incarnation = 1;
  core.ready({}, 1, incarnation, Core::Outcome::started);
  for (; incarnation < 10; ++incarnation) {
    const Actions actions = core.ended({}, 1, incarnation, crash(), Core::Cause::message);
    const auto reports = [&](const Action& each) {
      const auto* const report = std::get_if<Report>(&each);
      return report != nullptr && toString(*report) ==
                                      "supervisor \"pool\": restarting \"a\" (killed by SIGSEGV), "
                                      "which had a message in hand";
    };
    EXPECT_EQ(std::ranges::count_if(actions, reports), 1);
    core.ready({}, 1, incarnation + 1, Core::Outcome::started);
  }
  core.ended({}, 1, incarnation++, crash());
  EXPECT_FALSE(core.finished());
  core.ready({}, 1, incarnation, Core::Outcome::started);
  core.ended({}, 1, incarnation, crash());
  EXPECT_TRUE(core.finished()) << "others count as ever";
}

TEST(SupervisionCore, AStoppedRetryLetsTheSupervisorsOwnStartGoOn) {
  Simulator sim({.strategy = Strategy::restForOne, .maxRestarts = 9},
                {child("a", {.backOff = {.first = 1h, .limit = 1h}}), child("b", {.readyWithin = kForever}),
                 child("c")});
  sim.next("a", {});
  sim.next("a", fails("no"));
  sim.next("b", hangs());
  sim.begin();
  sim.end("a", crash());
  sim.advance(1h);
  EXPECT_EQ(sim.state("a"), ChildState::restarting) << "waits for its second attempt";
  EXPECT_FALSE(sim.becameReady());

  EXPECT_TRUE(sim.ok(sim.stopChild("a")));

  EXPECT_TRUE(sim.becameReady());
  EXPECT_EQ(sim.state("c"), ChildState::running);
}

}  // namespace
}  // namespace troupe::supervision::test
