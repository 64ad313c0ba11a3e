// The programs that actors were upgraded to, and what the root knows of an actor while it is being upgraded.
#include <csignal>

#include "mailbox/desk.h"
#include "mailbox/kept_store.h"
#include "mailbox/turn_log.h"
#include "tests/unit/node/directory_fixture.h"

namespace troupe::node {
namespace {

using ImagesTest = DirectoryFixture;

const ExitReason kSegv = {.kind = ExitKind::signaled, .code = SIGSEGV};

// A memory file with this content stands for a program.
os::Fd programOf(std::uint64_t content) {
  os::Fd program = os::makeSharedMemory("program", sizeof content);
  *static_cast<std::uint64_t*>(os::Mapping(program, sizeof content).data()) = content;
  return program;
}
std::uint64_t contentOf(const os::Fd& program) {
  if (!program.valid()) return 0;
  return *static_cast<const std::uint64_t*>(os::Mapping(program, sizeof(std::uint64_t)).data());
}
// As a process that has taken over does when it becomes ready; or it is killed right after the commit.
void commitTakeOver(const Given& process, bool killed = true) {
  const mailbox::MappedDesk memory(process.desk);
  const mailbox::Desk desk(*memory, {}, {});
  mailbox::TurnLog log(*memory, process.generation);
  mailbox::KeptStore kept(memory->kept);
  kept.noteTakeOver(process.generation);
  kept.addTo(log);
  log.commit();
  if (!killed) kept.carryOut();
}

TEST_F(ImagesTest, WhatAnActorWasUpgradedToIsGrantedWithEachLaterClaim) {
  Given a = claim("/a");
  EXPECT_FALSE(a.image.valid());
  for (const std::uint64_t program : {1U, 2U}) {
    a.desk.reset();
    a = claim("/a", {.takesOver = true, .image = programOf(program)});
    EXPECT_EQ(contentOf(a.image), program - 1) << "not before it is ready";
    commitTakeOver(a, false);
    up(a);
    for (int i = 0; i < 2; ++i) {
      dies(a, kSegv);
      a = claim("/a");
      EXPECT_EQ(contentOf(a.image), program);
    }
  }
  dies(a, kSegv);
  forget("/a");
  EXPECT_FALSE(claim("/a").image.valid());
}

TEST_F(ImagesTest, AnUpgradeThatWasNotCommittedIsForgotten) {
  Given a = claim("/a");
  a.desk.reset();
  a = claim("/a", {.takesOver = true, .image = programOf(1)});
  a.desk.reset();
  a = claim("/a", {.takesOver = true});
  EXPECT_FALSE(a.image.valid());
  up(a);
  dies(a, kSegv);
  EXPECT_FALSE(claim("/a").image.valid());
}

TEST_F(ImagesTest, AnUpgradeIsForgottenWhereTheOlderProcessGetsWhatTheNewerOneHasAskedFor) {
  Given a = claim("/a");
  a.desk.reset();
  a = claim("/a", {.takesOver = true, .image = programOf(1)});
  up(a);
  dies(a, kSegv);
  EXPECT_FALSE(claim("/a").image.valid());
}

TEST_F(ImagesTest, OneThatIsBeingUpgradedHearsStillOfThoseItKnows) {
  Given a = claim("/a"), b = claim("/b");
  const os::Fd known = introduced("/a", b);
  watch("/a", b);
  log();
  a.desk.reset();
  a = claim("/a", {.takesOver = true, .image = programOf(1)});
  dies(b, kSegv);
  forget("/b");
  EXPECT_EQ(log(), "/a: down /b (killed by SIGSEGV)\n/a: gone for good /b (killed by SIGSEGV)\n/a: gone " +
                       std::to_string(b.id) + " (killed by SIGSEGV)\n");
}

TEST_F(ImagesTest, AnUpgradeThatWasCommittedCountsThoughNobodyHasSaidSo) {
  Given s = claimSupervisor("/s"), a = claim("/s/a");
  a.desk.reset();
  a = claim("/s/a", {.takesOver = true, .image = programOf(1)});
  commitTakeOver(a);
  a.desk.reset();
  ended(s, kSegv);
  s = claimSupervisor("/s");
  a = claim("/s/a");
  EXPECT_EQ(contentOf(a.image), 1U);
  dies(a, kSegv, "/s");
  EXPECT_EQ(contentOf(claim("/s/a").image), 1U);
}

TEST_F(ImagesTest, AnUpgradeThatWasCommittedLeavesNoWayBackForTheOlderProcess) {
  Given a = claim("/a");
  a.desk.reset();
  a = claim("/a", {.takesOver = true, .image = programOf(1)});
  commitTakeOver(a);
  a.desk.reset();
  EXPECT_EQ(refused("/a", {.takesOver = true}, "/").kind(), ErrorKind::gone);
  dies(a, kSegv);
  EXPECT_EQ(contentOf(claim("/a").image), 1U);
}

}  // namespace
}  // namespace troupe::node
