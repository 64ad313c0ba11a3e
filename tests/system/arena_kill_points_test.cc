// An actor is killed at each step of what the framework does with a large message and its body, as receiver and as sender: see
// tests/support/stations.h for what must hold all the same.
#include "tests/support/kill_points.h"

namespace tests {

using troupe::os::KillPart;

TEST_P(KillPoints, KilledThereAReceiverThatSendsOnLosesNothingButWhatIsInHand) {
  liveWith(killPlanFor(std::string(GetParam()), "/middle", Size::large));
}

TEST_P(KillPoints, KilledThereTheLastReceiverLosesNothingButWhatIsInHand) {
  liveWith(killPlanFor(std::string(GetParam()), "/sink", Size::large));
}

INSTANTIATE_TEST_SUITE_P(Messages, KillPoints, testing::ValuesIn(killPointsOf(KillPart::message)),
                         KillPoints::nameOf);
INSTANTIATE_TEST_SUITE_P(Bodies, KillPoints, testing::ValuesIn(killPointsOf(KillPart::body)),
                         KillPoints::nameOf);

using KillPointsTwice = KillPoints;

TEST_P(KillPointsTwice, LoseNothingMore) {
  liveWith({.kills = std::string(GetParam()), .size = Size::large});
}

INSTANTIATE_TEST_SUITE_P(
    All, KillPointsTwice,
    testing::Values("written:5@/middle, written@/middle", "storing:9@/middle, numbered@/middle",
                    "committed:5@/middle, committed@/middle, written@/middle",
                    "written:7@/middle, judged@/sink, begun:2@/sink",
                    "released:3@/sink, begun:3@/middle, keeping:4@/sink, storing:3@/middle",
                    "begun:5@/sink, begun@/sink, begun@/sink"));

}  // namespace tests
