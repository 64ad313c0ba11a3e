#include "os/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <string>

#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

TEST(CoresTest, RunnableProcessesAreRead) {
  EXPECT_EQ(runnableOf("0.20 0.18 0.12 1/80 11206\n"), 1U);
  EXPECT_EQ(runnableOf("120.20 0.18 0.12 4711/80000 11206\n"), 4711U);
  for (const std::string text : {"", "1 2 3", "1 2 3 ", "1 2 3 x/4", "1 2 3 4", "1 2 3 99999999999/4 5"})
    EXPECT_EQ(runnableOf(text), 0U) << text;
}

TEST(CoresTest, PatienceComesAndGoesAndLeavesOtherPoliciesAlone) {
  const auto policy = [] { return ::sched_getscheduler(0); };
  ASSERT_EQ(policy(), SCHED_OTHER);
  setPatient(false);
  EXPECT_EQ(policy(), SCHED_OTHER);
  setPatient(true);
  EXPECT_EQ(policy(), SCHED_BATCH);
  setPatient(true);
  EXPECT_EQ(policy(), SCHED_BATCH);
  setPatient(false);
  EXPECT_EQ(policy(), SCHED_OTHER);
  test::Child idle([&] {
    const sched_param parameters{};
    if (::sched_setscheduler(0, SCHED_IDLE, &parameters) != 0) return 1;
    setPatient(true);
    const bool stayed = policy() == SCHED_IDLE;
    setPatient(false);
    return stayed && policy() == SCHED_IDLE ? 0 : 1;
  });
  const int status = idle.wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(CoresTest, WhereThereIsOneNoneIsToSpare) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_FALSE(coreToSpare());
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace troupe::os
