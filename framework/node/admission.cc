#include "node/admission.h"

#include <troupe/error.h>

#include "schemas/client.capnp.h"
#include "wire/flat_message.h"
#include "wire/reason_codec.h"

namespace troupe::node {

namespace {

std::span<const std::byte> asBytes(capnp::Data::Reader data) {
  return std::as_bytes(std::span(data.begin(), data.size()));
}

template <class Bytes>
kj::ArrayPtr<const kj::byte> asData(const Bytes& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

std::vector<std::byte> Admission::answer(std::span<const std::byte> bytes) {
  const wire::FlatMessage asked(bytes);
  const auto request = asked.root<wire::ClientRequest>();
  capnp::MallocMessageBuilder message;
  auto answer = message.initRoot<wire::ClientAnswer>();
  if (request.isHello() && !challenge_) {
    if (const auto ofClient = wire::nonceOf(asBytes(request.getHello()))) {
      challenge_ = Challenge{*ofClient, wire::newNonce()};
      answer.setChallenge(asData(challenge_->ofApp));
      return wire::flatBytes(message);
    }
  }
  if (request.isProve() && challenge_ &&
      wire::isProof(asBytes(request.getProve()),
                    wire::proofOf(key_, wire::Prover::client, challenge_->ofClient, challenge_->ofApp))) {
    admitted_ = true;
    answer.setProven(asData(wire::proofOf(key_, wire::Prover::app, challenge_->ofClient, challenge_->ofApp)));
    return wire::flatBytes(message);
  }
  refused_ = true;
  wire::write(answer.initFailed(), Error(ErrorKind::refused,
                                         "this app has a key, and talks to nobody who has not: say it by "
                                         "TROUPE_KEY, or name its file by TROUPE_KEY_FILE"));
  return wire::flatBytes(message);
}

}  // namespace troupe::node
