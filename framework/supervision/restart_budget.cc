#include "supervision/restart_budget.h"

namespace troupe::supervision {

bool RestartBudget::spend(Time now) {
  while (!spent_.empty() && now - spent_.front() > within_) spent_.pop_front();
  spent_.push_back(now);
  return spent_.size() <= maxRestarts_;
}

void RestartBudget::setLimits(unsigned maxRestarts, Duration within) {
  maxRestarts_ = maxRestarts;
  within_ = within;
}

}  // namespace troupe::supervision
