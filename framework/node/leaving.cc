// What is left to do when an actor has gone for good: its process may be dying still, since the kernel kills what a dead supervisor
// leaves in its own time; and what it has said must arrive before the news that it has gone.
#include <algorithm>

#include "mailbox/settle.h"
#include "node/directory.h"
#include "node/names.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "wire/reason_codec.h"

namespace troupe::node {

// False where some have to wait for room. Those that wait keep their order, and hold up nobody else's.
bool Directory::deliver() {
  std::unordered_set<wire::ActorId> full;
  std::erase_if(undelivered_, [&](const Undelivered& message) {
    if (full.contains(message.to.actor)) return false;
    const Entry* const entry = byId(message.to.actor);
    if (entry == nullptr) {
      if (message.to.lane == wire::Lane::mailbox) buryLate(message.to.actor, message.packet);
      freeBlocksIn(message.packet);
      return true;
    }
    const bool reply = message.to.lane == wire::Lane::reply;
    const os::Fd& pipe = reply ? entry->reply : mailboxOf(*entry);
    const auto state = os::writePacket(pipe.get(), message.packet.data(), message.packet.size());
    if (state != os::PipeState::wouldBlock) return true;
    full.insert(message.to.actor);
    return false;
  });
  return undelivered_.empty();
}

// False where it has to be called again.
bool Directory::finishLeaving() {
  bool delivered = deliver();
  std::erase_if(leaving_, [&](Leaving& leaving) { return leave(leaving); });
  // What was inherited just now.
  if (!undelivered_.empty()) delivered = deliver();
  return delivered && leaving_.empty();
}

// What a worker had before it, and has not begun, is its pool's. What an actor has sent and could not write any more leaves all the
// same. False where a process still has the desk.
bool Directory::inherit(const Entry& gone) {
  if (isSupervisor(gone.role) || gone.rests) return true;
  try {
    if (os::lockedByAnother(gone.desk)) return false;
    const Entry* const pool = gone.role == wire::Role::poolWorker ? byPath(parentOf(gone.path)) : nullptr;
    if (pool != nullptr) {
      for (auto& packet : mailbox::takeUnhandled(gone.desk))
        undelivered_.push_back({{pool->id, wire::Lane::mailbox}, std::move(packet)});
    }
    for (auto& unsent : mailbox::takeUnsent(gone.desk, gone.id, gone.generation)) {
      sendBlocks(gone.arena, unsent.to, unsent.packet);
      undelivered_.push_back({unsent.to, std::move(unsent.packet)});
    }
  } catch (const Error& error) {
    hooks_.warn("the messages of " + gone.path + ", which has gone, are lost: " + error.message());
  }
  return true;
}

bool Directory::leave(Leaving& leaving) {
  Entry& entry = *leaving.entry;
  const bool patient = loop::Clock::now() - leaving.since < kDeskPatience;
  if (entry.rests && entry.known) endResting(entry);
  if (!leaving.inherited) {
    if ((entry.unsettled && !settle(entry) && patient) || (!inherit(entry) && patient)) return false;
    leaving.inherited = true;
    bury(entry, leaving.reason);
    deliver();
  }
  std::erase_if(entry.holders, [&](wire::ActorId holder) {
    if (awaitsAnswers(holder)) return false;
    wire::ControlMessage message;
    auto gone = message->initGone();
    gone.setActor(entry.id);
    wire::write(gone.initReason(), leaving.reason);
    notify(holder, std::move(message));
    if (Entry* const other = byId(holder)) other->held.erase(entry.id);
    return true;
  });
  if (!entry.holders.empty()) return false;
  if (!buryLast(leaving) && patient) return false;
  settleBlocksTo(entry, byPath(parentOf(entry.path)));
  if (entry.rests) keepEnds(entry);
  retireArena(entry);
  return true;
}

// What still comes, from those who do not know yet. False as long as one of them has an end to write to: what is written between
// the last look and the closing of the pipe would be lost.
bool Directory::buryLast(Leaving& leaving) {
  Entry& entry = *leaving.entry;
  try {
    // One that could be written to itself would never say that nobody writes.
    if (entry.known && entry.mailbox.valid() && !std::exchange(leaving.readOnly, true))
      entry.mailbox = os::openReadEnd(entry.mailbox);
    return buryMailbox(entry, leaving.reason) || !entry.known;
  } catch (const Error& error) {
    hooks_.warn("casts for " + entry.path + ", which has gone, may be lost: " + error.message());
    return true;
  }
}

bool Directory::awaitsAnswers(wire::ActorId whom) const {
  return std::any_of(undelivered_.begin(), undelivered_.end(), [&](const Undelivered& message) {
    return message.to == mailbox::Destination{whom, wire::Lane::reply};
  });
}

}  // namespace troupe::node
