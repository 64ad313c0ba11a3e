// The log: what is in it is there, in its order, whatever else comes and goes.
#include "mailbox/turn_log.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <random>

#include "mailbox/recovery.h"
#include "tests/unit/wire/messages.h"

namespace troupe::mailbox {
namespace {

using Bytes = std::vector<std::byte>;

// About that long, and told from all others by its number.
Bytes messageOf(std::uint64_t number, std::size_t bytes) {
  Bytes message(std::max(bytes / 8 * 8, sizeof number), static_cast<std::byte>(number));
  std::memcpy(message.data(), &number, sizeof number);
  return message;
}

constexpr std::size_t kKeptEach = kMostKeptBytes / kMostKept;
KeptId keptId(std::size_t entry) { return {kSmallKeptPlaces + entry, entry + 1}; }

class TurnLogTest : public testing::Test {
 protected:
  TurnLogTest() : memory_(os::makeSharedMemory("desk", kDeskBytes)) {
    memory_->layout = kDeskLayout;
    for (std::size_t i = 0; i < kMostKept; ++i) {
      memory_->kept.entry[kSmallKeptPlaces + i].made = i + 1;
      memory_->kept.entry[kSmallKeptPlaces + i].capacity = kKeptEach;
    }
    restart();
  }
  // The next process, which finds what is expected.
  void restart() {
    ASSERT_EQ(recover(*memory_), Recovered::fine);
    log_.emplace(*memory_, 1);
    std::map<wire::ActorId, std::deque<Message>> found;
    std::uint64_t last = 0;
    for (auto& unsent : log_->takeUnsent()) {
      EXPECT_GE(unsent.ordinal, last);
      last = unsent.ordinal;
      found[unsent.to.actor].push_back({unsent.handle, std::move(unsent.bytes)});
    }
    std::erase_if(waiting_, [](const auto& line) { return line.second.empty(); });
    ASSERT_EQ(found.size(), waiting_.size());
    std::size_t live = 0;
    LogWalk walk(memory_->log);
    while (walk.next() != nullptr) {
      const bool sent = walk.header().kind >= LogRecord::message && walk.header().released == 0;
      if (sent) live += sizeof(LogRecord) + walk.header().bytes;
    }
    EXPECT_EQ(log_->liveBytes(), live);
    for (auto& [actor, line] : waiting_) {
      ASSERT_EQ(found[actor].size(), line.size());
      for (std::size_t i = 0; i < line.size(); ++i) ASSERT_TRUE(found[actor][i].bytes == line[i].bytes);
    }
    waiting_ = std::move(found);
  }
  bool add(wire::ActorId to, std::size_t bytes) {
    if (!log_->fits(bytes, 1)) return false;
    Bytes message = messageOf(++number_, bytes);
    const auto handle = log_->addMessage({to}, 0, message);
    waiting_[to].push_back({handle, std::move(message)});
    return true;
  }
  // A turn of that message alone.
  bool send(wire::ActorId to, std::size_t bytes) {
    log_->makeRoom(TurnLog::bytesOf(bytes));
    const bool added = add(to, bytes);
    commit();
    return added;
  }
  void commit() {
    log_->commit();
    log_->carriedOut();
  }
  // The first of them, with all that are in the same packet.
  void release(wire::ActorId from) {
    auto& line = waiting_[from];
    const auto handle = line.front().handle;
    for (; !line.empty() && line.front().handle == handle; line.pop_front()) log_->release(handle);
  }
  std::size_t recordsInLog() {
    std::size_t count = 0;
    LogWalk walk(memory_->log);
    while (walk.next() != nullptr) ++count;
    EXPECT_FALSE(walk.ruined());
    return count;
  }
  std::uint32_t firstInLog() const { return LogExtent::of(memory_->log.extent.load()).first; }

