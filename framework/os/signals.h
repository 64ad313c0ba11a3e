// Signals as a descriptor to poll (signalfd): nothing runs in signal context.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <initializer_list>
#include <optional>

#include "os/fd.h"

namespace troupe::os {

// While it exists the given signals are blocked, and wait here. A forked child must make its own:
// settleChild() has then already unblocked and reset all.
class SignalQueue {
 public:
  // Errors: system.
  explicit SignalQueue(std::initializer_list<int> signals);
  // Throws away what has come and was not asked for, and unblocks. Does nothing in a forked child, or after leaveBlocked().
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  int fd() const { return fd_.get(); }
  // The next signal that has come, or nothing. Several of one kind may come as one.
  std::optional<int> next();
  // What comes from here on waits until somebody unblocks it, beyond the end of this.
  void leaveBlocked() { leavesBlocked_ = true; }

 private:
  Fd fd_;
  pid_t owner_;
  sigset_t blocked_;  // those that were not blocked before
  bool leavesBlocked_ = false;
};

// One that waits strikes at once.
void unblock(int signal);

// From here on a write to a pipe or socket whose other end has gone is an error (EPIPE) and not a death.
void ignoreBrokenPipes();

}  // namespace troupe::os
