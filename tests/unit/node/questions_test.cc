// What any process may ask of the directory; and how names are looked up.
#include <csignal>

#include "node/names.h"
#include "tests/unit/node/directory_fixture.h"
#include "tests/unit/os/children.h"

namespace troupe::node {
namespace {

using Paths = std::vector<std::string>;

TEST(Names, AreLookedUpFromTheOwnSupervisorUpwards) {
  EXPECT_EQ(candidates("/shop/clerk", "till"), (Paths{"/shop/till", "/till"}));
  EXPECT_EQ(candidates("/a/b/c", "x/y"), (Paths{"/a/b/x/y", "/a/x/y", "/x/y"}));
  EXPECT_EQ(candidates("/main", "till"), Paths{"/till"});
  EXPECT_EQ(candidates("/", "till"), Paths{"/till"});
  EXPECT_EQ(candidates("/shop/clerk", "/bank/till"), Paths{"/bank/till"}) << "a path is itself";
  EXPECT_EQ(candidates("/shop", ""), Paths{});
  EXPECT_EQ(candidates("/shop", "till/"), Paths{});
  EXPECT_EQ(candidates("/shop", "/"), Paths{"/"});
}

class QuestionsTest : public DirectoryFixture {
 protected:
  static constexpr std::uint64_t kTill = 77;
  QuestionsTest() {
    shop_ = claimSupervisor("/shop");
    till_ = claim("/shop/till", {.interfaces = {kTill, 78}});
    clerk_ = claim("/shop/clerk");
    other_ = claim("/other");
    clock_ = claim("/shop/clock", {.name = "clock", .interfaces = {kTill}});
  }
  void find(const std::string& from, const std::string& name, std::uint64_t interfaceId = kTill) {
    say(from, [&](Control::Builder root) {
      auto find = root.initFind();
      find.setName(name.c_str());
      find.setInterface(interfaceId);
      find.setProtocol("Till");
    });
  }
  std::string found(const std::string& from, const std::string& name, std::uint64_t interfaceId = kTill) {
    find(from, name, interfaceId);
    if (sent_.empty() || !sent_.back()->isFound()) return "error: " + failure().message();
    std::string path = wire::toString(sent_.back()->getFound().getPath());
    if (sent_.back().has(0)) path += " +";
    sent_.clear();
    return path;
  }
  void manage(const std::string& from, const std::string& supervisor, os::Fd descriptor = {}) {
    say(
        from,
        [&](Control::Builder root) {
          auto manage = root.initManage();
          manage.setSupervisor(supervisor.c_str());
          manage.setList();
        },
        std::move(descriptor));
  }
  void managed(const std::string& from, std::uint64_t request) {
    ControlMessage message;
    message->setFrom(from.c_str());
    message->setRequest(request);
    message->initManaged().setDone();
    auto received = ReceivedControl::looped(message);
    directory_.onMessage(received);
  }

