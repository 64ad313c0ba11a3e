// What processes hold for themselves.
#pragma once

#include <vector>

namespace troupe::bench {

// Of each, on average.
double privateKiB(const std::vector<int>& pids);

}  // namespace troupe::bench
