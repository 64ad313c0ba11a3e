// A lane has room for a packet of each who sends at the same time.
#include "mailbox/crowd.h"

#include <gtest/gtest.h>

namespace troupe::mailbox {
namespace {

class CrowdTest : public testing::Test {
 protected:
  // One packet of each of so many, without a pause; gives what the last of them changed.
  std::size_t come(wire::ActorId senders) {
    std::size_t last = 0;
    for (wire::ActorId sender = 1; sender <= senders; ++sender) {
      last = crowd_.came(sender);
      if (last != 0) room_ = last;
    }
    return last;
  }

  Crowd crowd_;
  std::size_t room_ = Crowd::kOrdinary;
};

TEST_F(CrowdTest, AsManyAsItHoldsAtTheSameTimeMakeItLarger) {
  EXPECT_EQ(come(Crowd::kOrdinary - 1), 0U);
  EXPECT_EQ(crowd_.came(1), 0U) << "one of these again";
  EXPECT_EQ(crowd_.came(Crowd::kOrdinary), 2 * Crowd::kOrdinary);
  EXPECT_EQ(crowd_.came(Crowd::kOrdinary + 1), 0U) << "there is room now";
}

TEST_F(CrowdTest, IsAsLargeAsTheCrowdInTheEnd) {
  come(100);
  EXPECT_EQ(room_, 128U);
}

TEST_F(CrowdTest, ThoseWhoSendOneAfterTheOtherAreNone) {
  for (wire::ActorId sender = 1; sender <= 1000; ++sender) {
    EXPECT_EQ(crowd_.came(sender), 0U);
    crowd_.over();
  }
}

TEST_F(CrowdTest, OneThatSendsMuchIsNone) {
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(come(2), 0U);
}

TEST_F(CrowdTest, HasABound) {
  come(100'000);
  EXPECT_EQ(room_, Crowd::kMost);
}

}  // namespace
}  // namespace troupe::mailbox
