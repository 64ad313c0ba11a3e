// Runs a whole app in a child process of the test program, and looks at it from outside.
//
// The child is the root; the test program adopts what is orphaned below it. Its standard output and error are captured.
// Expectations may be used in any process of the app: one that fails prints its text, and the text fails the test. At the
// end no process may be left, and no descriptor. An app that takes longer than the deadline is killed, and the test fails.
//
// Threads: the test program has one.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>
#include <troupe/app.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>

namespace tests {

inline constexpr std::chrono::seconds kDeadline{900};

struct Ended {
  int code = -1;  // exit code, or 128 + signal
  std::string out;
  std::string err;
};

class AppRun {
 public:
  using Describe = std::function<void(troupe::App&)>;
  using Main = std::function<troupe::Task<>(troupe::Self&)>;

  // Starts the app that `describe` describes. `before` runs in the root first: limits, descriptors.
  explicit AppRun(Describe describe, std::function<void()> before = {});
  // Kills what is left.
  ~AppRun();
  AppRun(const AppRun&) = delete;
  AppRun& operator=(const AppRun&) = delete;

  pid_t root() const { return root_; }
  void signal(int signal) const;
  const std::string& out() const { return ended_.out; }
  const std::string& err() const { return ended_.err; }

  // Waits for the condition, while output is read; false, and a failure, where the deadline is over before.
  bool waitUntil(const std::string& what, const std::function<bool()>& holds);
  bool waitForOutput(const std::string& text);
  // No output is read from here on, until it is allowed again.
  void readOutput(bool on) { reads_ = on; }

  // All processes of the app by their paths, as their titles say: "/" is the root.
  std::map<std::string, pid_t> processes() const;

  // Waits for the end of the root, and checks that nothing is left.
  const Ended& wait();

 private:
  void pump(int milliseconds);
  void readFrom(int& fd, std::string& into) const;
  bool reapRoot();
  void checkNothingLeft();

  pid_t root_ = -1;
  int out_ = -1;
  int err_ = -1;
  bool reads_ = true;
  bool over_ = false;
  bool killed_ = false;
  std::size_t descriptors_ = 0;
  std::chrono::steady_clock::time_point deadline_;
  Ended ended_;
};

// Runs the app to its end. `main` is its main actor.
Ended runToEnd(const AppRun::Describe& describe, const AppRun::Main& main,
               const std::function<void()>& before = {});
// The same; anything but an orderly end, with code 0, fails the test.
Ended runApp(const AppRun::Describe& describe, const AppRun::Main& main,
             const std::function<void()>& before = {});

// main() of a program whose apps start processes by exec: such a process becomes its part of what is described, any other
// runs the tests.
int runTestsOrBecome(int argc, char** argv, const AppRun::Describe& describe);

// The processes whose parent is `pid`, zombies included.
std::vector<pid_t> childrenOf(pid_t pid);
// The first word of its title; empty where it has ended.
std::string pathOf(pid_t pid);
// "State" in /proc/<pid>/status: 'R', 'S', 'T', 'Z', ...; 0 where there is no such process.
char stateOf(pid_t pid);
std::size_t openDescriptors();

// Those that the program was started with, as they lie in memory.
int argumentCount();
char** arguments();

}  // namespace tests
