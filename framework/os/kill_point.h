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
#include <string_view>

namespace troupe::os {

inline constexpr std::string_view kKillPoints[] = {
    // Receive
    "freeing",     // a slot is being made free
    "packetRead",  // a packet lies in its slot
    "judged",      // it is a repetition or not, and not noted yet as having come
    "noted",       // it is
    "begun",       // a message is handed out
    // Turn
    "handled",     // the handler is over
    "adding",      // some of its records are in the log
    "moving",      // a message was copied behind the others
    "storing",     // before the one store
    "committed",   // after it
    "doneMarked",  // the message is done on the desk
    "keeping",     // a kept value is being copied
    "keptCopied",  // they are all
    "carriedOut",  // and the log was made shorter
    // Send
    "introduced",  // another actor's pipe has come
    "numbering",   // numbers are taken, and not written down yet
    "numbered",    // they are
    "written",     // the packet lies in the pipe
    "released",    // and is no longer in the log
    "resending",   // what a predecessor had not sent is about to leave
    // Start
    "constructed",  // before init()
    "beforeReady",  // after it
    "afterReady",
};

// The name of one; no other compiles.
class KillPoint {
 public:
  consteval KillPoint(const char* name) : name_(name) {
    if (std::ranges::find(kKillPoints, name_) == std::end(kKillPoints)) throw "no such kill point";
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
