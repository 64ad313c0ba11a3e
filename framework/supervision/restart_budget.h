// OTP's restart window: how many restarts there may be within how much time. Pure: told the time, it asks
// nobody.
#pragma once

#include <troupe/spec.h>

#include <chrono>
#include <cstddef>
#include <deque>

namespace troupe::supervision {

class RestartBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;

  RestartBudget(unsigned maxRestarts, Duration within) : maxRestarts_(maxRestarts), within_(within) {}

  // Counts a restart, and forgets those longer ago than the window (one just as long ago still counts).
  // False: it is one too many. `now` must not go back. Source: OTP's supervisor:add_restart.
  bool spend(Time now);

  // Restarts within the window at the last spend(), that one included.
  unsigned spent() const { return static_cast<unsigned>(spent_.size()); }

  // Other limits for what comes; what has been spent stays spent.
  void setLimits(unsigned maxRestarts, Duration within);

 private:
  unsigned maxRestarts_;
  Duration within_;
  std::deque<Time> spent_;  // oldest first
};

}  // namespace troupe::supervision
