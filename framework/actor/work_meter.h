// Sees to it that no message takes more than it may, and counts them (troupe::Limits, ChildSpec::recycleAfter).
#pragma once

#include <troupe/spec.h>

#include <memory>

#include "os/work_limits.h"

namespace troupe::actor {

class WorkMeter {
 public:
  // Null where nothing is to be seen to. Errors: system.
  static std::unique_ptr<WorkMeter> of(const Limits& limits, unsigned recycleAfter) {
    const bool timed = limits.cpuPerMessage > Duration::zero() || limits.wallPerMessage > Duration::zero();
    return timed || recycleAfter > 0 ? std::make_unique<WorkMeter>(limits, recycleAfter) : nullptr;
  }
  WorkMeter(const Limits& limits, unsigned recycleAfter) : left_(recycleAfter) {
    using Of = os::WorkTimer::Of;
    if (limits.cpuPerMessage > Duration::zero())
      cpu_ = std::make_unique<os::WorkTimer>(Of::cpuTime, limits.cpuPerMessage);
    if (limits.wallPerMessage > Duration::zero())
      wall_ = std::make_unique<os::WorkTimer>(Of::wallTime, limits.wallPerMessage);
  }

  void begun() {
    if (cpu_) cpu_->start();
    if (wall_) wall_->start();
  }
  // `last`: no other message is being handled. True once, after as many as there may be.
  bool ended(bool last) {
    if (last && cpu_) cpu_->stop();
    if (last && wall_) wall_->stop();
    if (left_ == 0) return false;
    --left_;
    return left_ == 0;
  }

 private:
  std::unique_ptr<os::WorkTimer> cpu_;
  std::unique_ptr<os::WorkTimer> wall_;
  unsigned left_;
};

}  // namespace troupe::actor
