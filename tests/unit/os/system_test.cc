#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <limits>

#include "os/limits.h"
#include "os/signals.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

TEST(SignalQueue, HoldsSignalsUntilTheyAreAskedFor) {
  SignalQueue queue{SIGUSR1, SIGUSR2};
  EXPECT_EQ(queue.next(), std::nullopt);

  ::raise(SIGUSR2);

  EXPECT_TRUE(test::becomesReadable(queue.fd()));
  EXPECT_EQ(queue.next(), SIGUSR2);
  EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(SignalQueue, WhatItNeverHandedOutDoesNotStrikeWhenItGoes) {
  {
    SignalQueue queue{SIGUSR1};
    ::raise(SIGUSR1);
  }
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_FALSE(sigismember(&blocked, SIGUSR1));
}

TEST(Limits, WhatMemoryIsToBeHadIsReadFromTheSystem) {
  EXPECT_EQ(obtainableOf("MemTotal:  9 kB\nMemAvailable:    5 kB\nSwapTotal: 8 kB\nSwapFree:   2 kB\n"),
            std::size_t{7} << 10);
  EXPECT_EQ(obtainableOf("nothing of it"), std::numeric_limits<std::size_t>::max());
  EXPECT_GT(obtainableMemory(), std::size_t{1} << 20);
  EXPECT_LT(obtainableMemory(), std::size_t{1} << 50);
}

TEST(Limits, TheDescriptorLimitIsRaisedToTheHardOne) {
  test::Child child([] {
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return descriptorLimit() == 64 && raiseDescriptorLimit() == limit.rlim_max &&
                   descriptorLimit() == limit.rlim_max
               ? 0
               : 1;
  });
  EXPECT_EQ(child.exitCode(), 0);
}

TEST(Limits, CoresAreCountedByAffinity) {
  EXPECT_GE(usableCores(), 1u);
  EXPECT_LE(usableCores(), static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_CONF)));
}

TEST(OutOfMemoryWatch, IsQuietWhereNothingHasHappened) {
  OutOfMemoryWatch watch;
  EXPECT_FALSE(watch.struck());
}

}  // namespace
}  // namespace troupe::os
