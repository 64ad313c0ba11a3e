#include <troupe/exit_reason.h>

#include <csignal>
#include <cstring>

namespace troupe {
namespace {

std::string described(const std::string& what, const std::string& text) {
  return text.empty() ? what : what + ": " + text;
}

std::string withoutStart(const ExitReason& reason) {
  switch (reason.kind) {
    case ExitKind::normal: return described("ended normally", reason.text);
    case ExitKind::shutdown: return described("stopped", reason.text);
    case ExitKind::exited: return described("exited with code " + std::to_string(reason.code), reason.text);
    case ExitKind::signaled:
      return described("killed by " + signalName(reason.code) + (reason.coreDumped ? " (core dumped)" : ""),
                       reason.text);
    case ExitKind::exception: return described("exception", reason.text);
    case ExitKind::notReady: return described("did not become ready in time", reason.text);
    case ExitKind::stopTimeout: return described("did not stop in time and was killed", reason.text);
    case ExitKind::hung: return described("hung and was killed by its watchdog", reason.text);
    case ExitKind::outOfMemory:
      return described("killed by the kernel, which was out of memory", reason.text);
    case ExitKind::limitReached: return described("gave up after too many restarts", reason.text);
    case ExitKind::childFailed: return described("could not start its children", reason.text);
    case ExitKind::supervisorDied: return described("went down with its supervisor", reason.text);
    case ExitKind::notStarted:
      return described(reason.code == 0 ? "could not be started"
                                        : std::string("could not be started: ") + strerror(reason.code),
                       reason.text);
    case ExitKind::memoryLimit: return described("asked for more memory than its limit", reason.text);
    case ExitKind::cpuLimit: return described("took more processor time than its limit", reason.text);
    case ExitKind::wallLimit: return described("took longer than its limit", reason.text);
    case ExitKind::recycled: return described("was replaced by a fresh process", reason.text);
  }
  return "ended for an unknown reason";
}

bool saysStartItself(ExitKind kind) {
  return kind == ExitKind::notReady || kind == ExitKind::childFailed || kind == ExitKind::notStarted;
}

}  // namespace

std::string ExitReason::toString() const {
  const bool addition = duringStart && !saysStartItself(kind);
  return withoutStart(*this) + (addition ? " (before it was ready)" : "");
}

std::string signalName(int signal) {
  const char* name = sigabbrev_np(signal);
  if (name != nullptr) return std::string("SIG") + name;
  if (signal >= SIGRTMIN && signal <= SIGRTMAX) return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  return "signal " + std::to_string(signal);
}

}  // namespace troupe
