#include "supervision/child.h"

#include <csignal>

namespace troupe::supervision {

std::string prefixOf(const Child& child) { return child.path.substr(1) + " | "; }

bool isMadeLike(const ChildSpec& made, const ChildSpec& wanted) {
  return made.launch == wanted.launch && made.output == wanted.output && made.limits == wanted.limits &&
         made.recycleAfter == wanted.recycleAfter && made.instancesPerProcess == wanted.instancesPerProcess;
}

ExitReason reasonOf(const Child& child, const os::ProcessEnd& end, bool outOfMemory) {
  if (end.signaled) {
    if (end.code == SIGKILL && child.killedFor) return *child.killedFor;
    if (end.code == SIGKILL && outOfMemory) return {.kind = ExitKind::outOfMemory};
    return {.kind = ExitKind::signaled, .code = end.code, .coreDumped = end.coreDumped};
  }
  // Its own words count where they agree with the exit code: after them it may still have crashed on its way out.
  if (child.said && child.said->clean() == (end.code == 0)) return *child.said;
  if (end.code == 0) return {.kind = ExitKind::normal};
  return {.kind = ExitKind::exited, .code = end.code};
}

}  // namespace troupe::supervision
