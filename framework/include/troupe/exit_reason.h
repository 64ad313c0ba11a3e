// Why a process of the tree ended, or why it could not be started.
//
// One type is used everywhere: watchers, callers whose call was in hand, the log and the command line all see the same
// value. The distinction between clean (`normal`, `shutdown`) and abnormal ends is OTP's: a transient child is restarted
// only after an abnormal one.
#pragma once

#include <cstdint>
#include <string>

namespace troupe {

enum class ExitKind : std::uint16_t {
  normal,          // run() returned, or exit code 0
  shutdown,        // stopped in an orderly way, by its supervisor or at its own wish
  exited,          // exit code `code`, not 0
  signaled,        // killed by signal `code`
  exception,       // an exception left a handler, run(), init() or the constructor; `text` is its message
  notReady,        // readyWithin was over before init() was
  stopTimeout,     // did not stop within its limit and was killed
  hung,            // did not answer the watchdog and was killed
  outOfMemory,     // killed by the kernel's out-of-memory killer
  limitReached,    // a supervisor gave up: too many restarts in its window
  childFailed,     // a supervisor could not start its children; `text` names the child and the cause
  supervisorDied,  // went down with its supervisor
  notStarted,      // fork or exec failed; `code` is errno
  memoryLimit,     // asked for more memory than its limits allow
  cpuLimit,        // one message took more time of the processor than its limits allow
  wallLimit,       // one message took longer than its limits allow
  recycled,        // has handled as many messages as one process may, and is replaced
};

struct ExitReason {
  ExitKind kind = ExitKind::normal;
  int code = 0;              // exit code, signal number or errno, by kind
  bool coreDumped = false;   // with `signaled`
  bool duringStart = false;  // it had not become ready yet
  std::string text = {};     // more, for a human; may be empty

  // True for `normal` and `shutdown` (OTP's normal and shutdown exits), and `recycled`.
  bool clean() const {
    return !duringStart &&
           (kind == ExitKind::normal || kind == ExitKind::shutdown || kind == ExitKind::recycled);
  }

  // One line, such as "killed by SIGSEGV (core dumped)" or "exception: no such file".
  std::string toString() const;

  friend bool operator==(const ExitReason&, const ExitReason&) = default;
};

// "SIGSEGV" for 11, and so on; "signal 77" where the number has no name.
std::string signalName(int signal);

}  // namespace troupe
