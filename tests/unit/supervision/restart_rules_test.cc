#include "supervision/restart_rules.h"

#include "supervision/restart_budget.h"

#include <gtest/gtest.h>

#include <csignal>

namespace troupe::supervision {
namespace {

using namespace std::chrono_literals;
using Time = RestartBudget::Time;

TEST(RestartBudget, AllowsSoManyWithinTheWindow) {
  RestartBudget budget(2, 10s);
  EXPECT_TRUE(budget.spend(Time{0s}));
  EXPECT_TRUE(budget.spend(Time{1s}));
  EXPECT_FALSE(budget.spend(Time{2s}));
}

TEST(RestartBudget, CountsARestartThatIsJustAsOldAsTheWindow) {
  RestartBudget budget(1, 10s);
  EXPECT_TRUE(budget.spend(Time{0s}));
  EXPECT_FALSE(budget.spend(Time{10s}));

  RestartBudget later(1, 10s);
  EXPECT_TRUE(later.spend(Time{0s}));
  EXPECT_TRUE(later.spend(Time{10s + 1ns}));
  EXPECT_EQ(later.spent(), 1U);
}

TEST(RestartBudget, ZeroAllowsNone) { EXPECT_FALSE(RestartBudget(0, 1s).spend(Time{0s})); }

TEST(RestartBudget, AWindowForEverForgetsNothing) {
  RestartBudget budget(1, kForever);
  EXPECT_TRUE(budget.spend(Time{-100h}));
  EXPECT_FALSE(budget.spend(Time{1000h}));
}

ExitReason of(ExitKind kind, int code = 0) {
  ExitReason reason = because(kind);
  reason.code = code;
  return reason;
}

TEST(RestartRules, ByRestartTypeAndReason) {
  for (const ExitKind clean : {ExitKind::normal, ExitKind::shutdown}) {
    EXPECT_TRUE(isRestarted(Restart::permanent, of(clean)));
    EXPECT_FALSE(isRestarted(Restart::transient, of(clean)));
    EXPECT_FALSE(isRestarted(Restart::temporary, of(clean)));
  }
  for (const ExitKind abnormal :
       {ExitKind::exited, ExitKind::signaled, ExitKind::exception, ExitKind::limitReached}) {
    EXPECT_TRUE(isRestarted(Restart::permanent, of(abnormal)));
    EXPECT_TRUE(isRestarted(Restart::transient, of(abnormal)));
    EXPECT_FALSE(isRestarted(Restart::temporary, of(abnormal)));
  }
}

TEST(RestartRules, BackOffGrowsToItsLimit) {
  const BackOff backOff{.first = 100ms, .limit = 1s, .factor = 2.0, .jitter = 0.0};
  EXPECT_EQ(backOffDelay(backOff, 0, 0.9), 100ms);
  EXPECT_EQ(backOffDelay(backOff, 1, 0.9), 200ms);
  EXPECT_EQ(backOffDelay(backOff, 3, 0.9), 800ms);
  EXPECT_EQ(backOffDelay(backOff, 4, 0.9), 1s);
  EXPECT_EQ(backOffDelay(backOff, 4'000'000, 0.9), 1s);
  EXPECT_EQ(backOffDelay({}, 5, 0.9), 0s) << "off by default";
}

TEST(RestartRules, JitterGoesUpAndDownButNotOverTheLimit) {
  const BackOff backOff{.first = 1s, .limit = 2s, .factor = 2.0, .jitter = 0.5};
  EXPECT_EQ(backOffDelay(backOff, 0, 0.0), 500ms);
  EXPECT_EQ(backOffDelay(backOff, 0, 0.5), 1s);
  EXPECT_EQ(backOffDelay(backOff, 0, 0.75), 1250ms);
  EXPECT_EQ(backOffDelay(backOff, 1, 0.75), 2s);
}

TEST(RestartRules, BackOffForEverDoesNotOverflow) {
  const BackOff backOff{.first = 1s, .limit = kForever, .factor = 10.0, .jitter = 1.0};
  EXPECT_EQ(backOffDelay(backOff, 1000, 0.99), kForever);
}

TEST(RestartRules, TheSupervisorsOwnKillIsNamedForWhatItWas) {
  const ExitReason why = because(ExitKind::stopTimeout);
  const EndedAfter after{.askedToStop = true, .becameReady = true, .killedFor = &why};
  EXPECT_EQ(trueReason(of(ExitKind::signaled, SIGKILL), after), why);
  EXPECT_EQ(trueReason(of(ExitKind::signaled, SIGSEGV), after), of(ExitKind::signaled, SIGSEGV))
      << "it was faster";
}

TEST(RestartRules, AnEndAsAskedIsAShutdown) {
  const EndedAfter asked{.askedToStop = true, .becameReady = true};
  EXPECT_EQ(trueReason(of(ExitKind::normal), asked).kind, ExitKind::shutdown);
  EXPECT_EQ(trueReason(of(ExitKind::signaled, SIGTERM), asked), of(ExitKind::shutdown));
  EXPECT_EQ(trueReason(of(ExitKind::exited, 3), asked), of(ExitKind::exited, 3));
  EXPECT_TRUE(trueReason(of(ExitKind::normal), {.askedToStop = true}).clean()) << "also before it was ready";
}

TEST(RestartRules, AnEndBeforeReadyIsNeverClean) {
  EXPECT_FALSE(trueReason(of(ExitKind::normal), {}).clean());
  EXPECT_TRUE(trueReason(of(ExitKind::normal), {.becameReady = true}).clean());
}

}  // namespace
}  // namespace troupe::supervision
