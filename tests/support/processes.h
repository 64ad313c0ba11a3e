// Processes as /proc shows them: trees, sockets, descriptors, memory.
//
// Races: a tree is read process by process, so one that starts or ends meanwhile may be missing or seen half
//        made: wait for what is expected, instead of looking once.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace tests {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = 0;  // 'R', 'S', 'T', 'Z', ...
  std::string title;

  // Of an actor or supervisor: "/a/b" of the title "/a/b (program)". Empty for any other process.
  std::string path() const;
};

// `top` and all below it.
std::vector<Process> processesBelow(pid_t top);
// One a line, for messages.
std::string describe(const std::vector<Process>& processes);

// Stops the process, and returns when it stands still; false where it has ended. It opens and closes nothing
// from then on.
bool freeze(pid_t pid);
// The remote ports of the TCP connections that a frozen process has open and whose other side has not closed.
std::set<unsigned> peerPorts(pid_t pid);

// 0 where there is no such process.
std::size_t descriptorsOf(pid_t pid);
struct Memory {
  std::size_t privateKiB = 0;
  std::size_t residentKiB = 0;
  // Heap and stack, also those pages that are shared with the process that forked it, or that it has forked: their number
  // does not change by what those others do.
  std::size_t anonymousKiB = 0;
};
Memory memoryOf(pid_t pid);

}  // namespace tests
