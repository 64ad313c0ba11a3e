#include <troupe/exit_reason.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

namespace troupe {
namespace {

ExitReason of(ExitKind kind, int code = 0, std::string text = {}) {
  ExitReason reason;
  reason.kind = kind;
  reason.code = code;
  reason.text = std::move(text);
  return reason;
}

TEST(ExitReason, OnlyNormalAndShutdownAreClean) {
  EXPECT_TRUE(of(ExitKind::normal).clean());
  EXPECT_TRUE(of(ExitKind::shutdown).clean());
  for (int kind = static_cast<int>(ExitKind::exited); kind <= static_cast<int>(ExitKind::notStarted);
       ++kind) {
    EXPECT_FALSE(of(static_cast<ExitKind>(kind)).clean()) << kind;
  }
  ExitReason early = of(ExitKind::normal);
  early.duringStart = true;
  EXPECT_FALSE(early.clean()) << "it never became ready";
}

TEST(ExitReason, ReadsAsOneLine) {
  EXPECT_EQ(of(ExitKind::normal).toString(), "ended normally");
  EXPECT_EQ(of(ExitKind::shutdown).toString(), "stopped");
  EXPECT_EQ(of(ExitKind::exited, 3).toString(), "exited with code 3");
  EXPECT_EQ(of(ExitKind::signaled, SIGSEGV).toString(), "killed by SIGSEGV");
  EXPECT_EQ(of(ExitKind::exception, 0, "no such file").toString(), "exception: no such file");
  EXPECT_EQ(of(ExitKind::notReady).toString(), "did not become ready in time");
  EXPECT_EQ(of(ExitKind::stopTimeout).toString(), "did not stop in time and was killed");
  EXPECT_EQ(of(ExitKind::hung).toString(), "hung and was killed by its watchdog");
  EXPECT_EQ(of(ExitKind::outOfMemory).toString(), "killed by the kernel, which was out of memory");
  EXPECT_EQ(of(ExitKind::limitReached, 0, "after \"a\"").toString(),
            "gave up after too many restarts: after \"a\"");
  EXPECT_EQ(of(ExitKind::childFailed).toString(), "could not start its children");
  EXPECT_EQ(of(ExitKind::supervisorDied).toString(), "went down with its supervisor");
  EXPECT_EQ(of(ExitKind::notStarted, EAGAIN).toString(),
            "could not be started: Resource temporarily unavailable");
}

TEST(ExitReason, SaysWhatMattersBesideTheKind) {
  ExitReason reason = of(ExitKind::signaled, SIGABRT);
  reason.coreDumped = true;
  EXPECT_EQ(reason.toString(), "killed by SIGABRT (core dumped)");
  reason.duringStart = true;
  EXPECT_EQ(reason.toString(), "killed by SIGABRT (core dumped) (before it was ready)");
}

TEST(SignalName, OfKnownRealTimeAndUnknownSignals) {
  EXPECT_EQ(signalName(SIGKILL), "SIGKILL");
  EXPECT_EQ(signalName(11), "SIGSEGV");
  EXPECT_EQ(signalName(SIGRTMIN + 2), "SIGRTMIN+2");
  EXPECT_EQ(signalName(77), "signal 77");
  EXPECT_EQ(signalName(-1), "signal -1");
}

}  // namespace
}  // namespace troupe
