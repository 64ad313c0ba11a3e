#include <troupe/ref.h>

#include <array>

#include "actor/actor_process.h"
#include "wire/envelope_head.h"
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
  if (!call_->reply)
    throw Error(ErrorKind::invalid, "the reply to " + call_->method() + " was awaited twice");
  return *std::exchange(call_->reply, std::nullopt);
}

void CallHandle::malformed(const kj::Exception& what) const {
  throw Error(ErrorKind::invalid,
              "the reply to " + call_->method() + " is malformed: " + what.getDescription().cStr());
}

// A cast that found no room, and waits for it if somebody awaits it.
class PendingCast {
 public:
  PendingCast(mailbox::Destination to, std::string method, std::span<const std::byte> message,
              actor::TurnName turn)
      : to_(to), method_(std::move(method)), message_(message.begin(), message.end()), turn_(turn) {
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
  actor::TurnName turn_;  // that it is part of
  bool sent_ = false;     // it is in the outbox, for which there was no room
  std::shared_ptr<mailbox::Outbox::Waiter> room_;
};

bool CastHandle::found() const { return cast_->placed; }

bool CastHandle::yieldNow() { return actor::ActorProcess::current().yieldNow(); }

void CastHandle::whenPlaced(std::coroutine_handle<> waiting) {
  if (cast_ && !cast_->placed) {
    return cast_->await(waiting);
  }
  yield_ = std::make_shared<std::coroutine_handle<>>(waiting);
  actor::ActorProcess::current().loop().post([weak = std::weak_ptr(yield_)] {
    if (const auto still = weak.lock()) still->resume();
  });
}

void CastHandle::checkFound() const {
  if (cast_->error) throw Error(*cast_->error);
  if (placed()) return;
  throw Error(ErrorKind::overloaded,
              "casting " + cast_->method() +
                  ": no room in its mailbox and this actor's outbox; co_await the cast to wait for room");
}

namespace {

void checkSomebody(const RefBase& to, const char* name) {
  if (!to)
    throw Error(ErrorKind::invalid, std::string("sending ") + name + ": the reference refers to nobody");
}

std::string described(const RefBase& to, const char* name) { return std::string(name) + " of " + to.path(); }

// With the number and the deadline that its message is to say.
std::shared_ptr<PendingCall> newCall(const RefBase& to, const char* name) {
  auto& process = actor::ActorProcess::current();
  const auto purpose = [&] { return "calling " + described(to, name); };
  process.checkMaySend(purpose);
  if (to.id() == process.id())
    throw Error(ErrorKind::invalid, purpose() + ": an actor that calls itself would wait for itself");
  auto call = std::allocate_shared<PendingCall>(FrameAllocator<PendingCall>());
  call->calls = &process.calls();
  call->id = process.calls().nextId();
  call->callee = to;
  call->name = name;
  call->within = to.deadline();
  // What lies beyond the end of the clock is for ever too.
  const auto now = loop::Clock::now();
  if (call->within < loop::Clock::time_point::max() - now) call->deadline = now + call->within;
  return call;
}

// As an envelope says it.
std::int64_t deadlineOf(const PendingCall& call) {
  if (call.deadline == loop::Clock::time_point::max()) return 0;
  return std::chrono::nanoseconds(call.deadline.time_since_epoch()).count();
}

CastHandle sendCast(const RefBase& to, const char* name, std::span<const std::byte> message) {
  const mailbox::Destination mailbox{.actor = to.id(), .lane = wire::Lane::mailbox};
  const auto turn = actor::Server::currentTurn();
  auto& server = actor::ActorProcess::current().server();
  if (server.cast(mailbox, message, turn) != mailbox::Outbox::Put::noRoom) return CastHandle(nullptr);
  return CastHandle(std::make_shared<PendingCast>(mailbox, described(to, name), message, turn));
}

// Used by one message at a time: it is sent, or stored, before the next one is begun.
struct PlainMemory {
  std::array<std::uint64_t, wire::kMaxMessageBytes / sizeof(std::uint64_t)> words;
  std::optional<wire::PlainEnvelope> envelope;
};
PlainMemory& plainMemory() {
  static PlainMemory memory;
  return memory;
}

}  // namespace

bool PlainDraft::fits(std::size_t words) {
  return words <= wire::kMaxMessageBytes / sizeof(std::uint64_t) - wire::PlainEnvelope::kHeadWords;
}

std::uint64_t* PlainDraft::begin(std::uint64_t interfaceId, std::uint16_t method, bool isCall,
                                 unsigned dataWords, unsigned pointers, std::size_t more) {
  checkSomebody(to_, name_);
  const auto kind = isCall ? wire::EnvelopeHead::call : wire::EnvelopeHead::cast;
  const std::size_t words = wire::PlainEnvelope::wordsFor(kind, dataWords + pointers + more);
  std::uint64_t* at = isCall ? nullptr : placeFor(words);
  placed_ = at == nullptr ? 0 : words * sizeof *at;
  if (at == nullptr) at = plainMemory().words.data();
  const wire::PlainEnvelope envelope({at, words}, kind, interfaceId, method, dataWords, pointers);
  if (placed_ == 0) plainMemory().envelope.emplace(envelope);
  return envelope.params();
}

std::uint64_t* PlainDraft::placeFor(std::size_t words) const {
  auto& process = actor::ActorProcess::current();
  process.checkMaySend([this] { return "casting " + described(to_, name_); });
  const mailbox::Destination mailbox{.actor = to_.id(), .lane = wire::Lane::mailbox};
  return reinterpret_cast<std::uint64_t*>(process.server().place(mailbox, words * sizeof(std::uint64_t)));
}

CallHandle PlainDraft::call() {
  auto call = newCall(to_, name_);
  auto& envelope = *plainMemory().envelope;
  envelope.setCall(call->id, deadlineOf(*call));
  call->calls->start(call, envelope.framed());
  return CallHandle(std::move(call));
}

CastHandle PlainDraft::cast() {
  if (placed_ == 0) return sendCast(to_, name_, plainMemory().envelope->framed());
  actor::ActorProcess::current().server().placed(placed_);
  return CastHandle(nullptr);
}

struct Draft::State {
  RefBase to;
  std::uint64_t interfaceId;
  std::uint16_t method;
  const char* name;
  wire::OutgoingMessage message{&actor::ActorProcess::current().arena()};
};

Draft::Draft(const RefBase& to, std::uint64_t interfaceId, std::uint16_t method, const char* name)
    : state_(new State{to, interfaceId, method, name}) {
  checkSomebody(to, name);
}

Draft::~Draft() = default;

capnp::AnyPointer::Builder Draft::body() { return state_->message.body(); }

CallHandle Draft::call() {
  auto call = newCall(state_->to, state_->name);
  auto envelope = state_->message.envelope().initCall();
  envelope.setInterface(state_->interfaceId);
  envelope.setMethod(state_->method);
  envelope.setCall(call->id);
  envelope.setDeadline(deadlineOf(*call));
  const auto purpose = [&] { return "calling " + call->method(); };
  call->calls->start(call, state_->message.finish(purpose));
  return CallHandle(std::move(call));
}

CastHandle Draft::cast() {
  const auto purpose = [&] { return "casting " + described(state_->to, state_->name); };
  actor::ActorProcess::current().checkMaySend(purpose);
  auto envelope = state_->message.envelope().initCast();
  envelope.setInterface(state_->interfaceId);
  envelope.setMethod(state_->method);
  return sendCast(state_->to, state_->name, state_->message.finish(purpose));
}

}  // namespace detail
}  // namespace troupe
