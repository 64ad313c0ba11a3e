#include "wire/client_link.h"

#include <troupe/error.h>

#include <algorithm>
#include <utility>

#include "os/output.h"
#include "wire/control_message.h"
#include "wire/proof.h"
#include "wire/reason_codec.h"

namespace troupe::wire {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Until = std::optional<steady_clock::time_point>;

// No message can be larger; an answer has something beside it.
constexpr std::size_t kLargestAnswer = (std::size_t{512} << 20) + 64 * 1024;
// The session keeps the time too, and knows more of why there is no answer.
constexpr milliseconds kGrace{100};
// It is begun again then.
constexpr milliseconds kLongestWait{3'600'000};
constexpr milliseconds kConnecting{10'000};

// What lies beyond the end of the clock is for ever.
Until after(Limit limit) {
  const auto now = steady_clock::now();
  const auto most = std::chrono::floor<milliseconds>(steady_clock::time_point::max() - now);
  return limit && *limit < most ? Until(now + *limit) : std::nullopt;
}

// What is left until then, for a wait; throws where that is nothing.
milliseconds left(Until until, const os::ClientSocket& app, const Errand& errand) {
  if (!until) return milliseconds(-1);
  const auto rest = std::chrono::ceil<milliseconds>(*until - steady_clock::now());
  if (rest.count() > 0) return std::min(rest, kLongestWait);
  throw Error(ErrorKind::timedOut, errand.what + ": the app " + app.title() + " has not answered within " +
                                       limitText(errand.limit.value_or(milliseconds(0))));
}

[[noreturn]] void ended(const os::ClientSocket& app, const Errand& errand) {
  throw Error::gone(errand.what + ": the app " + app.title() +
                        " has ended, or has closed the connection; what was asked of it may have been done",
                    {});
}

// The answer to one request of an app itself.
std::unique_ptr<FlatMessage> ask(int connection, const os::ClientSocket& app, const Errand& errand,
                                 Until until, const std::function<void(ClientRequest::Builder)>& fill) {
  capnp::MallocMessageBuilder request;
  fill(request.initRoot<ClientRequest>());
  os::sendOn(connection, flatBytes(request));
  os::ChannelMessage message;
  for (;;) {
    const os::ChannelState state = os::receiveFrom(connection, message);
    if (state == os::ChannelState::closed) ended(app, errand);
    if (state == os::ChannelState::done) break;
    os::waitReadable(connection, left(until, app, errand));
  }
  auto answer = std::make_unique<FlatMessage>(message.bytes);
  const auto root = answer->root<ClientAnswer>();
  if (root.isFailed()) {
    const Error why = read(root.getFailed());
    throw Error(why.kind(), errand.what + ": " + why.message());
  }
  return answer;
}

kj::ArrayPtr<const kj::byte> asData(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> asBytes(capnp::Data::Reader data) {
  return std::as_bytes(std::span(data.begin(), data.size()));
}

void prove(int connection, const os::ClientSocket& app, const ClientKey& key, const Errand& errand,
           Until until) {
  const Nonce own = newNonce();
  const auto challenged = ask(connection, app, errand, until,
                              [&](ClientRequest::Builder request) { request.setHello(asData(own)); });
  const auto challenge = challenged->root<ClientAnswer>().getChallenge();
  if (challenge.size() == 0) {
    if (!key.required) return;
    throw Error(ErrorKind::refused,
                errand.what + ": it has no key, and a key was given that it should prove to have");
  }
  const auto theirs = nonceOf(asBytes(challenge));
  if (!theirs) throw Error(ErrorKind::invalid, errand.what + ": its challenge is malformed");
  const Proof proof = proofOf(key.secret, Prover::client, own, *theirs);
  const auto proven = ask(connection, app, errand, until,
                          [&](ClientRequest::Builder request) { request.setProve(asData(proof)); });
  if (!isProof(asBytes(proven->root<ClientAnswer>().getProven()),
               proofOf(key.secret, Prover::app, own, *theirs)))
    throw Error(ErrorKind::refused, errand.what + ": it does not have the key that was given");
}

}  // namespace

std::string limitText(milliseconds limit) {
  return limit.count() % 1000 == 0 ? std::to_string(limit.count() / 1000) + " s"
                                   : std::to_string(limit.count()) + " ms";
}

namespace {

Errand attaching(const os::ClientSocket& app, Limit limit) {
  return {.what = "attaching to the app " + app.title(), .limit = limit};
}

os::Fd attach(const os::ClientSocket& app, const ClientKey& key, const Errand& errand, Until until) {
  os::Fd connection = os::connectToClientSocket(app, until ? left(until, app, errand) : kConnecting);
  if (!connection.valid()) throw Error::gone("the app " + app.title() + " has ended", {});
  try {
    if (!key.secret.empty()) prove(connection.get(), app, key, errand, until);
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid,
                errand.what + ": its answer is malformed: " + exception.getDescription().cStr());
  }
  return connection;
}

}  // namespace

os::Fd attachTo(const os::ClientSocket& app, const ClientKey& key, Limit limit) {
  return attach(app, key, attaching(app, limit), after(limit));
}

ClientLink::ClientLink(os::ClientSocket app, const ClientKey& key, Limit limit)
    : app_(std::move(app)), reader_(kLargestAnswer) {
  const Errand errand = attaching(app_, limit);
  const Until until = after(limit);
  connection_ = attach(app_, key, errand, until);
  openSession(errand, until);
}

void ClientLink::openSession(const Errand& errand, Until until) {
  try {
    const auto opened = ask(connection_.get(), app_, errand, until,
                            [](ClientRequest::Builder request) { request.setSession(); });
    mostBytes_ = opened->root<ClientAnswer>().getOpened();
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid,
                errand.what + ": its answer is malformed: " + exception.getDescription().cStr());
  }
}

