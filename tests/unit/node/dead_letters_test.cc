// Messages in hand of a process that died: where they go, and how they come back.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "mailbox/desk.h"
#include "node/dead_letter_office.h"
#include "os/file.h"
#include "tests/support/scratch.h"
#include "tests/unit/node/directory_fixture.h"

namespace troupe::node {
namespace {

using mailbox::Desk;
using test::Bytes;
using test::callOf;
using test::castOf;
using test::packetOf;
using test::runUntil;
using test::textOf;

class DeadLettersTest : public DirectoryFixture {
 protected:
  static void put(const os::Fd& writeEnd, const Bytes& packet) {
    ASSERT_EQ(os::writePacket(writeEnd.get(), packet.data(), packet.size()), os::PipeState::done);
  }
  // Its process takes all of the packet in hand, and dies.
  void diesWith(Given& callee, const Bytes& packet, unsigned messages) {
    put(introduced("/b", callee), packet);
    {
      const mailbox::MappedDesk mapped(callee.desk);
      Desk desk(*mapped, os::openReadEnd(callee.mailbox), {});
      for (unsigned i = 0; i < messages; ++i) ASSERT_TRUE(desk.next());
    }
    dies(callee, segv_);
  }
  const ExitReason segv_ = {.kind = ExitKind::signaled, .code = SIGSEGV};
};

TEST_F(DeadLettersTest, CallsAndCastsInHandBecomeLettersWithAllThatIsKnown) {
  Given a = claim("/a");
  const Given b = claim("/b");

  diesWith(a, packetOf({castOf("one"), callOf(5, "two"), castOf("not begun")}, b.id, b.generation), 2);

  ASSERT_EQ(dead_.size(), 2U);
  EXPECT_EQ(dead_[0].path, "/a");
  EXPECT_EQ(dead_[0].actor, a.id);
  EXPECT_EQ(dead_[0].sender, b.id);
  EXPECT_EQ(dead_[0].senderPath, "/b");
  EXPECT_EQ(dead_[0].senderGeneration, b.generation);
  EXPECT_EQ(dead_[0].reason, segv_);
  EXPECT_EQ(dead_[0].attempts, 1U);
  EXPECT_EQ(dead_[0].message, castOf("one"));
  EXPECT_EQ(dead_[1].message, callOf(5, "two"));
}

// Who was introduced to it learns that it has gone in its own time.
TEST_F(DeadLettersTest, CastsThatComeAfterTheNewsBecomeLettersToo) {
  Given a = claim("/a");
  claim("/b");
  os::Fd writeEnd = introduced("/b", a);
  dies(a, segv_);
  forget("/a", segv_);
  EXPECT_EQ(log(), "/b: gone " + std::to_string(a.id) + " (killed by SIGSEGV)\n");
  for (unsigned i = 1; i <= 3; ++i) {
    put(writeEnd, packetOf({castOf("late")}));
    if (i == 3) writeEnd.reset();
    EXPECT_TRUE(runUntil(loop_, [&] { return dead_.size() == i; }));
  }
  EXPECT_EQ(dead_.back().path, "/a");
  EXPECT_EQ(dead_.back().message, castOf("late"));
}

TEST_F(DeadLettersTest, OneThatIsResentIsHandedOutAgainAsACast) {
  Given a = claim("/a");
  const Given b = claim("/b");
  diesWith(a, packetOf({callOf(5, "two")}, b.id, b.generation), 1);
  const Given again = claim("/a");

  directory_.resend(dead_.at(0));

  const mailbox::MappedDesk mapped(again.desk);
  Desk desk(*mapped, os::openReadEnd(again.mailbox), {});
  const auto message = desk.next();
  ASSERT_TRUE(message);
  EXPECT_EQ(textOf(message->words), "two");
  const wire::IncomingMessage incoming(message->words);
  ASSERT_TRUE(incoming.envelope().isCast());
  EXPECT_EQ(incoming.envelope().getCast().getInterface(), 7U);
  EXPECT_EQ(incoming.envelope().getCast().getMethod(), 3U);
}

TEST_F(DeadLettersTest, ResendingToAnActorThatHasGoneOrIsMalformedFailsWithItsReason) {
  Given a = claim("/a");
  claim("/b");
  diesWith(a, packetOf({castOf("x")}), 1);
  wire::Letter letter = dead_.at(0);
  letter.message.resize(4);
  try {
    directory_.resend(letter);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
  }
  forget("/a");
  try {
    directory_.resend(dead_.at(0));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::gone);
    EXPECT_NE(error.message().find("/a"), std::string::npos);
  }
}

TEST_F(DeadLettersTest, ResendingIntoAFullMailboxIsAnErrorAndDoesNotBlock) {
  Given a = claim("/a");
  claim("/b");
  diesWith(a, packetOf({castOf("x")}), 1);
  const os::Fd writeEnd = introduced("/b", a);
  const Bytes packet = packetOf({castOf(std::string(3000, 'x'))});
  while (os::writePacket(writeEnd.get(), packet.data(), packet.size()) == os::PipeState::done) {}
  try {
    directory_.resend(dead_.at(0));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::overloaded);
  }
}

