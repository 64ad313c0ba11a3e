// The calls that this process has sent and that are not over yet, and the lane on which their replies come.
//
// Each ends once: by a reply, an error reply, the death of the callee with the call in hand, the callee's going for good, or
// its deadline. What comes later, or for a call of an earlier process of this actor, is dropped.
#pragma once

#include <troupe/frames.h>
#include <troupe/ref.h>

#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actor/bodies.h"
#include "loop/loop.h"
#include "mailbox/crowd.h"
#include "mailbox/outbox.h"
#include "os/packet_pipe.h"
#include "wire/message.h"

namespace troupe {

namespace actor {
class PendingCalls;
}

namespace detail {

class PendingCall {
 public:
  actor::PendingCalls* calls = nullptr;
  std::uint64_t id = 0;
  RefBase callee;
  const char* name = "";  // of the method, "Greeter.greet"
  Duration within = kForever;
  loop::Clock::time_point deadline = loop::Clock::time_point::max();
  std::coroutine_handle<> waiting;
  bool done = false;
  std::optional<ReplyMessage> reply;
  std::optional<Error> error;
  // While there is no room in the outbox:
  std::vector<std::byte> unsent;
  std::shared_ptr<mailbox::Outbox::Waiter> room;

  // "Greeter.greet of /greeter": told where something went wrong, and not made for each call.
  std::string method() const { return std::string(name) + " of " + callee.path(); }
};

}  // namespace detail

namespace actor {

class PendingCalls {
 public:
  // Of a reply that is kept.
  using Words = std::vector<std::uint64_t, detail::FrameAllocator<std::uint64_t>>;

  using Fault = std::function<void(const std::string& what)>;
  PendingCalls(loop::Loop& loop, mailbox::Outbox& outbox, Bodies& bodies, std::uint32_t generation,
               os::Fd replyLane, Fault fault);
  ~PendingCalls();

  std::uint64_t nextId() { return ++lastId_; }
  // Sends `message`; its envelope carries call->id. The call is over at once where that fails.
  void start(std::shared_ptr<detail::PendingCall> call, std::span<const std::byte> message);
  void abandon(detail::PendingCall& call);

  // No reply is read from here on.
  os::Fd releaseLane() { return std::move(lane_); }
  // Reads what has come on the reply lane, so that a reply which was there first is not overtaken by bad news.
  void readReplies();
  // The callee died with this call in hand.
  void failCall(std::uint64_t id, const ExitReason& reason, const std::string& callee);
  // The callee has gone for good, is not there, or can't be reached: `why` says which.
  void failCallee(ActorId callee, const Error& why);
  void failAll(const Error& why);

  // A large reply whose sender's arena was not there may be read now.
  void bodiesArrived();
  // Some have been taken from the lane, and wait for that.
  bool awaitsBodies() const { return !parked_.empty(); }

  // Another process reads the lane, or this one again. That one drops what is not its own, and frees it.
  void pause();
  void goOn();

  std::size_t size() const { return calls_.size(); }
  // Takes a packet of replies, if there is one and somebody waits for any, though nobody has said so.
  void look() {
    if (!calls_.empty()) readSome(1);
  }
  // Packets of replies that were read.
  std::uint64_t arrivals() const { return arrivals_; }

 private:
  template <class Key, class Value>
  using InFrames = detail::FrameAllocator<std::pair<const Key, Value>>;
  using Call = std::shared_ptr<detail::PendingCall>;
  using Calls = std::unordered_map<std::uint64_t, Call, std::hash<std::uint64_t>, std::equal_to<>,
                                   InFrames<std::uint64_t, Call>>;
  using Deadlines = std::multimap<loop::Clock::time_point, std::uint64_t, std::less<>,
                                  InFrames<loop::Clock::time_point, std::uint64_t>>;
  struct PacketMemory {
    alignas(8) std::byte bytes[os::kPacketBytes];
  };

  bool place(const detail::PendingCall& call, std::span<const std::byte> message);
  void waitForRoom(const std::shared_ptr<detail::PendingCall>& call);
  void placeAgain(const std::shared_ptr<detail::PendingCall>& call);
  void readSome(unsigned most);
  void handle(std::span<const std::byte> packet, const bool& alive);
  void onMessage(ActorId sender, std::span<const capnp::word> words);
  bool isParked(std::uint64_t call) const;
  void finish(std::uint64_t id, std::optional<detail::ReplyMessage> reply, std::optional<Error> error);
  void finish(Call call, std::optional<detail::ReplyMessage> reply, std::optional<Error> error);
  void fail(const std::function<bool(const detail::PendingCall&)>& which, const Error& why);
  void expire();
  void armTimer();

  // A large reply that waits for its sender's arena.
  struct Parked {
    ActorId sender = 0;
    std::uint64_t call = 0;
    Words words;
  };

  mailbox::Outbox& outbox_;
  Bodies& bodies_;
  std::vector<Parked> parked_;
  bool paused_ = false;
  std::uint64_t arrivals_ = 0;
  os::Fd lane_;
  mailbox::Crowd crowd_;
  Fault fault_;
  std::uint64_t lastId_;
  Calls calls_;
  Deadlines deadlines_;
  // When the timer looks after them: not later than the first. That it may be earlier saves to set it for each call.
  loop::Clock::time_point armed_ = loop::Clock::time_point::max();
  std::unique_ptr<PacketMemory> packet_;  // the next is read there; null while one is being handled
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  loop::Timer timer_;
  loop::Poll poll_;
};

// "5 s", "250 ms": for messages.
std::string readable(Duration duration);

}  // namespace actor
}  // namespace troupe
