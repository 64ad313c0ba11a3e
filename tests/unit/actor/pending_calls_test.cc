// A call always ends, once: with its reply, an error, or its deadline.
#include "actor/pending_calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <troupe/error.h>

#include <csignal>

#include "tests/unit/wire/messages.h"

namespace troupe::actor {
namespace {

using detail::PendingCall;
using loop::Clock;
using test::Bytes;
using test::errorOf;
using test::packetOf;
using test::resultOf;
using test::runUntil;

constexpr ActorId kCallee = 9;
constexpr std::uint32_t kGeneration = 3;

class PendingCallsTest : public testing::Test {
 protected:
  PendingCallsTest()
      : mailbox_(os::makePacketPipe(4096)),
        mailboxReader_(os::openReadEnd(mailbox_)),
        lane_(os::makePacketPipe()),
        laneWriter_(os::openWriteEnd(lane_)),
        memory_(os::makeSharedMemory("desk", mailbox::kDeskBytes)),
        log_(*memory_, kGeneration),
        outbox_(loop_, {.actor = 5, .generation = kGeneration}, log_, [](mailbox::Destination) {}),
        bodies_(loop_, {}, 0, kGeneration, {.introduce = [](wire::ActorId) {}, .arrived = [] {}}),
        calls_(std::make_unique<PendingCalls>(loop_, outbox_, bodies_, kGeneration, os::openReadEnd(lane_),
                                              [this](const std::string& what) { faults_.push_back(what); })) {
    outbox_.introduced({kCallee, wire::Lane::mailbox}, os::openWriteEnd(mailbox_));
  }

  std::shared_ptr<PendingCall> call(Duration within = kForever, std::size_t bytes = 0) {
    auto call = std::make_shared<PendingCall>();
    call->calls = calls_.get();
    call->id = calls_->nextId();
    call->callee = RefBase(kCallee, "/till");
    call->name = "Till.pay";
    call->within = within;
    if (within != kForever) call->deadline = Clock::now() + within;
    calls_->start(call, test::callOf(call->id, std::string(bytes, 'x')));
    outbox_.flush();
    return call;
  }
  void arrives(const std::vector<Bytes>& messages) {
    const Bytes packet = packetOf(messages, kCallee);
    ASSERT_EQ(os::writePacket(laneWriter_.get(), packet.data(), packet.size()), os::PipeState::done);
  }
  bool ends(const std::shared_ptr<PendingCall>& call) {
    return runUntil(loop_, [&] { return call->done; });
  }
  static std::string replyOf(const std::shared_ptr<PendingCall>& call) {
    return call->reply ? call->reply->body().getAs<capnp::Text>().cStr() : "no reply";
  }
  // The ids of the calls that have come into the callee's mailbox.
  std::vector<std::uint64_t> delivered() {
    std::vector<std::uint64_t> ids;
    alignas(8) std::byte packet[os::kPacketBytes];
    for (;;) {
      const auto got = os::readPacket(mailboxReader_.get(), packet);
      if (got.state != os::PipeState::done) return ids;
      wire::PacketView view;
      wire::PacketView::parse(packet, got.bytes, view);
      for (unsigned i = 0; i < view.messages(); ++i) {
        ids.push_back(wire::IncomingMessage(view.message(i)).envelope().getCall().getCall());
      }
    }
  }
  std::vector<std::uint64_t> deliveredUntil(std::size_t count) {
    std::vector<std::uint64_t> ids;
    EXPECT_TRUE(runUntil(loop_, [&] {
      outbox_.flush();
      for (const std::uint64_t id : delivered()) ids.push_back(id);
      return ids.size() >= count;
    }));
    return ids;
  }