unsigned waitsForTheDisk = 0;

class DeadLetterOfficeTest : public testing::Test {
 protected:
  DeadLetterOffice::Setup setupWith(const std::string& folder) {
    return {
        .app = "shop",
        .bytes = 100'000,
        .folder = folder,
        .methodName = [](std::uint64_t, std::uint16_t method) { return "Till.m" + std::to_string(method); },
        .warn = [this](const std::string& what) { warnings_.push_back(what); }};
  }
  static wire::Letter letterOf(const std::string& text) {
    wire::Letter letter;
    letter.path = "/a";
    letter.message = callOf(1, text);
    return letter;
  }

  tests::Scratch folder_;
  std::vector<std::string> warnings_;
};

TEST_F(DeadLetterOfficeTest, AddsNumberTimeAndMethod) {
  const auto before = std::chrono::system_clock::now();
  DeadLetterOffice office(setupWith(""));

  office.take(letterOf("x"));

  const wire::Letter* const letter = office.letters().find(1);
  ASSERT_NE(letter, nullptr);
  EXPECT_GE(letter->time, before);
  EXPECT_EQ(letter->interfaceId, 7U);
  EXPECT_EQ(letter->methodName, "Till.m3");
  EXPECT_TRUE(letter->call);
}

TEST_F(DeadLetterOfficeTest, SavesEachAsAFileWhereThereIsAFolder) {
  DeadLetterOffice office(setupWith(folder_ / "letters"));

  office.take(letterOf("x"));
  office.take(letterOf("y"));

  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(folder_ / "letters"))
    names.push_back(file.path().string());
  std::sort(names.begin(), names.end());
  ASSERT_EQ(names.size(), 2U);
  EXPECT_TRUE(names[1].ends_with("-2.letter")) << names[1];
  EXPECT_NE(names[1].find("/shop-20"), std::string::npos) << names[1];
  EXPECT_EQ(wire::decodeLetter(os::readWholeFile(names[1], 10'000)).message, callOf(1, "y"));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(DeadLetterOfficeTest, AFloodIsSavedWithoutWaitingForTheDisk) {
  constexpr unsigned kFlood = 10'000;
  DeadLetterOffice office(setupWith(folder_ / "letters"));
  waitsForTheDisk = 0;

  for (unsigned i = 0; i < kFlood; ++i) office.take(letterOf("x"));

  EXPECT_EQ(waitsForTheDisk, 0U);
  const std::filesystem::directory_iterator files(folder_ / "letters");
  EXPECT_EQ(std::distance(begin(files), end(files)), kFlood);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(DeadLetterOfficeTest, WhereNothingCanBeSavedItIsKeptAndWarnedAbout) {
  DeadLetterOffice office(setupWith(folder_ / "no/where"));

  office.take(letterOf("x"));

  EXPECT_NE(office.letters().find(1), nullptr);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("no/where"), std::string::npos) << warnings_[0];
}

}  // namespace
}  // namespace troupe::node

// Counted, instead of the system's: in this program nobody waits for the disk.
extern "C" int fsync(int) {
  ++troupe::node::waitsForTheDisk;
  return 0;
}
