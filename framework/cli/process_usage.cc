#include "cli/process_usage.h"

#include <sstream>

#include "os/file.h"
#include "os/limits.h"

namespace troupe::cli {

std::optional<ProcessUsage> usageFrom(const std::string& stat, const std::string& statm) {
  // The name stands in brackets and may contain anything, also ") ".
  const auto bracket = stat.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(bracket + 1));
  // State is the 3rd of all; the times are the 14th and 15th, in ticks.
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  std::istringstream memory(statm);
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  if (!(fields >> user >> system) || !(memory >> all >> resident)) return std::nullopt;
  return ProcessUsage{.rssBytes = resident * os::pageBytes(),
                      .cpuSeconds = static_cast<double>(user + system) / os::ticksPerSecond()};
}

std::optional<ProcessUsage> usageOf(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  return usageFrom(os::readSystemFile(folder + "/stat"), os::readSystemFile(folder + "/statm"));
}

}  // namespace troupe::cli
