#include <troupe/client.h>

#include <troupe/error.h>

#include <mutex>

#include "wire/client_link.h"
#include "wire/payload.h"
#include "wire/proof.h"

namespace troupe {

namespace {

wire::Limit limitOf(Duration duration) {
  if (duration == kForever) return std::nullopt;
  return std::chrono::ceil<std::chrono::milliseconds>(duration);
}

}  // namespace

namespace detail {

class ClientState {
 public:
  ClientState(const os::ClientSocket& app, const wire::ClientKey& key, Duration within)
      : title(app.title()), within(within), link_(app, key, limitOf(within)) {}

  // One request at a time. Errors: those of wire::ClientLink, and what the answer says.
  wire::ClientLink::Answer exchange(capnp::MallocMessageBuilder& message, const std::string& what,
                                    Duration limit) {
    const std::scoped_lock lock(busy_);
    auto answer = link_.exchange(message, {.what = what, .limit = limitOf(limit)});
    wire::ClientLink::check(answer);
    return answer;
  }

  const std::string title;
  const Duration within;

 private:
  std::mutex busy_;
  wire::ClientLink link_;
};

struct ClientDraft::State {
  std::shared_ptr<ClientState> client;
  Duration deadline;
  std::string what;
  capnp::MallocMessageBuilder message;
  wire::PayloadWriter payload;
  wire::SessionRequest::Sending::Builder sending;

  State(std::shared_ptr<ClientState> client, const RefBase& to, const char* name, bool isCall)
      : client(std::move(client)),
        deadline(to.deadline()),
        what((isCall ? "calling " : "casting ") + std::string(name) + " of " + to.path()),
        sending(isCall ? message.initRoot<wire::SessionRequest>().initCall()
                       : message.initRoot<wire::SessionRequest>().initCast()) {}

  wire::ClientLink::Answer send() {
    payload.finish(sending.getParams(), what);
    return client->exchange(message, what, deadline);
  }
};

ClientDraft::ClientDraft(std::shared_ptr<ClientState> client, const RefBase& to, std::uint64_t interfaceId,
                         std::uint16_t method, const char* name, bool isCall) {
  if (!to)
    throw Error(ErrorKind::invalid, std::string("sending ") + name + ": the reference refers to nobody");
  state_ = std::make_unique<State>(std::move(client), to, name, isCall);
  auto& sending = state_->sending;
  sending.setActor(to.id());
  sending.setPath(to.path().c_str());
  sending.setInterface(interfaceId);
  sending.setMethod(method);
  sending.setName(name);
  sending.setWithin(to.deadline().count());
  sending.initParams();
}

ClientDraft::~ClientDraft() = default;

capnp::AnyPointer::Builder ClientDraft::body() {
  return state_->payload.content(state_->sending.getParams());
}

namespace {

// Keeps what a reply's readers lead into. Once it is checked it may be read as often and long as anybody likes.
struct ClientReply {
  wire::ClientLink::Answer answer;
  capnp::FlatArrayMessageReader unlimited;
  wire::PayloadReader checked;
  wire::PayloadReader payload;

  explicit ClientReply(wire::ClientLink::Answer from)
      : answer(std::move(from)),
        unlimited(answer->words(),
                  {.traversalLimitInWords = ~std::uint64_t{0}, .nestingLimit = wire::kNestingOfPayloads}),
        checked(answer->root<wire::SessionAnswer>().getResults()),
        payload(unlimited.getRoot<wire::SessionAnswer>().getResults()) {}
};

}  // namespace

ReplyMessage ClientDraft::call() {
  auto answer = state_->send();
  try {
    if (!answer->root<wire::SessionAnswer>().isResults())
      throw Error(ErrorKind::invalid, state_->what + ": the answer has no results");
    const auto reply = std::make_shared<ClientReply>(std::move(answer));
    return {reply, reply->checked.content(), reply->payload.content()};
  } catch (const kj::Exception& exception) {
    malformed(exception);
  }
}

void ClientDraft::cast() { state_->send(); }

void ClientDraft::malformed(const kj::Exception& what) const {
  throw Error(ErrorKind::invalid, state_->what + ": the reply is malformed: " + what.getDescription().cStr());
}

}  // namespace detail

Client Client::attach(const std::string& app, const ClientSpec& spec) {
  const bool given = !spec.key.empty();
  const wire::ClientKey key{.secret = given ? spec.key : wire::keyOfEnvironment(), .required = given};
  return Client(std::make_shared<detail::ClientState>(os::clientSocketCalled(app), key, spec.within));
}

const std::string& Client::app() const { return state_->title; }

RefBase Client::findActor(const std::string& name, std::uint64_t interfaceId, const char* protocol) const {
  capnp::MallocMessageBuilder message;
  auto find = message.initRoot<wire::SessionRequest>().initFind();
  find.setName(name.c_str());
  find.setInterface(interfaceId);
  find.setProtocol(protocol);
  const std::string what = "finding the actor \"" + name + "\" of " + state_->title;
  const auto answer = state_->exchange(message, what, state_->within);
  const auto found = answer->root<wire::SessionAnswer>().getFound();
  return {found.getActor(), std::string(found.getPath().cStr(), found.getPath().size())};
}

}  // namespace troupe
