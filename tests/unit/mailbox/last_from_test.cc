// Repetitions, and what tells them from what is new.
#include "mailbox/last_from.h"

#include <gtest/gtest.h>

#include <random>

namespace troupe::mailbox {
namespace {

class LastFromTest : public testing::Test {
 protected:
  LastFromTest() : memory_(os::makeSharedMemory("desk", kDeskBytes)) { memory_->layout = kDeskLayout; }

  // The messages of that packet that have come before, as a mask.
  std::uint64_t judged(wire::ActorId sender, std::uint64_t sequence, std::uint16_t messages, bool mayRepeat) {
    DeskSlot& slot = memory_->slots[0];
    slot.judged = 0;
    slot.arrival = ++memory_->arrivals;
    return again(sender, sequence, messages, mayRepeat);
  }
  // By a successor, who finds it in its slot.
  std::uint64_t again(wire::ActorId sender, std::uint64_t sequence, std::uint16_t messages, bool mayRepeat) {
    judge(*memory_, 0,
          {.messages = messages,
           .sender = sender,
           .sequence = sequence,
           .flags = mayRepeat ? wire::kMayRepeat : 0});
    return memory_->slots[0].judged != 0 ? memory_->slots[0].repeated : 0;
  }

  MappedDesk memory_;
};

TEST_F(LastFromTest, WhatHasComeIsARepetitionWhereItSaysThatItMayBe) {
  EXPECT_EQ(judged(7, 10, 3, false), 0U);
  EXPECT_EQ(judged(7, 10, 3, true), 0b111U);
  EXPECT_EQ(judged(7, 10, 1, true), 0b1U);
  EXPECT_EQ(judged(7, 12, 1, true), 0b1U);
}

TEST_F(LastFromTest, OfAPacketThatHasComeInPartTheRestIsNew) {
  judged(7, 10, 3, false);
  EXPECT_EQ(judged(7, 11, 5, true), 0b11U);
  EXPECT_EQ(judged(7, 11, 5, true), 0b11111U);
}

TEST_F(LastFromTest, WhatComesForTheFirstTimeIsNewAlthoughItMayBeARepetition) {
  EXPECT_EQ(judged(7, 10, 3, true), 0U);
  EXPECT_EQ(judged(8, 10, 3, true), 0U);
  EXPECT_EQ(judged(7, 13, 64, true), 0U);
  EXPECT_EQ(judged(7, 13, 64, true), ~0ULL);
}

TEST_F(LastFromTest, WhatDoesNotSayThatItMayBeIsNoRepetition) {
  judged(7, 10, 3, false);
  EXPECT_EQ(judged(7, 10, 3, false), 0U);
}

TEST_F(LastFromTest, AnOlderPacketDoesNotMakeItForgetANewerOne) {
  judged(7, 20, 3, false);
  judged(7, 10, 3, false);
  EXPECT_EQ(judged(7, 22, 1, true), 0b1U);
}

TEST_F(LastFromTest, MessagesWithoutNumbersAreNotRemembered) {
  judged(7, 0, 3, true);
  EXPECT_EQ(judged(7, 0, 3, true), 0U);
  judged(0, 5, 3, true);
  EXPECT_EQ(judged(0, 5, 3, true), 0U);
}

TEST_F(LastFromTest, APacketIsJudgedOnce) {
  EXPECT_EQ(judged(7, 10, 3, true), 0U);
  EXPECT_EQ(again(7, 10, 3, true), 0U) << "it has been noted, and is no repetition of itself";
  EXPECT_EQ(judged(7, 10, 3, true), 0b111U);
}

TEST_F(LastFromTest, ManySendersAreRememberedAndThoseSilentForLongestForgotten) {
  constexpr wire::ActorId kSenders = 1500;
  for (wire::ActorId sender = 1; sender <= kSenders; ++sender) judged(sender, 5, 1, false);
  unsigned forgotten = 0;
  for (wire::ActorId sender = 1; sender <= kSenders; ++sender) forgotten += judged(sender, 5, 1, true) == 0;
  EXPECT_LT(forgotten, kSenders / 20);
  for (wire::ActorId sender = kSenders; sender < 100'000; ++sender) judged(sender, 5, 1, false);
  judged(7, 5, 1, false);
  for (wire::ActorId sender = 200'000; sender < 200'500; ++sender) judged(sender, 5, 1, false);
  EXPECT_EQ(judged(7, 5, 1, true), 1U);
}

TEST_F(LastFromTest, AnyMemoryAndAnyHeaderIsBorne) {
  std::mt19937_64 random(5);
  auto* const words = reinterpret_cast<std::uint64_t*>(&memory_->lastFrom);
  for (std::size_t i = 0; i < sizeof(LastFrom) / sizeof *words; ++i) words[i] = random();
  for (int i = 0; i < 20'000; ++i) {
    const auto messages = static_cast<std::uint16_t>(1 + random() % 64);
    const std::uint64_t sequence = i % 3 == 0 ? ~std::uint64_t{0} - random() % 100 : random();
    judged(random() % 4000, sequence, messages, random() % 2 == 0);
    EXPECT_EQ(memory_->slots[0].judged != 0 ? memory_->slots[0].repeated & ~maskOf(messages) : 0, 0U);
  }
}

}  // namespace
}  // namespace troupe::mailbox
