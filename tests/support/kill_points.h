// Tests that live through a plan for each kill point, once under drop and once under retry.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/stations.h"

namespace tests {

class KillPoints : public testing::TestWithParam<std::string_view> {
 public:
  static std::string nameOf(const testing::TestParamInfo<std::string_view>& info) {
    return std::string(info.param);
  }

 protected:
  void SetUp() override {
#ifndef TROUPE_KILL_POINTS
    GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  }
  static void liveWith(Plan plan) {
    if (plan.kills.empty()) return;
    for (const unsigned retries : {0U, 5U}) {
      plan.retries = retries;
      live(plan);
    }
  }
};

}  // namespace tests
