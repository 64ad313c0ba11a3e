#include "os/limits.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <troupe/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "os/file.h"

namespace troupe::os {
namespace {

rlimit descriptors() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) throw Error::system("cannot read the descriptor limit", errno);
  return limit;
}

rlim_t startedWith = 0;  // 0: it was not raised here

// The number behind the word "oom_kill" at the beginning of one of the lines that `text` holds whole.
std::optional<unsigned long long> oomKillsIn(std::string_view text) {
  text = text.substr(0, text.rfind('\n') + 1);
  const std::size_t at = text.starts_with("oom_kill ") ? 0 : text.find("\noom_kill ");
  if (at == std::string_view::npos) return std::nullopt;
  unsigned long long number = 0;
  std::from_chars(text.data() + text.find(' ', at) + 1, text.data() + text.size(), number);
  return number;
}

std::optional<std::size_t> numberAt(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::size_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc()) return std::nullopt;
  return number;
}

// In the unified hierarchy, those above included. "max" is no limit.
std::size_t limitOfGroups() {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  const std::string groups = readSystemFile("/proc/self/cgroup");
  if (!groups.starts_with("0::")) return least;
  std::string group = groups.substr(3, groups.find('\n') - 3);
  for (;;) {
    if (const auto limit = numberAt(readSystemFile("/sys/fs/cgroup" + group + "/memory.max")))
      least = std::min(least, *limit);
    if (group.empty()) return least;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

Fd openForReading(const std::string& path) { return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

// Of the control group of this process, in the unified hierarchy or that of memory, or else of the machine.
Fd openOomCounters() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::string group = line.substr(std::min(line.rfind(':') + 1, line.size()));
    Fd counters;
    if (line.starts_with("0::")) counters = openForReading("/sys/fs/cgroup" + group + "/memory.events");
    if (line.find(":memory:") != std::string::npos)
      counters = openForReading("/sys/fs/cgroup/memory" + group + "/memory.oom_control");
    if (counters.valid()) return counters;
  }
  return openForReading("/proc/vmstat");
}

}  // namespace

std::size_t raiseDescriptorLimit() {
  rlimit limit = descriptors();
  if (limit.rlim_cur != limit.rlim_max) {
    startedWith = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0)
      throw Error::system("cannot raise the descriptor limit", errno);
  }
  return descriptorLimit();
}

std::size_t descriptorLimit() { return descriptors().rlim_cur; }

void restoreDescriptorLimit() {
  rlimit limit = {};
  if (startedWith == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = std::min(startedWith, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

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

std::size_t obtainableOf(std::string_view meminfo) {
  std::size_t sum = 0;
  for (const std::string_view line : {"MemAvailable:", "SwapFree:"}) {
    const std::size_t at = meminfo.find(line);
    if (at == std::string_view::npos) return std::numeric_limits<std::size_t>::max();
    sum += numberAt(meminfo.substr(at + line.size())).value_or(0) << 10;
  }
  return sum;
}

std::size_t obtainableMemory() {
  return std::min(obtainableOf(readSystemFile("/proc/meminfo")), limitOfGroups());
}

OutOfMemoryWatch::OutOfMemoryWatch() : counters_(openOomCounters()), seen_(count()) {}

bool OutOfMemoryWatch::struck() {
  const unsigned long long now = count();
  const bool grown = now > seen_;
  seen_ = now;
  return grown;
}

unsigned long long OutOfMemoryWatch::count() const {
  // The counters of a machine come in several pieces.
  std::array<char, 4096> piece;
  std::string text;
  for (;;) {
    const auto at = static_cast<off_t>(text.size());
    const ssize_t got = ::pread(counters_.get(), piece.data(), piece.size(), at);
    if (got <= 0) return 0;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (const auto kills = oomKillsIn(text)) return *kills;
  }
}

}  // namespace troupe::os
