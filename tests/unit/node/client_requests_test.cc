// What clients ask, answered by a directory without processes.
#include "node/client_requests.h"

#include "os/channel.h"
#include "tests/unit/node/directory_fixture.h"
#include "wire/flat_message.h"

namespace troupe::node {
namespace {

using wire::ClientAnswer;
using wire::ClientRequest;

class ClientRequestsTest : public DirectoryFixture {
 protected:
  using FillRequest = std::function<void(ClientRequest::Builder)>;
  std::vector<std::byte> bytesFor(const FillRequest& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<ClientRequest>());
    return requests_.answer(wire::flatBytes(message), "::1").packet;
  }
  std::unique_ptr<wire::FlatMessage> ask(const FillRequest& fill) {
    const auto bytes = bytesFor(fill);
    EXPECT_LE(bytes.size(), os::kMaxChannelMessageBytes);
    return std::make_unique<wire::FlatMessage>(bytes);
  }
  Error refusal(const FillRequest& fill) {
    const auto answer = ask(fill);
    EXPECT_TRUE(answer->root<ClientAnswer>().isFailed());
    return wire::read(answer->root<ClientAnswer>().getFailed());
  }
  std::uint64_t addLetter(std::size_t bytes) {
    wire::Letter letter;
    letter.path = "/a";
    letter.message.resize(bytes, std::byte{7});
    letters_.add(std::move(letter));
    return letters_.counts().stored;
  }

