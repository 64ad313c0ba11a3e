// Who may ask an app that has a key.
#include "node/admission.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <functional>
#include <memory>

#include "schemas/client.capnp.h"
#include "wire/flat_message.h"

namespace troupe::node {
namespace {

using wire::ClientAnswer;
using wire::ClientRequest;
using wire::Nonce;
using wire::Prover;

const std::string kKey = "open sesame";
const std::string kNone;

class AdmissionTest : public testing::Test {
 protected:
  using Fill = std::function<void(ClientRequest::Builder)>;
  std::unique_ptr<wire::FlatMessage> ask(const Fill& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<ClientRequest>());
    return std::make_unique<wire::FlatMessage>(admission_.answer(wire::flatBytes(message)));
  }
  static kj::ArrayPtr<const kj::byte> asData(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
  }
  std::unique_ptr<wire::FlatMessage> hello() {
    return ask([&](ClientRequest::Builder request) { request.setHello(asData(own_)); });
  }
  static Nonce challengeOf(const wire::FlatMessage& answer) {
    const auto data = answer.root<ClientAnswer>().getChallenge();
    return wire::nonceOf(std::as_bytes(std::span(data.begin(), data.size()))).value_or(Nonce{});
  }
  std::unique_ptr<wire::FlatMessage> prove(const wire::Proof& proof) {
    return ask([&](ClientRequest::Builder request) { request.setProve(asData(proof)); });
  }
  static bool isRefusal(const std::unique_ptr<wire::FlatMessage>& answer) {
    return answer->root<ClientAnswer>().isFailed();
  }

  const Nonce own_ = wire::newNonce();
  Admission admission_{kKey};
};

TEST_F(AdmissionTest, WhereThereIsNoKeyEverybodyMayAsk) { EXPECT_TRUE(Admission(kNone).admitted()); }

TEST_F(AdmissionTest, WhoProvesTheKeyIsAdmittedAndGetsAProofInReturn) {
  EXPECT_FALSE(admission_.admitted());
  const Nonce theirs = challengeOf(*hello());

  const auto answer = prove(wire::proofOf(kKey, Prover::client, own_, theirs));

  EXPECT_TRUE(admission_.admitted());
  EXPECT_FALSE(admission_.refused());
  const auto proven = answer->root<ClientAnswer>().getProven();
  EXPECT_TRUE(wire::isProof(std::as_bytes(std::span(proven.begin(), proven.size())),
                            wire::proofOf(kKey, Prover::app, own_, theirs)));
}

TEST_F(AdmissionTest, AnyOtherProofIsRefused) {
  const Nonce theirs = challengeOf(*hello());
  EXPECT_TRUE(isRefusal(prove(wire::proofOf("open says me", Prover::client, own_, theirs))));
  EXPECT_TRUE(admission_.refused());
  EXPECT_FALSE(admission_.admitted());
}

TEST_F(AdmissionTest, TheAppsOwnProofIsNone) {
  const Nonce theirs = challengeOf(*hello());
  EXPECT_TRUE(isRefusal(prove(wire::proofOf(kKey, Prover::app, own_, theirs))));
}

TEST_F(AdmissionTest, WhoAsksForAnythingElseIsRefused) {
  EXPECT_TRUE(isRefusal(ask([](ClientRequest::Builder request) { request.setActors(""); })));
  EXPECT_TRUE(admission_.refused());
}

TEST_F(AdmissionTest, AProofBeforeTheChallengeIsRefused) {
  EXPECT_TRUE(isRefusal(prove(wire::proofOf(kKey, Prover::client, own_, Nonce{}))));
}

TEST_F(AdmissionTest, ThereIsOneChallengeForEachConnection) {
  hello();
  EXPECT_TRUE(isRefusal(hello()));
}

TEST_F(AdmissionTest, ChallengesAreNeverTheSame) {
  Admission other(kKey);
  const Nonce first = challengeOf(*hello());
  capnp::MallocMessageBuilder message;
  message.initRoot<ClientRequest>().setHello(asData(own_));
  EXPECT_NE(first, challengeOf(wire::FlatMessage(other.answer(wire::flatBytes(message)))));
}

TEST_F(AdmissionTest, AHelloOfAnotherSizeIsRefused) {
  EXPECT_TRUE(isRefusal(ask([](ClientRequest::Builder request) { request.initHello(31); })));
}

}  // namespace
}  // namespace troupe::node
