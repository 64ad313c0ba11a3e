// The ends of processes that are one instance of a template after the other. A mailbox, a reply lane, a desk and an arena that
// nobody but the root and that process ever had, and to which nothing has come, are as good as new ones, and cost nothing.
#include "mailbox/desk_layout.h"
#include "node/directory.h"
#include "node/names.h"
#include "os/shared_memory.h"
#include "wire/arena_view.h"

namespace troupe::node {

// Who writes to an actor that has gone must find nobody there. From here on it is as if the process were dying.
void Directory::endResting(Entry& gone) {
  gone.rests = false;
  gone.unsettled = true;
  wire::ControlMessage message;
  message->setTo(parentOf(gone.path).c_str());
  message->setDropEnds(gone.id);
  hooks_.send(std::move(message));
}

// The process has said that its desk is as new, and nobody else was introduced to it.
void Directory::keepEnds(Entry& gone) {
  if (gone.role != wire::Role::actor || os::sizeOf(gone.desk) != mailbox::kDeskBytes) return;
  if (gone.arena.valid() && !os::isUntouched(gone.arena)) return;
  restingEnds_[gone.id] = {.supervisor = parentOf(gone.path),
                           .mailboxBytes = gone.mailboxBytes,
                           .mailbox = std::move(gone.mailbox),
                           .reply = std::move(gone.reply),
                           .desk = std::move(gone.desk),
                           .arena = std::move(gone.arena)};
}

// False where they are not there, or another child than that would have got others.
bool Directory::reuseEnds(Entry& entry, const std::string& supervisor, wire::Control::Claim::Reader claim) {
  const auto found = restingEnds_.find(claim.getResting());
  if (found == restingEnds_.end()) return false;
  RestingEnds& ends = found->second;
  const std::size_t limit = claim.getMaxMessageBytes();
  const std::size_t has = ends.arena.valid() ? os::sizeOf(ends.arena) : 0;
  if (ends.supervisor != supervisor || entry.role != wire::Role::actor ||
      ends.mailboxBytes != claim.getMailboxBytes() || has != (limit == 0 ? 0 : wire::arenaBytesFor(limit)))
    return false;
  entry.mailbox = std::move(ends.mailbox);
  entry.reply = std::move(ends.reply);
  entry.desk = std::move(ends.desk);
  entry.arena = std::move(ends.arena);
  restingEnds_.erase(found);
  return true;
}

void Directory::dropRestingEnds(const std::string& supervisor) {
  std::erase_if(restingEnds_,
                [&](const auto& each) { return supervision::isWithin(each.second.supervisor, supervisor); });
}

}  // namespace troupe::node
