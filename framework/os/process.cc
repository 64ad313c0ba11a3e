#include "os/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <troupe/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <string_view>

#include "os/app_log.h"
#include "os/library_pipe.h"

namespace troupe::os {
namespace {

constexpr int kSettlingFailed = 71;  // EX_OSERR of sysexits.h

[[noreturn]] void endSettling(const char* what) {
  const std::string line =
      std::string("troupe: a new process cannot ") + what + ": " + std::strerror(errno) + "\n";
  (void)!::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(kSettlingFailed);
}

// Nothing of the parent's handlers may run here, and nothing that it ignored or blocked may be lost on this
// process; but for a hang-up of the terminal, which reaches the whole group: where nohup(1) has the parent
// live on, its children must too.
void resetSignals() {
  struct sigaction action = {};
  ::sigaction(SIGHUP, nullptr, &action);
  const bool hangUpIgnored = action.sa_handler == SIG_IGN;
  action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal)
    ::sigaction(signal, &action, nullptr);  // some can't be set, nor need to
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  if (hangUpIgnored) ::sigaction(SIGHUP, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) < 0) endSettling("unblock its signals");
}

// Out of the way of 0, 1 and 2, which are about to be replaced one by one.
int moveUp(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (moved < 0) endSettling("duplicate a standard descriptor");
  return moved;
}

void takeOutput(const ChildSettings& settings) {
  const int output = moveUp(settings.standardOutput);
  const int error = moveUp(settings.standardError);
  if (output >= 0 && ::dup2(output, STDOUT_FILENO) < 0) endSettling("take its standard output");
  if (error >= 0 && ::dup2(error, STDERR_FILENO) < 0) endSettling("take its standard error");
}

void closeAllBut(std::vector<int> keep) {
  const std::array<int, 2> pipe = libraryPipe();
  const std::vector<int> log = logDescriptors();
  keep.insert(keep.end(), pipe.begin(), pipe.end());
  keep.insert(keep.end(), log.begin(), log.end());
  std::sort(keep.begin(), keep.end());
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : keep) {
    if (fd < static_cast<int>(first)) continue;
    const auto kept = static_cast<unsigned>(fd);
    if (kept > first && ::close_range(first, kept - 1, 0) < 0) endSettling("close descriptors");
    first = kept + 1;
  }
  if (::close_range(first, std::numeric_limits<unsigned>::max(), 0) < 0) endSettling("close descriptors");
}

// Needs a descriptor for a moment: where the parent is at its limit, there is none before the others are closed.
void takeNoInput() {
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) endSettling("open /dev/null");
  if (null != STDIN_FILENO) ::close(null);
}

}  // namespace

void flushOutput() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(stdout);
  std::fflush(stderr);
}

unsigned forksSoFar() {
  static unsigned forks = 0;
  // Never fails but for want of memory; then a fork would go unseen.
  static const bool counting = ::pthread_atfork(nullptr, nullptr, [] { ++forks; }) == 0;
  if (!counting) throw Error::system("cannot count the forks of this process", ENOMEM);
  return forks;
}

pid_t forkProcess() {
  if (::gettid() != ::getpid() || threadCount() != 1)
    throw Error(ErrorKind::invalid,
                "a process with " + std::to_string(threadCount()) +
                    " threads cannot fork: only the main thread of a single-threaded process may");
  flushOutput();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t child = ::fork();
  const int error = errno;
  if (child != 0) ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) throw Error::system("cannot fork a new process", error);
  return child;
}

void settleChild(const ChildSettings& settings) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) endSettling("tie its life to its parent's");
  // A parent that died before that call sends no signal any more: its child has another parent by now.
  if (::getppid() != settings.parent) ::_exit(kSettlingFailed);
  resetSignals();
  takeOutput(settings);
  closeAllBut(settings.keep);
  if (!settings.keepStandardInput) takeNoInput();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
}

void endProcess(int code) {
  flushOutput();
  ::_exit(code);
}

