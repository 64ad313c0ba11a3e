// What the outbox keeps for each destination: for mailbox/outbox*.cc alone.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "mailbox/outbox.h"

namespace troupe::mailbox {

struct Outbox::Packet {
  wire::PacketBuilder content;
  std::vector<TurnLog::Handle> records;  // of its messages, in their order; kNoRecord for calls
  unsigned inLog = 0;       // so many messages lie in the log, in the one record there is, and none here
  std::uint64_t first = 0;  // number of its first message; 0: not numbered yet
  bool repeats = false;     // a predecessor numbered it, and may have written it
  bool answers = false;     // it is on a reply lane
  std::vector<wire::BlockRef> blocks;  // of the large ones among them
  loop::Clock::time_point deadline =
      loop::Clock::time_point::min();  // the latest of its answers'; max() with other messages

  unsigned messages() const { return inLog + content.messages(); }
};

struct Outbox::Line {
  explicit Line(Destination destination) : to(destination) {}

  Destination to;
  os::Fd pipe;
  bool asked = false;
  bool full = false;  // the pipe said so; poll tells when it has room
  bool gone = false;  // it is being closed
  bool shared = false;
  std::deque<std::unique_ptr<Packet>> packets;
  std::deque<std::weak_ptr<Waiter>> waiters;
  std::unique_ptr<loop::Poll> room;
  bool unwritten = false;
  bool waitersTurn = false;  // the next put() is by the one who has waited longest
};

}  // namespace troupe::mailbox
