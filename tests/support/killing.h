// Killing the children of an app at random, and counting what all its processes do.
#pragma once

#include <sys/types.h>
#include <troupe/self.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace tests {

// Zeroed memory that this process shares with all that are forked below it.
void* sharedByAll(std::size_t bytes);
template <class T>
T* sharedByAll() {
  return static_cast<T*>(sharedByAll(sizeof(T)));
}

// Kills children of a supervisor, one of `ids` at a time, each time when it runs; the next some milliseconds later. `kills` times in all,
// or as many as TROUPE_KILLS in the environment says, if that is less. So often those of them for which `counts` holds were killed.
troupe::Task<unsigned> killAtRandom(troupe::Self& self, std::vector<std::string> ids, unsigned kills,
                                    std::function<bool(const std::string& id)> counts,
                                    std::string supervisor = "/");

// Of the process that is the root of this one's app.
pid_t rootPid();

}  // namespace tests
