// The guard of a foreign command (os/guard.h), as the process that it is.
//
// It was forked from a process that may have had other threads: so it allocates nothing, and calls nothing but system calls.
#pragma once

#include <array>
#include <string>

#include "os/guard.h"

namespace troupe::os {

struct GuardPlan {
  const std::string& title;
  char* const* arguments;
  char* const* environment;
  const char* directory;  // null: as it is
  std::array<int, 3> streams;
  int channel;
};

struct GuardRequest {
  GuardOrder order = GuardOrder::signal;
  int signal = 0;
};

// All signals are blocked.
[[noreturn]] void runGuard(const GuardPlan& plan);

}  // namespace troupe::os
