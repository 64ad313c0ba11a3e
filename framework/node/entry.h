// What the root knows of one actor or supervisor: its endpoints, which outlive its processes, and who must hear of its end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "loop/loop.h"
#include "node/lives.h"
#include "os/fd.h"
#include "wire/control_message.h"
#include "wire/packet.h"

namespace troupe::node {

inline bool isSupervisor(wire::Role role) {
  return role == wire::Role::supervisor || role == wire::Role::pool;
}

struct Entry {
  wire::ActorId id = 0;
  std::string path;
  wire::Role role = wire::Role::actor;
  std::string name;  // app-wide; may be empty
  std::vector<std::uint64_t> interfaces;

  std::uint32_t generation = 0;  // counts the claims
  bool claimed = false;          // a process has it, or is about to
  bool ready = false;            // that process has become ready
  pid_t pid = 0;
  Lives lives;  // its processes
  // The supervisor's life in which it was claimed last: what a restarted supervisor does not claim again has gone.
  std::uint32_t supervisorGeneration = 0;

  // Kept open as long as the entry is; what is given away are descriptions of their own.
  os::Fd mailbox;
  os::Fd reply;
  os::Fd desk;
  os::Fd arena;  // its large messages
  // For its first process: those of later ones are opened when they are granted.
  os::Fd firstMailboxEnd;
  os::Fd firstReplyEnd;
  // The program that it was upgraded to, and is started from. Not set: that of its supervisor.
  os::Fd image;
  // While it is being upgraded (images.cc): the newer program, before a process of it has the ends, and before that is ready.
  os::Fd offered;
  os::Fd newer;
  bool fallsBack = false;  // the older process asks for its own again
  bool overtaken = false;  // and can't have it: the newer one had become ready
  // So often a message may be in the hands of a process that dies.
  unsigned attempts = 1;
  // A process that had the desk has ended, for this reason, and its messages in hand have not been dealt with yet.
  bool unsettled = false;
  bool letGo = false;  // that process has not ended, but handed over
  // Nor has this one: it waits to be another actor, and has all ends still, to which nothing has come.
  bool rests = false;
  bool known = false;            // it was introduced to somebody, or somebody to it
  std::size_t mailboxBytes = 0;  // as its claim says
  ExitReason endReason;

  std::unordered_set<wire::ActorId> holders;  // were introduced to it
  std::unordered_set<wire::ActorId> held;     // it was introduced to those
  // The same over all processes, of those that have not gone for good: only in their arenas can anything lie for it.
  std::unordered_set<wire::ActorId> senders;
  std::unordered_set<wire::ActorId> sendsTo;
  std::vector<wire::ActorId> callers;  // of its last process, some: they are introduced to the next one
  std::unordered_set<wire::ActorId> watchers;  // are told when one of its processes ends
  std::unordered_set<wire::ActorId> watched;   // those it watches
};

// By then the process that holds on to a desk is no process of an earlier life that is just dying.
inline constexpr auto kDeskPatience = std::chrono::seconds(10);
inline constexpr auto kLookAtRetired = std::chrono::milliseconds(250);
// The arena of an actor that has gone for good, while messages lie in it that have not been read.
struct RetiredArena {
  wire::ActorId actor = 0;
  os::Fd arena;
  os::Fd desk;                   // locked, as long as its last process lives
  bool alone = false;            // nobody writes to it any more
  wire::ActorId onBehalfOf = 0;  // a dead letter of that actor lies in it, which was sent again
};

// The ends of an actor that has gone for good, which its process has still: they are those of the next one that it will be.
struct RestingEnds {
  std::string supervisor;
  std::size_t mailboxBytes = 0;
  os::Fd mailbox;
  os::Fd reply;
  os::Fd desk;
  os::Fd arena;
};

// A claim that waits until no process of an earlier life has the desk any more.
struct WaitingClaim {
  wire::ActorId entry = 0;
  std::string supervisor;
  std::uint64_t request = 0;
  loop::Clock::time_point since;
};

}  // namespace troupe::node
