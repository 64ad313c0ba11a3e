#include "os/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <string>

namespace troupe::os {
namespace {

TEST(CoresTest, RunnableProcessesAreRead) {
  EXPECT_EQ(runnableOf("0.20 0.18 0.12 1/80 11206\n"), 1U);
  EXPECT_EQ(runnableOf("120.20 0.18 0.12 4711/80000 11206\n"), 4711U);
  for (const std::string text : {"", "1 2 3", "1 2 3 ", "1 2 3 x/4", "1 2 3 4", "1 2 3 99999999999/4 5"})
    EXPECT_EQ(runnableOf(text), 0U) << text;
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
