// The sending side of an actor: collects messages into packets, a queue for each destination, and writes them
// without ever blocking. Casts and answers lie in the log of the actor (mailbox/turn_log.h) until they have
// left; calls only here, since nobody waits for their answers once this process is gone.
//
// Order:     first in, first out for each destination.
// Loss:      none of what is in the log, except what is put for a destination that has gone for good.
// Memory:    bounded for each destination and in all. Past kMaxWaitingPackets for one, or TurnLog::kMostLive in
//            all, hasRoom() says no; past kMaxWaitingAnswers in all the oldest answers to the caller with the most
//            are dropped: it does not read, and learns by its deadline.
// Ownership: keeps the write ends that it is given, one for each destination, until that has gone.
// Threads:   the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loop/loop.h"
#include "mailbox/destination.h"
#include "mailbox/turn_log.h"
#include "os/fd.h"
#include "os/packet_pipe.h"
#include "wire/arena_memory.h"
#include "wire/control_message.h"
#include "wire/packet.h"

namespace troupe::mailbox {

class Outbox {
 public:
  static constexpr std::size_t kMaxWaitingPackets = 16;
  static constexpr std::size_t kMaxWaitingAnswers = 256;  // packets, of all callers

  struct Owner {
    wire::ActorId actor = 0;
    std::uint32_t generation = 0;
    wire::ArenaMemory* arena = nullptr;  // in which its large messages lie; null: it has none
  };
  // Asks for a write end; the answer is introduced() or close(), later: not from within this.
  using Introduce = std::function<void(Destination)>;
  // Is told of each packet that is dropped since its destination has gone for good. The blocks of its large messages are freed by
  // whoever that is.
  using Undeliverable = std::function<void(wire::ActorId, std::span<const std::byte> packet)>;
  Outbox(loop::Loop& loop, Owner owner, TurnLog& log, Introduce introduce, Undeliverable undeliverable = {});
  ~Outbox();
  // Sends what a predecessor has committed and not written, and takes over its arena: to be called before anything else
  // is sent.
  void resend();
  // Another process has the log and the arena: nothing is written, and there is no room for anything, until goOn(). What is in the
  // log, that process sends.
  void pause();
  bool paused() const { return paused_; }
  void goOn(std::uint32_t generation);
  // For good: whatever is sent finds its destination gone.
  void retire();

  // noRoom also where others wait for room: nobody overtakes them.
  enum class Put { placed, noRoom, gone };
  // A message that is of no use without this process: a call.
  Put put(Destination to, std::span<const std::byte> message);
  // Whether a cast that is committed now, or soon, has room; `placed` says yes.
  Put hasRoom(Destination to, std::size_t bytes);
  // Whether one that has no room may be committed all the same, if its sender then waits: where there is space in the log, and
  // nobody is overtaken.
  bool mayCommit(Destination to, std::size_t bytes);
  // A message that has been committed to the log: always placed. After `deadline` an answer may be dropped,
  // where it could not be written before.
  void send(Destination to, std::span<const std::byte> message, TurnLog::Handle record,
            loop::Clock::time_point deadline = loop::Clock::time_point::max());

  // Where a cast of so many bytes, framed, outside of any turn is to be made: in its place in the log, where it is sent from. It counts
  // once placed() is called, before anything else here is. Null where it must be made elsewhere, and sent.
  std::byte* place(Destination to, std::size_t bytes) {
    std::byte* const at = growingTo_ == to ? log_.roomInPacket(bytes) : nullptr;
    return at != nullptr ? at : placeInNew(to, bytes);
  }
  void placed(std::size_t bytes);

  // Calls `resume` once, from the loop, when `to` may have room again or has gone; in the order of asking.
  // Withdrawn by destroying what it returns.
  struct Waiter {
    std::function<void()> resume;
    bool committed = false;  // what it is about is in the log already, and only its sender waits
  };
  std::shared_ptr<Waiter> whenRoom(Destination to, std::function<void()> resume);

  // A message that has found no room, and stays where it is: until letGoOf() it changes its form by itself when another process
  // gets the arena, or loses it.
  void hold(std::vector<std::byte>& message);
  void letGoOf(std::vector<std::byte>& message);
  // Whatever form it has: put() and send() may have it from here on, if they have room. `what` names it in errors.
  // Errors: overloaded, where there is no room in the arena.
  void prepare(std::vector<std::byte>& message, const std::string& what) const;

  // A message that is not going to be sent after all: its blocks in the arena are freed, as are those of messages that
  // are dropped here.
  void discard(std::span<const std::byte> message);

