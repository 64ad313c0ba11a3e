// What the children of a supervisor print, and when it is theirs.
#include "supervision/supervisor.h"

namespace troupe::supervision {

void Supervisor::relayOutput(Child& child) {
  if (!child.standardOutput.valid()) return;
  child.relayedOutput = out_.add(std::move(child.standardOutput), prefixOf(child));
  child.relayedError = err_.add(std::move(child.standardError), prefixOf(child));
}

// Another instance prints from here on.
void Supervisor::renameOutput(const Child& child) {
  out_.rename(child.relayedOutput, prefixOf(child));
  err_.rename(child.relayedError, prefixOf(child));
}

void Supervisor::finishOutput() {
  writeLog();
  const auto deadline = loop::Clock::now() + std::chrono::seconds(5);
  out_.finish(deadline);
  err_.finish(deadline);
}

}  // namespace troupe::supervision
