// What the system allows this process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "os/fd.h"

namespace troupe::os {

// Raises the soft limit of open descriptors to the hard one; the limit that now holds.
std::size_t raiseDescriptorLimit();
std::size_t descriptorLimit();
// The soft limit that this program was started with, for another program; calls nothing but system calls. One that was started by exec
// of the app has been given the hard one.
void restoreDescriptorLimit();
// The number of cores that this process may run on, at least 1.
unsigned usableCores();
// The units of /proc: of memory, and of time.
std::size_t pageBytes();
double ticksPerSecond();

// The most that a single request for memory can get, as far as the system tells: what the machine has to give, swap included, and the limits
// of the control groups that this process is in. Who asks for more would not be refused, but get other processes killed first.
std::size_t obtainableMemory();
// The sum of two lines of /proc/meminfo; all there can be, where it has no such lines.
std::size_t obtainableOf(std::string_view meminfo);

// Notices kills by the kernel's out-of-memory killer, by its counters (of the control group that this process is in
// when the watch is made, or the machine's). The file stays open: a restart waits for the answer.
class OutOfMemoryWatch {
 public:
  OutOfMemoryWatch();
  // True where the counters have grown since the last question: a SIGKILL that nobody here has sent came from
  // there.
  bool struck();

 private:
  unsigned long long count() const;
  Fd counters_;
  unsigned long long seen_;
};

}  // namespace troupe::os
