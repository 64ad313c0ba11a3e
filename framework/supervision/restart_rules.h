// The decisions of a supervisor that depend on nothing but their arguments.
#pragma once

#include <troupe/exit_reason.h>
#include <troupe/spec.h>

#include <cstddef>
#include <string>
#include <utility>

namespace troupe::supervision {

// Whether a child that ended by itself is started again.
bool isRestarted(Restart restart, const ExitReason& reason);

// Whether the supervisor stops, now that a significant child has ended by itself and is not restarted.
// `otherSignificant`: significant children that are running, being started or waiting for a restart.
bool shutsDown(AutoShutdown autoShutdown, std::size_t otherSignificant);

// The wait before the restart number `attempt` in a row, counted from 0: first * factor^attempt, at most
// `limit`, then up or down by a part of up to `jitter`, as `random` in [0, 1) says; zero where there is no
// back-off. Never more than `limit`.
Duration backOffDelay(const BackOff& backOff, unsigned attempt, double random);

// What the supervisor knows about the end of a process beside what the kernel says of it.
struct EndedAfter {
  bool askedToStop = false;
  bool saidLeaving = false;
  bool becameReady = false;
  const ExitReason* killedFor = nullptr;  // the supervisor's own kill, if any
};

// The reason to go by. A SIGKILL of the supervisor's own gives way to what it was for; a clean end, or one by
// SIGTERM, after the request to stop is `shutdown`; anything else that came in between stays what it was.
ExitReason trueReason(ExitReason reported, const EndedAfter& after);

inline ExitReason because(ExitKind kind, std::string text = {}) {
  ExitReason reason;
  reason.kind = kind;
  reason.text = std::move(text);
  return reason;
}

// base + by, without overflow: kForever stays for ever.
template <class TimePoint>
TimePoint later(TimePoint base, Duration by) {
  return by >= TimePoint::max() - base ? TimePoint::max() : base + by;
}

}  // namespace troupe::supervision
