// Places in the code at which a test can have its process killed, to see what becomes of what it was doing.
// Nothing at all in a build without TROUPE_KILL_POINTS.
//
// The environment says where:
//   TROUPE_KILL_AT      "written:5@/bank, judged@/till": the actor /bank is killed when it reaches that point
//                       for the fifth time, then /till when it reaches the other; each in whatever process it
//                       has by then. Points that are passed before it is their turn are not counted.
//   TROUPE_KILL_TICKET  path of files, path.0, path.1, ...: each is deleted by the process that dies of the
//                       entry of that number, and an entry whose file is missing is over.
//
// Threads: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace troupe::os {

// What a process is at when it passes it; each part has tests of its own.
enum class KillPart : std::uint8_t { message, place, body, start, upgrade, spare, instance, table, shared };

struct KillPointName {
  std::string_view name;
  KillPart part;
};

inline constexpr KillPointName kKillPoints[] = {
    // Receive
    {"freeing", KillPart::message},     // a slot is being made free
    {"packetRead", KillPart::message},  // a packet lies in its slot
    {"judged", KillPart::message},      // it is a repetition or not, and not noted yet as having come
    {"noted", KillPart::message},       // it is
    {"begun", KillPart::message},       // a message is handed out
    // Turn
    {"handled", KillPart::message},     // the handler is over
    {"adding", KillPart::message},      // some of its records are in the log
    {"moving", KillPart::message},      // a message was copied behind the others
    {"storing", KillPart::message},     // before the one store
    {"committed", KillPart::message},   // after it
    {"doneMarked", KillPart::message},  // the message is done on the desk
    {"keeping", KillPart::message},     // a kept value is being copied
    {"keptCopied", KillPart::message},  // they are all
    {"carriedOut", KillPart::message},  // and the log was made shorter
    // Send
    {"introduced", KillPart::message},  // another actor's pipe has come
    {"numbering", KillPart::message},   // numbers are taken, and not written down yet
    {"numbered", KillPart::message},    // they are
    {"numberTakenBack",
     KillPart::message},               // the pipe was full, and one of them is not written down any more
    {"written", KillPart::message},    // the packet lies in the pipe
    {"released", KillPart::message},   // and is no longer in the log
    {"resending", KillPart::message},  // what a predecessor had not sent is about to leave
    {"closing", KillPart::message},    // the destination has gone, and what waits for it is there still
    {"closed", KillPart::message},     // nothing is left of it
    // A cast made in its place
    {"growing", KillPart::place},  // it lies in a packet in the log, and does not count yet
    // The body of a large message is made
    {"blockFound", KillPart::body},      // there is room for a block, and nothing says that it is taken
    {"blockSized", KillPart::body},      // its size is noted
    {"blockMade", KillPart::body},       // it is taken
    {"bodyBuilt", KillPart::body},       // all is in the arena but the first segment
    {"blockCut", KillPart::body},        // a block was made as small as what lies in it
    {"blockRecovered", KillPart::body},  // one that a predecessor had not sent is free again
    // and sent
    {"bodyMarked", KillPart::body},    // its blocks say that it is about to be written
    {"bodyUnmarked", KillPart::body},  // it was not, for want of room
    {"bodyWritten", KillPart::body},   // it was
    {"bodySent", KillPart::body},      // and the blocks say so
    // and read
    {"arenaAwaited", KillPart::body},  // its arena was asked for
    {"arenaCame", KillPart::body},
    {"bodyChecked", KillPart::body},  // all of it is there
    {"bodyTaken", KillPart::body},    // and this reader's
    {"bodyFreeing", KillPart::body},  // it was read
    {"blockFreed", KillPart::body},
    // and its memory given back
    {"punching", KillPart::body},
    {"punched", KillPart::body},       // of a stretch
    {"tableCleared", KillPart::body},  // no block is noted any more
    // Start of a child: its supervisor
    {"claimed", KillPart::start},     // the root was asked for the child's endpoints
    {"granted", KillPart::start},     // they have come
    {"forking", KillPart::start},     // before it
    {"forked", KillPart::start},      // after it; the child is noted nowhere
    {"childNoted", KillPart::start},  // it is here, and the root does not know of it
    {"childTold", KillPart::start},   // the root was told
    {"childReady", KillPart::start},  // the child has said so, and nobody else has heard it
    {"childEnded", KillPart::start},  // it was reaped, and nobody was told
    // and the child itself
    {"settled", KillPart::start},        // what it inherits is settled
    {"execing", KillPart::start},        // before exec
    {"constructed", KillPart::message},  // before init()
    {"beforeReady", KillPart::message},  // after it
    {"afterReady", KillPart::message},
    // Upgrade
    {"linePaused", KillPart::upgrade},  // nothing leaves any more; some of what had not is taken aside
    {"letGo", KillPart::upgrade},       // all of it; the desk is locked still
    {"handedOver", KillPart::upgrade},  // the supervisor was told
    {"tookOver", KillPart::upgrade},    // the newer process has it all
    {"tookBack", KillPart::upgrade},    // the older one has it again
    // Hot spares: the supervisor
    {"spareTaken", KillPart::spare},   // a spare is the child, and does not know it
    {"spareCalled", KillPart::spare},  // it was told
    // and the spare
    {"prepared", KillPart::spare},  // before it says that it waits
    {"became", KillPart::spare},    // it has been told who it is
    // One instance after the other: the process
    {"resting", KillPart::instance},  // nothing is left of the last, and nobody knows
    {"rests", KillPart::instance},    // it has said so
    // and the supervisor
    {"restHeard", KillPart::instance},  // before the last counts as ended
    {"restTaken", KillPart::instance},  // it is the next, and does not know it
    // A kept table
    {"recordWritten", KillPart::table},  // it lies behind the end
    {"recordMoved", KillPart::table},    // into the other half of its log
    {"recordsMoved", KillPart::table},   // all are there
    {"halfDropped", KillPart::table},    // the other half was given back
    // A shared value
    {"sharedLocked", KillPart::shared},   // before an update
    {"sharedWritten", KillPart::shared},  // what it is to be lies beside
    {"sharedCounted", KillPart::shared},  // it is that; the lock is held still
};

// The name of one; no other compiles.
class KillPoint {
 public:
  consteval KillPoint(const char* name) : name_(name) {
    if (std::ranges::find(kKillPoints, name_, &KillPointName::name) == std::end(kKillPoints))
      throw "no such kill point";
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

#ifdef TROUPE_KILL_POINTS
// Before a process has said whose it is, it passes all of them.
void setKillPath(std::string_view path);
void killPoint(KillPoint point);
#else
inline void setKillPath(std::string_view) {}
inline void killPoint(KillPoint) {}
#endif

}  // namespace troupe::os
