// An actor is killed at each step of what the framework does with a message, as receiver and as sender: see
// tests/support/stations.h for what must hold all the same.
#include "tests/support/kill_points.h"

namespace tests {

using troupe::os::KillPart;

TEST_P(KillPoints, KilledThereAReceiverThatSendsOnLosesNothingButWhatIsInHand) {
  liveWith(killPlanFor(std::string(GetParam()), "/middle", Size::small));
}

TEST_P(KillPoints, KilledThereTheLastReceiverLosesNothingButWhatIsInHand) {
  liveWith(killPlanFor(std::string(GetParam()), "/sink", Size::small));
}

INSTANTIATE_TEST_SUITE_P(All, KillPoints, testing::ValuesIn(killPointsOf(KillPart::message)),
                         KillPoints::nameOf);

// The deaths of a plan are checked where it is lived through; so a point that has one is hit, or its test fails.
TEST(KillPointNames, AreAllHitByATest) {
  for (const auto& point : troupe::os::kKillPoints) {
    const std::string name(point.name);
    switch (point.part) {
      case KillPart::message:
      case KillPart::body:  // in arena_kill_points_test.cc
        EXPECT_FALSE(killPlanFor(name, "/middle", Size::large).kills.empty() &&
                     killPlanFor(name, "/sink", Size::large).kills.empty())
            << name;
        break;
      case KillPart::place:  // in place_kill_points_test.cc
      case KillPart::start:  // all of them in start_kill_points_test.cc
      case KillPart::spare:
      case KillPart::instance:  // in instance_kills_test.cc
      case KillPart::table:     // in kept_table_test.cc
      case KillPart::shared:    // in actors/shared_test.cc
      case KillPart::upgrade:   // and in upgrade_large_test.cc
        break;
    }
  }
}

using KillPointsTwice = KillPoints;

TEST_P(KillPointsTwice, LoseNothingMore) { liveWith({.kills = std::string(GetParam())}); }

INSTANTIATE_TEST_SUITE_P(
    All, KillPointsTwice,
    testing::Values("written:5@/middle, written@/middle", "storing:9@/middle, numbered@/middle",
                    "committed:5@/middle, committed@/middle, written@/middle",
                    "written:7@/middle, judged@/sink, begun:2@/sink",
                    "released:3@/sink, begun:3@/middle, keeping:4@/sink, storing:3@/middle",
                    "begun:5@/sink, begun@/sink, begun@/sink"));

}  // namespace tests
