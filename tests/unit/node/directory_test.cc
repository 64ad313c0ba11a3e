// The directory and supervisors: claims, ends, what goes for good, and who may say so.
#include <csignal>

#include "mailbox/desk.h"
#include "tests/unit/node/directory_fixture.h"

namespace troupe::node {
namespace {

using mailbox::Desk;
using test::Bytes;
using test::callOf;
using test::packetOf;
using test::runUntil;
using test::textOf;

class DirectoryTest : public DirectoryFixture {
 protected:
  static void put(const os::Fd& writeEnd, const Bytes& packet) {
    ASSERT_EQ(os::writePacket(writeEnd.get(), packet.data(), packet.size()), os::PipeState::done);
  }
  // A process of `callee` takes this many messages in hand.
  static void takeInHand(const Given& callee, unsigned count) {
    const mailbox::MappedDesk mapped(callee.desk);
    Desk desk(*mapped, os::openReadEnd(callee.mailbox), [](wire::ActorId, const std::string&) {});
    for (unsigned i = 0; i < count; ++i) ASSERT_TRUE(desk.next());
  }
  const ExitReason segv_ = {.kind = ExitKind::signaled, .code = SIGSEGV};
};

// --- Claims ---

TEST_F(DirectoryTest, AClaimGivesAMailboxAReplyLaneAndADesk) {
  const Given a = claim("/a");
  const Given b = claim("/b");
  EXPECT_EQ(a.generation, 1U);
  EXPECT_NE(a.id, b.id);
  EXPECT_TRUE(a.mailbox.valid() && a.reply.valid() && a.desk.valid());

  const os::Fd writeEnd = introduced("/b", a);
  put(writeEnd, packetOf({test::castOf("hello")}));
  const mailbox::MappedDesk mapped(a.desk);
  Desk desk(*mapped, os::openReadEnd(a.mailbox), {});
  EXPECT_EQ(textOf(desk.next()->words), "hello");
}

TEST_F(DirectoryTest, ASupervisorGetsNoEnds) {
  const Given supervisor = claimSupervisor("/s");
  EXPECT_FALSE(supervisor.mailbox.valid() || supervisor.reply.valid() || supervisor.desk.valid());
}

TEST_F(DirectoryTest, AClaimAfterAnEndKeepsIdAndMailboxAndCountsGenerations) {
  Given first = claim("/a");
  const Given b = claim("/b");
  put(introduced("/b", first), packetOf({test::castOf("for whoever comes")}));
  dies(first, segv_);
  const Given second = claim("/a");
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.generation, 2U);
  const mailbox::MappedDesk mapped(second.desk);
  Desk desk(*mapped, os::openReadEnd(second.mailbox), {});
  EXPECT_EQ(textOf(desk.next()->words), "for whoever comes");
}

TEST_F(DirectoryTest, ASupervisorClaimsOnlyItsOwnChildren) {
  const Given s = claimSupervisor("/s"), a = claim("/a");
  for (const char* path : {"/b", "/s", "/s/x/y", "/sx", "", "/", "s/x"}) {
    EXPECT_EQ(refused(path, {}, "/s").kind(), ErrorKind::invalid) << path;
  }
  EXPECT_EQ(refused("/a/x", {}, "/a").kind(), ErrorKind::invalid) << "an actor has no children";
  EXPECT_EQ(refused("/t/x", {}, "/t").kind(), ErrorKind::invalid) << "nobody there";
  EXPECT_EQ(refused("/", {}, "/").kind(), ErrorKind::invalid);
  EXPECT_EQ(directory_.size(), 2U);
  claim("/s/x");
}

TEST_F(DirectoryTest, AnUnknownRoleAndAWorkerWithoutAPoolAreRefused) {
  EXPECT_EQ(refused("/a", {.role = static_cast<Role>(99)}, "/").kind(), ErrorKind::invalid);
  claimSupervisor("/s");
  const Error error = refused("/s/1", {.role = Role::poolWorker}, "/s");
  EXPECT_NE(error.message().find("/s/1 is a pool's worker, and its supervisor is no pool"),
            std::string::npos);
}

TEST_F(DirectoryTest, AnotherRoleAtTheSamePathIsAnotherActor) {
  Given actor = claim("/a");
  claim("/b");
  ASSERT_TRUE(introduced("/b", actor).valid());
  dies(actor, {});
  log();
  const Given supervisor = claimSupervisor("/a");
  EXPECT_NE(supervisor.id, actor.id);
  EXPECT_EQ(supervisor.generation, 1U);
  EXPECT_NE(log().find("/b: gone " + std::to_string(actor.id)), std::string::npos);
}

TEST_F(DirectoryTest, ANameIsTakenByOneAtATime) {
  claim("/a", {.name = "clock"});
  const Error error = refused("/b", {.name = "clock"}, "/");
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_EQ(error.message(), "starting /b: the name \"clock\" is taken by /a");
  claim("/b", {.name = "bell"});

  forget("/a");
  log();
  claim("/c", {.name = "clock"});
}

TEST_F(DirectoryTest, ANewNameFreesTheOldOne) {
  Given a = claim("/a", {.name = "clock"});
  dies(a, {});
  claim("/a", {.name = "bell"});
  claim("/b", {.name = "clock"});
}

// --- Ends ---

TEST_F(DirectoryTest, FirstTheFailedCallsAreToldThenTheEndThenThatItHasGone) {
  Given callee = claim("/callee");
  const Given caller = claim("/caller");
  const os::Fd writeEnd = introduced("/caller", callee);
  put(writeEnd, packetOf({callOf(1), callOf(2), test::castOf("x"), callOf(3)}, caller.id, caller.generation));
  watch("/caller", callee);
  takeInHand(callee, 3);
  EXPECT_EQ(log(), "/caller: watching\n");

  dies(callee, segv_);
  EXPECT_EQ(log(),
            "/caller: call 1 failed at /callee (killed by SIGSEGV)\n"
            "/caller: call 2 failed at /callee (killed by SIGSEGV)\n"
            "/caller: down /callee (killed by SIGSEGV)\n");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("1 cast"), std::string::npos);