  struct Message {
    TurnLog::Handle handle;
    Bytes bytes;
  };
  MappedDesk memory_;
  std::optional<TurnLog> log_;
  std::map<wire::ActorId, std::deque<Message>> waiting_;
  std::uint64_t number_ = 0;
};

TEST_F(TurnLogTest, HoldsNothingThatIsNotCommitted) {
  log_->addDone(3, 1, 7);
  log_->addMessage({9}, 0, messageOf(1, 100));
  EXPECT_EQ(recordsInLog(), 0U);
  restart();
}

TEST_F(TurnLogTest, HoldsAMessageUntilItIsReleased) {
  send(9, 100);
  restart();
  release(9);
  EXPECT_EQ(recordsInLog(), 0U);
  restart();
}

TEST_F(TurnLogTest, BeginsAnewWhenItIsEmpty) {
  for (int i = 0; i < 100; ++i) {
    send(9, 4000);
    release(9);
    ASSERT_EQ(memory_->log.extent.load(), 0U);
  }
}

TEST_F(TurnLogTest, StaysInASmallPartOfItsMemoryWhereItIsNeverEmpty) {
  for (int i = 0; i < 20'000; ++i) {
    log_->makeRoom(1000);
    add(9, 500);
    log_->addDone(1, 1, 1);
    commit();
    if (i >= 10) release(9);
    ASSERT_LT(firstInLog(), 512U << 10);
  }
  restart();
}

TEST_F(TurnLogTest, MovesAMessageThatDoesNotLeaveOutOfTheWayOfOthers) {
  send(7, 1000);
  for (int i = 0; i < 40'000; ++i) {
    send(9, 1000);
    if (i >= 10) release(9);
  }
  restart();
  EXPECT_EQ(waiting_[7].size(), 1U);
}

TEST_F(TurnLogTest, SaysNoBeforeItsRoomIsUsedUp) {
  std::size_t placed = 0;
  while (send(1 + placed % 5, 3000)) ++placed;
  EXPECT_GT(placed, 500U);
  EXPECT_LE(log_->liveBytes(), TurnLog::kMostLive);
  restart();
}

// Where nobody reads, the largest turns still find room.
TEST_F(TurnLogTest, HasRoomForTheLargestTurnsBesideAllThatItMayHold) {
  for (std::uint64_t i = 0; send(1 + i % 5, 1 + i * 37 % 4000); ++i) {}
  const Bytes value(kKeptEach);
  constexpr std::size_t kKept = kMostKept * TurnLog::bytesOf(kKeptEach);
  for (int turn = 0; turn < 60; ++turn) {
    ASSERT_NO_THROW(log_->makeRoom(kKept)) << turn;
    for (std::size_t entry = 0; entry < kMostKept; ++entry) log_->addKept(keptId(entry), value);
    commit();
  }
  restart();
  // And where one that reads sends as much as a turn may.
  for (auto& line : waiting_) {
    while (!line.second.empty()) release(line.first);
  }
  for (int turn = 0; turn < 60; ++turn) {
    ASSERT_NO_THROW(log_->makeRoom(kKept + 256 * TurnLog::bytesOf(4000))) << turn;
    for (int i = 0; i < 256; ++i) add(9, 4000);
    for (std::size_t entry = 0; entry < kMostKept; ++entry) log_->addKept(keptId(entry), value);
    commit();
    while (waiting_[9].size() > 200) release(9);
  }
  restart();
}

TEST_F(TurnLogTest, NumbersAreNeverGivenTwice) {
  std::uint64_t last = 0;
  for (int life = 0; life < 5; ++life) {
    restart();
    for (std::size_t count : {1U, 64U, 3U}) {
      const std::uint64_t first = log_->number(count);
      EXPECT_GT(first, last);
      last = first + count - 1;
    }
  }
}

TEST_F(TurnLogTest, AMessageKeepsItsNumberWhereverItIsMoved) {
  send(7, 100);
  log_->setNumber(waiting_[7].front().handle, 4711);
  for (int i = 0; i < 10'000; ++i) {
    send(9, 1000);
    release(9);
  }
  EXPECT_GT(firstInLog(), 0U);
  TurnLog successor(*memory_, 2);
  const auto unsent = successor.takeUnsent();
  ASSERT_EQ(unsent.size(), 1U);
  EXPECT_EQ(unsent[0].sequence, 4711U);
}

// --- Packets that grow in their place ---

class GrowingPacketTest : public TurnLogTest {
 protected:
  bool grow(wire::ActorId to, TurnLog::Handle packet, std::size_t bytes) {
    Bytes message = test::castOf(std::to_string(++number_) + std::string(bytes, ' '));
    std::byte* const place = log_->roomInPacket(message.size());
    if (place == nullptr) return false;
    std::memcpy(place, message.data(), message.size());
    log_->grow(message.size());
    waiting_[to].push_back({packet, std::move(message)});
    return true;
  }
  // A successor's, as one list, were the process killed now.
  std::vector<Bytes> unsent() {
    const MappedDesk copy(os::makeSharedMemory("desk", kDeskBytes));
    std::memcpy(static_cast<void*>(&*copy), &*memory_, kDeskBytes);
    EXPECT_EQ(recover(*copy), Recovered::fine);
    std::vector<Bytes> all;
    TurnLog successor(*copy, 2);
    for (auto& each : successor.takeUnsent()) all.push_back(std::move(each.bytes));
    return all;
  }
};

TEST_F(GrowingPacketTest, EachMessageCountsFromItsGrowOn) {
  const auto packet = log_->beginPacket({9});
  EXPECT_TRUE(unsent().empty());
  ASSERT_TRUE(grow(9, packet, 10));
  EXPECT_EQ(unsent().size(), 1U);
  const Bytes next = test::castOf("not said yet");
  std::memcpy(log_->roomInPacket(next.size()), next.data(), next.size());
  EXPECT_EQ(unsent().size(), 1U);
  ASSERT_TRUE(grow(9, packet, 20));
  const auto found = unsent();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[1] == waiting_[9][1].bytes);
}

TEST_F(GrowingPacketTest, HasRoomForAPacketAndNoMore) {
  const auto packet = log_->beginPacket({9});
  std::size_t bytes = sizeof(wire::PacketHeader);
  while (grow(9, packet, 50)) bytes += waiting_[9].back().bytes.size();
  EXPECT_LE(bytes, wire::kMaxPacketBytes);
  EXPECT_GT(bytes + 100, wire::kMaxPacketBytes);
  EXPECT_EQ(log_->packet(packet).size(), bytes);
  EXPECT_EQ(unsent().size(), waiting_[9].size());
}

TEST_F(GrowingPacketTest, WhateverElseIsAddedEndsIt) {
  const auto packet = log_->beginPacket({9});
  ASSERT_TRUE(grow(9, packet, 10));
  const std::size_t whole = log_->liveBytes();
  send(8, 100);
  EXPECT_EQ(log_->roomInPacket(8), nullptr);
  EXPECT_LT(log_->liveBytes(), whole) << "it takes no more than is in it";
  EXPECT_EQ(unsent().size(), 2U);
  log_->release(packet);
  EXPECT_EQ(unsent().size(), 1U);
}

TEST_F(GrowingPacketTest, OneThatIsEmptyLeavesNothing) {
  log_->beginPacket({9});
  log_->endPacket();
  EXPECT_EQ(recordsInLog(), 0U);
  EXPECT_EQ(log_->liveBytes(), 0U);
  log_->beginPacket({9});
  send(8, 100);
  EXPECT_EQ(recordsInLog(), 1U);
  restart();
}

TEST_F(GrowingPacketTest, ReleasedItLeavesTheLogEmptyAtItsStart) {
  for (int i = 0; i < 100; ++i) {
    const auto packet = log_->beginPacket({9});
    grow(9, packet, 1000);
    waiting_.clear();
    log_->release(packet);
    ASSERT_EQ(memory_->log.extent.load(), 0U);
    ASSERT_EQ(log_->liveBytes(), 0U);
    ASSERT_EQ(log_->roomInPacket(8), nullptr);
  }
}

TEST_F(GrowingPacketTest, ItsMessagesShareTheirRecordAndItsNumber) {
  const auto packet = log_->beginPacket({9});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(grow(9, packet, 10));
  log_->setNumber(packet, 4711);
  ASSERT_EQ(recover(*memory_), Recovered::fine);
  log_.emplace(*memory_, 2);
  const auto found = log_->takeUnsent();
  ASSERT_EQ(found.size(), 3U);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(found[i].sequence, 4711U + i);
    EXPECT_EQ(found[i].to.actor, 9U);
    EXPECT_EQ(recordsInLog(), 1U) << "until all have left";
    log_->release(found[i].handle);
  }
  EXPECT_EQ(recordsInLog(), 0U);
}

