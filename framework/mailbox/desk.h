// The receiving end of an actor's mailbox. Reads packets into memory that outlives this process, and hands out
// their messages one by one; remembers there which were begun and which are done.
//
// Order:   first in, first out from each sender; none promised between senders.
// Loss:    none of what was not begun: a packet that was read is found again by the successor. Messages that
//          were begun and not done when the process died were in hand; settle() (mailbox/settle.h) deals with
//          them before a successor may start.
// Doubles: none: what a sender's successor wrote again is passed over (mailbox/last_from.h).
// Errors:  a malformed packet or message costs only itself; it is counted and reported through `fault`.
// Threads: the loop thread of the owning process only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "mailbox/crowd.h"
#include "mailbox/desk_layout.h"
#include "os/fd.h"
#include "wire/packet.h"

namespace troupe::mailbox {

// Says which message on the desk is meant.
struct MessageToken {
  std::uint8_t slot = 0;
  std::uint8_t index = 0;
};

class Desk {
 public:
  struct Message {
    MessageToken token;
    wire::ActorId sender = 0;
    std::uint32_t generation = 0;
    std::span<const capnp::word> words;  // valid until finish()
  };
  using Fault = std::function<void(wire::ActorId sender, const std::string& what)>;

  // Takes over what a predecessor left in `memory`, if anything; it must have been recovered
  // (mailbox/recovery.h). Errors: invalid, where it holds a layout of another version.
  // `alone`: no other process reads that mailbox, so that more may be taken than are about to be handled.
  Desk(DeskMemory& memory, os::Fd mailbox, Fault fault, bool alone = true);

  // Asked before a large message is begun: false keeps it, and all after it, until it is asked again.
  using Gate = std::function<bool(const Message&)>;
  void setGate(Gate gate) { gate_ = std::move(gate); }
  // The next message is kept back.
  bool keptBack() const { return keptBack_; }

  // The next message, begun by this; or nothing, when the mailbox is empty, or every slot still has
  // messages that are not done (see full()), or the next is kept back.
  std::optional<Message> next();

  // The message is over: it will not be seen again, and its words are no longer valid.
  void finish(MessageToken token) {
    DeskSlot& slot = memory_.slots[token.slot];
    slot.done.store(slot.done.load(std::memory_order_relaxed) | (1ULL << token.index),
                    std::memory_order_release);
    full_ = false;
  }
  // Names the packet that a message came in, for ever.
  std::uint64_t arrivalOf(MessageToken token) const { return memory_.slots[token.slot].arrival; }

  // Another process has had the memory meanwhile.
  void reload();
  // No slot is free: nothing can be read before finish() was called.
  bool full() const { return full_; }
  // This process has read some packet.
  bool hasRead() const { return hasRead_; }
  int mailboxFd() const { return mailbox_.get(); }
  // Reads no more from here on.
  os::Fd releaseMailbox() { return std::move(mailbox_); }
  std::uint64_t malformedPackets() const { return malformed_; }

 private:
  using SlotMask = std::uint32_t;
  static_assert(kDeskSlots == 32, "a bit each");

  bool openNextSlot();
  void findWaiting();
  bool isDone(std::size_t slot) const;
  void findDone();
  bool readSome();
  void tidy();
  bool open(std::size_t slot);
  void clear(std::size_t slot);

  DeskMemory& memory_;
  os::Fd mailbox_;
  Fault fault_;
  Gate gate_;
  const unsigned mostAtOnce_;
  unsigned atOnce_ = 1;  // packets it reads now before it handles any
  bool keptBack_ = false;
  // The slot that is open, and which of its messages have not been begun.
  std::size_t slot_ = 0;
  std::uint64_t pending_ = 0;
  wire::PacketView packet_;
  // Slots with a packet that was not opened yet, in the order in which they came: those from opened_ to waiting_.
  std::array<std::uint8_t, kDeskSlots> order_;
  unsigned opened_ = 0;
  unsigned waiting_ = 0;
  bool known_ = false;              // what a predecessor has left was looked for
  SlotMask taken_ = ~SlotMask{};    // slots that are not known to be free
  std::size_t clear_ = kDeskSlots;  // a free one that was made ready, if any
  // So many bytes of a slot may not be 0: all, as long as this process has not read into it.
  std::array<std::size_t, kDeskSlots> extent_;
  bool full_ = false;
  bool hasRead_ = false;
  bool hadLarge_ = true;  // large messages may lie on the desk: a predecessor's, or some of its own
  Crowd crowd_;
  std::uint64_t malformed_ = 0;
};

}  // namespace troupe::mailbox
