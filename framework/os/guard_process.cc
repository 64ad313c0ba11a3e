#include "os/guard_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include "os/limits.h"
#include "os/title.h"

namespace troupe::os {

namespace {

constexpr int kFailed = 127;
// A process that was adopted while others were being killed is found by then, whatever signals said.
constexpr int kLookAgainMilliseconds = 20;

using Step = GuardReport::Step;

struct Failure {
  Step step = Step::exec;
  int error = 0;
};

void report(int channel, const GuardReport& report) {
  // Two in all: there is room. Where the keeper has gone, nobody wants to know.
  ::send(channel, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void closeBetween(int first, int last) {
  if (first <= last) ::close_range(static_cast<unsigned>(first), static_cast<unsigned>(last), 0);
}

constexpr int kLastDescriptor = std::numeric_limits<int>::max();

// --- The command, until it is one ---

[[noreturn]] void fail(int channel, Step step) {
  const Failure failure{step, errno};
  while (::write(channel, &failure, sizeof failure) < 0 && errno == EINTR) {}
  ::_exit(kFailed);
}

void defaultSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal)
    ::sigaction(signal, &action, nullptr);  // some can't be set, nor need to
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool takeStreams(std::array<int, 3> streams) {
  // Out of the way of 0, 1 and 2 first, which are replaced one by one.
  for (int& stream : streams) {
    if (stream < 0) stream = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (stream >= 0 && stream <= STDERR_FILENO) stream = ::fcntl(stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (stream < 0) return false;
  }
  for (int i = 0; i < 3; ++i) {
    if (::dup2(streams[static_cast<std::size_t>(i)], i) < 0) return false;
  }
  return true;
}

[[noreturn]] void becomeCommand(const GuardPlan& plan, pid_t guard, int failures) {
  if (::setsid() < 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail(failures, Step::session);
  // A guard that died before that call sends no signal any more.
  if (::getppid() != guard) ::_exit(kFailed);
  defaultSignals();
  if (!takeStreams(plan.streams)) fail(failures, Step::streams);
  closeBetween(STDERR_FILENO + 1, failures - 1);
  closeBetween(failures + 1, kLastDescriptor);
  if (plan.directory != nullptr && ::chdir(plan.directory) < 0) fail(failures, Step::directory);
  restoreDescriptorLimit();
  // By which it looks for the program.
  environ = const_cast<char**>(plan.environment);
  ::execvp(plan.arguments[0], plan.arguments);
  fail(failures, Step::exec);
}

// --- The guard ---

class GuardProcess {
 public:
  explicit GuardProcess(const GuardPlan& plan) : plan_(plan), channel_(plan.channel) {}
  [[noreturn]] void run();

 private:
  void settle();
  void start();
  void wait();
  void takeOrders();
  void carryOut(const GuardRequest& request);
  void reap();
  void killAll();
  [[noreturn]] void end(const GuardReport& last);

  const GuardPlan& plan_;
  int channel_;
  int signals_ = -1;
  pid_t command_ = 0;   // 0 once it was reaped: its number may be another's then
  int stopSignal_ = 0;  // not 0: it is to stop, and may take its time
  bool killing_ = false;
  GuardReport ended_ = {.kind = GuardReport::Kind::ended};
};

void GuardProcess::run() {
  settle();
  start();
  for (;;) {
    reap();
    if (killing_) killAll();
    wait();
  }
}

void GuardProcess::settle() {
  // Whoever kills the process group of the app does not reach it.
  ::setsid();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  setTitle(plan_.title);
  // Who ignores it has the kernel reap children, and never learns of what they have died.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &action, nullptr);
}

void GuardProcess::start() {
  // 0, 1 and 2 are open in each process of an app, so this is none of them.
  int failures[2];
  if (::pipe2(failures, O_CLOEXEC) < 0)
    end({.kind = GuardReport::Kind::failed, .value = errno, .step = Step::fork});
  const pid_t self = ::getpid();
  command_ = ::_Fork();
  if (command_ == 0) becomeCommand(plan_, self, failures[1]);
  if (command_ < 0) end({.kind = GuardReport::Kind::failed, .value = errno, .step = Step::fork});
  ::close(failures[1]);
  // It holds no stream open that is the command's, and no end of another guard's channel.
  const int low = channel_ < failures[0] ? channel_ : failures[0];
  const int high = channel_ < failures[0] ? failures[0] : channel_;
  closeBetween(0, low - 1);
  closeBetween(low + 1, high - 1);
  closeBetween(high + 1, kLastDescriptor);
  Failure failure;
  ssize_t got = 0;
  // What hangs on the way to its exec (a directory of a dead server) is killed too, where the keeper has gone or says so.
  std::array<pollfd, 2> polled{{{failures[0], POLLIN, 0}, {channel_, POLLIN, 0}}};
  while (::poll(polled.data(), polled.size(), -1) < 0 && errno == EINTR) {}
  if (polled[0].revents == 0) ::kill(command_, SIGKILL);
  while ((got = ::read(failures[0], &failure, sizeof failure)) < 0 && errno == EINTR) {}
  ::close(failures[0]);
  if (got == static_cast<ssize_t>(sizeof failure)) {
    endChildren();
    end({.kind = GuardReport::Kind::failed, .value = failure.error, .step = failure.step});
  }
  report(channel_, {.kind = GuardReport::Kind::started, .value = command_});
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  signals_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

void GuardProcess::end(const GuardReport& last) {
  report(channel_, last);
  ::_exit(0);
}

void GuardProcess::wait() {
  std::array<pollfd, 2> polled{{{channel_, POLLIN, 0}, {signals_, POLLIN, 0}}};
  ::poll(polled.data(), polled.size(), killing_ ? kLookAgainMilliseconds : -1);
  signalfd_siginfo info;
  while (::read(signals_, &info, sizeof info) > 0) {}
  if (channel_ >= 0 && polled[0].revents != 0) takeOrders();
}

void GuardProcess::takeOrders() {
  for (;;) {
    GuardRequest request;
    const ssize_t got = ::recv(channel_, &request, sizeof request, MSG_DONTWAIT);
    if (got == static_cast<ssize_t>(sizeof request)) {
      carryOut(request);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    // The keeper has gone.
    ::close(channel_);
    channel_ = -1;
    killing_ = true;
    return;
  }
}

void GuardProcess::carryOut(const GuardRequest& request) {
  switch (request.order) {
    case GuardOrder::signal:
      if (command_ != 0) ::kill(command_, request.signal);
      return;
    case GuardOrder::stop:
      stopSignal_ = request.signal;
      if (command_ != 0) ::kill(-command_, request.signal);
      return;
    case GuardOrder::kill: killing_ = true; return;
  }
}

// Looked at before they are reaped: as long as the command was not, its number and its group's are its own.
void GuardProcess::reap() {
  for (;;) {
    siginfo_t info = {};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0) {
      if (errno == EINTR) continue;
      end(ended_);  // ECHILD: nothing is left
    }
    if (info.si_pid == 0) return;
    if (info.si_pid == command_) {
      ended_.value = info.si_status;
      ended_.signaled = info.si_code != CLD_EXITED;
      ended_.coreDumped = info.si_code == CLD_DUMPED;
      if (stopSignal_ == 0) killing_ = true;
      if (killing_) {
        ::kill(-command_, SIGKILL);
      } else {
        signalChildren(stopSignal_, command_);
      }
      command_ = 0;
    }
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | __WALL);
  }
}

void GuardProcess::killAll() {
  if (command_ != 0) ::kill(-command_, SIGKILL);
  signalChildren(SIGKILL);
}

}  // namespace

void runGuard(const GuardPlan& plan) { GuardProcess(plan).run(); }

void signalChildren(int signal, pid_t exceptGroup) {
  // The main thread's, which is the one that forks here.
  const int file = ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  std::array<char, 4096> text;
  pid_t pid = 0;
  for (;;) {
    const ssize_t got = ::read(file, text.data(), text.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
      } else if (pid != 0) {
        if (exceptGroup == 0 || ::getpgid(pid) != exceptGroup) ::kill(pid, signal);
        pid = 0;
      }
    }
  }
  ::close(file);
}

}  // namespace troupe::os