  mailbox::DeadLetters letters_{1'000'000};
  bool stopped_ = false;
  ClientRequests requests_{directory_, letters_, {.stopApp = [this] { stopped_ = true; }}};
};

TEST_F(ClientRequestsTest, ActorsComeInTheOrderOfTheirPathsWithTheirState) {
  const Given a = claim("/a");
  claimSupervisor("/s");
  Given b = claim("/s/b", {.name = "bee"});
  up(a);
  const auto bytes = test::packetOf({test::castOf("x")});
  ASSERT_EQ(os::writePacket(introduced("/s/b", a).get(), bytes.data(), bytes.size()), os::PipeState::done);

  const auto answer = ask([](ClientRequest::Builder request) { request.setActors(""); });

  const auto actors = answer->root<ClientAnswer>().getActors();
  ASSERT_EQ(actors.getList().size(), 3U);
  EXPECT_FALSE(actors.getMore());
  EXPECT_STREQ(actors.getList()[0].getPath().cStr(), "/a");
  EXPECT_TRUE(actors.getList()[0].getReady());
  EXPECT_EQ(actors.getList()[0].getGeneration(), 1U);
  EXPECT_EQ(actors.getList()[0].getWaitingBytes(), bytes.size());
  EXPECT_EQ(actors.getList()[1].getRole(), static_cast<std::uint8_t>(Role::supervisor));
  EXPECT_STREQ(actors.getList()[2].getName().cStr(), "bee");
  EXPECT_FALSE(actors.getList()[2].getReady());
}

TEST_F(ClientRequestsTest, ManyActorsComeInParts) {
  std::vector<Given> given;
  for (int i = 0; i < 300; ++i) given.push_back(claim("/" + std::string(100, 'x') + std::to_string(i)));

  std::string last;
  std::size_t count = 0;
  for (bool more = true; more;) {
    const auto answer = ask([&](ClientRequest::Builder request) { request.setActors(last.c_str()); });
    const auto actors = answer->root<ClientAnswer>().getActors();
    ASSERT_GT(actors.getList().size(), 0U);
    for (const auto actor : actors.getList()) {
      EXPECT_LT(last, wire::toString(actor.getPath()));
      last = wire::toString(actor.getPath());
      ++count;
    }
    more = actors.getMore();
  }
  EXPECT_EQ(count, 300U);
}

TEST_F(ClientRequestsTest, LettersAreListedShownInPartsAndPurged) {
  addLetter(10);
  const auto large = addLetter(100'000);

  const auto list = ask([](ClientRequest::Builder request) { request.setLetters(0); });
  EXPECT_EQ(list->root<ClientAnswer>().getLetters().getList().size(), 2U);
  EXPECT_EQ(list->root<ClientAnswer>().getLetters().getStored(), 2U);

  std::size_t got = 0;
  while (got < 100'000) {
    const auto part = ask([&](ClientRequest::Builder request) {
      request.initLetter().setNumber(large);
      request.getLetter().setOffset(got);
    });
    const auto letter = part->root<ClientAnswer>().getLetter();
    EXPECT_EQ(letter.getMessageBytes(), 100'000U);
    ASSERT_GT(letter.getLetter().getMessage().size(), 0U);
    got += letter.getLetter().getMessage().size();
  }
  EXPECT_EQ(got, 100'000U);

  const auto one = ask([](ClientRequest::Builder request) { request.setPurge(1); });
  EXPECT_EQ(one->root<ClientAnswer>().getPurged(), 1U);
  const auto all = ask([](ClientRequest::Builder request) { request.setPurge(0); });
  EXPECT_EQ(all->root<ClientAnswer>().getPurged(), 1U);
  EXPECT_TRUE(letters_.letters().empty());
}

TEST_F(ClientRequestsTest, ALetterThatIsNotThereIsAnErrorThatNamesIt) {
  EXPECT_NE(refusal([](ClientRequest::Builder request) { request.setResend(7); }).message().find("7"),
            std::string::npos);
  EXPECT_EQ(refusal([](ClientRequest::Builder request) { request.setPurge(7); }).kind(), ErrorKind::gone);
  EXPECT_EQ(refusal([](ClientRequest::Builder request) { request.initLetter().setNumber(7); }).kind(),
            ErrorKind::gone);
}

TEST_F(ClientRequestsTest, OneThatCantBeResentStays) {
  addLetter(16);
  EXPECT_EQ(refusal([](ClientRequest::Builder request) { request.setResend(1); }).kind(), ErrorKind::gone);
  EXPECT_NE(letters_.find(1), nullptr);
}

TEST_F(ClientRequestsTest, ARequestToASupervisorGoesThereAndItsAnswerComesBack) {
  claimSupervisor("/s");
  EXPECT_TRUE(bytesFor([](ClientRequest::Builder request) {
                request.initManage().setSupervisor("/s");
                request.getManage().setStop("b");
              }).empty());
  EXPECT_EQ(log(), "/s: manage from ::1\n");
}

TEST_F(ClientRequestsTest, ARequestToNoSupervisorFailsTowardsTheClient) {
  EXPECT_TRUE(bytesFor([](ClientRequest::Builder request) {
                request.initManage().setSupervisor("/none");
                request.getManage().setStop("b");
              }).empty());
  ASSERT_EQ(sent_.size(), 1U);
  const wire::FlatMessage answer(ClientRequests::answerOf(sent_[0]).packet);
  EXPECT_TRUE(answer.root<ClientAnswer>().isFailed());
}

TEST_F(ClientRequestsTest, OnlyHarmlessRequestsGoToSupervisors) {
  EXPECT_EQ(refusal([](ClientRequest::Builder request) { request.initManage().setRemove("b"); }).kind(),
            ErrorKind::invalid);
}

TEST_F(ClientRequestsTest, TheAppCanBeStopped) {
  EXPECT_TRUE(
      ask([](ClientRequest::Builder request) { request.setStopApp(); })->root<ClientAnswer>().isDone());
  EXPECT_TRUE(stopped_);
}

TEST_F(ClientRequestsTest, BytesThatAreNoRequestThrow) {
  EXPECT_THROW(requests_.answer(std::vector<std::byte>(3, std::byte{1}), "::1"), kj::Exception);
  EXPECT_THROW(requests_.answer(std::vector<std::byte>(800, std::byte{0xff}), "::1"), kj::Exception);
}

TEST_F(ClientRequestsTest, AHelloToAnAppWithoutAKeyIsAnsweredByNoChallenge) {
  const auto answer = ask([](ClientRequest::Builder request) { request.initHello(32); });
  EXPECT_TRUE(answer->root<ClientAnswer>().isChallenge());
  EXPECT_EQ(answer->root<ClientAnswer>().getChallenge().size(), 0U);
}

TEST_F(ClientRequestsTest, TheSchemaOfAnUnknownInterfaceIsNotThere) {
  const Error error = refusal([](ClientRequest::Builder request) { request.initSchema().setInterface(7); });
  EXPECT_EQ(error.kind(), ErrorKind::gone);
}

TEST_F(ClientRequestsTest, ATapGivesItsOtherEndToTheActor) {
  const Given a = claim("/a");
  say("/", [&](wire::Control::Builder root) {
    auto started = root.initStarted();
    started.setActor(a.id);
    started.setGeneration(a.generation);
    started.setPid(4711);
  });

  capnp::MallocMessageBuilder message;
  message.initRoot<ClientRequest>().setTap("/a");
  const ClientReply reply = requests_.answer(wire::flatBytes(message), "::1");

  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_TRUE(sent_[0]->isTap());
  EXPECT_STREQ(sent_[0]->getTo().cStr(), "/a");
  EXPECT_TRUE(reply.descriptor.valid());
  const std::vector<std::byte> shown(8);
  EXPECT_EQ(os::sendOn(sent_[0].take(0).get(), shown), os::ChannelState::done);
  os::ChannelMessage received;
  EXPECT_EQ(os::receiveFrom(reply.descriptor.get(), received), os::ChannelState::done);
}

TEST_F(ClientRequestsTest, WhoHasNoProcessOrNoMessagesCannotBeTapped) {
  claimSupervisor("/s");
  const Given a = claim("/a");
  EXPECT_EQ(refusal([](ClientRequest::Builder request) { request.setTap("/s"); }).kind(), ErrorKind::invalid);
  EXPECT_EQ(refusal([](ClientRequest::Builder request) { request.setTap("/x"); }).kind(), ErrorKind::gone);
  capnp::MallocMessageBuilder message;
  message.initRoot<ClientRequest>().setTap("/a");
  EXPECT_FALSE(requests_.answer(wire::flatBytes(message), "::1").descriptor.valid()) << "not started yet";
}

}  // namespace
}  // namespace troupe::node