  forget("/callee", {.kind = ExitKind::shutdown});
  EXPECT_EQ(log(), "/caller: gone for good /callee (killed by SIGSEGV)\n/caller: gone " +
                       std::to_string(callee.id) + " (killed by SIGSEGV)\n");
}

TEST_F(DirectoryTest, ACallOfAnEarlierProcessOfTheCallerIsNobodysNow) {
  Given callee = claim("/callee"), caller = claim("/caller");
  put(introduced("/caller", callee), packetOf({callOf(1)}, caller.id, caller.generation));
  takeInHand(callee, 1);
  dies(caller, segv_);
  claim("/caller");
  dies(callee, segv_);
  EXPECT_EQ(log(), "");
}

TEST_F(DirectoryTest, AnEndOfAnotherGenerationOrFromAStrangerIsIgnored) {
  Given s = claimSupervisor("/s");
  const Given t = claimSupervisor("/t");
  Given a = claim("/s/a");
  claim("/b");
  watch("/b", a);
  log();
  Given old = {.id = a.id, .generation = 0, .mailbox = {}, .reply = {}, .desk = {}};
  ended(old, segv_, "/s");
  ended(a, segv_, "/t");
  ended(a, segv_, "/s/a");
  ended({.id = 999, .generation = 1, .mailbox = {}, .reply = {}, .desk = {}}, segv_, "/");
  EXPECT_EQ(log(), "");
  dies(a, segv_, "/s");
  EXPECT_EQ(log(), "/b: down /s/a (killed by SIGSEGV)\n");
  ended(a, segv_, "/s");
  EXPECT_EQ(log(), "") << "once";
}

TEST_F(DirectoryTest, TheSuccessorWaitsUntilNobodyHasTheDesk) {
  Given callee = claim("/callee");
  const Given caller = claim("/caller");
  put(introduced("/caller", callee), packetOf({callOf(1), callOf(2)}, caller.id, caller.generation));
  takeInHand(callee, 1);
  ended(callee, segv_);
  EXPECT_EQ(log(), "") << "a process that is dying may still work";
  sayClaim("/callee", {}, "/");
  EXPECT_EQ(log(), "");
  loop::Timer later(loop_, [&] { callee.desk.reset(); });
  later.startIn(std::chrono::milliseconds(20));

  ASSERT_TRUE(runUntil(loop_, [&] { return sent_.size() == 2; }));
  EXPECT_EQ(describe(sent_[0]), "call 1 failed at /callee (killed by SIGSEGV)")
      << "and no sooner is the next one granted";
  const Given next = given();
  EXPECT_EQ(next.generation, 2U);
  EXPECT_FALSE(os::tryLock(os::openSharedMemory(next.desk))) << "it has the lock";
}

