// Processes that are no child any more, or never were, and have been sent SIGKILL: until they are reaped.
#pragma once

#include <algorithm>
#include <csignal>
#include <memory>
#include <vector>

#include "supervision/child.h"

namespace troupe::supervision {

inline auto is(const Child& child) {
  return [&child](const std::unique_ptr<Child>& each) { return each.get() == &child; };
}

class Dying {
 public:
  void end(std::unique_ptr<Child> process) {
    process->killedFor = ExitReason{.kind = ExitKind::shutdown};
    process->watchdog.reset();
    os::sendSignal(process->pid, SIGKILL);
    processes_.push_back(std::move(process));
  }
  // Its process has been reaped. False where it was none of these.
  bool ended(const Child& process) { return std::erase_if(processes_, is(process)) > 0; }

 private:
  std::vector<std::unique_ptr<Child>> processes_;
};

}  // namespace troupe::supervision
