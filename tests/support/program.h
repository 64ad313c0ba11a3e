// A program that a test runs, and looks at from outside: a sample, or the test's own binary in another role.
//
// Its standard output and error are captured; its standard input is one end of a socket, so that an actor can
// await what the test writes. The test program becomes the reaper of what is orphaned below it: so it sees
// what a program leaves behind.
//
// Order:   output is read only while the test waits here.
// Threads: the test program has one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/processes.h"

namespace tests {

inline constexpr std::chrono::milliseconds kPatience{600'000};

class Program {
 public:
  struct End {
    bool signaled = false;
    int code = 0;  // exit code, or signal
  };

  // Environment: "NAME=value", beside the test's own.
  explicit Program(std::string executable, std::vector<std::string> arguments = {},
                   std::vector<std::string> environment = {});
  // Kills it, and what it left.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }
  const std::string& errors() const { return errors_; }
  std::vector<Process> processes() const { return processesBelow(pid_); }

  void signal(int signal) const;
  // To its standard input.
  void send(const std::string& text) const;

  // The next whole line of its standard output that contains `text`; lines before it are skipped. Nothing
  // where it does not come in time, or the output ends.
  std::optional<std::string> waitForLine(const std::string& text,
                                         std::chrono::milliseconds limit = kPatience);
  bool waitUntil(const std::function<bool()>& holds, std::chrono::milliseconds limit = kPatience);
  // Reads output for so long: what a timetable of kills is made of.
  void readFor(std::chrono::milliseconds time);
  std::optional<End> waitForEnd(std::chrono::milliseconds limit = kPatience);

  // After its end: reaps what it has left, and waits until there is nothing. Those that live on after `limit`
  // are told, and killed.
  std::vector<Process> leftovers(std::chrono::milliseconds limit = kPatience);
  // Processes that were orphaned, and came to the test to be reaped.
  const std::vector<Process>& orphans() const { return orphans_; }

 private:
  void read(std::chrono::milliseconds limit);
  std::optional<std::string> nextLine();

  pid_t pid_ = 0;
  int input_ = -1;
  int outputEnd_ = -1;
  int errorsEnd_ = -1;
  std::string output_;
  std::string errors_;
  std::size_t seen_ = 0;
  std::optional<End> end_;
  std::vector<Process> orphans_;
};

// <source>/<name>
std::string sourcePath(const std::string& name);
// <build>/samples/<name>
std::string samplePath(const std::string& name);
// This very test program.
std::string ownPath();
// A number from the environment.
unsigned fromEnvironment(const char* name, unsigned otherwise);

}  // namespace tests