TEST_F(DirectoryTest, WhoWaitsLongIsLookedAtEverMoreSeldom) {
  Given held = claim("/held"), other = claim("/other");
  ended(held, segv_);
  sayClaim("/held", {}, "/");
  const auto turnsIn = [&](std::chrono::milliseconds time) {
    bool over = false;
    loop::Timer limit(loop_, [&] { over = true; });
    limit.startIn(time);
    unsigned turns = 0;
    runUntil(loop_, [&] { return ++turns, over; });
    return turns;
  };
  EXPECT_LT(turnsIn(std::chrono::seconds(1)), 100U);
  EXPECT_EQ(log(), "");

  ended(other, segv_);
  sayClaim("/other", {}, "/");
  other.desk.reset();
  held.desk.reset();
  ASSERT_TRUE(runUntil(loop_, [&] { return sent_.size() == 2; }));
}

TEST_F(DirectoryTest, AClaimThatWaitsEndsWithItsSupervisorAndWithItsChild) {
  Given s = claimSupervisor("/s");
  Given a = claim("/s/a"), b = claim("/s/b");
  ended(a, segv_, "/s");
  ended(b, segv_, "/s");
  sayClaim("/s/a", {}, "/s");
  sayClaim("/s/b", {}, "/s");
  forget("/s/b", {}, "/s");
  ended(s, segv_);
  log();
  a.desk.reset();
  b.desk.reset();
  s = claimSupervisor("/s");
  bool late = false;
  loop::Timer enough(loop_, [&] { late = true; });
  enough.startIn(std::chrono::milliseconds(30));
  runUntil(loop_, [&] { return late; });
  EXPECT_EQ(log(), "") << "the next supervisor claims anew";
  EXPECT_EQ(claim("/s/a").generation, 2U);
}

TEST_F(DirectoryTest, AClaimWhileTheFirstOneIsStillUnderWayWaitsForItsReturn) {
  Given unwanted = claim("/a");
  sayClaim("/a", {}, "/");
  EXPECT_EQ(log(), "");
  dies(unwanted, {.kind = ExitKind::shutdown});
  ASSERT_TRUE(runUntil(loop_, [&] { return !sent_.empty(); }));
  EXPECT_EQ(given().generation, 2U);
}

// --- Supervisors ---

TEST_F(DirectoryTest, WithASupervisorAllBelowItEnds) {
  const Given s = claimSupervisor("/s"), t = claimSupervisor("/s/t");
  Given a = claim("/s/t/a"), other = claim("/st"), b = claim("/b");
  for (const auto* each : std::initializer_list<const Given*>{&a, &t, &other}) watch("/b", *each);
  log();
  a.desk.reset();
  ended(s, segv_);
  EXPECT_EQ(
      log(),
      "/b: down /s/t (went down with its supervisor)\n/b: down /s/t/a (went down with its supervisor)\n");
}

TEST_F(DirectoryTest, WhatARestartedSupervisorDoesNotClaimAgainHasGone) {
  Given s = claimSupervisor("/s"), b = claim("/b");
  Given kept = claim("/s/kept"), left = claim("/s/left"), deep = claimSupervisor("/s/deep"),
        below = claim("/s/deep/x");
  for (const Given* each : {&kept, &left, &below}) watch("/b", *each);
  up(s);
  kept.desk.reset();
  left.desk.reset();
  below.desk.reset();
  const Given earlier = {.id = s.id, .generation = s.generation, .mailbox = {}, .reply = {}, .desk = {}};
  ended(s, segv_);
  s = claimSupervisor("/s");
  claim("/s/kept");
  log();
  up(earlier);
  EXPECT_EQ(log(), "") << "of an earlier life";
  up(s);
  EXPECT_EQ(log(),
            "/b: gone for good /s/deep/x (went down with its supervisor)\n"
            "/b: gone for good /s/left (went down with its supervisor)\n");
  EXPECT_EQ(directory_.size(), 3U);
}

