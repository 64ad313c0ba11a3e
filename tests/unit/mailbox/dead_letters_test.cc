#include "mailbox/dead_letters.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using troupe::mailbox::DeadLetters;
using troupe::wire::Letter;

Letter letterOf(std::size_t bytes, const std::string& path = "/till") {
  Letter letter;
  letter.path = path;
  letter.message.resize(bytes);
  return letter;
}

const std::size_t kOne = DeadLetters::weightOf(letterOf(1000));

std::vector<std::uint64_t> numbersOf(const DeadLetters& store) {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, letter] : store.letters()) numbers.push_back(number);
  return numbers;
}

TEST(DeadLettersTest, LettersAreNumberedFromOneAndFoundByTheirNumbers) {
  DeadLetters store(10 * kOne);

  store.add(letterOf(10, "/first"));
  store.add(letterOf(10, "/second"));

  ASSERT_NE(store.find(2), nullptr);
  EXPECT_EQ(store.find(2)->path, "/second");
  EXPECT_EQ(store.find(2)->number, 2U);
  EXPECT_EQ(store.find(3), nullptr);
  EXPECT_EQ(store.counts().stored, 2U);
  EXPECT_EQ(store.counts().evicted, 0U);
}

TEST(DeadLettersTest, TheOldestGoWhereThereIsNoRoomAndAreCounted) {
  DeadLetters store(3 * kOne);

  for (int i = 0; i < 5; ++i) store.add(letterOf(1000));

  EXPECT_EQ(numbersOf(store), (std::vector<std::uint64_t>{3, 4, 5}));
  EXPECT_EQ(store.counts().stored, 5U);
  EXPECT_EQ(store.counts().evicted, 2U);
  EXPECT_EQ(store.bytes(), 3 * kOne);
}

TEST(DeadLettersTest, AsManyGoAsALargerOneNeeds) {
  DeadLetters store(4 * kOne);
  for (int i = 0; i < 4; ++i) store.add(letterOf(1000));

  store.add(letterOf(1001));

  EXPECT_EQ(numbersOf(store), (std::vector<std::uint64_t>{3, 4, 5}));
  EXPECT_LE(store.bytes(), store.mostBytes());
}

TEST(DeadLettersTest, OneLargerThanAllTheRoomCostsNoOther) {
  DeadLetters store(2 * kOne);
  store.add(letterOf(10));

  store.add(letterOf(10 * kOne));

  EXPECT_EQ(numbersOf(store), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(store.counts().stored, 2U);
  EXPECT_EQ(store.counts().evicted, 1U);
  EXPECT_EQ(store.nextNumber(), 3U);
}

TEST(DeadLettersTest, WithoutRoomNothingIsKeptAndAllIsCounted) {
  DeadLetters store(0);

  for (int i = 0; i < 3; ++i) store.add(letterOf(0));

  EXPECT_TRUE(store.letters().empty());
  EXPECT_EQ(store.counts().evicted, 3U);
}

TEST(DeadLettersTest, WhatIsTakenOutMakesRoomAndItsNumberIsNotUsedAgain) {
  DeadLetters store(2 * kOne);
  store.add(letterOf(1000));
  store.add(letterOf(1000));

  EXPECT_TRUE(store.remove(2));
  EXPECT_FALSE(store.remove(2));
  store.add(letterOf(1000));

  EXPECT_EQ(numbersOf(store), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(store.clear(), 2U);
  EXPECT_EQ(store.bytes(), 0U);
  EXPECT_EQ(store.nextNumber(), 4U);
  EXPECT_EQ(store.counts().evicted, 0U) << "taken out by hand, not for want of room";
}

}  // namespace
