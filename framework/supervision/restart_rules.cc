#include "supervision/restart_rules.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <utility>

namespace troupe::supervision {

bool isRestarted(Restart restart, const ExitReason& reason) {
  switch (restart) {
    case Restart::permanent: return true;
    case Restart::transient: return !reason.clean() || reason.kind == ExitKind::recycled;
    case Restart::temporary: return false;
  }
  return false;
}

bool shutsDown(AutoShutdown autoShutdown, std::size_t otherSignificant) {
  switch (autoShutdown) {
    case AutoShutdown::never: return false;
    case AutoShutdown::anySignificant: return true;
    case AutoShutdown::allSignificant: return otherSignificant == 0;
  }
  return false;
}

Duration backOffDelay(const BackOff& backOff, unsigned attempt, double random) {
  if (backOff.first <= Duration::zero()) return Duration::zero();
  const auto limit = static_cast<double>(backOff.limit.count());
  // pow may give infinity; the limit makes a number of it again.
  const double steady =
      std::min(limit, static_cast<double>(backOff.first.count()) * std::pow(backOff.factor, attempt));
  const double shaken = steady * (1.0 + backOff.jitter * (2.0 * random - 1.0));
  // As a double, the largest Duration is one too large for its type.
  if (shaken >= limit) return backOff.limit;
  return Duration(static_cast<Duration::rep>(std::max(0.0, shaken)));
}

ExitReason trueReason(ExitReason reported, const EndedAfter& after) {
  reported.duringStart = !after.becameReady;
  if (reported.kind == ExitKind::signaled) {
    if (reported.code == SIGKILL && after.killedFor != nullptr) {
      ExitReason reason = *after.killedFor;
      reason.duringStart = reason.kind == ExitKind::notReady;
      return reason;
    }
    if (reported.code != SIGTERM || !after.askedToStop) return reported;
    return because(ExitKind::shutdown, std::move(reported.text));
  }
  const bool orderly = reported.kind == ExitKind::normal || reported.kind == ExitKind::shutdown ||
                       (reported.kind == ExitKind::recycled && after.askedToStop);
  if (orderly && after.askedToStop) reported.duringStart = false;
  if (orderly && (after.askedToStop || after.saidLeaving)) reported.kind = ExitKind::shutdown;
  return reported;
}

}  // namespace troupe::supervision