ClientLink::Answer ClientLink::exchange(capnp::MallocMessageBuilder& message, const Errand& errand) {
  const Until until =
      after(errand.limit && *errand.limit < milliseconds::max() - kGrace ? Limit(*errand.limit + kGrace)
                                                                         : errand.limit);
  message.getRoot<SessionRequest>().setNumber(++last_);
  try {
    send(flatBytes(message), errand, until);
    return receive(errand, until);
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid, errand.what + ": the answer of " + app_.title() +
                                        " is malformed: " + exception.getDescription().cStr());
  }
}

void ClientLink::check(const Answer& answer) {
  const auto root = answer->root<SessionAnswer>();
  if (root.isFailed()) throw read(root.getFailed());
}

void ClientLink::send(std::vector<std::byte> request, const Errand& errand, Until until) {
  if (request.size() > mostBytes_) {
    throw Error(ErrorKind::invalid, errand.what + ": its message takes " + std::to_string(request.size()) +
                                        " bytes, and a client's can have " + std::to_string(mostBytes_) +
                                        " at most");
  }
  if (unsent_.bytes() > mostBytes_) {
    throw Error(ErrorKind::overloaded, errand.what + ": the app " + app_.title() +
                                           " has not taken the last " + std::to_string(unsent_.bytes()) +
                                           " bytes that were sent to it");
  }
  unsent_.add(std::move(request));
  for (;;) {
    const os::ChannelState state = unsent_.writeTo(connection_.get());
    if (state == os::ChannelState::done) return;
    if (state == os::ChannelState::closed) ended(app_, errand);
    // The session takes no more before what it has said is read.
    passOver(errand);
    os::waitReadableOrWritable(connection_.get(), left(until, app_, errand));
  }
}

// Answers that nobody waits for any more: what is being sent has none yet.
void ClientLink::passOver(const Errand& errand) {
  os::ChannelMessage packet;
  for (;;) {
    const os::ChannelState state = os::receiveFrom(connection_.get(), packet);
    if (state == os::ChannelState::wouldBlock) return;
    if (state == os::ChannelState::closed) ended(app_, errand);
    if (reader_.add(packet.bytes)) static_cast<void>(reader_.take());
  }
}

ClientLink::Answer ClientLink::receive(const Errand& errand, Until until) {
  os::ChannelMessage packet;
  for (;;) {
    const os::ChannelState state = os::receiveFrom(connection_.get(), packet);
    if (state == os::ChannelState::closed) ended(app_, errand);
    if (state == os::ChannelState::wouldBlock) {
      os::waitReadable(connection_.get(), left(until, app_, errand));
      continue;
    }
    if (!reader_.add(packet.bytes)) continue;
    auto answer = std::make_unique<FlatMessage>(reader_.take(), kNestingOfPayloads);
    const auto root = answer->root<SessionAnswer>();
    if (root.getNumber() != last_) continue;
    return answer;
  }
}

}  // namespace troupe::wire
