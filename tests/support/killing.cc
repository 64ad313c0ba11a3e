#include "tests/support/killing.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>

#include "tests/support/puppet.h"

namespace tests {

void* sharedByAll(std::size_t bytes) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

Task<unsigned> killAtRandom(Self& self, std::vector<std::string> ids, unsigned kills,
                            std::function<bool(const std::string& id)> counts, std::string supervisor) {
  if (const char* const most = std::getenv("TROUPE_KILLS"))
    kills = std::min(kills, static_cast<unsigned>(std::stoul(most)));
  std::mt19937 random(7);
  unsigned counted = 0;
  for (unsigned done = 0; done < kills;) {
    const auto children = co_await childrenOf(troupe::SupervisorRef(supervisor));
    const std::string& id = ids[random() % ids.size()];
    const auto& child = children.at(id);
    if (child.pid != 0 && child.state == troupe::ChildState::running) {
      kill(child.pid, SIGKILL);
      ++done;
      if (counts(id)) ++counted;
    }
    co_await self.sleepFor(std::chrono::microseconds(random() % 3000));
  }
  co_return counted;
}

// main is the root's own child.
pid_t rootPid() { return ::getppid(); }

}  // namespace tests
