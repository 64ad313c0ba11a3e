// Makes the process of a child: by fork, or by fork and exec of this very program.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "loop/loop.h"
#include "supervision/blueprint.h"
#include "supervision/ticket.h"

namespace troupe::supervision {

struct LaunchOrder {
  Ticket ticket;  // its control descriptor is not set yet
  const Blueprint* blueprint = nullptr;
  ChildSpec spec;
  os::Fd image;  // the program to exec; not set: this one, or no exec
  // What a supervisor child does: becomes it, and never returns.
  std::function<void(os::Fd control)> becomeSupervisor;
};

struct Launched {
  pid_t pid = 0;
  os::Fd control;         // this side's end
  os::Fd standardOutput;  // to be relayed; not set where the child writes to the app's own
  os::Fd standardError;
};

// `loop` is the loop of this process, which the child leaves alone.
// Errors: system (no process, no descriptor); invalid.
Launched launch(LaunchOrder order, loop::Loop& loop, const Program& program);

}  // namespace troupe::supervision
