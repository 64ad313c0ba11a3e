#include "tests/support/app_run.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/support/program.h"

namespace tests {

namespace {

using Clock = std::chrono::steady_clock;

char** theArguments = nullptr;

// The C library gives these to constructors as well: the test's main is not ours.
[[gnu::constructor]] void keepArguments(int, char** argv, char**) { theArguments = argv; }

// Those that kill for longer (killing.h) take longer.
Clock::time_point newDeadline() {
  return Clock::now() + kDeadline + std::chrono::seconds(fromEnvironment("TROUPE_KILL_SECONDS", 0));
}

// An exception that nobody catches must not reach gtest, which would go on in this process.
int runHere(const AppRun::Describe& describe, const std::function<void()>& before) noexcept {
  const rlimit noCores = {0, 0};
  ::setrlimit(RLIMIT_CORE, &noCores);
  if (before) before();
  troupe::App app(argumentCount(), arguments());
  describe(app);
  return app.run();
}

struct Pipe {
  int reader = -1;
  int writer = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) std::abort();
    reader = ends[0];
    writer = ends[1];
    ::fcntl(reader, F_SETFL, O_NONBLOCK);
  }
};

void addProcesses(pid_t pid, std::map<std::string, pid_t>& to) {
  for (const pid_t child : childrenOf(pid)) {
    const std::string path = pathOf(child);
    // A child that was forked just now still carries its parent's title: that comes first.
    if (!path.empty()) to.emplace(path, child);
    addProcesses(child, to);
  }
}

}  // namespace

AppRun::AppRun(Describe describe, std::function<void()> before) : deadline_(newDeadline()) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::fflush(stdout);
  std::fflush(stderr);
  descriptors_ = openDescriptors();
  const Pipe out;
  const Pipe err;
  root_ = ::fork();
  if (root_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out.writer, STDOUT_FILENO);
    ::dup2(err.writer, STDERR_FILENO);
    const int code = runHere(describe, before);
    std::fflush(stdout);
    ::_exit(code);
  }
  ::close(out.writer);
  ::close(err.writer);
  out_ = out.reader;
  err_ = err.reader;
}

AppRun::~AppRun() {
  if (!over_) wait();
  if (!testing::Test::HasFailure()) return;
  std::fprintf(stderr, "--- standard output of the app ---\n%s--- its standard error ---\n%s--- end ---\n",
               ended_.out.c_str(), ended_.err.c_str());
}

void AppRun::signal(int signal) const { ::kill(root_, signal); }

void AppRun::readFrom(int& fd, std::string& into) const {
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(got));
      continue;
    }
    if (got == 0) {
      ::close(fd);
      fd = -1;
    }
    return;
  }
}

// Reads what comes, for a short while at most.
void AppRun::pump(int milliseconds) {
  std::array<pollfd, 2> polled{{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
  if (!reads_) polled = {{{-1, 0, 0}, {-1, 0, 0}}};
  ::poll(polled.data(), polled.size(), milliseconds);
  if (polled[0].revents != 0) readFrom(out_, ended_.out);
  if (polled[1].revents != 0) readFrom(err_, ended_.err);
}

bool AppRun::waitUntil(const std::string& what, const std::function<bool()>& holds) {
  while (!holds()) {
    if (Clock::now() > deadline_ || over_) {
      ADD_FAILURE() << "waited in vain: " << what;
      return false;
    }
    pump(5);
  }
  return true;
}

bool AppRun::waitForOutput(const std::string& text) {
  return waitUntil("\"" + text + "\" in the output", [&] {
    return ended_.out.find(text) != std::string::npos || ended_.err.find(text) != std::string::npos;
  });
}

bool AppRun::reapRoot() {
  int status = 0;
  if (::waitpid(root_, &status, WNOHANG) != root_) return false;
  ended_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  killed_ = WIFSIGNALED(status);
  return true;
}

const Ended& AppRun::wait() {
  if (over_) return ended_;
  while (!reapRoot()) {
    if (Clock::now() > deadline_) {
      ADD_FAILURE() << "the app did not end within " << kDeadline.count() << " s, and was killed";
      ::kill(root_, SIGKILL);
      deadline_ += kDeadline;
    }
    pump(2);
  }
  over_ = true;
  checkNothingLeft();
  reads_ = true;
  while ((out_ >= 0 || err_ >= 0) && Clock::now() < deadline_) pump(5);
  EXPECT_TRUE(out_ < 0 && err_ < 0) << "somebody still has the output of the app";
  for (int* fd : {&out_, &err_}) {
    if (*fd >= 0) ::close(std::exchange(*fd, -1));
  }
  EXPECT_EQ(openDescriptors(), descriptors_);
  for (const std::string* text : {&ended_.out, &ended_.err}) {
    if (text->find(": Failure\n") != std::string::npos)
      ADD_FAILURE() << "in a process of the app:\n" << *text;
  }
  return ended_;
}

// After an orderly end nothing is left at once. Where the root was killed, all below it is dying.
void AppRun::checkNothingLeft() {
  const auto limit = Clock::now() + std::chrono::seconds(20);
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      EXPECT_TRUE(killed_) << "a process was left when the root ended";
    }
    const auto left = childrenOf(::getpid());
    if (left.empty()) return;
    if (!killed_ || Clock::now() > limit) {
      for (const pid_t pid : left) {
        ADD_FAILURE() << "process " << pid << " (" << pathOf(pid) << ", state " << stateOf(pid)
                      << ") was left";
        ::kill(pid, SIGKILL);
      }
      killed_ = true;
    }
    pump(2);
  }
}

int runTestsOrBecome(int argc, char** argv, const AppRun::Describe& describe) {
  if (std::getenv("TROUPE_TICKET") != nullptr) {
    troupe::App app(argc, argv);
    describe(app);
    return app.run();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

Ended runToEnd(const AppRun::Describe& describe, const AppRun::Main& main,
               const std::function<void()>& before) {
  AppRun run(
      [&](troupe::App& app) {
        describe(app);
        app.main(main);
      },
      before);
  return run.wait();
}

Ended runApp(const AppRun::Describe& describe, const AppRun::Main& main,
             const std::function<void()>& before) {
  Ended ended = runToEnd(describe, main, before);
  EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
  return ended;
}

std::vector<pid_t> childrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

std::string pathOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
  std::string title;
  std::getline(file, title, '\0');
  return title.substr(0, title.find(' '));
}

char stateOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("State:")) return line.at(line.find_first_not_of(" \t", 6));
  }
  return 0;
}

std::size_t openDescriptors() {
  std::size_t count = 0;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

std::map<std::string, pid_t> AppRun::processes() const {
  std::map<std::string, pid_t> all{{"/", root_}};
  addProcesses(root_, all);
  return all;
}

// gtest has taken its own out since.
int argumentCount() {
  int count = 0;
  while (theArguments[count] != nullptr) ++count;
  return count;
}

char** arguments() { return theArguments; }

}  // namespace tests
