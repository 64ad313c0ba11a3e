// Casts that are made where they are sent from: packing, order and room, and what a successor makes of them.
#include "tests/unit/mailbox/outbox_fixture.h"

namespace troupe::mailbox {
namespace {

Peer wide(wire::ActorId actor) { return Peer(actor, wire::Lane::mailbox, std::size_t{64} << 10); }

TEST_F(OutboxTest, ALongRunOfCastsIsMadeInThePacketsThatLeave) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  Texts all;
  Texts read;
  for (int i = 0; i < 300; ++i) {
    all.push_back(std::to_string(i) + std::string(50, ' '));
    EXPECT_TRUE(cast(peer, all.back())) << i;
    if (i % 100 == 60) outbox_.flush();
    EXPECT_LE(inLog(), 1U) << "those that are full have left";
    const auto texts = peer.readAll();
    read.insert(read.end(), texts.begin(), texts.end());
  }
  outbox_.flush();
  const auto texts = peer.readAll();
  read.insert(read.end(), texts.begin(), texts.end());
  EXPECT_EQ(read, all);
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, WhereSeveralAreSentToInTurnsEachGetsFullPacketsAllTheSame) {
  Peer one = wide(8);
  Peer other = wide(9);
  introduce(one);
  introduce(other);
  makeRun(one);
  for (int i = 0; i < 10; ++i) {
    cast(one, std::to_string(i));
    cast(other, std::to_string(i));
  }
  outbox_.flush();
  EXPECT_LE(one.read().size(), 1U) << "the one that was made in its place";
  EXPECT_GE(one.read().size(), 9U);
  EXPECT_EQ(other.read().size(), 10U);
}

TEST_F(OutboxTest, WhatIsSentInBetweenKeepsItsPlaceInTheOrder) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  EXPECT_TRUE(cast(peer, "a"));
  outbox_.put(peer.to, castOf("b"));
  cast(peer, "c");
  send(peer, castOf("d"));
  cast(peer, "e");
  outbox_.flush();
  EXPECT_EQ(readUntil(peer, 5), (Texts{"a", "b", "c", "d", "e"}));
}

TEST_F(OutboxTest, NobodyOvertakesOneWhoWaitsForRoom) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  EXPECT_TRUE(cast(peer, "a"));
  fill(peer);
  const auto waiter = outbox_.whenRoom(peer.to, [] {});
  EXPECT_EQ(outbox_.place(peer.to, 64), nullptr);
}

TEST_F(OutboxTest, ThereIsNoPlaceForWhomNobodyReadsOrHasGone) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  unsigned made = 0;
  while (made < 10'000 && cast(peer, std::string(200, 'x'))) ++made;
  EXPECT_LT(made, 10'000U) << "bounded";
  EXPECT_GT(made, 16U * 10);
  outbox_.close(peer.to);
  EXPECT_EQ(outbox_.place(peer.to, 64), nullptr);
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, WhileAnotherProcessHasTheLogNothingIsMadeInIt) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  EXPECT_TRUE(cast(peer, "a"));
  outbox_.pause();
  EXPECT_EQ(outbox_.place(peer.to, 64), nullptr);
  log_.reload();
  outbox_.goOn(3);
  EXPECT_EQ(readUntil(peer, 1), Texts{"a"});
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, ASuccessorNumbersWhatWasMadeInItsPlaceInItsOrder) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  const auto before = peer.last.sequence;
  for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(cast(peer, text));
  send(peer, castOf("d"));

  TurnLog log(*mapped_, 3);
  Outbox successor(loop_, {.actor = 5, .generation = 3}, log, [](Destination) {});
  successor.introduced(peer.to, os::openWriteEnd(peer.pipe));
  successor.resend();
  EXPECT_EQ(readUntil(peer, 4), (Texts{"a", "b", "c", "d"}));
  EXPECT_GT(peer.last.sequence, before);
  EXPECT_EQ(inLog(), 0U);
}

TEST_F(OutboxTest, WhatWasWrittenAndNotNotedIsSentAgainWithItsNumbers) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(cast(peer, text));
  outbox_.flush();
  EXPECT_EQ(peer.read(), (Texts{"a", "b", "c"}));
  const auto first = peer.last.sequence;
  // Died between the write and its note.
  auto& record = *reinterpret_cast<LogRecord*>(mapped_->log.bytes);
  record.released = 0;
  EXPECT_EQ(record.sequence, first);
  mapped_->log.extent = LogExtent{0, static_cast<std::uint32_t>(sizeof record + record.bytes)}.packed();
  expectSentAgain(peer, {"a", "b", "c"}, first);
}

TEST_F(OutboxTest, WhoeverIsKilledWhileItSendsAgainLeavesNumbersInTheirOrder) {
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  const os::Fd full = os::openWriteEnd(peer.pipe);
  const std::byte filler[4096] = {};
  while (os::writePacket(full.get(), filler, sizeof filler) == os::PipeState::done) {}
  for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(cast(peer, text));
  send(peer, castOf("d"));

  TurnLog log(*mapped_, 3);
  const auto all = log.takeUnsent();
  ASSERT_EQ(all.size(), 4U);
  Outbox successor(loop_, {.actor = 5, .generation = 3}, log, [](Destination) {});
  log.reload();
  successor.resend();
  // Nothing has left.
  TurnLog next(*mapped_, 4);
  std::uint64_t last = 0;
  for (const auto& unsent : next.takeUnsent()) {
    EXPECT_GT(unsent.sequence, last);
    last = unsent.sequence;
  }
  EXPECT_EQ(next.number(1), last + 1);
}

TEST_F(OutboxTest, PacketsThatHeldAnswersAreUsedForCastsAgain) {
  std::vector<Peer> callers;
  for (wire::ActorId i = 0; i < 5; ++i)
    callers.emplace_back(20 + i, wire::Lane::reply, std::size_t{64} << 10);
  for (const Peer& caller : callers) answer(caller, 1);
  for (Peer& caller : callers) introduce(caller);
  for (Peer& caller : callers) EXPECT_EQ(caller.read().size(), 1U);
  Peer peer = wide(9);
  introduce(peer);
  makeRun(peer);
  while (cast(peer, std::string(1000, 'x'))) {}
  ASSERT_TRUE(runUntil(loop_, [&] {
    peer.readAll();
    return outbox_.waitingPackets() == 0;
  }));
  answer(callers[0], 2);
  outbox_.flush();
  EXPECT_EQ(callers[0].read().size(), 1U);
}

TEST_F(OutboxTest, WhatIsSpreadForAPoolIsNumberedInItsOrder) {
  Peer peer = wide(9);
  for (const std::string& text : {std::string(3000, 'A'), std::string(2000, 'B'), std::string("C")})
    send(peer, castOf(text));
  introduce(peer, true);
  outbox_.flush();
  std::uint64_t last = 0;
  for (const char first : {'A', 'B', 'C'}) {
    const auto texts = peer.read();
    ASSERT_EQ(texts.size(), 1U);
    EXPECT_EQ(texts[0][0], first);
    EXPECT_GT(peer.last.sequence, last);
    last = peer.last.sequence;
  }
}

}  // namespace
}  // namespace troupe::mailbox
