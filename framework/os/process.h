// Making child processes, and seeing them end.
//
// Only the main thread of a single-threaded process may fork here: the parent-death signal is tied to the
// thread that forked, and a fork of a threaded process copies locks that nobody will release.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "os/fd.h"

namespace troupe::os {

struct ChildSettings {
  pid_t parent = 0;                // who forked: where it is no longer the parent, the child ends at once
  std::vector<int> keep = {};      // descriptors beside 0, 1, 2 that stay open; all others are closed
  int standardOutput = -1;         // becomes descriptor 1; -1: as inherited
  int standardError = -1;          // becomes descriptor 2
  bool keepStandardInput = false;  // else it becomes /dev/null
};

// Forks. Buffered standard output is flushed first, so that it is not written twice. Returns 0 in the child,
// where all signals stay blocked until settleChild(): no handler of the parent's ever runs there.
// Errors: system (EAGAIN, ENOMEM); invalid, where this process has more than one thread.
pid_t forkProcess();

// How many processes lie between this one and the one that asked first, each forked from the one before, by whatever means. What belongs
// to one process is not this process's own where the number was another when it was made.
unsigned forksSoFar();

// What a child does first: dies with its parent (PR_SET_PDEATHSIG, checked against a parent that died
// before), resets signal dispositions and mask, ignores SIGPIPE and SIGINT (Ctrl-C goes to the whole terminal
// group, and it is the root that stops the tree in order), takes its standard descriptors, closes all others,
// line-buffers output. Ends the process where anything fails.
void settleChild(const ChildSettings& settings);

// Flushes standard output and ends, without running destructors of the process this one was forked from.
[[noreturn]] void endProcess(int code);

// The program in a file, whatever becomes of the file's name. Errors: system.
Fd openProgram(const std::string& file);

// Replaces this process by a fresh image of the same program, or of `image` if that is set, with its own argv and the environment
// plus `extra`. Descriptors in `keep` stay open in it. Returns only on failure, with errno.
int execAgain(const Fd& image, const std::vector<std::string>& arguments,
              const std::vector<std::pair<std::string, std::string>>& extra, std::span<const int> keep);

// What exec takes: to the texts, which must stay, and nullptr at the end.
std::vector<char*> pointersTo(std::vector<std::string>& strings);
// The environment of this process as "NAME=value", with `extra` instead of variables of the same name.
std::vector<std::string> environmentWith(const std::vector<std::pair<std::string, std::string>>& extra);

// Opens /dev/null in the place of 0, 1 and 2 where they are closed, so that no other descriptor ever takes
// their numbers. To be called early in main. Errors: system.
void fillStandardDescriptors();

struct ProcessEnd {
  pid_t pid = 0;
  bool signaled = false;
  int code = 0;  // exit code, or signal
  bool coreDumped = false;
};

// Reaps one child that has ended, if any. Never blocks.
std::optional<ProcessEnd> reapChild();

// True where this child has ended, and was not reaped yet.
bool hasEnded(pid_t child);

// Waits until a child has ended, which it leaves to be reaped, or for `limit`. SIGCHLD must be blocked.
void waitForChild(std::chrono::milliseconds limit);

// Children whose parent dies come to this process, instead of init, and can be reaped here. Errors: system.
void adoptOrphans();

// The pids of this process's children now, from /proc; empty where that can't be read. One that starts or
// ends meanwhile may hide another: ask again until nothing changes.
std::vector<pid_t> childrenOfThisProcess();

// Sends a signal; false where there is no such process.
bool sendSignal(pid_t pid, int signal);

pid_t processId();
unsigned threadCount();
// It has no other thread, and no child, be it a zombie: so nothing goes on when it waits. Errors: system.
bool isAlone();

// Writes what the C and C++ libraries hold back of standard output and error.
void flushOutput();

}  // namespace troupe::os
