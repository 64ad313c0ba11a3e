// A foreign command, and the process that guards it: nothing that the command has started outlives the command, nor the process that
// keeps it.
//
// keeper (an actor) -> guard -> command -> whatever it starts
//
// The guard does nothing but wait. It kills all below it when
//   the keeper dies, or lets go: its end of the channel is closed then, also after SIGKILL;
//   the command has ended, and has left something behind;
//   it is told to.
// It finds what is below it by the process group of the command, and, where something has left that, among its own children: orphans come to
// it (PR_SET_CHILD_SUBREAPER). Where the guard itself is killed, the kernel kills the command (PR_SET_PDEATHSIG), but for one that has got other
// rights by its exec (setuid), and its orphans come to the next process above that adopts any.
//
// Guard and command have sessions of their own: no signal reaches them that is for the app's process group or comes from its terminal. The
// command has all signals at their defaults, none blocked, and no descriptor but 0, 1 and 2.
//
// Threads: the keeper may have several: between fork and exec nothing is called but system calls.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "os/fd.h"

namespace troupe::os {

struct GuardedCommand {
  // The first is a path, or is looked for in the PATH of the environment.
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  // "NAME=value": all of it
  std::string directory = {};                 // empty: this process's
  // Become 0, 1 and 2. -1: nothing, as in /dev/null.
  int input = -1;
  int output = -1;
  int errors = -1;
};

struct Guard {
  pid_t pid = 0;
  Fd channel;  // non-blocking; readable where there is a report, or the guard has ended
};

// `title`: of the guard, as ps shows it. What becomes of the command is reported. Errors: system, where no process can be made.
Guard startGuarded(const GuardedCommand& command, const std::string& title);

struct GuardReport {
  enum class Kind : int {
    started,  // `value` is the command's pid
    failed,   // `value` is errno, of `step`
    ended,    // `value` is its exit code, or a signal; nothing is left below the guard
  };
  enum class Step : int { fork, session, streams, directory, exec };
  Kind kind = Kind::started;
  int value = 0;
  Step step = Step::exec;
  bool signaled = false;
  bool coreDumped = false;
};

enum class GuardState { reported, nothing, ended };
// ended: the guard is ending. It is to be reaped.
GuardState nextReport(int channel, GuardReport& report);
void reapGuard(pid_t guard);

enum class GuardOrder : int {
  signal,  // to the command itself
  stop,  // to its process group, and when it has ended to what it has left behind outside of that; all may go on until `kill`
  kill,  // SIGKILL to all below the guard
};
void order(int channel, GuardOrder order, int signal = 0);

// Sends a signal to the children of this process, as /proc tells them; not to those of that process group. Calls nothing but system calls.
void signalChildren(int signal, pid_t exceptGroup = 0);
// Kills them until there are none: those that come to this process meanwhile, as orphans, included. Waits for their ends.
void endChildren();

}  // namespace troupe::os
