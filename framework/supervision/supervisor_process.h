// A process that is a nested supervisor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "os/fd.h"
#include "supervision/blueprint.h"

namespace troupe::supervision {

struct SupervisorAssignment {
  std::string path;
  std::shared_ptr<const Blueprint> blueprint;
  Program program;
  os::Fd control;
};

// Becomes that supervisor, until the process ends. The process must be settled (os/process.h).
[[noreturn]] void runSupervisor(SupervisorAssignment assignment);

}  // namespace troupe::supervision