Fd openProgram(const std::string& file) {
  Fd program(::open(file.c_str(), O_PATH | O_CLOEXEC));
  if (!program.valid()) throw Error::system("cannot open the program " + file, errno);
  return program;
}

int execAgain(const Fd& image, const std::vector<std::string>& arguments,
              const std::vector<std::pair<std::string, std::string>>& extra, std::span<const int> keep) {
  std::vector<std::string> argumentTexts = arguments;
  auto variables = extra;
  std::vector<int> kept(keep.begin(), keep.end());
  if (hasLog()) {
    variables.push_back(logVariable());
    for (const int fd : logDescriptors()) kept.push_back(fd);
  }
  std::vector<std::string> environmentTexts = environmentWith(variables);
  for (const int fd : kept)
    if (::fcntl(fd, F_SETFD, 0) < 0) return errno;
  flushOutput();
  const auto argv = pointersTo(argumentTexts);
  const auto envp = pointersTo(environmentTexts);
  if (!image.valid()) {
    ::execve("/proc/self/exe", argv.data(), envp.data());
    return errno;
  }
  ::fexecve(image.get(), argv.data(), envp.data());
  // The interpreter of a script opens it by its number.
  if (errno != ENOENT || ::fcntl(image.get(), F_SETFD, 0) < 0) return errno;
  ::fexecve(image.get(), argv.data(), envp.data());
  return errno;
}

std::vector<char*> pointersTo(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& one : strings) result.push_back(one.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environmentWith(const std::vector<std::pair<std::string, std::string>>& extra) {
  std::map<std::string_view, std::string_view> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::size_t end = text.find('=');
    if (end != std::string_view::npos) variables.emplace(text.substr(0, end), text.substr(end + 1));
  }
  for (const auto& [name, value] : extra) variables[name] = value;
  std::vector<std::string> result;
  result.reserve(variables.size());
  for (const auto& [name, value] : variables) result.push_back(std::string(name).append("=").append(value));
  return result;
}

void fillStandardDescriptors() {
  for (;;) {
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.valid()) throw Error::system("cannot open /dev/null", errno);
    if (null.get() > STDERR_FILENO) return;
    setCloseOnExec(null.release(), false);
  }
}

std::optional<ProcessEnd> reapChild() {
  siginfo_t info = {};
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) < 0) {
    if (errno == ECHILD) return std::nullopt;
    if (errno != EINTR) throw Error::system("cannot wait for child processes", errno);
  }
  if (info.si_pid == 0) return std::nullopt;
  return ProcessEnd{.pid = info.si_pid,
                    .signaled = info.si_code != CLD_EXITED,
                    .code = info.si_status,
                    .coreDumped = info.si_code == CLD_DUMPED};
}

bool hasEnded(pid_t child) {
  siginfo_t info = {};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == child;
}

void waitForChild(std::chrono::milliseconds limit) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  const timespec time{.tv_sec = limit.count() / 1000, .tv_nsec = limit.count() % 1000 * 1'000'000};
  ::sigtimedwait(&set, nullptr, &time);
}

void adoptOrphans() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
    throw Error::system("cannot become the reaper of orphans", errno);
}

std::vector<pid_t> childrenOfThisProcess() {
  const std::string self = std::to_string(::getpid());
  std::ifstream file("/proc/self/task/" + self + "/children");
  std::vector<pid_t> result;
  for (pid_t pid = 0; file >> pid;) result.push_back(pid);
  return result;
}

bool sendSignal(pid_t pid, int signal) {
  // 0 and below would mean whole groups of processes.
  return pid > 0 && (::kill(pid, signal) == 0 || errno != ESRCH);
}

pid_t processId() { return ::getpid(); }

unsigned threadCount() {
  // A directory has one link for each directory in it, beside its own name and its ".".
  struct stat status = {};
  if (::stat("/proc/self/task", &status) < 0)
    throw Error::system("cannot count threads in /proc/self/task", errno);
  return static_cast<unsigned>(status.st_nlink - 2);
}

bool isAlone() {
  siginfo_t info = {};
  const bool childless =
      ::waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
  return childless && threadCount() == 1;
}

}  // namespace troupe::os
