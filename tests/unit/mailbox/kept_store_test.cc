// What an actor keeps, by name; and memory that makes no sense.
#include "mailbox/kept_store.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <cstring>
#include <vector>

#include "mailbox/recovery.h"

namespace troupe::mailbox {
namespace {

class KeptStoreTest : public testing::Test {
 protected:
  KeptStoreTest() : memory_(os::makeSharedMemory("desk", kDeskBytes)) {
    memory_->layout = kDeskLayout;
    restart();
  }
  void restart() {
    log_.emplace(*memory_, 1);
    log_->takeUnsent();
    store_.emplace(memory_->kept);
  }
  std::size_t add(const std::string& name, std::string& value, std::uint64_t fingerprint = 1,
                  std::size_t capacity = 16) {
    return store_->add(name, fingerprint, capacity,
                       [&value] { return std::as_bytes(std::span(value.data(), value.size())); });
  }
  void keep() {
    if (!store_->addTo(*log_)) return;
    log_->commit();
    store_->carryOut();
    log_->carriedOut();
  }
  std::string found(const std::string& name) {
    const auto value = store_->find(name);
    if (!value) return "nothing";
    return {reinterpret_cast<const char*>(value->value.data()), value->value.size()};
  }
  std::string refusal(const std::string& name, std::size_t capacity = 16) {
    try {
      store_->add(name, 1, capacity, [] { return std::span<const std::byte>(); });
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
      return error.message();
    }
    return "";
  }

