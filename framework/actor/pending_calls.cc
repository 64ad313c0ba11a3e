#include "actor/pending_calls.h"

#include <algorithm>
#include <cstring>

#include "wire/reason_codec.h"

namespace troupe::actor {

namespace {

constexpr unsigned kRepliesAtOnce = 64;

PendingCalls::Words copyOf(std::span<const capnp::word> from) {
  const auto* const first = reinterpret_cast<const std::uint64_t*>(from.data());
  return {first, first + from.size()};
}

std::span<const capnp::word> wordsIn(const PendingCalls::Words& words) {
  return {reinterpret_cast<const capnp::word*>(words.data()), words.size()};
}

// A reply with the memory that its readers look at.
struct OwnedReply {
  OwnedReply(std::span<const capnp::word> from, std::shared_ptr<Bodies::Body> large)
      : words(copyOf(from)), body(std::move(large)), message(wordsIn(words)) {
    if (body) message.attach(body->segments);
  }
  PendingCalls::Words words;
  std::shared_ptr<Bodies::Body> body;
  wire::IncomingMessage message;
};

mailbox::Destination mailboxOf(const detail::PendingCall& call) {
  return {.actor = call.callee.id(), .lane = wire::Lane::mailbox};
}

// The call that a large reply is for; 0, where it is none.
std::uint64_t callOf(std::span<const capnp::word> words) {
  const wire::IncomingMessage message(words);
  return message.head().kind == wire::EnvelopeHead::result ? message.head().number : 0;
}

}  // namespace

std::string readable(Duration duration) {
  if (duration == kForever) return "for ever";
  const auto ns = std::chrono::nanoseconds(duration).count();
  if (ns > 0 && ns < 1'000) return std::to_string(ns) + " ns";
  if (ns > 0 && ns < 1'000'000) return std::to_string(ns / 1'000) + " us";
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

PendingCalls::PendingCalls(loop::Loop& loop, mailbox::Outbox& outbox, Bodies& bodies,
                           std::uint32_t generation, os::Fd replyLane, Fault fault)
    : outbox_(outbox),
      bodies_(bodies),
      lane_(std::move(replyLane)),
      fault_(std::move(fault)),
      // The generation keeps the calls of this process apart from those of its predecessors.
      lastId_(std::uint64_t{generation} << 32),
      timer_(loop, [this] { expire(); }),
      poll_(loop, lane_.get(), loop::Interest::readable, [this](bool, bool) { readSome(kRepliesAtOnce); }) {}

PendingCalls::~PendingCalls() { *alive_ = false; }

void PendingCalls::start(std::shared_ptr<detail::PendingCall> call, std::span<const std::byte> message) {
  calls_.emplace(call->id, call);
  if (call->deadline != loop::Clock::time_point::max()) {
    deadlines_.emplace(call->deadline, call->id);
    armTimer();
  }
  try {
    if (place(*call, message)) return;
    call->unsent.assign(message.begin(), message.end());
    waitForRoom(call);
  } catch (...) {
    abandon(*call);
    throw;
  }
}

bool PendingCalls::place(const detail::PendingCall& call, std::span<const std::byte> message) {
  // Where the callee has gone, failCallee() follows.
  return outbox_.put(mailboxOf(call), message) != mailbox::Outbox::Put::noRoom;
}

void PendingCalls::waitForRoom(const std::shared_ptr<detail::PendingCall>& call) {
  outbox_.hold(call->unsent);
  call->room = outbox_.whenRoom(mailboxOf(*call), [this, weak = std::weak_ptr(call)] {
    if (const auto waiting = weak.lock(); waiting && !waiting->done) placeAgain(waiting);
  });
}

void PendingCalls::placeAgain(const std::shared_ptr<detail::PendingCall>& call) {
  try {
    outbox_.prepare(call->unsent, "calling " + call->method());
  } catch (const Error& error) {
    return finish(call->id, std::nullopt, error);
  }
  if (!place(*call, call->unsent)) return waitForRoom(call);
  outbox_.letGoOf(call->unsent);
  call->unsent = {};
}

void PendingCalls::abandon(detail::PendingCall& call) {
  call.waiting = {};
  call.room.reset();
  if (call.done) return;
  call.done = true;
  const auto [first, last] = deadlines_.equal_range(call.deadline);
  for (auto it = first; it != last; ++it) {
    if (it->second == call.id) {
      deadlines_.erase(it);
      break;
    }
  }
  calls_.erase(call.id);
  if (call.unsent.empty()) return;
  outbox_.letGoOf(call.unsent);
  outbox_.discard(std::exchange(call.unsent, {}));
}

void PendingCalls::readReplies() { readSome(~0U); }

void PendingCalls::readSome(unsigned most) {
  const auto alive = alive_;
  for (unsigned i = 0; i < most && *alive && !paused_; ++i) {
    if (!packet_) packet_ = std::make_unique<PacketMemory>();
    const os::PacketRead read = os::readPacket(lane_.get(), packet_->bytes);
    if (read.state != os::PipeState::done) return crowd_.over();
    ++arrivals_;
    // A coroutine that goes on here may end up reading the lane again: then into other memory.
    auto packet = std::move(packet_);
    handle({packet->bytes, read.bytes}, *alive);
    if (*alive) packet_ = std::move(packet);
  }
}

// False in `alive` from when on this has gone.
void PendingCalls::handle(std::span<const std::byte> packet, const bool& alive) {
  wire::PacketView view;
  const auto fault = wire::PacketView::parse(packet.data(), packet.size(), view);
  if (fault != wire::PacketFault::none) {
    return fault_("a packet of " + std::to_string(packet.size()) +
                  " bytes on the reply lane was dropped: " + toString(fault));
  }
  if (const auto packets = crowd_.came(view.header().sender); packets != 0)
    os::makeRoom(lane_.get(), packets);
  for (unsigned message = 0; message < view.messages() && alive; ++message)
    onMessage(view.header().sender, view.message(message));
}

void PendingCalls::pause() {
  paused_ = true;
  poll_.want(loop::Interest::none);
}

void PendingCalls::goOn() {
  paused_ = false;
  poll_.want(loop::Interest::readable);
}

void PendingCalls::bodiesArrived() {
  for (const Parked& parked : std::exchange(parked_, {})) onMessage(parked.sender, wordsIn(parked.words));
}

bool PendingCalls::isParked(std::uint64_t call) const {
  return std::ranges::any_of(parked_, [call](const Parked& parked) { return parked.call == call; });
}

void PendingCalls::onMessage(ActorId sender, std::span<const capnp::word> words) {
  std::uint64_t id = 0;
  std::optional<detail::ReplyMessage> reply;
  std::optional<Error> error;
  try {
    if (!bodies_.canOpen(sender, words)) {
      parked_.push_back({sender, callOf(words), copyOf(words)});
      return;
    }
    const auto owned = std::allocate_shared<OwnedReply>(detail::FrameAllocator<OwnedReply>(), words,
                                                        bodies_.open(sender, words));
    const wire::EnvelopeHead& head = owned->message.head();
    id = head.number;
    if (head.kind == wire::EnvelopeHead::result) {
      reply.emplace(owned, owned->message.checkedBody(), owned->message.body());
    } else if (head.kind == wire::EnvelopeHead::error) {
      const auto told = owned->message.envelope().getError();
      const auto text = told.getMessage();
      error.emplace(wire::errorKind(told.getKind()), std::string(text.cStr(), text.size()));
    } else {
      fault_("a message on the reply lane is no reply");
      return;
    }
  } catch (const kj::Exception& exception) {
    fault_(std::string("a message on the reply lane is malformed: ") + exception.getDescription().cStr());
    return;
  } catch (const Error& lie) {
    // Its short form was read before.
    id = callOf(words);
    error.emplace(ErrorKind::invalid, "its reply cannot be read: " + lie.message());
  }
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  if (error && error->kind() == ErrorKind::refused) {
    error = Error(ErrorKind::refused, found->second->method() + " refused: " + error->message());
  }
  finish(found->second, std::move(reply), std::move(error));
}

void PendingCalls::finish(std::uint64_t id, std::optional<detail::ReplyMessage> reply,
                          std::optional<Error> error) {
  const auto found = calls_.find(id);
  if (found != calls_.end()) finish(found->second, std::move(reply), std::move(error));
}

// A copy of the pointer: the one in the list goes.
void PendingCalls::finish(Call call, std::optional<detail::ReplyMessage> reply, std::optional<Error> error) {
  const auto waiting = call->waiting;
  call->reply = std::move(reply);
  call->error = std::move(error);
  abandon(*call);
  if (waiting) waiting.resume();
}

void PendingCalls::failCall(std::uint64_t id, const ExitReason& reason, const std::string& callee) {
  readReplies();
  const auto found = calls_.find(id);
  if (found == calls_.end() || isParked(id)) return;
  finish(id, std::nullopt,
         Error::crashed(
             callee + " died with the call " + found->second->method() + " in hand: " + reason.toString(),
             reason));
}

void PendingCalls::failCallee(ActorId callee, const Error& why) {
  readReplies();
  fail([&](const detail::PendingCall& call) { return call.callee.id() == callee && !isParked(call.id); },
       why);
}

void PendingCalls::failAll(const Error& why) {
  fail([](const detail::PendingCall&) { return true; }, why);
}

void PendingCalls::fail(const std::function<bool(const detail::PendingCall&)>& which, const Error& why) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, call] : calls_) {
    if (which(*call)) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) continue;
    finish(id, std::nullopt,
           Error::restored(why.kind(), "calling " + found->second->method() + ": " + why.message(),
                           why.exitReason(), why.systemError()));
  }
}

void PendingCalls::armTimer() {
  if (deadlines_.empty() || deadlines_.begin()->first >= armed_) return;
  armed_ = deadlines_.begin()->first;
  timer_.startAt(armed_);
}

void PendingCalls::expire() {
  armed_ = loop::Clock::time_point::max();
  const auto alive = alive_;
  readReplies();
  const auto now = loop::Clock::now();
  while (*alive && !deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::uint64_t id = deadlines_.begin()->second;
    const auto found = calls_.find(id);
    if (found == calls_.end()) {
      deadlines_.erase(deadlines_.begin());
      continue;
    }
    finish(id, std::nullopt,
           Error(ErrorKind::timedOut, "calling " + found->second->method() + ": no reply within " +
                                          readable(found->second->within)));
  }
  if (*alive) armTimer();
}

}  // namespace troupe::actor