TEST_F(DirectoryTest, ForgettingTakesAllBelowTheDeepestFirstAndNothingBeside) {
  claimSupervisor("/s");
  claimSupervisor("/s/t");
  const Given b = claim("/b"), deep = claim("/s/t/x"), near = claim("/s/a"), beside = claim("/s-1"),
              longer = claim("/ss");
  for (const Given* each : {&deep, &near, &beside, &longer}) watch("/b", *each);
  log();
  forget("/s", {.kind = ExitKind::shutdown});
  EXPECT_EQ(log(),
            "/b: down /s/t/x (stopped)\n/b: gone for good /s/t/x (stopped)\n"
            "/b: down /s/a (stopped)\n/b: gone for good /s/a (stopped)\n");
  EXPECT_EQ(directory_.size(), 3U);
}

TEST_F(DirectoryTest, OnlyItsOwnSupervisorsCanForgetAChild) {
  claimSupervisor("/s");
  claim("/s/a");
  claimSupervisor("/t");
  forget("/s/a", {}, "/t");
  forget("/s", {}, "/s");
  forget("/s/a", {}, "/s/a");
  forget("/none", {}, "/");
  EXPECT_EQ(directory_.size(), 3U);
  forget("/s/a", {}, "/s");
  EXPECT_EQ(directory_.size(), 2U);
}

TEST_F(DirectoryTest, OneWhoHasGoneIsANewActorAfterwards) {
  const Given first = claim("/a");
  forget("/a");
  const Given second = claim("/a");
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(second.generation, 1U);
}

// --- Pools ---

TEST_F(DirectoryTest, WorkersReadTheMailboxOfTheirPool) {
  const Given pool = claim("/p", {.role = Role::pool});
  const Given one = claim("/p/1", {.role = Role::poolWorker}),
              two = claim("/p/2", {.role = Role::poolWorker});
  claim("/b");
  const os::Fd writeEnd = introduced("/b", pool);
  put(writeEnd, packetOf({test::castOf("first")}));
  put(writeEnd, packetOf({test::castOf("second")}));
  const mailbox::MappedDesk firstMemory(one.desk), secondMemory(two.desk);
  Desk first(*firstMemory, os::openReadEnd(one.mailbox), {}, false),
      second(*secondMemory, os::openReadEnd(two.mailbox), {}, false);
  EXPECT_EQ(textOf(first.next()->words), "first");
  EXPECT_EQ(textOf(second.next()->words), "second");
}

TEST_F(DirectoryTest, WhatAWorkerThatGoesHasNotBegunGoesBackToThePool) {
  const Given pool = claim("/p", {.role = Role::pool});
  Given one = claim("/p/1", {.role = Role::poolWorker}), two = claim("/p/2", {.role = Role::poolWorker});
  claim("/b");
  put(introduced("/b", pool), packetOf({test::castOf("begun"), test::castOf("x"), test::castOf("y")}));
  takeInHand(one, 1);
  dies(one, segv_, "/p");
  forget("/p/1", segv_, "/p");
  const mailbox::MappedDesk mapped(two.desk);
  Desk second(*mapped, os::openReadEnd(two.mailbox), {});
  EXPECT_EQ(textOf(second.next()->words), "x");
  EXPECT_EQ(textOf(second.next()->words), "y");
  EXPECT_FALSE(second.next());
}

// --- Whatever comes ---

TEST_F(DirectoryTest, WhatItDoesNotKnowIsDroppedWithAWarning) {
  say("/", [](Control::Builder root) { root.setPing(); });
  EXPECT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(log(), "");
}

TEST_F(DirectoryTest, AReasonOfAnyLengthIsTold) {
  Given a = claim("/a");
  claim("/b");
  watch("/b", a);
  log();
  dies(a, {.kind = ExitKind::exception, .text = std::string(60'000, 'y')});
  EXPECT_NE(log().find("/b: down /a (exception: yyy"), std::string::npos);
}

}  // namespace
}  // namespace troupe::node
