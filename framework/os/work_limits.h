// What one process may use for what it does, seen to by the kernel: nothing of the process itself has to run for it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <ctime>

namespace troupe::os {

// This process can't have more memory of its own than that (RLIMIT_DATA: what it can write to and shares with nobody); to ask for more fails,
// as where the machine has none. Errors: system.
void limitMemory(std::size_t bytes);

// Ends this process by a signal where a piece of work takes too long.
class WorkTimer {
 public:
  enum class Of { cpuTime, wallTime };
  // The signals, by which a supervisor knows it.
  static int signalOf(Of of);

  // Errors: system.
  WorkTimer(Of of, std::chrono::nanoseconds limit);
  ~WorkTimer();
  WorkTimer(const WorkTimer&) = delete;
  WorkTimer& operator=(const WorkTimer&) = delete;

  // A piece begins, or the next one.
  void start() { set(limit_); }
  void stop() { set({}); }

 private:
  void set(const timespec& in);

  timer_t timer_;
  timespec limit_;
};

}  // namespace troupe::os
