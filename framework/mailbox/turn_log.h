// The log of an actor's turns, in memory that outlives its process: it makes all that a turn changes happen
// at once.
//
// A turn adds what it has done (its message is done, values that are kept, casts and the answer) behind the
// end of what counts; commit() is one store, which moves the end. Only then is any of it carried out: the
// message marked as done, the values copied to where they are kept, the messages written to their pipes. A
// successor (or the root) carries out again what counts (mailbox/recovery.h); doing it twice changes nothing:
//   done      names the packet by its arrival, which is never used again
//   kept      comes in the order of the turns, so the last one wins; where its place was given to another value,
//             that is seen
//   message   carries the number that it was first written with, by which its receiver knows it
// What has been carried out is released, and its room is used again. A message whose receiver does not read
// is moved out of the way, before a later turn, so that it never keeps the room of those after it.
//
// The terms are those of write-ahead logs in databases (ARIES); nothing is forced to a disk: what is survived
// is the death of a process, not of the machine.
//
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mailbox/desk_layout.h"
#include "mailbox/destination.h"
#include "mailbox/log_walk.h"

namespace troupe::mailbox {

class TurnLog {
 public:
  // All messages that have not left. More is refused: see fits().
  static constexpr std::size_t kMostLive = kLogBytes / 4;

  // Names a message until it is released.
  using Handle = std::uint32_t;
  static constexpr Handle kNoRecord = ~0U;

  struct Unsent {
    Handle handle = kNoRecord;  // the same for all messages of a packet: released when each of them is
    Destination to;
    std::uint64_t sequence = 0;
    std::uint64_t ordinal = 0;
    unsigned place = 0;  // among those of its packet
    std::int64_t deadline = 0;
    std::vector<std::byte> bytes;
  };

  // The memory must have been recovered.
  explicit TurnLog(DeskMemory& memory, std::uint32_t generation);

  // Another process has had the memory meanwhile: nothing that was known of it holds, and takeUnsent() is due.
  void reload();
  // What a predecessor has committed and not sent, in the order in which it was said.
  std::vector<Unsent> takeUnsent();

  // Messages of so many bytes in all still have room.
  bool fits(std::size_t bytes, std::size_t messages) const;
  std::size_t liveBytes() const { return live_; }

  // To be called before anything of a turn is added: so many bytes of records have room. They are enough for
  // the largest turn beside kMostLive; what is added without this may find less. Errors: overloaded.
  void makeRoom(std::size_t bytes);
  static constexpr std::size_t bytesOf(std::size_t content) {
    return sizeof(LogRecord) + (content + 7) / 8 * 8;
  }
  void addDone(std::size_t slot, unsigned index, std::uint64_t arrival);
  void addKept(KeptId entry, std::span<const std::byte> value);
  Handle addMessage(Destination to, std::int64_t deadline, std::span<const std::byte> bytes);
  // What was added counts from here on. The caller carries it out, and calls carriedOut().
  void commit();
  void carriedOut() {
    if (!blocked_) trim();
  }

  // A packet for casts outside of any turn, which are made in their place in it, one after the other: each counts from its grow() on.
  // It grows until anything else is added, or it is released. Errors: overloaded, where there is no room for a whole packet.
  static constexpr std::size_t kPacketSpace = sizeof(LogRecord) + wire::kMaxPacketBytes;
  Handle beginPacket(Destination to);
  // Where the next message goes, of so many bytes. Null where no packet grows, or it has no room for it.
  std::byte* roomInPacket(std::size_t bytes) {
    return head_ + bytes <= growsTo_ ? log_.bytes + head_ : nullptr;
  }
  void grow(std::size_t bytes);
  void endPacket();
  // All of it, with room for its header in front. Valid until anything is added.
  std::span<std::byte> packet(Handle packet) {
    const LogRecord& record = at(offsets_[packet]);
    const std::size_t bytes = packet == growing_ ? contentOf(growing_) : record.realBytes;
    return {log_.bytes + offsets_[packet] + sizeof record, bytes};
  }
  // It is released when it was released so many times.
  void share(Handle packet, unsigned times) { shares_[packet] = times; }

  // Numbers for `count` messages that are about to be written: the first of them.
  std::uint64_t number(std::size_t count);
  // Those of a packet follow its first one's.
  void setNumber(Handle message, std::uint64_t number);
  // Those that are kNoRecord are passed over.
  void release(std::span<const Handle> messages);
  void release(Handle message) { release({&message, 1}); }

 private:
  LogRecord& at(std::uint32_t offset) { return *reinterpret_cast<LogRecord*>(log_.bytes + offset); }
  LogRecord& add(LogRecord::Kind kind, std::span<const std::byte> bytes);
  LogRecord& add(LogRecord::Kind kind, std::size_t bytes);
  enum class Room { here, atStart, none };
  Room roomFor(std::size_t bytes) const;
  std::uint32_t place(std::size_t bytes, Room room);
  std::size_t used() const;
  Handle newHandle(std::uint32_t offset);
  std::size_t contentOf(Handle growing) const { return head_ - offsets_[growing] - sizeof(LogRecord); }
  void takePacket(const LogWalk& walk, std::vector<Unsent>& unsent);
  bool moveSome(std::size_t bytes);
  void trim();
  void publish();

  DeskMemory& memory_;
  LogMemory& log_;
  std::uint32_t first_;
  std::uint32_t end_;   // of what counts
  std::uint32_t head_;  // of what was added
  std::uint64_t ordinal_ = 0;
  std::size_t reserved_ = 0;  // bytes that still have room in one piece
  std::size_t live_ = 0;
  bool counted_ = true;                 // live_ is known: not between reload() and takeUnsent()
  bool blocked_ = false;                // the first record is a message that has not been released
  Handle growing_ = kNoRecord;          // the last record is a packet to which more may be added
  std::uint32_t growsTo_ = 0;           // as far as this; 0 where there is none
  std::vector<std::uint32_t> offsets_;  // by handle
  std::vector<unsigned> shares_;        // by handle
  std::vector<Handle> freeHandles_;
};

}  // namespace troupe::mailbox
