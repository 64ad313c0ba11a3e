// Records in a log of two halves, against a model; and what a process leaves that dies between any two steps.
#include "mailbox/kept_records.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <array>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/sanitized.h"

namespace troupe::mailbox {

using RecordModel = std::map<std::uint64_t, std::string>;

static std::span<const std::byte> recordOf(const std::string& text) { return std::as_bytes(std::span(text)); }

// What outlives a process.
struct OutlivingRecords {
  std::array<std::vector<std::byte>, 2> halves{std::vector<std::byte>(1 << 20),
                                               std::vector<std::byte>(1 << 20)};
  KeptRecords::Head head;
  unsigned drops = 0;

  KeptRecords::Memory memory() {
    return {.reach =
                [this](unsigned half, std::size_t bytes) {
                  if (bytes > halves[half].size()) throw Error(ErrorKind::system, "no memory");
                  return halves[half].data();
                },
            .drop =
                [this](unsigned half) {
                  ++drops;
                  std::memset(halves[half].data(), 0xdd, halves[half].size());
                }};
  }
};

static RecordModel contentOf(const KeptRecords& records) {
  RecordModel model;
  records.forEach([&](std::uint64_t number, std::span<const std::byte> content) {
    model[number] = std::string(reinterpret_cast<const char*>(content.data()), content.size());
  });
  return model;
}

class KeptRecordsTest : public testing::Test {
 protected:
  static constexpr std::size_t kMost = 200'000;
  KeptRecords opened() {
    KeptRecords records(left_.memory(), kMost);
    records.open(left_.head);
    return records;
  }
  OutlivingRecords left_;
};

TEST_F(KeptRecordsTest, FindsWhatWasPutAndNotWhatWasErased) {
  KeptRecords records = opened();
  records.put(3, recordOf("three"));
  records.put(1, recordOf(""));
  records.put(3, recordOf("drei"));
  EXPECT_TRUE(records.erase(1));
  EXPECT_FALSE(records.erase(1));
  EXPECT_FALSE(records.find(1));
  EXPECT_EQ(contentOf(records), (RecordModel{{3, "drei"}}));
  EXPECT_EQ(records.next(0), 3U);
  EXPECT_EQ(records.next(4), std::nullopt);
  left_.head = records.head();
  EXPECT_EQ(contentOf(opened()), (RecordModel{{3, "drei"}}));
}

// Each step is a turn that is committed, or one that dies with all that it has changed; sometimes the process dies after the
// commit.
TEST_F(KeptRecordsTest, AgreesWithAModelOverManyDeaths) {
  for (unsigned seed = 1; seed <= (tests::kSanitized ? 2 : 5); ++seed) {
    left_ = {};
    std::mt19937 random(seed);
    RecordModel model;
    auto records = std::make_unique<KeptRecords>(opened());
    unsigned halves = 0;
    for (int turn = 0; turn < 2'000; ++turn) {
      RecordModel changed = model;
      records->committed(left_.head);
      for (unsigned i = random() % 4; i > 0; --i) {
        const std::uint64_t number = random() % 50;
        if (random() % 3 == 0) {
          EXPECT_EQ(records->erase(number), changed.erase(number) > 0);
        } else {
          const std::string content(random() % 2'000, static_cast<char>('a' + random() % 26));
          records->put(number, recordOf(content));
          changed[number] = content;
        }
      }
      const bool dies = random() % 10 == 0;
      if (!dies || random() % 2 == 0) {
        halves += records->head().half != left_.head.half ? 1 : 0;
        left_.head = records->head();
        model = std::move(changed);
      }
      if (dies) records = std::make_unique<KeptRecords>(opened());
      ASSERT_EQ(contentOf(*records), model) << "seed " << seed << ", turn " << turn;
    }
    EXPECT_GT(halves, 10U) << "the log was never compacted";
    EXPECT_GE(left_.drops + 1, halves);
  }
}

TEST_F(KeptRecordsTest, LeavesTheCommittedHalfAloneHoweverMuchATurnChanges) {
  KeptRecords records = opened();
  records.committed(left_.head);
  records.put(1, recordOf(std::string(1'000, 'x')));
  left_.head = records.head();
  records.committed(left_.head);
  // One turn: the log becomes several times as long as what it holds.
  for (int i = 0; i < 700; ++i) records.put(2, recordOf(std::string(1'000, 'y')));
  EXPECT_EQ(contentOf(opened()), (RecordModel{{1, std::string(1'000, 'x')}}));
  EXPECT_EQ(contentOf(records).size(), 2U);
}

TEST_F(KeptRecordsTest, RefusesMoreThanItMayHoldAndChangesNothing) {
  KeptRecords records = opened();
  records.put(1, recordOf(std::string(kMost - KeptRecords::kOverhead - 100, 'x')));
  EXPECT_THROW(records.put(2, recordOf(std::string(200, 'y'))), Error);
  EXPECT_EQ(records.size(), 1U);
  // In place of the other there is room.
  records.put(1, recordOf(std::string(kMost - KeptRecords::kOverhead, 'z')));
  EXPECT_EQ(records.bytes(), kMost);
}

TEST_F(KeptRecordsTest, WithoutMemoryNothingIsChanged) {
  KeptRecords records = opened();
  records.put(1, recordOf("one"));
  left_.head = records.head();
  left_.halves[0].resize(100);
  EXPECT_THROW(records.put(2, recordOf(std::string(200, 'y'))), Error);
  EXPECT_EQ(contentOf(records), (RecordModel{{1, "one"}}));
  EXPECT_EQ(contentOf(opened()), (RecordModel{{1, "one"}}));
}

TEST_F(KeptRecordsTest, RefusesMemoryThatMakesNoSense) {
  KeptRecords records = opened();
  for (int i = 0; i < 20; ++i) records.put(static_cast<std::uint64_t>(i), recordOf(std::string(50, 'x')));
  left_.head = records.head();
  const auto sound = left_;
  std::mt19937 random(7);
  unsigned refused = 0;
  for (int i = 0; i < (tests::kSanitized ? 1'000 : 5'000); ++i) {
    left_ = sound;
    left_.halves[0][random() % left_.head.bytes] = static_cast<std::byte>(random());
    if (random() % 10 == 0) left_.head.bytes = random() % 2'000;
    if (random() % 50 == 0) left_.head.half = random();
    try {
      static_cast<void>(contentOf(opened()));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
      ++refused;
    }
  }
  EXPECT_GT(refused, 100U);
}

}  // namespace troupe::mailbox
