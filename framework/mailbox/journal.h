// Makes all that a turn changes happen at once: its message is done, what it changed of what the actor keeps,
// and what it sends. Whatever the process is killed at, either all of it happens or nothing
// (mailbox/turn_log.h).
//
// Order:   what is sent leaves in the order in which it was staged, turn by turn.
// Errors:  overloaded, where a turn has more than TurnLog::makeRoom() has room for; kMostStaged is far below that.
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mailbox/desk.h"
#include "mailbox/kept_store.h"
#include "mailbox/outbox.h"
#include "mailbox/turn_log.h"

namespace troupe::mailbox {

// What a turn sends, held back until it ends.
class StagedMessages {
 public:
  // Bytes in the log, of the casts of all turns that are open: for the caller to see to, as a turn must be able to end
  // that holds back as much as it may.
  static constexpr std::size_t kMostStaged = TurnLog::kMostLive / 2;
  static std::size_t bytesOf(std::span<const std::byte> message) {
    return message.size() + TurnLog::bytesOf(1);
  }

  void add(Destination to, std::span<const std::byte> message,
           loop::Clock::time_point deadline = loop::Clock::time_point::max());
  bool empty() const { return items_.empty(); }
  // In the log, at most.
  std::size_t bytes() const { return bytes_.size() + items_.size() * TurnLog::bytesOf(1); }
  void clear();

 private:
  friend class Journal;
  struct Item {
    Destination to;
    std::size_t offset;
    std::size_t bytes;
    loop::Clock::time_point deadline;
    TurnLog::Handle record;
  };
  std::vector<std::byte> bytes_;
  std::vector<Item> items_;
};

class Journal {
 public:
  Journal(TurnLog& log, KeptStore& kept, Desk& desk, Outbox& outbox)
      : log_(log), kept_(kept), desk_(desk), outbox_(outbox) {}

  // The end of a turn. `keep`: with what was touched of what the actor keeps.
  void commit(MessageToken done, StagedMessages& staged, bool keep) {
    // Nearly always one store is all there is to do.
    if (staged.empty() && !(keep && kept_.anyTouched())) return desk_.finish(done);
    commitAll(done, staged, keep);
  }
  // A message that is sent outside of any turn.
  void send(Destination to, std::span<const std::byte> message, bool keep,
            loop::Clock::time_point deadline = loop::Clock::time_point::max());
  // Where a cast outside of any turn is made in its place (Outbox::place()). Null also where something is to be kept with it.
  std::byte* place(Destination to, std::size_t bytes, bool keep) {
    return keep && begun_ && kept_.anyTouched() ? nullptr : outbox_.place(to, bytes);
  }
  void placed(std::size_t bytes) { outbox_.placed(bytes); }
  // The actor is ready: what it has touched so far is kept, and what it touches outside of turns from here on.
  void begin();
  // What was touched outside of any turn.
  void keep();

 private:
  void commitAll(MessageToken done, StagedMessages& staged, bool keep);

  TurnLog& log_;
  KeptStore& kept_;
  Desk& desk_;
  Outbox& outbox_;
  bool begun_ = false;
};

}  // namespace troupe::mailbox
