// How long the users of ready-made actors wait: the actor itself sees to it, and says when the time is over, so that nothing has
// happened then; the call has some time more.
#pragma once

#include <troupe/error.h>
#include <troupe/spec.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace troupe::actors {

// As protocols say it: nanoseconds, negative for ever.
inline std::int64_t waitOf(Duration wait) {
  return wait == kForever ? -1 : std::max<std::int64_t>(wait.count(), 0);
}

// The deadline of a call that may wait so long. Past it the actor is taken not to answer at all.
inline Duration callWithin(Duration wait) {
  constexpr Duration kGrace = std::chrono::seconds(30);
  return wait > kForever - kGrace ? kForever : std::max(wait, Duration::zero()) + kGrace;
}

std::string inWords(Duration wait);

inline Error waitedInVain(const std::string& what, Duration wait) {
  return Error(ErrorKind::timedOut, what + " within " + inWords(wait));
}

}  // namespace troupe::actors
