#include "supervision/core_types.h"

#include "supervision/spec_check.h"

namespace troupe::supervision {

ChildSpec asChild(const SupervisorSpec& spec) {
  return {.restart = spec.restart,
          .stop = spec.stop,
          .readyWithin = spec.readyWithin,
          .significant = spec.significant,
          .backOff = spec.backOff};
}

std::string instanceId(const std::string& templateId, std::uint64_t instance) {
  return templateId + ':' + std::to_string(instance);
}

bool Report::serious() const {
  switch (event) {
    case Event::started:
    case Event::ignored:
    case Event::stopped:
    case Event::autoShutdown: return false;
    case Event::ended: return !reason.clean();
    case Event::startFailed:
    case Event::restarting:
    case Event::stopFailed:
    case Event::gaveUp: return true;
  }
  return true;
}

std::string toString(const Report& report) {
  const std::string child = '"' + report.id + '"';
  const std::string reason = report.reason.toString();
  const std::string window = std::to_string(report.restarts) + " of at most " +
                             std::to_string(report.maxRestarts) + " within " + describe(report.within);
  const std::string wait = report.delay > Duration::zero() ? ", after " + describe(report.delay) : "";
  std::string text = "supervisor \"" + report.supervisor + "\": ";
  switch (report.event) {
    case Event::started: return text + "started " + child;
    case Event::ignored: return text + child + " had nothing to do and was not started";
    case Event::startFailed: return text + child + " failed to start: " + reason;
    case Event::ended: return text + child + " ended: " + reason;
    case Event::restarting:
      return text + "restarting " + child + " (" + reason + "), " +
             (report.counted ? "restart " + window : "which had a message in hand") + wait;
    case Event::stopped: return text + "stopped " + child;
    case Event::stopFailed: return text + child + " did not stop in order: " + reason;
    case Event::gaveUp: return text + "gave up after " + child + " (" + reason + "): restart " + window;
    case Event::autoShutdown:
      return text + "shuts down, as the significant child " + child + " ended: " + reason;
  }
  return text;
}

}  // namespace troupe::supervision
