#include "os/guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "os/channel.h"
#include "os/output.h"
#include "os/process.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

GuardedCommand shell(const std::string& script) {
  return {.arguments = {"sh", "-c", script}, .environment = environmentWith({})};
}

GuardReport awaitReport(const Guard& guard) {
  GuardReport report;
  for (;;) {
    const GuardState state = nextReport(guard.channel.get(), report);
    if (state == GuardState::reported) return report;
    EXPECT_EQ(state, GuardState::nothing) << "it has ended without a report";
    if (state == GuardState::ended) return report;
    waitForMessage(guard.channel.get());
  }
}

TEST(Guard, ReportsTheStartAndTheEndAndLeavesNothing) {
  const Guard guard = startGuarded(shell("sleep 1000 & exit 3"), "guard");
  const GuardReport started = awaitReport(guard);
  EXPECT_EQ(started.kind, GuardReport::Kind::started);
  EXPECT_GT(started.value, 0);
  const GuardReport ended = awaitReport(guard);
  EXPECT_EQ(ended.kind, GuardReport::Kind::ended);
  EXPECT_FALSE(ended.signaled);
  EXPECT_EQ(ended.value, 3);
  reapGuard(guard.pid);
}

TEST(Guard, ReportsWhatCannotBeExecuted) {
  const Guard missing = startGuarded({.arguments = {"/no/such/program"}}, "guard");
  const GuardReport report = awaitReport(missing);
  EXPECT_EQ(report.kind, GuardReport::Kind::failed);
  EXPECT_EQ(report.step, GuardReport::Step::exec);
  EXPECT_EQ(report.value, ENOENT);
  reapGuard(missing.pid);
  const Guard nowhere = startGuarded({.arguments = {"true"}, .directory = "/no/such/folder"}, "guard");
  EXPECT_EQ(awaitReport(nowhere).step, GuardReport::Step::directory);
  reapGuard(nowhere.pid);
}

TEST(Guard, KillsAllBelowItWhenItIsToldToAndWhenItsKeeperLetsGo) {
  for (const bool told : {true, false}) {
    OutputPipe output = makeOutputPipe();
    GuardedCommand family = shell("setsid sleep 1000 & sleep 1000 & echo ready; wait");
    family.output = output.writer.get();
    Guard guard = startGuarded(family, "guard");
    output.writer.reset();
    EXPECT_EQ(awaitReport(guard).kind, GuardReport::Kind::started);
    if (told) {
      order(guard.channel.get(), GuardOrder::kill);
      const GuardReport ended = awaitReport(guard);
      EXPECT_TRUE(ended.signaled);
      EXPECT_EQ(ended.value, SIGKILL);
    } else {
      guard.channel.reset();
    }
    reapGuard(guard.pid);
    test::readToEnd(output.reader.get());  // comes to its end: nobody holds the other one any more
  }
}

TEST(Guard, StopsACommandWithAllThatItHasStartedAndWaitsForThem) {
  OutputPipe output = makeOutputPipe();
  GuardedCommand family = shell(
      "trap 'exit 5' TERM; (trap 'sleep 0.1; echo child; exit' TERM; echo ready; while :; do sleep 0.01; done) & "
      "wait");
  family.output = output.writer.get();
  const Guard guard = startGuarded(family, "guard");
  output.writer.reset();
  EXPECT_EQ(awaitReport(guard).kind, GuardReport::Kind::started);
  std::string text;
  while (text != "ready\n") {
    ASSERT_TRUE(test::becomesReadable(output.reader.get()));
    char byte = 0;
    ASSERT_EQ(::read(output.reader.get(), &byte, 1), 1);
    text += byte;
  }
  order(guard.channel.get(), GuardOrder::stop, SIGTERM);
  const GuardReport ended = awaitReport(guard);
  EXPECT_EQ(ended.value, 5);
  reapGuard(guard.pid);
  EXPECT_EQ(test::readToEnd(output.reader.get()), "child\n");
}

}  // namespace
}  // namespace troupe::os
