// What a process uses, from /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace troupe::cli {

struct ProcessUsage {
  std::uint64_t rssBytes = 0;
  double cpuSeconds = 0;  // user and system
};

// Nothing where there is no such process any more.
std::optional<ProcessUsage> usageOf(int pid);
// The same, from the texts of /proc/<pid>/stat and /proc/<pid>/statm.
std::optional<ProcessUsage> usageFrom(const std::string& stat, const std::string& statm);

}  // namespace troupe::cli
