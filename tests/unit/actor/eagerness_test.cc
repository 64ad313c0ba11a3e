// When a process looks again before it sleeps.
#include "actor/eagerness.h"

#include <gtest/gtest.h>

namespace troupe::actor {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class EagernessTest : public testing::Test {
 protected:
  // As a process whose waits are all so long, and cost so much more when it sleeps. The time that it has looked for nothing.
  loop::Duration waits(int count, loop::Duration each, loop::Duration waking = microseconds(10)) {
    loop::Duration wasted{};
    for (int i = 0; i < count; ++i) {
      const loop::Duration look = eagerness_.howLong();
      if (look > each) {
        eagerness_.found();
        ++found_;
        continue;
      }
      if (look > loop::Duration::zero()) eagerness_.foundNothing();
      wasted += look;
      eagerness_.slept(each + waking);
    }
    return wasted;
  }
  Eagerness eagerness_;
  int found_ = 0;
};

TEST_F(EagernessTest, LooksWhereItPays) {
  waits(1000, microseconds(3));
  EXPECT_EQ(found_, 1000 - static_cast<int>(Eagerness::kInARow));
}

TEST_F(EagernessTest, AnIdleProcessNeverLooks) { EXPECT_EQ(waits(1000, milliseconds(1)).count(), 0); }

TEST_F(EagernessTest, WhatComesTooLateForItCostsLittle) {
  EXPECT_LT(waits(100'000, microseconds(50)), 200 * Eagerness::kLook);
  EXPECT_EQ(found_, 0);
}

TEST_F(EagernessTest, FindsOutThatItPaysAgain) {
  waits(100'000, microseconds(50));
  waits(2 * static_cast<int>(Eagerness::kMostPassed), microseconds(3));
  EXPECT_GT(found_, 0);
  found_ = 0;
  waits(1000, microseconds(3));
  EXPECT_EQ(found_, 1000);
}

TEST_F(EagernessTest, OneLongSleepEndsIt) {
  waits(1000, microseconds(3));
  waits(1, milliseconds(10));
  EXPECT_EQ(eagerness_.howLong().count(), 0);
}

}  // namespace
}  // namespace troupe::actor
