// The sending side of an actor: collects messages into packets, a queue for each destination, and writes them
// without ever blocking.
//
// Order:     first in, first out for each destination.
// Loss:      none while this process lives, except what is put for a destination that has gone for good.
// Memory:    bounded for each destination. Past kMaxWaitingPackets put() says noRoom; past kMaxWaitingAnswers
//            the oldest answers are dropped, whose caller does not read, and learns by its deadline.
// Ownership: keeps the write ends that it is given, one for each destination, until that has gone.
// Threads:   the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "loop/loop.h"
#include "mailbox/desk.h"
#include "os/fd.h"
#include "wire/arena_memory.h"
#include "wire/control_message.h"
#include "wire/packet.h"

namespace troupe::mailbox {

struct Destination {
  wire::ActorId actor = 0;
  wire::Lane lane = wire::Lane::mailbox;
  friend bool operator==(const Destination&, const Destination&) = default;
};

class Outbox {
 public:
  static constexpr std::size_t kMaxWaitingPackets = 16;
  static constexpr std::size_t kMaxWaitingAnswers = 256;  // packets

  struct Owner {
    wire::ActorId actor = 0;
    std::uint32_t generation = 0;
    wire::ArenaMemory* arena = nullptr;  // in which its large messages lie; null: it has none
  };
  struct Hooks {
    // Asks for a write end; the answer is introduced() or close(), later: not from within this.
    std::function<void(Destination)> introduce;
    // An answer has left this process, or nobody waits for it any more: the message on the desk is over.
    std::function<void(MessageToken)> answered;
  };
  Outbox(loop::Loop& loop, Owner owner, Hooks hooks);
  ~Outbox();

  // noRoom also where others wait for room: nobody overtakes them.
  enum class Put { placed, noRoom, gone };
  Put put(Destination to, std::span<const std::byte> message);
  // An answer to a message on this actor's desk: always placed. After `deadline` it may be dropped, where it
  // could not be written before.
  void putAnswer(Destination to, std::span<const std::byte> message, MessageToken token,
                 loop::Clock::time_point deadline);

  // Calls `resume` once, from the loop, when `to` may have room again or has gone; in the order of asking.
  // Withdrawn by destroying what it returns.
  struct Waiter {
    std::function<void()> resume;
  };
  std::shared_ptr<Waiter> whenRoom(Destination to, std::function<void()> resume);

  // A message that is not going to be put after all: its blocks in the arena are freed. Also those of messages that are
  // put and then dropped.
  void discard(std::span<const std::byte> message);

  // Writes what has been collected and not been written yet.
  void flush();
  // Answers that wait for a destination that does not read no longer keep their messages on the desk: to be
  // called when the desk is full. Where this process dies then, their callers wait until their deadlines.
  // Others leave in a moment, and stay.
  void letGoOfAnswers();

  // `shared`: several processes read it, so each message gets a packet of its own.
  void introduced(Destination to, os::Fd writeEnd, bool shared = false);
  // The destination has gone for good: what waits for it is dropped, and those who wait for room find it
  // gone. Nothing of it is kept: where it is used again, it is asked for again.
  void close(Destination to);

  std::size_t waitingPackets() const;
  // Messages that were waiting for an actor when it went, or were put for it then, and answers that nobody
  // has read.
  std::uint64_t droppedMessages() const { return dropped_; }

 private:
  struct Packet;
  struct Line;
  struct Hash {
    std::size_t operator()(const Destination& to) const {
      return std::hash<std::uint64_t>()(to.actor * 2 + static_cast<unsigned>(to.lane));
    }
  };
  Line& lineTo(Destination to);
  static bool hasWaiters(Line& line);
  void append(Line& line, std::span<const std::byte> message, std::optional<MessageToken> token,
              loop::Clock::time_point deadline);
  void write(Line& line);
  bool writeFirst(Line& line);
  void spread(Line& line);
  void waitForRoom(Line& line);
  void written(Line& line);
  void drop(Packet& packet);
  void free(std::span<const wire::BlockRef> blocks);
  void wakeWaiters(Line& line);
  void lookForOverdue();
  void dropOverdue();

  loop::Loop& loop_;
  Owner owner_;
  Hooks hooks_;
  std::unordered_map<Destination, std::unique_ptr<Line>, Hash> lines_;
  std::vector<Destination> unwritten_;  // lines that were put to since the last flush
  std::uint64_t dropped_ = 0;
  loop::Timer overdue_;
  bool looking_ = false;
};

}  // namespace troupe::mailbox
