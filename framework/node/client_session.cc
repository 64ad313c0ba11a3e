#include "node/client_session.h"

#include <troupe/error.h>

#include <coroutine>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actor/actor_process.h"
#include "wire/payload.h"
#include "wire/reason_codec.h"

namespace troupe::node {

namespace {

using Bytes = std::vector<std::byte>;

// What a request may have beside its parameters.
constexpr std::size_t kRoomForHead = 64 * 1024;
// So much lies here for a client that does not read.
constexpr std::size_t kMostUnread = 1 << 20;
constexpr unsigned kPacketsAtOnce = 64;

// Who a message of the client's is for.
struct Addressee : RefBase {
  explicit Addressee(wire::SessionRequest::Sending::Reader sending)
      : RefBase(sending.getActor(), {sending.getPath().cStr(), sending.getPath().size()}) {
    deadline_ = Duration(sending.getWithin());
  }
};

std::string textOf(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

template <class Fill>
Bytes answerWith(std::uint64_t number, const Fill& fill) {
  capnp::MallocMessageBuilder message;
  auto answer = message.initRoot<wire::SessionAnswer>();
  answer.setNumber(number);
  fill(answer);
  return wire::flatBytes(message);
}

Bytes failure(std::uint64_t number, const Error& error) {
  return answerWith(number,
                    [&](wire::SessionAnswer::Builder answer) { wire::write(answer.initFailed(), error); });
}

// A message with what the client has put into it. Errors: kj::Exception, invalid.
void copyParams(detail::Draft& draft, wire::SessionRequest::Sending::Reader sending) {
  wire::PayloadReader payload(sending.getParams());
  draft.body().set(payload.content());
}

Bytes resultsOf(std::uint64_t number, const detail::ReplyMessage& reply, const std::string& what) {
  return answerWith(number, [&](wire::SessionAnswer::Builder answer) {
    auto results = answer.initResults();
    wire::PayloadWriter payload;
    payload.content(results).set(reply.checked());
    payload.finish(results, what);
  });
}

}  // namespace

std::string ClientSession::type() { return detail::constructibleType<ClientSession>(); }

ChildSpec ClientSession::spec() {
  // Nobody sends it anything.
  return {.restart = Restart::temporary, .mailboxBytes = 4096};
}

ClientSession::ClientSession(net::Stream connection)
    : connection_(connection.releaseFd()), reader_(kDefaultMessageBytes + kRoomForHead) {}

void ClientSession::init() {
  poll_ = std::make_unique<loop::Poll>(
      actor::ActorProcess::current().loop(), connection_.get(), loop::Interest::readable,
      [this](bool readable, bool writable) { readable || writable ? onReady() : close(); });
  capnp::MallocMessageBuilder message;
  message.initRoot<wire::ClientAnswer>().setOpened(kDefaultMessageBytes);
  if (os::sendOn(connection_.get(), wire::flatBytes(message)) != os::ChannelState::done) close();
}

void ClientSession::close() {
  closed_ = true;
  poll_->want(loop::Interest::none);
  stop({.kind = ExitKind::normal});
}

void ClientSession::wait() {
  if (closed_) return;
  const bool reads = open_ < kMostOpen && writer_.bytes() <= kMostUnread;
  const bool writes = writer_.bytes() > 0;
  poll_->want(reads && writes ? loop::Interest::both
              : writes        ? loop::Interest::writable
              : reads         ? loop::Interest::readable
                              : loop::Interest::hangUp);
}

void ClientSession::onReady() {
  try {
    if (writer_.writeTo(connection_.get()) == os::ChannelState::closed) return close();
    for (unsigned i = 0;
         i < kPacketsAtOnce && !closed_ && open_ < kMostOpen && writer_.bytes() <= kMostUnread; ++i) {
      if (!receive()) break;
    }
  } catch (const Error&) {
    return close();
  } catch (const kj::Exception&) {
    return close();  // it has sent what is no request
  }
  wait();
}

// False where there is nothing to receive now.
bool ClientSession::receive() {
  const os::ChannelState state = os::receiveFrom(connection_.get(), packet_);
  packet_.descriptors.clear();
  if (state == os::ChannelState::closed) close();
  if (state != os::ChannelState::done) return false;
  if (reader_.add(packet_.bytes)) begin();
  return true;
}

void ClientSession::begin() {
  Request request = std::make_shared<const wire::FlatMessage>(reader_.take(), wire::kNestingOfPayloads);
  static_cast<void>(request->root<wire::SessionRequest>().which());
  ++open_;
  spawn(serve(std::move(request)));
}

Task<> ClientSession::serve(Request request) {
  const std::uint64_t number = request->root<wire::SessionRequest>().getNumber();
  Bytes answer;
  try {
    Task<Bytes> answering = answerTo(std::move(request));
    answer = co_await std::move(answering);
  } catch (const Error& error) {
    answer = failure(number, error);
  } catch (const kj::Exception& exception) {
    answer = failure(number, Error(ErrorKind::invalid, std::string("a client's message is malformed: ") +
                                                           exception.getDescription().cStr()));
  }
  --open_;
  send(std::move(answer));
}

void ClientSession::send(Bytes answer) {
  writer_.add(std::move(answer));
  try {
    if (writer_.writeTo(connection_.get()) == os::ChannelState::closed) close();
  } catch (const Error&) {
    close();
  }
  wait();
}

Task<Bytes> ClientSession::answerTo(Request request) {
  const auto which = request->root<wire::SessionRequest>().which();
  switch (which) {
    case wire::SessionRequest::FIND: return find(std::move(request));
    case wire::SessionRequest::CALL: return call(std::move(request));
    case wire::SessionRequest::CAST: return cast(std::move(request));
  }
  throw Error(ErrorKind::invalid, "a request that this app does not know: is the client newer than it?");
}

Task<Bytes> ClientSession::find(Request request) {
  const auto root = request->root<wire::SessionRequest>();
  const auto wanted = root.getFind();
  if (wanted.getInterface() == 0)
    throw Error(ErrorKind::invalid, "finding an actor: no protocol was said that it should serve");
  Task<RefBase> finding = actor::actorNamed(actor::ActorProcess::current(), textOf(wanted.getName()),
                                            wanted.getInterface(), textOf(wanted.getProtocol()));
  const RefBase found = co_await std::move(finding);
  co_return answerWith(root.getNumber(), [&](wire::SessionAnswer::Builder answer) {
    auto said = answer.initFound();
    said.setActor(found.id());
    said.setPath(found.path().c_str());
  });
}

namespace {

struct Calling {
  detail::CallHandle handle;
  bool await_ready() const { return handle.done(); }
  void await_suspend(std::coroutine_handle<> waiting) const { handle.whenDone(waiting); }
  detail::ReplyMessage await_resume() const { return handle.take(); }
};

// Until there is room, or the time is over. What the outbox has taken by then is delivered all the same.
class Casting {
 public:
  Casting(detail::CastHandle handle, Duration within, std::string what)
      : within_(within), what_(std::move(what)) {
    cast_.emplace(std::move(handle));
  }
  bool await_ready() { return cast_->await_ready(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    if (within_ != kForever) {
      limit_.emplace(actor::ActorProcess::current().loop(), [this, waiting] {
        cast_.reset();
        waiting.resume();
      });
      limit_->startIn(within_);
    }
    cast_->await_suspend(waiting);
  }
  void await_resume() {
    if (!cast_) throw Error(ErrorKind::timedOut, what_ + ": there was no room for it in time");
    if (limit_) limit_->cancel();
    cast_->await_resume();
  }

 private:
  std::optional<Cast> cast_;
  Duration within_;
  std::string what_;
  std::optional<loop::Timer> limit_;
};

}  // namespace

Task<Bytes> ClientSession::call(Request request) {
  const auto root = request->root<wire::SessionRequest>();
  const auto sending = root.getCall();
  const std::string name = textOf(sending.getName());
  const Addressee to(sending);
  detail::Draft draft(to, sending.getInterface(), sending.getMethod(), name.c_str());
  copyParams(draft, sending);
  Calling calling{draft.call()};
  const detail::ReplyMessage reply = co_await calling;
  co_return resultsOf(root.getNumber(), reply, "the reply to " + name + " of " + to.path());
}

Task<Bytes> ClientSession::cast(Request request) {
  const auto root = request->root<wire::SessionRequest>();
  const auto sending = root.getCast();
  const std::string name = textOf(sending.getName());
  const Addressee to(sending);
  detail::Draft draft(to, sending.getInterface(), sending.getMethod(), name.c_str());
  copyParams(draft, sending);
  Casting casting(draft.cast(), to.deadline(), "casting " + name + " of " + to.path());
  co_await casting;
  co_return answerWith(root.getNumber(), [](wire::SessionAnswer::Builder answer) { answer.setDone(); });
}

}  // namespace troupe::node
