// Frames that have gone are used again, and no two at the same time.
#include <gtest/gtest.h>
#include <troupe/task.h>

#include <cstring>
#include <set>
#include <vector>

namespace troupe::detail {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kWatched = true;
#elif defined(__has_feature)
constexpr bool kWatched = __has_feature(address_sanitizer);
#else
constexpr bool kWatched = false;
#endif

TEST(Frames, WhatWasDroppedLastIsUsedNext) {
  if (kWatched) GTEST_SKIP() << "the sanitizer is to see each of them";
  void* const first = takeFrame(200);
  void* const second = takeFrame(200);
  dropFrame(second, 200);
  dropFrame(first, 200);
  EXPECT_EQ(takeFrame(220), first) << "of about the same size";
  EXPECT_EQ(takeFrame(200), second);
  dropFrame(first, 220);
  dropFrame(second, 200);
}

TEST(Frames, NoneIsUsedTwiceAtATime) {
  for (const std::size_t bytes : {1U, 63U, 64U, 65U, 1000U, 1024U, 1025U, 20'000U}) {
    for (int round = 0; round < 3; ++round) {
      std::set<void*> frames;
      for (int i = 0; i < 200; ++i) {
        void* const frame = takeFrame(bytes);
        std::memset(frame, 0xa5, bytes);
        EXPECT_TRUE(frames.insert(frame).second);
      }
      for (void* const frame : frames) dropFrame(frame, bytes);
    }
  }
}

Task<std::size_t> sumOf(std::vector<std::size_t> values, std::size_t from) {
  if (from == values.size()) co_return 0;
  const std::size_t rest = co_await sumOf(values, from + 1);
  co_return values[from] + rest;
}

TEST(Frames, ATaskHasOneForEachThatItAwaits) {
  for (int round = 0; round < 100; ++round) {
    const Task<std::size_t> task = sumOf(std::vector<std::size_t>(100, 3), 0);
    task.resume();
    EXPECT_EQ(task.take(), 300U);
  }
}

}  // namespace
}  // namespace troupe::detail
