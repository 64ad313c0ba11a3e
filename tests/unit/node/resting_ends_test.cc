// The ends of processes that are one actor after the other.
#include <csignal>

#include "mailbox/desk.h"
#include "os/signals.h"
#include "tests/unit/node/directory_fixture.h"

namespace troupe::node {
namespace {

using mailbox::Desk;
using test::castOf;
using test::packetOf;
using test::runUntil;
using test::textOf;

class RestingEnds : public DirectoryFixture {
 protected:
  RestingEnds() {
    os::ignoreBrokenPipes();
    claimSupervisor("/s");
  }
  // The process of `actor` says that it rests, and has its ends.
  void rests(const Given& actor, const std::string& path) {
    ended(actor, {.kind = ExitKind::normal}, "/s", true);
    forget(path, {}, "/s");
  }
  static void put(const os::Fd& writeEnd, const std::string& text) {
    const auto packet = packetOf({castOf(text)});
    ASSERT_EQ(os::writePacket(writeEnd.get(), packet.data(), packet.size()), os::PipeState::done);
  }
};

TEST_F(RestingEnds, AreThoseOfTheNextThatTheProcessIs) {
  Given a = claim("/s/a");
  rests(a, "/s/a");
  const Given b = claim("/s/b", {.resting = a.id});
  EXPECT_TRUE(b.kept);
  EXPECT_NE(b.id, a.id);
  EXPECT_EQ(b.generation, 1U);
  EXPECT_FALSE(b.mailbox.valid() || b.reply.valid() || b.desk.valid());

  claim("/x");
  put(introduced("/x", b), "for b");
  const mailbox::MappedDesk mapped(a.desk);
  Desk desk(*mapped, std::move(a.mailbox), {});
  EXPECT_EQ(textOf(desk.next()->words), "for b");
  EXPECT_FALSE(claim("/s/c", {.resting = a.id}).kept) << "once";
}

TEST_F(RestingEnds, AreThoseOfItsNextProcessToo) {
  Given a = claim("/s/a");
  rests(a, "/s/a");
  const Given b = claim("/s/b", {.resting = a.id});
  claim("/x");
  put(introduced("/x", b), "for b");
  // It was killed before it was told who it is.
  a.desk.reset();
  const Given again = claim("/s/b");
  EXPECT_EQ(again.id, b.id);
  EXPECT_FALSE(again.kept);
  const mailbox::MappedDesk mapped(again.desk);
  Desk desk(*mapped, os::openReadEnd(again.mailbox), {});
  EXPECT_EQ(textOf(desk.next()->words), "for b");
}

TEST_F(RestingEnds, OfOneThatIsDyingAreNotHandedOut) {
  Given a = claim("/s/a");
  rests(a, "/s/a");
  claim("/s/b", {.resting = a.id});
  sayClaim("/s/b", {}, "/s");
  EXPECT_EQ(log(), "") << "its process has the desk still";
  a.desk.reset();
  EXPECT_TRUE(runUntil(loop_, [this] { return !sent_.empty(); }));
  EXPECT_TRUE(given().desk.valid());
}

// Who was introduced to an actor may write to it any time, and must then find nobody there, instead of another.
TEST_F(RestingEnds, ThatOthersHaveGoWithTheProcess) {
  const Given x = claim("/x");
  Given a = claim("/s/a");
  os::Fd writeEnd = introduced("/x", a);
  rests(a, "/s/a");
  EXPECT_EQ(log(), "/s: drop ends of " + std::to_string(a.id) + "\n");
  put(writeEnd, "a last word");
  const Given b = claim("/s/b", {.resting = a.id});
  EXPECT_FALSE(b.kept);
  EXPECT_TRUE(b.mailbox.valid() && b.reply.valid() && b.desk.valid());
  EXPECT_EQ(log(), "");
  a.desk.reset();
  a.mailbox.reset();
  EXPECT_TRUE(runUntil(loop_, [this] { return !sent_.empty(); }));
  EXPECT_EQ(log(), "/x: gone " + std::to_string(a.id) + " (ended normally)\n");
  ASSERT_EQ(dead_.size(), 1U);
  // It has not heard of that yet.
  put(writeEnd, "the very last word");
  EXPECT_TRUE(runUntil(loop_, [this] { return dead_.size() == 2; }));
}

TEST_F(RestingEnds, OfOneThatIsClaimedAgainGoWithTheProcess) {
  const Given x = claim("/x");
  Given a = claim("/s/a");
  ended(a, {.kind = ExitKind::normal}, "/s", true);
  sayClaim("/s/a", {}, "/s");
  EXPECT_EQ(log(), "/s: drop ends of " + std::to_string(a.id) + "\n");
  a.desk.reset();
  EXPECT_TRUE(runUntil(loop_, [this] { return !sent_.empty(); }));
  Given again = given();
  EXPECT_EQ(again.id, a.id);
  EXPECT_TRUE(again.desk.valid());
  // It has nothing of that any more.
  again.desk.reset();
  forget("/s/a", {.kind = ExitKind::signaled, .code = SIGKILL}, "/s");
  EXPECT_EQ(log(), "");
}

TEST_F(RestingEnds, OfOneThatKnowsOthersGoWithTheProcess) {
  const Given x = claim("/x");
  const Given a = claim("/s/a");
  EXPECT_TRUE(introduced("/s/a", x).valid());
  rests(a, "/s/a");
  EXPECT_EQ(log(), "/s: drop ends of " + std::to_string(a.id) + "\n");
  EXPECT_FALSE(claim("/s/b", {.resting = a.id}).kept);
}

TEST_F(RestingEnds, GoWithTheProcess) {
  const Given a = claim("/s/a");
  rests(a, "/s/a");
  ended(a, {.kind = ExitKind::signaled, .code = SIGKILL}, "/t");
  ended(a, {.kind = ExitKind::signaled, .code = SIGKILL}, "/s");
  EXPECT_FALSE(claim("/s/b", {.resting = a.id}).kept);
}

TEST_F(RestingEnds, AreNotThoseOfSomebodyElsesChild) {
  claimSupervisor("/t");
  const Given a = claim("/s/a");
  ended(a, {.kind = ExitKind::normal}, "/t", true);
  EXPECT_EQ(directory_.entries().count("/s/a"), 1U);
  rests(a, "/s/a");
  EXPECT_FALSE(claim("/t/b", {.resting = a.id}).kept);
  EXPECT_TRUE(claim("/s/b", {.resting = a.id}).kept);
}

TEST_F(RestingEnds, GoWithTheSupervisor) {
  const Given s = claimSupervisor("/s2");
  Given a = claim("/s2/a"), b = claim("/s2/b");
  ended(a, {.kind = ExitKind::normal}, "/s2", true);
  forget("/s2/a", {}, "/s2");
  // The other one's supervisor dies before it has forgotten it.
  ended(b, {.kind = ExitKind::normal}, "/s2", true);
  ended(s, {.kind = ExitKind::signaled, .code = SIGSEGV});
  claimSupervisor("/s2");
  EXPECT_FALSE(claim("/s2/c", {.resting = a.id}).kept);
  forget("/s2/b", {}, "/s2");
  EXPECT_FALSE(claim("/s2/d", {.resting = b.id}).kept);
}

TEST_F(RestingEnds, OfAnotherSizeAreOfNoUse) {
  const std::size_t large = 1 << 20;
  auto kept = [&, number = 0](const Claimed& before, Claimed after) mutable {
    const std::string path = "/s/" + std::to_string(++number);
    const Given a = claim(path, before);
    rests(a, path);
    after.resting = a.id;
    const Given b = claim(path + "b", after);
    EXPECT_NE(b.kept, b.mailbox.valid());
    return b.kept;
  };
  EXPECT_TRUE(kept({.mailboxBytes = large}, {.mailboxBytes = large}));
  EXPECT_FALSE(kept({.mailboxBytes = large}, {}));
  EXPECT_TRUE(kept({.maxMessageBytes = large}, {.maxMessageBytes = large}));
  EXPECT_FALSE(kept({}, {.maxMessageBytes = large}));
  EXPECT_FALSE(kept({.maxMessageBytes = large}, {}));
}

}  // namespace
}  // namespace troupe::node
