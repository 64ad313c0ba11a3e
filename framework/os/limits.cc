#include "os/limits.h"

#include <sched.h>
#include <sys/resource.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

namespace troupe::os {
namespace {

rlimit descriptors() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) throw Error::system("cannot read the descriptor limit", errno);
  return limit;
}

// The number behind the word "oom_kill" in a file of such pairs.
std::optional<unsigned long long> oomKillsIn(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  unsigned long long number = 0;
  while (file >> word >> number)
    if (word == "oom_kill") return number;
  return std::nullopt;
}

// The control group of this process in the unified hierarchy, such as "/user.slice".
std::optional<std::string> controlGroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::")) return line.substr(3);
  return std::nullopt;
}

}  // namespace

std::size_t raiseDescriptorLimit() {
  rlimit limit = descriptors();
  if (limit.rlim_cur != limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0)
      throw Error::system("cannot raise the descriptor limit", errno);
  }
  return descriptorLimit();
}

std::size_t descriptorLimit() { return descriptors().rlim_cur; }

unsigned usableCores() {
  // The kernel refuses a set that is smaller than its own: doubled until it fits.
  for (int cores = 1024; cores <= 1 << 20; cores *= 2) {
    const auto release = [](cpu_set_t* set) { CPU_FREE(set); };
    const std::unique_ptr<cpu_set_t, decltype(release)> set(CPU_ALLOC(static_cast<std::size_t>(cores)),
                                                            release);
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cores));
    if (::sched_getaffinity(0, bytes, set.get()) == 0)
      return static_cast<unsigned>(CPU_COUNT_S(bytes, set.get()));
    if (errno != EINVAL) break;
  }
  const unsigned all = std::thread::hardware_concurrency();
  return all == 0 ? 1 : all;
}

std::size_t pageBytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

double ticksPerSecond() { return static_cast<double>(::sysconf(_SC_CLK_TCK)); }

OutOfMemoryWatch::OutOfMemoryWatch() : seen_(count()) {}

bool OutOfMemoryWatch::struck() {
  const unsigned long long now = count();
  const bool grown = now > seen_;
  seen_ = now;
  return grown;
}

unsigned long long OutOfMemoryWatch::count() const {
  if (const auto group = controlGroup())
    if (const auto kills = oomKillsIn("/sys/fs/cgroup" + *group + "/memory.events")) return *kills;
  return oomKillsIn("/proc/vmstat").value_or(0);
}

}  // namespace troupe::os
