#include "tests/support/killing.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>

#include "tests/support/processes.h"
#include "tests/support/program.h"
#include "tests/support/puppet.h"
#include "tests/support/sanitized.h"

namespace tests {

namespace {

using Clock = std::chrono::steady_clock;

// After so many kills everything has been used once.
constexpr unsigned kFirstKills = 100;
// What comes and goes: a process that is being started has its pipes, and what waits in a list is in shared memory. A thousand kills are
// more than this where each leaves a KiB to the root, or what little an actor that does nothing has of a desk.
constexpr std::size_t kDescriptorsUnderWay = 8;
constexpr std::size_t kRootKiB = kSanitized ? 320 * 1024 : 512;  // sanitizers keep 256 MiB of what was freed
constexpr std::size_t kSharedKiB = 16 * 1024;

// Each open file once, however many descriptors stand for it.
std::size_t sharedKiBOf(pid_t pid) {
  std::map<ino_t, std::size_t> files;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error)) {
    struct stat status = {};
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (target.starts_with("/memfd:") && ::stat(entry.path().c_str(), &status) == 0)
      files[status.st_ino] = static_cast<std::size_t>(status.st_blocks) / 2;
  }
  std::size_t sum = 0;
  for (const auto& [inode, kib] : files) sum += kib;
  return sum;
}

// The processes that were killed last, by the ids of the children: their supervisor may not know yet.
using Killed = std::map<std::string, int>;

bool runs(const troupe::ChildInfo& child, const Killed& killed) {
  const auto last = killed.find(child.id);
  return child.pid != 0 && child.state == troupe::ChildState::running &&
         (last == killed.end() || last->second != child.pid);
}

Task<> becomeRunning(Self& self, std::vector<std::string> ids, Killed killed, std::string supervisor) {
  const std::function<Task<bool>()> run = [ids, killed, supervisor]() -> Task<bool> {
    const auto children = co_await childrenOf(troupe::SupervisorRef(supervisor));
    co_return std::ranges::all_of(ids, [&](const std::string& id) { return runs(children.at(id), killed); });
  };
  co_await until(self, "all run again", run);
}

}  // namespace

void* sharedByAll(std::size_t bytes) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

Footprint footprintOf(pid_t root) {
  return {.processes = processesBelow(root).size(),
          .descriptors = descriptorsOf(root),
          .rootKiB = memoryOf(root).anonymousKiB,
          .sharedKiB = sharedKiBOf(root)};
}

bool fits(const Footprint& now, const Footprint& before) {
  return now.processes <= before.processes && now.descriptors <= before.descriptors + kDescriptorsUnderWay &&
         now.rootKiB <= before.rootKiB + kRootKiB && now.sharedKiB <= before.sharedKiB + kSharedKiB;
}

std::string describe(const Footprint& footprint) {
  return std::to_string(footprint.processes) + " processes, " + std::to_string(footprint.descriptors) +
         " descriptors and " + std::to_string(footprint.rootKiB) + " KiB of the root, " +
         std::to_string(footprint.sharedKiB) + " KiB shared";
}

Task<> expectNoLeak(Self& self, Footprint before) {
  Footprint now = footprintOf(rootPid());
  for (const auto limit = Clock::now() + 30s; !fits(now, before) && Clock::now() < limit;) {
    co_await self.sleepFor(10ms);
    now = footprintOf(rootPid());
  }
  EXPECT_TRUE(fits(now, before)) << describe(now) << "; before: " << describe(before) << '\n'
                                 << describe(processesBelow(rootPid()));
}

unsigned mostKills(unsigned kills) { return std::min(kills, fromEnvironment("TROUPE_KILLS", kills)); }

Task<unsigned> killAtRandom(Self& self, std::vector<std::string> ids, unsigned kills,
                            std::function<bool(const std::string& id)> counts, std::string supervisor) {
  kills = mostKills(kills);
  const auto end = Clock::now() + std::chrono::seconds(fromEnvironment("TROUPE_KILL_SECONDS", 0));
  std::mt19937 random(7);
  unsigned counted = 0;
  Killed killed;
  std::optional<Footprint> before;
  for (unsigned done = 0; done < kills || Clock::now() < end;) {
    if (!before && done >= std::min(kFirstKills, kills / 2)) {
      co_await becomeRunning(self, ids, killed, supervisor);
      before = footprintOf(rootPid());
    }
    const auto children = co_await childrenOf(troupe::SupervisorRef(supervisor));
    const std::string& id = ids[random() % ids.size()];
    const auto& child = children.at(id);
    if (runs(child, killed)) {
      kill(child.pid, SIGKILL);
      killed[id] = child.pid;
      ++done;
      if (counts(id)) ++counted;
    }
    co_await self.sleepFor(std::chrono::microseconds(random() % 3000));
  }
  co_await becomeRunning(self, ids, killed, supervisor);
  if (before) co_await expectNoLeak(self, *before);
  co_return counted;
}

// main is the root's own child.
pid_t rootPid() { return ::getppid(); }

}  // namespace tests