  loop::Loop loop_;
  os::Fd mailbox_;
  os::Fd mailboxReader_;
  os::Fd lane_;
  os::Fd laneWriter_;
  std::vector<std::string> faults_;
  mailbox::MappedDesk memory_;
  mailbox::TurnLog log_;
  mailbox::Outbox outbox_;
  Bodies bodies_;
  std::unique_ptr<PendingCalls> calls_;
};

// Those who find the lane full are woken all together for each reply that is read.
TEST_F(PendingCallsTest, TheLaneHoldsAReplyOfEachOfACrowd) {
  constexpr wire::ActorId kCallees = 100;
  const os::Fd probe = os::makePacketPipe(128 * os::kPacketBytes);
  if (::fcntl(probe.get(), F_GETPIPE_SZ) < 128 * static_cast<int>(os::kPacketBytes))
    GTEST_SKIP() << "no room for larger pipes";
  const auto fit = [this] {
    wire::ActorId callee = 0;
    for (; callee < kCallees; ++callee) {
      const Bytes packet = packetOf({resultOf(1, "nobody's")}, callee + 1);
      if (os::writePacket(laneWriter_.get(), packet.data(), packet.size()) != os::PipeState::done) break;
    }
    return callee;
  };
  EXPECT_LT(fit(), kCallees);
  for (int doubled = 0; doubled < 3; ++doubled) {
    calls_->readReplies();
    fit();
  }

  calls_->readReplies();
  EXPECT_EQ(fit(), kCallees);
}

TEST_F(PendingCallsTest, ACallEndsWithItsReply) {
  const auto first = call(), second = call();
  EXPECT_EQ(deliveredUntil(2), (std::vector<std::uint64_t>{first->id, second->id}));
  arrives({resultOf(second->id, "two")});
  ASSERT_TRUE(ends(second));
  EXPECT_EQ(replyOf(second), "two");
  EXPECT_FALSE(first->done);
  arrives({resultOf(first->id, "one")});
  ASSERT_TRUE(ends(first));
  EXPECT_EQ(calls_->size(), 0U);
}

TEST_F(PendingCallsTest, AReplyLivesAsLongAsItIsKept) {
  const auto kept = call();
  arrives({resultOf(kept->id, "kept")});
  ASSERT_TRUE(ends(kept));
  for (int i = 0; i < 100; ++i) {
    const auto other = call();
    arrives({resultOf(other->id, std::string(3000, 'o'))});
    ASSERT_TRUE(ends(other));
    delivered();
  }
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(replyOf(kept), "kept") << "read as often as one likes";
}

TEST_F(PendingCallsTest, ACallEndsWithTheErrorThatTheCalleeSent) {
  const auto refused = call(), invalid = call(), strange = call();
  arrives({errorOf(refused->id, static_cast<std::uint16_t>(ErrorKind::refused), "no money"),
           errorOf(invalid->id, static_cast<std::uint16_t>(ErrorKind::invalid), "malformed"),
           errorOf(strange->id, 999, "?")});
  ASSERT_TRUE(ends(strange));
  EXPECT_EQ(refused->error->message(), "Till.pay of /till refused: no money");
  EXPECT_EQ(refused->error->kind(), ErrorKind::refused);
  EXPECT_EQ(invalid->error->message(), "malformed");
  EXPECT_EQ(strange->error->kind(), ErrorKind::invalid);
}

TEST_F(PendingCallsTest, ACallWithoutAReplyEndsAtItsDeadline) {
  const auto before = Clock::now();
  const auto slow = call(std::chrono::milliseconds(40)), patient = call();
  ASSERT_TRUE(ends(slow));
  EXPECT_GE(Clock::now() - before, std::chrono::milliseconds(40));
  EXPECT_EQ(slow->error->kind(), ErrorKind::timedOut);
  EXPECT_EQ(slow->error->message(), "calling Till.pay of /till: no reply within 40 ms");
  EXPECT_FALSE(patient->done);

  arrives({resultOf(slow->id, "late"), resultOf(patient->id, "in time")});
  ASSERT_TRUE(ends(patient));
  EXPECT_FALSE(slow->reply) << "what comes late is dropped";
  EXPECT_TRUE(faults_.empty());
}

TEST_F(PendingCallsTest, DeadlinesEndInTheirOrder) {
  std::vector<std::shared_ptr<PendingCall>> all;
  for (const int ms : {30, 10, 20}) all.push_back(call(std::chrono::milliseconds(ms)));
  ASSERT_TRUE(ends(all[1]));
  ASSERT_TRUE(ends(all[2]));
  ASSERT_TRUE(ends(all[0]));
}

// A loop that was busy beyond the deadline finds both ready: what came in time counts.
TEST_F(PendingCallsTest, AReplyThatIsThereBeforeTheDeadlineIsLookedAtWins) {
  const auto busy = call(std::chrono::milliseconds(1));
  arrives({resultOf(busy->id, "there")});
  while (Clock::now() < busy->deadline + std::chrono::milliseconds(5)) {}
  ASSERT_TRUE(ends(busy));
  EXPECT_EQ(replyOf(busy), "there");
}

TEST_F(PendingCallsTest, AReplyToAnEarlierProcessOfThisActorIsDropped) {
  const auto now = call();
  const std::uint64_t earlier = now->id - (std::uint64_t{1} << 32);
  arrives({resultOf(earlier, "for another"), resultOf(now->id, "for me")});
  ASSERT_TRUE(ends(now));
  EXPECT_EQ(replyOf(now), "for me");
}

TEST_F(PendingCallsTest, ACallInHandEndsWithTheDeathOfItsCalleeAtOnce) {
  const auto inHand = call(), replied = call();
  arrives({resultOf(replied->id, "before it died")});
  const ExitReason reason = {.kind = ExitKind::signaled, .code = SIGSEGV};
  calls_->failCall(inHand->id, reason, "/till");
  calls_->failCall(replied->id, reason, "/till");
  calls_->failCall(12345, reason, "/till");
  ASSERT_TRUE(inHand->done);
  EXPECT_EQ(inHand->error->kind(), ErrorKind::crashed);
  EXPECT_EQ(inHand->error->exitReason(), reason);
  EXPECT_EQ(inHand->error->message(),
            "/till died with the call Till.pay of /till in hand: killed by SIGSEGV");
  EXPECT_EQ(replyOf(replied), "before it died") << "bad news does not overtake a reply";
}

TEST_F(PendingCallsTest, AllCallsOfACalleeThatHasGoneEndAndThoseOfOthersDoNot) {
  const auto one = call(), two = call(), replied = call();
  auto other = std::make_shared<PendingCall>();
  other->calls = calls_.get();
  other->id = calls_->nextId();
  other->callee = RefBase(kCallee + 1, "/another");
  calls_->start(other, test::callOf(other->id));
  arrives({resultOf(replied->id, "in time")});
  calls_->failCallee(kCallee, Error::gone("it has stopped for good", {.kind = ExitKind::shutdown}));
  EXPECT_EQ(one->error->kind(), ErrorKind::gone);
  EXPECT_EQ(two->error->exitReason().kind, ExitKind::shutdown);
  EXPECT_EQ(one->error->message(), "calling Till.pay of /till: it has stopped for good");
  EXPECT_EQ(replyOf(replied), "in time");
  EXPECT_FALSE(other->done);
}

TEST_F(PendingCallsTest, AnAbandonedCallIsForgotten) {
  const auto dropped = call(std::chrono::milliseconds(20)), next = call(std::chrono::milliseconds(60));
  calls_->abandon(*dropped);
  EXPECT_EQ(calls_->size(), 1U);
  arrives({resultOf(dropped->id, "nobody waits")});
  ASSERT_TRUE(ends(next));
  EXPECT_FALSE(dropped->reply);
  EXPECT_FALSE(dropped->error);
  calls_->abandon(*next);
  calls_->abandon(*next);
}

TEST_F(PendingCallsTest, CallsThatFindNoRoomWaitForItInTheirOrderWithinTheirDeadline) {
  std::vector<std::shared_ptr<PendingCall>> all;
  while (all.empty() || all.back()->unsent.empty()) all.push_back(call(kForever, 3000));
  const auto impatient = call(std::chrono::milliseconds(10), 3000);
  all.push_back(call(kForever, 3000));
  ASSERT_TRUE(ends(impatient));
  EXPECT_EQ(impatient->error->kind(), ErrorKind::timedOut);

  const auto ids = deliveredUntil(all.size());
  ASSERT_EQ(ids.size(), all.size()) << "what timed out is not sent any more";
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(ids[i], all[i]->id);
}

TEST_F(PendingCallsTest, WhatIsMalformedOnTheReplyLaneIsReportedAndDropped) {
  const auto good = call();
  const Bytes garbage(100, std::byte{0xff});
  ASSERT_EQ(os::writePacket(laneWriter_.get(), garbage.data(), garbage.size()), os::PipeState::done);
  arrives({test::castOf("no reply"), Bytes(8), resultOf(good->id, "good")});
  ASSERT_TRUE(ends(good));
  ASSERT_EQ(faults_.size(), 3U);
  EXPECT_NE(faults_[0].find("a packet of 100 bytes on the reply lane was dropped"), std::string::npos);
  EXPECT_EQ(faults_[1], "a message on the reply lane is no reply");
  EXPECT_NE(faults_[2].find("malformed"), std::string::npos);
}

TEST_F(PendingCallsTest, ManyRepliesInOnePacketEndManyCalls) {
  std::vector<std::shared_ptr<PendingCall>> all;
  std::vector<Bytes> replies;
  for (int i = 0; i < 30; ++i) {
    all.push_back(call());
    replies.push_back(resultOf(all.back()->id, std::to_string(i)));
  }
  arrives(replies);
  calls_->readReplies();
  for (int i = 0; i < 30; ++i) EXPECT_EQ(replyOf(all[static_cast<std::size_t>(i)]), std::to_string(i));
}

TEST(Readable, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(readable(std::chrono::seconds(5)), "5 s");
  EXPECT_EQ(readable(std::chrono::milliseconds(250)), "250 ms");
  EXPECT_EQ(readable(std::chrono::microseconds(999)), "999 us");
  EXPECT_EQ(readable(std::chrono::nanoseconds(1)), "1 ns");
  EXPECT_EQ(readable(std::chrono::nanoseconds(0)), "0 s");
  EXPECT_EQ(readable(kForever), "for ever");
}

}  // namespace
}  // namespace troupe::actor
