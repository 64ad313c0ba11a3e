// The desk: what is on it survives its process, and nobody sees twice what was begun.
#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/mailbox/desk_fixture.h"

namespace troupe::mailbox {
namespace {

TEST_F(DeskTest, HandsOutMessagesInOrderAndWhoSentThem) {
  deliver(packetOf({castOf("a"), castOf("b")}, 7, 3));
  deliverTexts({"c"}, 8);
  const auto first = desk_->next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sender, 7U);
  EXPECT_EQ(first->generation, 3U);
  EXPECT_EQ(textOf(first->words), "a");
  desk_->finish(first->token);
  EXPECT_EQ(handleAll(), "b c");
  EXPECT_FALSE(desk_->full());
}

TEST_F(DeskTest, OfManyPacketsForgetsNone) {
  std::string expected, got;
  for (int i = 0; i < 500; ++i) {
    deliverTexts({std::to_string(i), std::to_string(i) + "x"});
    expected += std::to_string(i) + " " + std::to_string(i) + "x ";
    if (i % 7 == 0) got += handleAll() + " ";
  }
  got += handleAll() + " ";
  EXPECT_EQ(got, expected);
}

// --- Full ---

TEST_F(DeskTest, IsFullWhereEveryPacketHasAMessageThatIsNotDone) {
  fillSlots();
  deliverTexts({"one more"});
  EXPECT_TRUE(begin() == "-" && desk_->full());
  finish(5);
  EXPECT_EQ(begin(), "one more");
}

// Those who find it full are woken all together for each packet that is read.
TEST_F(DeskTest, HoldsAPacketOfEachOfACrowd) {
  constexpr wire::ActorId kSenders = 100;
  const os::Fd probe = os::makePacketPipe(128 * os::kPacketBytes);
  if (::fcntl(probe.get(), F_GETPIPE_SZ) < 128 * static_cast<int>(os::kPacketBytes))
    GTEST_SKIP() << "no room for larger pipes";
  const auto fit = [this] {
    wire::ActorId sender = 0;
    for (; sender < kSenders; ++sender) {
      const Bytes packet = packetOf({castOf("me")}, sender + 1);
      if (os::writePacket(writer_.get(), packet.data(), packet.size()) != os::PipeState::done) break;
    }
    return sender;
  };
  EXPECT_LT(fit(), kSenders);
  for (int doubled = 0; doubled < 3; ++doubled) {
    handleAll();
    fit();
  }

  handleAll();
  EXPECT_EQ(fit(), kSenders);
}

TEST_F(DeskTest, KeepsTheWordsOfWhatIsNotDone) {
  deliverTexts({"kept"});
  const auto kept = desk_->next();
  for (int i = 0; i < 100; ++i) {
    deliverTexts({std::to_string(i)});
    ASSERT_EQ(handle(), std::to_string(i));
  }
  EXPECT_EQ(textOf(kept->words), "kept");
}

// --- A successor ---

TEST_F(DeskTest, ASuccessorGetsWhatWasDeliveredAndNotBegun) {
  deliverTexts({"a", "b", "c"});
  deliverTexts({"d"});
  EXPECT_EQ(handle(), "a");
  EXPECT_TRUE(restart().calls.empty());
  EXPECT_EQ(handleAll(), "b c d");
}

TEST_F(DeskTest, WhatTheKernelDeliveredInTheLastMomentIsFound) {
  EXPECT_EQ(handle(), "-") << "a slot is ready for the kernel";
  kernelWrites(0, packetOf({castOf("a")}));
  deliverTexts({"b"});
  restart();
  EXPECT_EQ(handleAll(), "a b");
}

TEST_F(DeskTest, WhatWasBegunIsInHandAndNotSeenAgain) {
  deliver(packetOf({callOf(11), castOf("cast"), callOf(12), callOf(13)}, 5, 2));
  begin();
  begin();
  begin();
  finish(0);
  const Settlement settlement = restart();
  EXPECT_EQ(settlement.dropped.size(), 2U);
  ASSERT_EQ(settlement.calls.size(), 1U);
  EXPECT_EQ(settlement.calls[0].call, 12U);
  EXPECT_EQ(settlement.calls[0].caller, 5U);
  EXPECT_EQ(settlement.calls[0].generation, 2U);
  EXPECT_EQ(settlement.calls[0].interfaceId, 7U);
  EXPECT_EQ(settlement.calls[0].method, 3U);

  const auto next = desk_->next();
  ASSERT_TRUE(next);
  EXPECT_EQ(wire::IncomingMessage(next->words).envelope().getCall().getCall(), 13U);
  EXPECT_FALSE(desk_->next());
  EXPECT_TRUE(settle(memory_).calls.size() == 1) << "13 is in hand now";
  EXPECT_TRUE(settle(memory_).calls.empty()) << "told once";
}

TEST_F(DeskTest, PacketsPartlyBegunInTurnsAreGoneThroughInTheOrderOfTheirArrival) {
  for (int i = 0; i < 3; ++i) deliverTexts({"x" + std::to_string(i), "y" + std::to_string(i)});
  EXPECT_EQ(begin(), "x0");
  restart();
  EXPECT_EQ(begin(), "y0");
  EXPECT_EQ(begin(), "x1");
  restart();
  restart();
  EXPECT_EQ(handleAll(), "y1 x2 y2");
}

TEST_F(DeskTest, AFullDeskIsFreeAgainForTheSuccessor) {
  fillSlots();
  for (const auto* text : {"a", "b", "c"}) deliverTexts({text});
  EXPECT_EQ(begin(), "-");
  EXPECT_EQ(restart().dropped.size(), kDeskSlots);
  EXPECT_EQ(handleAll(), "a b c");
}

// Died after the length was cleared, and before the rest was: the old packet's masks and content mean
// nothing.
TEST_F(DeskTest, AHalfClearedSlotIsFree) {
  deliverTexts({"old", "older"});
  EXPECT_EQ(handle(), "old");
  die();
  memory().header(0).bytes = 0;
  EXPECT_TRUE(settle(memory_).calls.empty());
  start();
  EXPECT_EQ(handle(), "-");
  deliverTexts({"a", "b"});
  EXPECT_EQ(handleAll(), "a b") << "with masks of its own";
}

// --- What is malformed ---

TEST_F(DeskTest, AMalformedPacketCostsOnlyItself) {
  deliverTexts({"a"});
  Bytes wrong = packetOf({castOf("lost")}, 66);
  wrong[6] = std::byte{9};  // messages
  deliver(wrong);
  deliver(Bytes(20, std::byte{1}));
  Bytes liar = packetOf({castOf("lost")}, 66);
  liar[0] = std::byte{250};  // bytes
  deliver(liar);
  deliver(Bytes(wire::kMaxPacketBytes));
  deliverTexts({"b"});
  EXPECT_EQ(handleAll(), "a b");
  EXPECT_EQ(desk_->malformedPackets(), 4U);
  ASSERT_EQ(faults_.size(), 4U);
  const auto reported = [this](const std::string& what) {
    return std::ranges::any_of(
        faults_, [&](const std::string& fault) { return fault.find(what) != std::string::npos; });
  };
  EXPECT_TRUE(reported("66: a packet of"));
  EXPECT_TRUE(reported("a packet of 20 bytes was dropped: shorter than a packet's header"));
}

TEST_F(DeskTest, AMalformedPacketThatAPredecessorReadCostsOnlyItself) {
  handle();
  Bytes wrong = packetOf({castOf("lost")});
  wrong[6] = std::byte{9};
  kernelWrites(0, wrong);
  deliverTexts({"a"});
  EXPECT_TRUE(restart().calls.empty());
  EXPECT_EQ(handleAll(), "a");
  EXPECT_EQ(desk_->malformedPackets(), 1U);
}

// A packet that lies about its length comes over one that was longer, and the process dies before it has
// compared the length with what read() said: the successor must not take the old packet's content for the new
// one's.
TEST_F(DeskTest, AShortPacketIsNotContinuedByTheOneBeforeIt) {
  const Bytes old = packetOf({castOf("a secret"), castOf("another")}, 7);
  deliver(old);
  EXPECT_EQ(handleAll(), "a secret another");
  const Bytes liar = packetOf({castOf("no truth"), castOf("nothing")}, 66);
  ASSERT_EQ(liar.size(), old.size());
  for (const std::size_t written :
       {std::size_t{4}, std::size_t{8}, sizeof(wire::PacketHeader), old.size() - 8}) {
    kernelWrites(0, Bytes(liar.begin(), liar.begin() + static_cast<std::ptrdiff_t>(written)));
    restart();
    for (auto message = desk_->next(); message; message = desk_->next()) {
      try {
        const std::string text = textOf(message->words);
        EXPECT_TRUE(text != "a secret" && text != "another") << "found where " << written << " bytes came";
      } catch (const kj::Exception&) {
        // Nothing but zeros.
      }
      desk_->finish(message->token);
    }
    EXPECT_EQ(handle(), "-");
  }
}

// As above, where the predecessor of the predecessor had left something in a slot that was never used since.
TEST_F(DeskTest, NothingOfAnEarlierLifeIsLeftInASlotThatIsReadInto) {
  const Bytes old = packetOf({castOf("a secret")}, 7);
  deliver(old);
  handleAll();
  restart();
  EXPECT_EQ(handle(), "-");
  for (std::size_t i = 0; i < kPageBytes; ++i) ASSERT_EQ(memory().packets[0][i], std::byte{0}) << i;
}

TEST_F(DeskTest, StrayBitsInItsMasksDoNotHoldItUp) {
  deliverTexts({"a", "b"});
  EXPECT_EQ(handle(), "a");
  die();
  memory().slots[0].begun |= 0xff00;
  memory().slots[0].done |= 0xf000;
  settle(memory_);
  start();
  EXPECT_EQ(handleAll(), "b");
  deliverTexts({"c"});
  EXPECT_EQ(handleAll(), "c");
}

TEST_F(DeskTest, OfAnotherLayoutIsRefused) {
  die();
  memory().layout = kDeskLayout + 1;
  EXPECT_TRUE(settle(memory_).calls.empty());
  try {
    start();
    FAIL() << "it must be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_NE(error.message().find("layout"), std::string::npos);
  }
}

TEST_F(DeskTest, ThatIsTooSmallIsRefused) {
  const os::Fd small = os::makeSharedMemory("small", 4096);
  EXPECT_THROW(MappedDesk{small}, Error);
  EXPECT_THROW(settle(small), Error);
}

// --- What is left for a pool ---

TEST_F(DeskTest, WhatNobodyHasBegunCanBeTakenOffAsPacketsOfOneMessage) {
  deliver(packetOf({callOf(1), callOf(2), callOf(3)}, 5, 2, 9));
  deliver(packetOf({castOf("d")}, 6));
  die();
  start(false);
  begin();
  const auto second = desk_->next();
  desk_->finish(second->token);
  die();
  settle(memory_);
  const auto packets = takeUnhandled(memory_);
  ASSERT_EQ(packets.size(), 1U) << "the second packet is in the pipe still";
  wire::PacketView view;
  ASSERT_EQ(wire::PacketView::parse(packets[0].data(), packets[0].size(), view), wire::PacketFault::none);
  EXPECT_EQ(view.header().sender, 5U);
  EXPECT_EQ(view.header().generation, 2U);
  ASSERT_EQ(view.messages(), 1U);
  EXPECT_EQ(wire::IncomingMessage(view.message(0)).envelope().getCall().getCall(), 3U);
  EXPECT_TRUE(takeUnhandled(memory_).empty());
}

}  // namespace
}  // namespace troupe::mailbox
