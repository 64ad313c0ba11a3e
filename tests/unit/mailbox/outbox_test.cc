// The outbox: packing, order, room, and that one who does not read holds up nobody else.
#include "mailbox/outbox.h"

#include <sched.h>
#include <troupe/error.h>

#include <deque>
#include <functional>

#include "tests/unit/mailbox/outbox_fixture.h"

namespace troupe::mailbox {
namespace {

TEST_F(OutboxTest, PutsWhatIsSentTogetherIntoOnePacketAtTheFlush) {
  Peer peer(9);
  introduce(peer);
  for (const char* text : {"a", "b", "c"}) EXPECT_EQ(outbox_.put(peer.to, castOf(text)), Put::placed);
  EXPECT_EQ(peer.read(), Texts{}) << "not yet";
  outbox_.flush();
  EXPECT_EQ(peer.read(), (Texts{"a", "b", "c"}));
  EXPECT_EQ(peer.last.sender, 5U);
  EXPECT_EQ(peer.last.generation, 2U);
  const auto first = peer.last.sequence;
  outbox_.put(peer.to, castOf("d"));
  outbox_.flush();
  EXPECT_EQ(peer.read(), Texts{"d"});
  EXPECT_EQ(peer.last.sequence, first + 3) << "three messages had numbers before it";
}

TEST_F(OutboxTest, WritesAFullPacketAtOnceAndTakesSixtyFourMessagesForOne) {
  Peer peer(9);
  introduce(peer);
  for (int i = 0; i < 65; ++i) outbox_.put(peer.to, castOf(""));
  EXPECT_EQ(peer.read().size(), std::min<std::size_t>(64, wire::kMaxMessageBytes / castOf("").size()));
}

TEST_F(OutboxTest, GivesEachMessageAPacketWhereSeveralReadThem) {
  Peer pool(9);
  introduce(pool, true);
  for (const char* text : {"a", "b", "c"}) outbox_.put(pool.to, castOf(text));
  outbox_.flush();
  EXPECT_EQ(pool.read(), Texts{"a"});
  ASSERT_TRUE(runUntil(loop_, [&] { return outbox_.waitingPackets() < 2; }));
  EXPECT_EQ(readUntil(pool, 2), (Texts{"b", "c"}));
}

TEST_F(OutboxTest, AsksOnceAndKeepsTheOrderWhereTheIntroductionComesLate) {
  Peer peer(9);
  for (const char* text : {"a", "b", "c"}) outbox_.put(peer.to, castOf(text));
  outbox_.flush();
  EXPECT_EQ(asked_, std::vector<Destination>{peer.to});
  introduce(peer);
  EXPECT_EQ(peer.readAll(), (Texts{"a", "b", "c"}));
}

TEST_F(OutboxTest, BoundsWhatWaitsForSomebodyWhoDoesNotReadAndKeepsTheOrder) {
  Peer peer(9);
  introduce(peer);
  const unsigned placed = fill(peer);
  EXPECT_LE(outbox_.waitingPackets(), Outbox::kMaxWaitingPackets);
  EXPECT_EQ(outbox_.put(peer.to, castOf("no")), Put::noRoom);
  const auto texts = readUntil(peer, placed);
  ASSERT_EQ(texts.size(), placed);
  for (unsigned i = 0; i < placed; ++i) EXPECT_EQ(texts[i], large(i));
}

TEST_F(OutboxTest, OwesToThoseWhoDoNotReadWhatWasCommittedAndNoCalls) {
  Peer peer(9), other(10);
  outbox_.put(peer.to, test::callOf(1));
  EXPECT_EQ(outbox_.waitingPackets(), 1U);
  EXPECT_EQ(outbox_.owedPackets(), 0U);
  send(other, castOf("a cast"));
  EXPECT_EQ(outbox_.waitingPackets(), 2U);
  EXPECT_EQ(outbox_.owedPackets(), 1U);
}

TEST_F(OutboxTest, AStuckDestinationHoldsUpNobody) {
  Peer stuck(9), late(10), other(11);
  introduce(stuck);
  introduce(other);
  fill(stuck);
  while (outbox_.put(late.to, castOf(large(0))) == Put::placed) {}
  for (int round = 0; round < 50; ++round) {
    ASSERT_EQ(outbox_.put(other.to, castOf("x")), Put::placed);
    outbox_.flush();
    ASSERT_EQ(other.read(), Texts{"x"});
  }
}

// --- Waiting for room ---

TEST_F(OutboxTest, WakesThoseWhoWaitForRoomInTheirOrder) {
  Peer peer(9);
  introduce(peer);
  const unsigned placed = fill(peer);
  std::vector<int> woken;
  std::vector<std::shared_ptr<Outbox::Waiter>> waiters;
  for (int i = 0; i < 40; ++i) {
    waiters.push_back(outbox_.whenRoom(peer.to, [&, i] {
      woken.push_back(i);
      EXPECT_EQ(outbox_.put(peer.to, castOf(large(static_cast<unsigned>(1000 + i)))), Put::placed);
    }));
  }
  const auto texts = readUntil(peer, placed + 40);
  ASSERT_EQ(woken.size(), 40U);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(woken[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(texts[placed + static_cast<std::size_t>(i)], large(static_cast<unsigned>(1000 + i)));
  }
}

TEST_F(OutboxTest, IsPatientAsLongAsItWaitsForABusyReceiver) {
  Peer peer(9);
  introduce(peer);
  ASSERT_EQ(::sched_getscheduler(0), SCHED_OTHER);
  const unsigned placed = fill(peer);
  EXPECT_EQ(::sched_getscheduler(0), SCHED_BATCH);
  readUntil(peer, placed);
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
}

TEST_F(OutboxTest, LosesPatienceWithOneWhoDoesNotRead) {
  Peer peer(9), caller(10, wire::Lane::reply);
  introduce(peer);
  introduce(caller);
  fill(peer);
  ASSERT_EQ(::sched_getscheduler(0), SCHED_BATCH);
  EXPECT_TRUE(runUntil(loop_, [] { return ::sched_getscheduler(0) == SCHED_OTHER; }));
  fill(caller);
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER) << "an answer is waited for by others";
}

TEST_F(OutboxTest, IsNotPatientOnBehalfOfOneThatHasGone) {
  Peer peer(9);
  introduce(peer);
  fill(peer);
  ASSERT_EQ(::sched_getscheduler(0), SCHED_BATCH);
  outbox_.close(peer.to);
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
}

TEST_F(OutboxTest, NobodyOvertakesThoseWhoWait) {
  Peer peer(9);
  introduce(peer);
  const unsigned placed = fill(peer);
  Put overtaking = Put::placed;
  const auto first = outbox_.whenRoom(peer.to, [&] {
    outbox_.put(peer.to, castOf("first"));
    overtaking = outbox_.put(peer.to, castOf("third"));
  });
  const auto second = outbox_.whenRoom(peer.to, [&] { outbox_.put(peer.to, castOf("second")); });
  const auto texts = readUntil(peer, placed + 2);
  EXPECT_EQ(overtaking, Put::noRoom);
  EXPECT_EQ(texts[placed], "first");
  EXPECT_EQ(texts[placed + 1], "second");
  EXPECT_EQ(outbox_.put(peer.to, castOf("third")), Put::placed);
}

TEST_F(OutboxTest, OneWhoGivesUpIsNotWokenAndHoldsUpNobody) {
  Peer peer(9);
  introduce(peer);
  const unsigned placed = fill(peer);
  bool woken = false;
  outbox_.whenRoom(peer.to, [&] { woken = true; }).reset();
  readUntil(peer, placed);
  EXPECT_FALSE(woken);
  EXPECT_EQ(outbox_.put(peer.to, castOf("x")), Put::placed);
}

TEST_F(OutboxTest, OneWhoAsksWhenThereIsRoomAlreadyIsWokenToo) {
  Peer peer(9);
  introduce(peer);
  const unsigned placed = fill(peer);
  readUntil(peer, placed);
  unsigned woken = 0;
  const auto waiter = outbox_.whenRoom(peer.to, [&] { ++woken; });
  EXPECT_EQ(woken, 0U) << "from the loop";
  ASSERT_TRUE(runUntil(loop_, [&] { return woken > 0; }));
  EXPECT_EQ(woken, 1U);
}

TEST_F(OutboxTest, WakesThoseWhoWaitWhenTheIntroductionComes) {
  Peer peer(9);
  unsigned placed = 0;
  while (outbox_.put(peer.to, castOf(large(placed))) == Put::placed) ++placed;
  EXPECT_EQ(placed, Outbox::kMaxWaitingPackets);
  bool woken = false;
  const auto waiter = outbox_.whenRoom(peer.to, [&] { woken = true; });
  introduce(peer);
  EXPECT_TRUE(woken);
  EXPECT_EQ(readUntil(peer, placed).size(), placed);
}

// --- Gone ---

TEST_F(OutboxTest, WhoWaitsForOneThatGoesFindsItGone) {
  Peer peer(9);
  introduce(peer);
  fill(peer);
  const std::size_t waiting = outbox_.waitingPackets();
  std::vector<Put> puts;
  const auto one = outbox_.whenRoom(peer.to, [&] { puts.push_back(outbox_.put(peer.to, castOf("x"))); });
  const auto two = outbox_.whenRoom(peer.to, [&] { puts.push_back(outbox_.put(peer.to, castOf("y"))); });
  outbox_.close(peer.to);
  EXPECT_EQ(puts, (std::vector<Put>{Put::gone, Put::gone}));
  EXPECT_EQ(outbox_.waitingPackets(), 0U);
  EXPECT_EQ(outbox_.droppedMessages(), waiting + 2);
  EXPECT_TRUE(asked_.empty());

  EXPECT_EQ(outbox_.put(peer.to, castOf("z")), Put::placed)
      << "asked for anew: the answer says what has become of it";
  EXPECT_EQ(asked_, std::vector<Destination>{peer.to});
  outbox_.close({77});
}

TEST_F(OutboxTest, AsksAnewWhereNobodyReadsThePipeAnyMore) {
  Peer peer(9);
  introduce(peer);
  peer.reader.reset();
  peer.pipe.reset();
  outbox_.put(peer.to, castOf("a"));
  outbox_.flush();
  EXPECT_EQ(asked_, std::vector<Destination>{peer.to});
  outbox_.put(peer.to, castOf("b"));
  outbox_.flush();
  EXPECT_EQ(asked_.size(), 1U);

  Peer again(9);
  introduce(again);
  EXPECT_EQ(again.readAll(), (Texts{"a", "b"}));
}

TEST_F(OutboxTest, AsksAnewWhereItsPipeWasFullWhenItWent) {
  Peer peer(9);
  introduce(peer);
  const unsigned placed = fill(peer);
  peer.reader.reset();
  peer.pipe.reset();
  ASSERT_TRUE(runUntil(loop_, [&] { return !asked_.empty(); }));
  Peer again(9);
  introduce(again);
  const auto texts = readUntil(again, Outbox::kMaxWaitingPackets);
  EXPECT_EQ(texts.back(), large(placed - 1));
}

// --- Answers ---

TEST_F(OutboxTest, AnAnswerStaysInTheLogUntilItWasWritten) {
  Peer caller(9, wire::Lane::reply);
  introduce(caller);
  for (std::uint8_t i = 0; i < 4; ++i) answer(caller, i);
  outbox_.flush();
  EXPECT_EQ(inLog(), 3U) << "one packet fits into the pipe";
  EXPECT_EQ(readUntil(caller, 4).size(), 4U);
  EXPECT_EQ(inLog(), 0U);
  EXPECT_EQ(log_.liveBytes(), 0U);
}

TEST_F(OutboxTest, AnAnswerThatNobodyReadsIsDroppedAfterItsDeadlineAndThoseOfOthersAreNot) {
  Peer slow(9, wire::Lane::reply), patient(10, wire::Lane::reply);
  introduce(slow);
  introduce(patient);
  for (std::uint8_t i = 0; i < 3; ++i) answer(slow, i, Clock::now());
  for (std::uint8_t i = 10; i < 13; ++i) answer(patient, i);
  outbox_.flush();
  EXPECT_EQ(inLog(), 4U);
  ASSERT_TRUE(runUntil(loop_, [&] { return outbox_.droppedMessages() == 2; }));
  EXPECT_EQ(inLog(), 2U);
  EXPECT_EQ(readUntil(patient, 3).size(), 3U);
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, AnswersForOneWhoNeverReadsAreBounded) {
  Peer caller(9, wire::Lane::reply);
  introduce(caller);
  for (unsigned i = 0; i < 2 * Outbox::kMaxWaitingAnswers; ++i) {
    send(caller, resultOf(i, large(i)));
    outbox_.flush();
  }
  EXPECT_EQ(outbox_.waitingPackets(), Outbox::kMaxWaitingAnswers);
  EXPECT_EQ(inLog(), Outbox::kMaxWaitingAnswers);
  const auto texts = readUntil(caller, Outbox::kMaxWaitingAnswers + 1);
  EXPECT_EQ(texts.back(), large(2 * Outbox::kMaxWaitingAnswers - 1)) << "the oldest are dropped";
}

TEST_F(OutboxTest, AnswersForOneWhoHasGoneAreOver) {
  Peer caller(9, wire::Lane::reply);
  for (std::uint8_t i = 0; i < 3; ++i) answer(caller, i);
  outbox_.close(caller.to);
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, ThoseWhoWaitForRoomInAFullLogGoOnWhenOthersHaveLeft) {
  std::deque<Peer> stuck;
  for (wire::ActorId actor = 1; actor <= 4; ++actor) introduce(stuck.emplace_back(actor));
  Peer peer(9);
  introduce(peer);
  for (unsigned i = 0; i < 1000 && log_.fits(wire::kMaxMessageBytes, 1); ++i)
    send(stuck[i % 4], castOf(large(i)));
  ASSERT_EQ(outbox_.hasRoom(peer.to, wire::kMaxMessageBytes), Put::noRoom);
  std::string order;
  unsigned woken = 0;
  std::vector<std::shared_ptr<Outbox::Waiter>> waiters;
  std::function<void(char)> wait = [&](char name) {
    waiters.push_back(outbox_.whenRoom(peer.to, [&, name] {
      ++woken;
      if (outbox_.hasRoom(peer.to, wire::kMaxMessageBytes) == Put::placed) {
        order += name;
      } else {
        wait(name);
      }
    }));
  };
  wait('a');
  wait('b');
  outbox_.flush();
  bool tried = false;
  loop_.post([&] { tried = true; });
  ASSERT_TRUE(runUntil(loop_, [&] { return tried; }));
  EXPECT_EQ(woken, 0U) << "nobody tries in vain";
  outbox_.close(stuck[0].to);
  ASSERT_TRUE(runUntil(loop_, [&] { return order.size() == 2; }));
  EXPECT_EQ(order, "ab");
}

// --- A successor ---

TEST_F(OutboxTest, ASuccessorSendsWhatWasCommittedAndHadNotLeft) {
  Peer peer(9);
  introduce(peer);
  for (unsigned i = 0; i < 5; ++i) send(peer, castOf(large(i)));
  outbox_.flush();
  EXPECT_EQ(peer.read(), Texts{large(0)}) << "one packet fits into the pipe";

  TurnLog log(*mapped_, 3);
  Outbox successor(loop_, {.actor = 5, .generation = 3}, log, [](Destination) {});
  successor.resend();
  Peer again(9);
  successor.introduced(again.to, os::openWriteEnd(again.pipe));
  const auto texts = readUntil(again, 4);
  EXPECT_EQ(texts, (Texts{large(1), large(2), large(3), large(4)}));
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, WhatMayHaveLeftBeforeIsSentWithItsNumberAndSaysSo) {
  Peer peer(9);
  introduce(peer);
  for (const char* text : {"a", "b", "c"}) send(peer, castOf(text));
  // Died between the write and its note: it is in the pipe, and in the log.
  std::vector<std::byte> before(mapped_->log.bytes, mapped_->log.bytes + 4096);
  const auto extent = mapped_->log.extent.load();
  outbox_.flush();
  EXPECT_EQ(peer.read(), (Texts{"a", "b", "c"}));
  const auto first = peer.last.sequence;
  EXPECT_EQ(peer.last.flags & wire::kMayRepeat, 0U);
  std::copy(before.begin(), before.end(), mapped_->log.bytes);
  mapped_->log.extent = extent;
  std::uint64_t number = first;
  LogWalk walk(mapped_->log);
  while (LogRecord* const record = walk.next()) record->sequence = number++;
  expectSentAgain(peer, {"a", "b", "c"}, first);
}

}  // namespace
}  // namespace troupe::mailbox