  // Writes what has been collected and not been written yet.
  void flush() {
    if (!unwritten_.empty()) writeAll();
  }

  // `shared`: several processes read it, so each message gets a packet of its own.
  void introduced(Destination to, os::Fd writeEnd, bool shared = false);
  // The destination has gone for good: what waits for it is dropped, and those who wait for room find it
  // gone. Nothing of it is kept: where it is used again, it is asked for again.
  void close(Destination to);

  std::size_t waitingPackets() const;
  // Those among them that count though this process ends: a call is of no use once its caller has gone.
  std::size_t owedPackets() const;
  // Messages that were waiting for an actor when it went, or were put for it then, and answers that nobody
  // has read.
  std::uint64_t droppedMessages() const { return dropped_; }
  // It was introduced to some actor, or has asked for that.
  bool hasMet() const { return hasMet_; }

 private:
  struct Packet;
  struct Line;
  struct Hash {
    std::size_t operator()(const Destination& to) const {
      return std::hash<std::uint64_t>()(to.actor * 2 + static_cast<unsigned>(to.lane));
    }
  };
  Line& knownLine(Destination to);
  Line& lineTo(Destination to);
  Line* existingLine(Destination to) const;
  static bool hasWaiters(Line& line);
  std::vector<Destination> destinations() const;
  struct Item {
    std::span<const std::byte> message;
    TurnLog::Handle record = TurnLog::kNoRecord;
    std::uint64_t number = 0;  // that a predecessor gave it
    loop::Clock::time_point deadline = loop::Clock::time_point::max();
  };
  std::byte* placeInNew(Destination to, std::size_t bytes);
  std::unique_ptr<Packet> newPacket();
  std::span<const std::byte> finish(Packet& packet, std::uint32_t flags = 0);
  void append(Line& line, const Item& item);
  void add(Line& line, std::unique_ptr<Packet> packet);
  void leftToWrite(Line& line);
  void setAside(Line& line);
  std::vector<std::byte> outOfArena(std::span<const std::byte> message) const;
  static bool joins(const Line& line, const Item& item);
  void number(Packet& packet);
  void takeNumberBack(Packet& packet);
  void writeAll();
  void write(Line& line);
  bool writeFirst(Line& line);
  void spread(Line& line);
  void waitForRoom(Line& line);
  void setFull(Line& line, bool full);
  void setPatient(bool patient);
  void losePatience();
  void written(Line& line);
  void markGivenUp(const Line& line, const Packet& packet);
  void giveUp(const Line& line, Packet& packet);
  void drop(Packet& packet);
  void release(Packet& packet);
  void free(std::span<const wire::BlockRef> blocks);
  os::PipeState writeWithBlocks(Line& line, const Packet& packet, std::span<const std::byte> bytes);
  void wakeWaiters(Line& line);
  void dropOldestAnswer();
  void wakeCrowded();
  bool hasSpace() const;
  void lookForOverdue();
  void dropOverdue();

  loop::Loop& loop_;
  Owner owner_;
  TurnLog& log_;
  Introduce introduce_;
  Undeliverable undeliverable_;
  std::unordered_map<Destination, std::unique_ptr<Line>, Hash> lines_;
  bool hasMet_ = false;
  Line* recent_ = nullptr;
  // The one packet that grows in the log, where log_ says that there is one; and who has it as long as there is nothing in it.
  Packet* growing_ = nullptr;
  Destination growingTo_;
  std::unique_ptr<Packet> begun_;
  std::vector<std::unique_ptr<Packet>> spares_;
  unsigned run_ = 0;  // so many casts outside of turns went to one destination, without another between
  std::set<std::vector<std::byte>*> held_;
  std::vector<std::pair<Destination, std::vector<std::byte>>> aside_;  // calls, while paused
  std::vector<Destination> unwritten_;  // lines that were put to since the last flush
  std::vector<Destination> written_;    // those of the last flush: memory for the next
  bool crowded_ = false;                // somebody waits for space in the log
  std::size_t waitingAnswers_ = 0;
  std::uint64_t dropped_ = 0;
  loop::Timer overdue_;
  loop::Timer space_;
  unsigned fullMailboxes_ = 0;
  // While mailboxes are full, whose receivers read: to be woken is not urgent.
  bool patient_ = false;
  std::uint64_t rooms_ = 0;  // so often one of them had room again
  std::uint64_t roomsBefore_ = 0;
  loop::Timer patience_;
  bool looking_ = false;
  bool paused_ = false;
  bool retired_ = false;
};

}  // namespace troupe::mailbox