  MappedDesk memory_;
  std::optional<TurnLog> log_;
  std::optional<KeptStore> store_;
};

TEST_F(KeptStoreTest, AValueIsFoundByTheNextProcess) {
  std::string value = "first";
  const auto place = add("name", value);
  store_->touch(place);
  keep();
  value = "untouched";
  keep();
  restart();
  EXPECT_EQ(found("name"), "first");
  EXPECT_EQ(found("another"), "nothing");
}

TEST_F(KeptStoreTest, CountsFromItsFirstCommitOn) {
  std::string value = "first";
  const auto place = add("name", value);
  store_->touch(place);
  restart();
  EXPECT_EQ(found("name"), "nothing");
}

TEST_F(KeptStoreTest, TheSameLayoutTakesTheSamePlace) {
  std::string value = "a";
  for (int i = 0; i < 1000; ++i) {
    store_->touch(add("name", value));
    keep();
    restart();
  }
  EXPECT_EQ(memory_->kept.made, 1U);
}

TEST_F(KeptStoreTest, AnotherLayoutTakesANewPlaceAndTheOldOneCountsUntilIt) {
  std::string value = "old";
  store_->touch(add("name", value));
  keep();
  restart();
  std::string other = "new";
  const auto place = add("name", other, 2, 32);
  EXPECT_EQ(found("name"), "old");
  store_->touch(place);
  keep();
  restart();
  EXPECT_EQ(found("name"), "new");
  EXPECT_EQ(store_->find("name")->fingerprint, 2U);
}

TEST_F(KeptStoreTest, GoingBackToAnEarlierLayoutDoesNotBringBackItsValue) {
  std::string value = "old";
  store_->touch(add("name", value));
  keep();
  restart();
  std::string other = "new";
  store_->touch(add("name", other, 2));
  keep();
  restart();
  std::string back = "back";
  const auto place = add("name", back, 1);
  EXPECT_EQ(found("name"), "new");
  store_->touch(place);
  keep();
  EXPECT_EQ(found("name"), "back");
}

TEST_F(KeptStoreTest, WhatIsAddedWhileAnotherProcessHasTheMemoryTakesNoPlaceOfIts) {
  std::string mine = "mine", late = "late", its = "its";
  store_->touch(add("mine", mine));
  keep();
  store_->letGo();
  KeptStore newer(memory_->kept);
  newer.touch(newer.add("name", 2, 16, [&its] { return std::as_bytes(std::span(its.data(), its.size())); }));
  add("late", late);
  EXPECT_TRUE(newer.addTo(*log_));
  log_->commit();
  newer.carryOut();
  EXPECT_EQ(found("name"), "its");
  EXPECT_EQ(found("late"), "nothing");
  log_->reload();
  log_->takeUnsent();
  store_->reload();
  store_->touchAll();
  keep();
  restart();
  EXPECT_EQ(found("mine"), "mine");
  EXPECT_EQ(found("late"), "late");
}

TEST_F(KeptStoreTest, ALayoutMayChangeAnyNumberOfTimes) {
  std::string value;
  for (std::uint64_t layout = 1; layout <= 1000; ++layout) {
    restart();
    if (layout > 1) {
      EXPECT_EQ(found("name"), "v" + std::to_string(layout - 1));
    }
    value = "v" + std::to_string(layout);
    store_->touch(add("name", value, layout, layout % 3 == 0 ? kLargestKept : 16));
    keep();
  }
  EXPECT_LE(memory_->kept.usedSmall + memory_->kept.usedLarge, 4U);
}

// All at once, where as much is kept as may be.
TEST_F(KeptStoreTest, TheLayoutsOfAllThatMayBeKeptCanChange) {
  for (const std::size_t count : {kMostKeptBytes / kLargestKept, kMostKept}) {
    std::vector<std::string> values(count);
    for (std::uint64_t layout = 1; layout <= 5; ++layout) {
      restart();
      for (std::size_t i = 0; i < count; ++i) {
        const std::string name = std::to_string(count) + "x" + std::to_string(i);
        if (layout > 1) {
          ASSERT_EQ(found(name), "v" + std::to_string(layout - 1));
        }
        values[i] = "v" + std::to_string(layout);
        store_->touch(add(name, values[i], layout, kMostKeptBytes / count));
      }
      keep();
    }
    std::memset(static_cast<void*>(&memory_->kept), 0, sizeof memory_->kept);
  }
}

// A start that fails again and again, each time as another version.
TEST_F(KeptStoreTest, WhatWasNeverCommittedTakesNoPlaceFromTheNext) {
  std::string value = "good";
  store_->touch(add("name", value));
  keep();
  for (std::uint64_t layout = 2; layout < 1000; ++layout) {
    restart();
    std::string other = "bad";
    store_->touch(add("name", other, layout));
  }
  restart();
  EXPECT_EQ(found("name"), "good");
  store_->touch(add("name", value));
  keep();
  EXPECT_LE(memory_->kept.usedSmall, 2U);
}

// A message that nobody reads keeps older records in the log.
TEST_F(KeptStoreTest, WhatTheLogSaysOfAnEntryIsNotDoneToTheNextOneInItsPlace) {
  std::string value = "old";
  const std::vector<std::byte> message(64);
  log_->addMessage({1, wire::Lane::mailbox}, 0, message);
  store_->touch(add("name", value));
  keep();
  for (std::uint64_t layout = 2; layout <= 3; ++layout) {
    restart();
    value = "layout " + std::to_string(layout);
    store_->touch(add("name", value, layout));
    keep();
  }
  ASSERT_EQ(memory_->kept.usedSmall, 2U) << "the third has the place of the first";
  ASSERT_EQ(recover(*memory_), Recovered::fine);
  restart();
  EXPECT_EQ(found("name"), "layout 3");
}

// As in an upgrade that fails: the older process goes on, and the newer one has taken places meanwhile.
TEST_F(KeptStoreTest, AfterAFailedUpgradeThePlacesOfWhatIsNotWrittenYetAreFoundAnew) {
  std::string written = "written", first = "1st", second = "2nd", theirs = "theirs";
  store_->touch(add("written", written));
  keep();
  const auto a = add("first", first), b = add("second", second);
  {
    KeptStore newer(memory_->kept);
    for (const char* name : {"x", "y", "z"})
      newer.add(name, 7, 16, [&] { return std::as_bytes(std::span(theirs.data(), theirs.size())); });
  }
  store_->reload();
  store_->touch(a);
  store_->touch(b);
  keep();
  ASSERT_EQ(recover(*memory_), Recovered::fine);
  restart();
  EXPECT_EQ(found("written"), "written");
  EXPECT_EQ(found("first"), "1st");
  EXPECT_EQ(found("second"), "2nd");
  EXPECT_EQ(found("x"), "nothing");
}

TEST_F(KeptStoreTest, RefusesWhatHasNoPlace) {
  std::string value;
  add("taken", value);
  EXPECT_NE(refusal("taken").find("another value of that name"), std::string::npos);
  EXPECT_NE(refusal("").find("a name has 1 to 63 bytes"), std::string::npos);
  EXPECT_NE(refusal(std::string(64, 'x')).find("a name has"), std::string::npos);
  EXPECT_NE(refusal("large", kLargestKept + 1).find("65537 bytes"), std::string::npos);
  for (int i = 0; i < 15; ++i) EXPECT_EQ(refusal("l" + std::to_string(i), kLargestKept), "");
  EXPECT_NE(refusal("one more", kLargestKept).find("are taken"), std::string::npos);
  for (int i = 0; i < 48; ++i) EXPECT_EQ(refusal("s" + std::to_string(i), 1), "");
  EXPECT_NE(refusal("the last", 1).find("64 values"), std::string::npos);
}

TEST_F(KeptStoreTest, MemoryThatMakesNoSenseIsRefusedAndNeverLeftForOtherMemory) {
  std::string value = "first";
  store_->touch(add("name", value));
  keep();
  KeptMemory& kept = memory_->kept;
  const KeptEntry good = kept.entry[0];
  for (const std::uint64_t capacity : {kSmallKept + 1, ~std::uint64_t{0}, ~std::uint64_t{15}}) {
    kept.entry[0] = good;
    kept.entry[0].capacity = capacity;
    restart();
    EXPECT_THROW(found("name"), Error) << capacity;
    EXPECT_THROW(add("name", value), Error) << capacity;
  }
  kept.entry[0] = good;
  kept.entry[0].bytes = 17;
  restart();
  EXPECT_THROW(found("name"), Error);
  kept.entry[0] = good;
  for (const std::uint64_t used : {kSmallKeptPlaces + 1, ~std::uint64_t{0}, ~std::uint64_t{15}}) {
    kept.usedSmall = kept.usedLarge = used;
    restart();
    EXPECT_EQ(found("name"), "first") << used;
  }
}

}  // namespace
}  // namespace troupe::mailbox