  Given shop_, till_, clerk_, other_, clock_;
};

// --- Finding ---

TEST_F(QuestionsTest, AnActorIsFoundByPathByNameInScopeAndByItsAppWideName) {
  EXPECT_EQ(found("/shop/clerk", "till"), "/shop/till +");
  EXPECT_EQ(found("/other", "/shop/till"), "/shop/till +");
  EXPECT_EQ(found("/other", "shop/till"), "/shop/till +");
  EXPECT_EQ(found("/other", "clock"), "/shop/clock +");
  EXPECT_EQ(found("/other", "till"),
            "error: finding \"till\" for /other: there is no actor of that name or path");
  EXPECT_EQ(found("/nobody", "/shop/till"),
            "error: finding \"/shop/till\" for /nobody: there is no actor of that name or path");
}

TEST_F(QuestionsTest, WhatIsFoundMustServeTheProtocol) {
  EXPECT_EQ(found("/shop/clerk", "till", 78), "/shop/till +");
  EXPECT_EQ(found("/shop/clerk", "till", 79), "error: finding \"till\": /shop/till does not serve Till");
  EXPECT_EQ(found("/other", "shop"), "error: finding \"shop\": /shop does not serve Till");
}

TEST_F(QuestionsTest, ASupervisorIsFoundAndAnActorIsNone) {
  EXPECT_EQ(found("/other", "shop", 0), "/shop");
  EXPECT_EQ(found("/other", "/", 0), "/");
  EXPECT_EQ(found("/shop/clerk", "till", 0),
            "error: finding the supervisor \"till\": /shop/till is an actor");
}

TEST_F(QuestionsTest, OneThatIsBeingRestartedIsFound) {
  dies(till_, {.kind = ExitKind::signaled, .code = SIGKILL}, "/shop");
  EXPECT_EQ(found("/shop/clerk", "till"), "/shop/till +");
}

// --- Introductions ---

TEST_F(QuestionsTest, AnIntroductionOpensTheMailboxOrTheReplyLane) {
  const auto bytes = test::packetOf({test::castOf("x")});
  for (const auto lane : {wire::Lane::mailbox, wire::Lane::reply}) {
    const os::Fd end = introduced("/other", till_, lane);
    ASSERT_TRUE(end.valid());
    ASSERT_EQ(os::writePacket(end.get(), bytes.data(), bytes.size()), os::PipeState::done);
    alignas(8) std::byte packet[os::kPacketBytes];
    const int reader = lane == wire::Lane::mailbox ? till_.mailbox.get() : till_.reply.get();
    EXPECT_EQ(os::readPacket(reader, packet).bytes, bytes.size());
  }
}

TEST_F(QuestionsTest, TheNextProcessIsIntroducedToThoseWhomTheLastOneHasAnswered) {
  const auto introduce = [&](const std::string& from, wire::ActorId actor, wire::Lane lane) {
    say(from, [&](Control::Builder root) {
      root.initIntroduce().setActor(actor);
      root.getIntroduce().setLane(static_cast<std::uint8_t>(lane));
    });
  };
  introduce("/shop/clerk", till_.id, wire::Lane::mailbox);
  introduce("/shop/till", clerk_.id, wire::Lane::reply);
  introduce("/shop/till", clock_.id, wire::Lane::mailbox);
  sent_.clear();

  dies(till_, {.kind = ExitKind::signaled, .code = SIGKILL}, "/shop");
  sayClaim("/shop/till", {.interfaces = {kTill, 78}}, "/shop");

  ASSERT_EQ(sent_.size(), 2U) << log() << ": not to the one that was called only";
  EXPECT_TRUE(sent_[0]->isGranted()) << "first it must be there";
  ASSERT_TRUE(sent_[1]->isIntroduced());
  EXPECT_EQ(wire::toString(sent_[1]->getTo()), "/shop/till");
  EXPECT_EQ(sent_[1]->getRequest(), 0U) << "nobody has asked";
  EXPECT_EQ(sent_[1]->getIntroduced().getActor(), clerk_.id);
  EXPECT_EQ(sent_[1]->getIntroduced().getLane(), static_cast<std::uint8_t>(wire::Lane::reply));
  ASSERT_TRUE(sent_[1].has(0));
  ASSERT_EQ(os::writePacket(sent_[1].take(0).get(), "x", 1), os::PipeState::done);
  EXPECT_GT(os::waitingBytes(clerk_.reply.get()), 0U);
}

TEST_F(QuestionsTest, AnIntroductionToASupervisorOrToNobodyIsRefused) {
  introduced("/other", shop_);
  EXPECT_EQ(failure().message(), "/shop is a supervisor: it has no mailbox");
  introduced("/other", {.id = 9999, .generation = 1, .mailbox = {}, .reply = {}, .desk = {}});
  EXPECT_EQ(failure().message(), "there has never been such an actor");
  forget("/shop/till", {.kind = ExitKind::exited, .code = 3}, "/shop");
  log();
  introduced("/other", till_);
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::gone);
  EXPECT_EQ(error.exitReason().code, 3) << "with the reason";
}

TEST_F(QuestionsTest, WhoWasIntroducedIsToldThatItHasGoneAndItsNextProcessIsNot) {
  introduced("/other", till_);
  introduced("/shop/clerk", till_);
  dies(other_, {.kind = ExitKind::signaled, .code = SIGKILL});
  other_ = claim("/other");
  dies(till_, {.kind = ExitKind::shutdown}, "/shop");
  log();
  forget("/shop/till", {.kind = ExitKind::shutdown}, "/shop");
  EXPECT_EQ(log(), "/shop/clerk: gone " + std::to_string(till_.id) + " (stopped)\n");
}

// --- Watching ---

TEST_F(QuestionsTest, AWatchHoldsAcrossRestartsUntilItIsTakenBack) {
  watch("/other", till_);
  const ExitReason killed = {.kind = ExitKind::signaled, .code = SIGKILL};
  for (int life = 0; life < 3; ++life) {
    log();
    dies(till_, killed, "/shop");
    EXPECT_EQ(log(), "/other: down /shop/till (killed by SIGKILL)\n");
    till_ = claim("/shop/till");
  }
  say("/other", [&](Control::Builder root) { root.setUnwatch(till_.id); });
  dies(till_, killed, "/shop");
  EXPECT_EQ(log(), "");
}

TEST_F(QuestionsTest, AWatchEndsWithTheWatchersProcess) {
  watch("/other", till_);
  dies(other_, {});
  other_ = claim("/other");
  log();
  dies(till_, {}, "/shop");
  EXPECT_EQ(log(), "");
}

TEST_F(QuestionsTest, AWatchOfOneThatHasGoneFailsWithItsReason) {
  forget("/shop/till", {.kind = ExitKind::exited, .code = 3}, "/shop");
  log();
  watch("/other", till_);
  EXPECT_EQ(failure().exitReason().code, 3);
}

TEST_F(QuestionsTest, OneMayWatchAndBeIntroducedToItself) {
  watch("/other", other_);
  introduced("/other", other_);
  log();
  dies(other_, {});
  forget("/other");
  EXPECT_EQ(log(), "");
}

// --- What is asked of supervisors ---

TEST_F(QuestionsTest, ARequestIsPassedOnWithItsDescriptorsAndItsAnswerComesBack) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const os::Fd reader(ends[0]);
  manage("/other", "/shop", os::Fd(ends[1]));
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(wire::toString(sent_[0]->getTo()), "/shop");
  EXPECT_EQ(describe(sent_[0]), "manage from /other");
  EXPECT_TRUE(sent_[0].has(0));
  const std::uint64_t passed = sent_[0]->getRequest();
  const std::uint64_t asked = request_;
  sent_.clear();
  EXPECT_EQ(os::test::readToEnd(reader.get()), "") << "nothing keeps it open";

