// A value in two copies: what a writer leaves, at whatever step it dies, and what readers see meanwhile.
#include "actor/two_copies.h"

#include <gtest/gtest.h>

#include <array>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

namespace troupe::actor {
namespace {

// No multiple of a word.
struct Text {
  std::array<char, 13> text = {};
  friend bool operator==(const Text&, const Text&) = default;
};
constexpr Text kOne{{'o', 'n', 'e'}};
constexpr Text kTwo{{'t', 'w', 'o'}};
constexpr Text kThree{{'t', 'h', 'r', 'e', 'e'}};

template <class T>
struct Value {
  CopyCounts counts = {};
  std::array<TwoCopies::Word, 2 * TwoCopies::wordsFor(sizeof(T))> words = {};

  TwoCopies copies() { return {counts, words.data(), sizeof(T)}; }
  void write(const T& value) {
    copies().prepare(&value);
    copies().count();
  }
  T read() {
    T value = {};
    EXPECT_TRUE(copies().read(&value));
    return value;
  }
};

TEST(TwoCopies, ReadWhatWasWrittenLast) {
  Value<Text> value;
  EXPECT_EQ(value.read(), Text{});
  for (const Text& text : {kOne, kTwo, kThree}) {
    value.write(text);
    EXPECT_EQ(value.read(), text);
  }
}

TEST(TwoCopies, AWriterThatDiedBeforeItCountedHasChangedNothing) {
  Value<Text> value;
  value.write(kOne);
  value.copies().prepare(&kTwo);
  EXPECT_EQ(value.read(), kOne);
  value.write(kThree);
  EXPECT_EQ(value.read(), kThree);
}

TEST(TwoCopies, AWriterThatDiedWithHalfACopyHasChangedNothing) {
  Value<Text> value;
  value.write(kOne);
  value.write(kTwo);
  value.counts.begun = 3;
  EXPECT_EQ(value.read(), kTwo);
  value.words[2] = 0x7878'7878'7878'7878;  // of the second copy, where the third value goes
  EXPECT_EQ(value.read(), kTwo);
  value.write(kThree);
  EXPECT_EQ(value.read(), kThree);
}

TEST(TwoCopies, CountsThatNoWriterLeavesAreToldAndAnUpdateMendsThem) {
  Value<Text> value;
  value.write(kOne);
  value.counts.begun = 77;
  Text text;
  EXPECT_FALSE(value.copies().read(&text));
  value.write(kTwo);
  EXPECT_EQ(value.read(), kTwo);
}

TEST(TwoCopies, ReadersSeeWholeValuesWhileOthersWrite) {
  struct Sums {
    std::array<std::uint64_t, 40> numbers = {};
  };
  Value<Sums> value;
  std::mutex lock;
  std::atomic<int> writing = 2;
  const auto write = [&](std::uint64_t step) {
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::scoped_lock held(lock);
      Sums sums = value.read();
      for (std::uint64_t& number : sums.numbers) number += step;
      if (i % 7 == 0) value.copies().prepare(&sums);  // as one that dies
      value.write(sums);
    }
    --writing;
  };
  std::vector<std::thread> writers;
  for (const std::uint64_t step : {1, 3}) writers.emplace_back(write, step);
  std::uint64_t last = 0;
  while (writing > 0) {
    const Sums sums = value.read();
    for (const std::uint64_t number : sums.numbers) ASSERT_EQ(number, sums.numbers[0]);
    EXPECT_GE(sums.numbers[0], last) << "never an older one";
    last = sums.numbers[0];
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(value.read().numbers[0], 20'000U * 4);
}

}  // namespace
}  // namespace troupe::actor
