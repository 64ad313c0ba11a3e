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

// So many, or as many as TROUPE_KILLS in the environment says, if that is less.
unsigned mostKills(unsigned kills);

// Kills children of a supervisor, one of `ids` at a time, each time when it runs; the next some milliseconds later. `kills` times in all,
// or as many as TROUPE_KILLS in the environment says, if that is less; and on for so many seconds as TROUPE_KILL_SECONDS says. So often
// those of them for which `counts` holds were killed.
//
// At the end all of them run again, and nothing has leaked: the test fails where the app has more processes, or its root more descriptors, or
// root and desks more memory than there were after the first kills, but for what comes and goes.
troupe::Task<unsigned> killAtRandom(troupe::Self& self, std::vector<std::string> ids, unsigned kills,
                                    std::function<bool(const std::string& id)> counts,
                                    std::string supervisor = "/");

// What an app takes.
struct Footprint {
  std::size_t processes = 0;
  std::size_t descriptors = 0;  // of the root
  std::size_t rootKiB = 0;      // heap and stack of the root
  std::size_t sharedKiB = 0;    // in what processes share, all of which the root has
};
Footprint footprintOf(pid_t root);
// No more than before, but for what comes and goes.
bool fits(const Footprint& now, const Footprint& before);
std::string describe(const Footprint& footprint);
// Waits until that is so; the test fails where it does not come.
troupe::Task<> expectNoLeak(troupe::Self& self, Footprint before);

// Of the process that is the root of this one's app.
pid_t rootPid();

}  // namespace tests
