#include "actor/pending_calls.h"

#include <algorithm>
#include <cstring>

#include "wire/reason_codec.h"

namespace troupe::actor {

namespace {

constexpr unsigned kRepliesAtOnce = 64;

// A reply with the memory that its readers look at.
struct OwnedReply {
  OwnedReply(std::span<const capnp::word> from, std::shared_ptr<Bodies::Body> large)
      : words(copyOf(from)), body(std::move(large)), message({words.begin(), words.size()}) {
    if (body) message.attach(body->segments);
  }
  static kj::Array<capnp::word> copyOf(std::span<const capnp::word> from) {
    auto copy = kj::heapArray<capnp::word>(from.size());
    std::memcpy(copy.begin(), from.data(), from.size_bytes());
    return copy;
  }
  kj::Array<capnp::word> words;
  std::shared_ptr<Bodies::Body> body;
  wire::IncomingMessage message;
};

mailbox::Destination mailboxOf(const detail::PendingCall& call) {
  return {.actor = call.callee, .lane = wire::Lane::mailbox};
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
  if (!place(*call, message)) {
    call->unsent.assign(message.begin(), message.end());
    waitForRoom(call);
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
    outbox_.prepare(call->unsent, "calling " + call->method);
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
  outbox_.letGoOf(call.unsent);
  outbox_.discard(std::exchange(call.unsent, {}));
}

void PendingCalls::readReplies() { readSome(~0U); }

void PendingCalls::readSome(unsigned most) {
  const auto alive = alive_;
  for (unsigned i = 0; i < most && *alive && !paused_; ++i) {
    const os::PacketRead read = os::readPacket(lane_.get(), packet_.data());
    if (read.state != os::PipeState::done) return crowd_.over();
    ++arrivals_;
    wire::PacketView view;
    const auto fault = wire::PacketView::parse(packet_.data(), read.bytes, view);
    if (fault != wire::PacketFault::none) {
      fault_("a packet of " + std::to_string(read.bytes) +
             " bytes on the reply lane was dropped: " + toString(fault));
      continue;
    }
    if (const auto packets = crowd_.came(view.header().sender); packets != 0)
      os::makeRoom(lane_.get(), packets);
    // A coroutine that goes on here may end up reading the lane again: the packet's words are copied first.
    const auto words =
        std::vector<std::byte>(packet_.begin(), packet_.begin() + static_cast<std::ptrdiff_t>(read.bytes));
    wire::PacketView copy;
    wire::PacketView::parse(words.data(), words.size(), copy);
    for (unsigned message = 0; message < copy.messages() && *alive; ++message)
      onMessage(copy.header().sender, copy.message(message));
  }
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
  for (const Parked& parked : std::exchange(parked_, {}))
    onMessage(parked.sender, {parked.words.begin(), parked.words.size()});
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
      parked_.push_back({sender, callOf(words), OwnedReply::copyOf(words)});
      return;
    }
    const auto owned = std::make_shared<OwnedReply>(words, bodies_.open(sender, words));
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
    error = Error(ErrorKind::refused, found->second->method + " refused: " + error->message());
  }
  finish(id, std::move(reply), std::move(error));
}

void PendingCalls::finish(std::uint64_t id, std::optional<detail::ReplyMessage> reply,
                          std::optional<Error> error) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  const auto call = found->second;
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
             callee + " died with the call " + found->second->method + " in hand: " + reason.toString(),
             reason));
}

void PendingCalls::failCallee(ActorId callee, const Error& why) {
  readReplies();
  fail([&](const detail::PendingCall& call) { return call.callee == callee && !isParked(call.id); }, why);
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
           Error::restored(why.kind(), "calling " + found->second->method + ": " + why.message(),
                           why.exitReason(), why.systemError()));
  }
}

void PendingCalls::armTimer() {
  if (deadlines_.empty()) {
    timer_.cancel();
    armed_ = loop::Clock::time_point::max();
  } else if (deadlines_.begin()->first != armed_) {
    armed_ = deadlines_.begin()->first;
    timer_.startAt(armed_);
  }
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
           Error(ErrorKind::timedOut, "calling " + found->second->method + ": no reply within " +
                                          readable(found->second->within)));
  }
  if (*alive) armTimer();
}

}  // namespace troupe::actor