  managed("/other", passed);
  managed("/shop/clerk", passed);
  EXPECT_EQ(log(), "") << "only the one that was asked can answer";
  managed("/shop", passed);
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(wire::toString(sent_[0]->getTo()), "/other");
  EXPECT_EQ(sent_[0]->getRequest(), asked);
  sent_.clear();
  managed("/shop", passed);
  EXPECT_EQ(log(), "") << "once";
}

TEST_F(QuestionsTest, TheTopSupervisorCanBeAsked) {
  manage("/other", "/");
  ASSERT_EQ(sent_.size(), 1U);
  const std::uint64_t passed = sent_[0]->getRequest();
  EXPECT_EQ(log(), "/: manage from /other\n");
  managed("/", passed);
  EXPECT_EQ(log(), "/other: managed\n");
}

TEST_F(QuestionsTest, ARequestToASupervisorThatDiesFails) {
  claimSupervisor("/shop/back");
  manage("/other", "/shop/back");
  const std::uint64_t asked = request_;
  sent_.clear();
  ended(shop_, {.kind = ExitKind::signaled, .code = SIGKILL});
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0]->getRequest(), asked);
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::gone);
  EXPECT_NE(error.message().find("the supervisor /shop/back ended"), std::string::npos);
}

TEST_F(QuestionsTest, ARequestToNoSupervisorIsRefused) {
  manage("/other", "/nobody");
  EXPECT_EQ(failure().kind(), ErrorKind::gone);
  manage("/other", "/shop/till");
  EXPECT_EQ(failure().message(), "/shop/till is an actor, and no supervisor");
  ended(shop_, {});
  log();
  manage("/other", "/shop");
  EXPECT_EQ(failure().message(), "there is no supervisor /shop now");
}

}  // namespace
}  // namespace troupe::node
