#include <troupe/ref.h>

#include "actor/actor_process.h"
#include "wire/message.h"
#include "wire/reference.h"

namespace troupe {

const std::string& RefBase::path() const {
  static const std::string kNobody = "nobody";
  return path_ ? *path_ : kNobody;
}

namespace detail {

RefBase refOf(capnp::Capability::Client client) {
  const auto address = wire::addressOf(std::move(client));
  if (!address) throw Error(ErrorKind::invalid, "a capability is not an actor (a troupe::Ref)");
  return address->id == 0 ? RefBase() : RefBase(address->id, address->path);
}

capnp::Capability::Client clientOf(const RefBase& ref) {
  return wire::toCapability({ref.id(), ref ? ref.path() : ""});
}

CallHandle& CallHandle::operator=(CallHandle&& other) noexcept {
  if (this != &other) {
    if (call_) call_->calls->abandon(*call_);
    call_ = std::move(other.call_);
  }
  return *this;
}

CallHandle::~CallHandle() {
  if (call_) call_->calls->abandon(*call_);
}

bool CallHandle::done() const { return call_->done; }

void CallHandle::whenDone(std::coroutine_handle<> waiting) const { call_->waiting = waiting; }

ReplyMessage CallHandle::take() const {
  if (call_->error) throw Error(*call_->error);
  if (!call_->reply) throw Error(ErrorKind::invalid, "the reply to " + call_->method + " was awaited twice");
  return *std::exchange(call_->reply, std::nullopt);
}

void CallHandle::malformed(const kj::Exception& what) const {
  throw Error(ErrorKind::invalid,
              "the reply to " + call_->method + " is malformed: " + what.getDescription().cStr());
}

// A cast that found no room, and waits for it if somebody awaits it.
class PendingCast {
 public:
  PendingCast(mailbox::Destination to, std::string method, std::span<const std::byte> message,
              std::weak_ptr<Turn::State> turn)
      : to_(to),
        method_(std::move(method)),
        message_(message.begin(), message.end()),
        turn_(std::move(turn)) {
    actor::ActorProcess::current().outbox().hold(message_);
  }

  ~PendingCast() {
    auto& outbox = actor::ActorProcess::current().outbox();
    outbox.letGoOf(message_);
    if (!placed && !sent_) outbox.discard(message_);
  }
  PendingCast(const PendingCast&) = delete;
  PendingCast& operator=(const PendingCast&) = delete;

  void place() {
    try {
      auto& process = actor::ActorProcess::current();
      if (!sent_) process.outbox().prepare(message_, "casting " + method_);
      const auto put = sent_ ? process.outbox().hasRoom(to_, 0) : process.server().cast(to_, message_, turn_);
      if (put == mailbox::Outbox::Put::noRoom) return wait();
    } catch (const Error& caught) {
      error = caught;
    }
    placed = true;
    if (const auto handle = std::exchange(waiting, {})) handle.resume();
  }
  // It is awaited: where it can be sent, only whoever awaits it has to wait for room.
  void await(std::coroutine_handle<> handle) {
    waiting = handle;
    auto& process = actor::ActorProcess::current();
    try {
      process.outbox().prepare(message_, "casting " + method_);
      sent_ = process.server().castAhead(to_, message_, turn_);
    } catch (const Error&) {
      // place() will say so.
    }
    if (sent_) process.outbox().letGoOf(message_);
    wait();
  }
  void wait() {
    room_ = actor::ActorProcess::current().outbox().whenRoom(to_, [this] { place(); });
    room_->committed = sent_;
  }
  const std::string& method() const { return method_; }

  bool placed = false;
  std::optional<Error> error;  // there was room, and its turn holds back too much already
  std::coroutine_handle<> waiting;

 private:
  mailbox::Destination to_;
  std::string method_;
  std::vector<std::byte> message_;
  std::weak_ptr<Turn::State> turn_;  // that it is part of
  bool sent_ = false;                // it is in the outbox, for which there was no room
  std::shared_ptr<mailbox::Outbox::Waiter> room_;
};

bool CastHandle::placed() const { return !cast_ || cast_->placed; }

bool CastHandle::ready() const { return placed() && !actor::ActorProcess::current().yieldNow(); }

void CastHandle::whenPlaced(std::coroutine_handle<> waiting) {
  if (cast_ && !cast_->placed) {
    return cast_->await(waiting);
  }
  yield_ = std::make_shared<std::coroutine_handle<>>(waiting);
  actor::ActorProcess::current().loop().post([weak = std::weak_ptr(yield_)] {
    if (const auto still = weak.lock()) still->resume();
  });
}

void CastHandle::check() const {
  if (cast_ && cast_->error) throw Error(*cast_->error);
  if (placed()) return;
  throw Error(ErrorKind::overloaded,
              "casting " + cast_->method() +
                  ": no room in its mailbox and this actor's outbox; co_await the cast to wait for room");
}

struct Draft::State {
  RefBase to;
  std::uint64_t interfaceId;
  std::uint16_t method;
  const char* name;
  wire::OutgoingMessage message{&actor::ActorProcess::current().arena()};

  std::string described() const { return std::string(name) + " of " + to.path(); }
};

Draft::Draft(const RefBase& to, std::uint64_t interfaceId, std::uint16_t method, const char* name)
    : state_(new State{to, interfaceId, method, name}) {
  if (!to)
    throw Error(ErrorKind::invalid, std::string("sending ") + name + ": the reference refers to nobody");
}

Draft::~Draft() = default;

capnp::AnyPointer::Builder Draft::body() { return state_->message.body(); }

CallHandle Draft::call() {
  auto& process = actor::ActorProcess::current();
  auto call = std::make_shared<PendingCall>();
  call->method = state_->described();
  const auto purpose = [&] { return "calling " + call->method; };
  process.checkMaySend(purpose);
  call->calls = &process.calls();
  call->id = process.calls().nextId();
  call->callee = state_->to.id();
  call->within = state_->to.deadline();
  if (call->callee == process.id()) {
    throw Error(ErrorKind::invalid,
                "calling " + call->method + ": an actor that calls itself would wait for itself");
  }
  auto envelope = state_->message.envelope().initCall();
  envelope.setInterface(state_->interfaceId);
  envelope.setMethod(state_->method);
  envelope.setCall(call->id);
  // What lies beyond the end of the clock is for ever too.
  const auto now = loop::Clock::now();
  if (call->within < loop::Clock::time_point::max() - now) {
    call->deadline = now + call->within;
    envelope.setDeadline(std::chrono::nanoseconds(call->deadline.time_since_epoch()).count());
  }
  process.calls().start(call, state_->message.finish(purpose));
  return CallHandle(std::move(call));
}

CastHandle Draft::cast() {
  auto& process = actor::ActorProcess::current();
  const auto purpose = [&] { return "casting " + state_->described(); };
  process.checkMaySend(purpose);
  auto envelope = state_->message.envelope().initCast();
  envelope.setInterface(state_->interfaceId);
  envelope.setMethod(state_->method);
  const auto message = state_->message.finish(purpose);
  const mailbox::Destination to{.actor = state_->to.id(), .lane = wire::Lane::mailbox};
  auto turn = actor::Server::currentTurn();
  if (process.server().cast(to, message, turn) != mailbox::Outbox::Put::noRoom) return CastHandle(nullptr);
  return CastHandle(std::make_shared<PendingCast>(to, state_->described(), message, std::move(turn)));
}

}  // namespace detail
}  // namespace troupe