TEST_F(GrowingPacketTest, IsMovedAsAWhole) {
  const auto packet = log_->beginPacket({7});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(grow(7, packet, 300));
  log_->setNumber(packet, 4711);
  for (int i = 0; i < 10'000; ++i) {
    send(9, 1000);
    release(9);
  }
  EXPECT_GT(firstInLog(), 0U);
  restart();
  EXPECT_EQ(waiting_[7].size(), 5U);
}

class RandomTurns : public GrowingPacketTest, public testing::WithParamInterface<unsigned> {};

// Some destinations get stuck and go on again; processes come and go.
TEST_P(RandomTurns, LoseNothingAndKeepTheOrderOfEachDestination) {
  std::mt19937 random(GetParam());
  const auto upTo = [&](std::size_t most) { return random() % (most + 1); };
  const std::size_t largest = upTo(3) == 0 ? 4000 : 300;
  std::uint32_t stuck = 0;
  for (int turn = 0; turn < 6000; ++turn) {
    if (upTo(200) == 0) stuck = random() & random() & 0xff;
    const bool keeps = upTo(4) == 0;
    const std::size_t messages = upTo(upTo(50) == 0 ? 60 : 4);
    const std::size_t keeping = keeps ? kKeptEach : 0;
    ASSERT_NO_THROW(log_->makeRoom(TurnLog::bytesOf(0) + TurnLog::bytesOf(keeping) +
                                   messages * TurnLog::bytesOf(largest)));
    if (keeps) log_->addKept(keptId(upTo(kMostKept - 1)), Bytes(upTo(keeping)));
    if (upTo(3) != 0) log_->addDone(upTo(kDeskSlots - 1), static_cast<unsigned>(upTo(63)), random());
    for (std::size_t i = 0; i < messages; ++i) add(upTo(7), upTo(largest));
    // Now and then a turn is given up.
    if (messages == 0 && upTo(10) == 0) continue;
    commit();
    ASSERT_LE(log_->liveBytes(), TurnLog::kMostLive);
    for (auto& [actor, line] : waiting_) {
      if ((stuck >> actor & 1) != 0) continue;
      for (std::size_t i = upTo(8); i > 0 && !line.empty(); --i) {
        if (upTo(3) == 0) log_->setNumber(line.front().handle, log_->number(1));
        release(actor);
      }
    }
    if (upTo(5) == 0 && log_->fits(wire::kMaxPacketBytes, 1)) {
      const wire::ActorId to = upTo(7);
      const auto packet = log_->beginPacket({to});
      const std::size_t before = waiting_[to].size();
      for (std::size_t i = upTo(20); i > 0 && grow(to, packet, upTo(std::min<std::size_t>(largest, 3900)));
           --i) {}
      if (const std::size_t count = waiting_[to].size() - before; count > 0)
        log_->share(packet, static_cast<unsigned>(count));
    }
    if (upTo(300) == 0) restart();
    if (HasFatalFailure()) return;
  }
  restart();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTurns, testing::Range(1U, 13U));

}  // namespace
}  // namespace troupe::mailbox
