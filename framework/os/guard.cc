#include "os/guard.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os/channel.h"
#include "os/guard_process.h"
#include "os/process.h"

namespace troupe::os {

Guard startGuarded(const GuardedCommand& command, const std::string& title) {
  auto [mine, guards] = makeChannel();
  GuardedCommand copy = command;
  const auto argv = pointersTo(copy.arguments);
  const auto environment = pointersTo(copy.environment);
  const GuardPlan plan{.title = title,
                       .arguments = argv.data(),
                       .environment = environment.data(),
                       .directory = copy.directory.empty() ? nullptr : copy.directory.c_str(),
                       .streams = {command.input, command.output, command.errors},
                       .channel = guards.get()};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // Without what libraries have asked to be done in a forked child: it takes locks, or closes descriptors.
  const pid_t guard = ::_Fork();
  const int error = errno;
  if (guard == 0) runGuard(plan);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (guard < 0) throw Error::system("cannot fork a new process", error);
  return {.pid = guard, .channel = std::move(mine)};
}

GuardState nextReport(int channel, GuardReport& report) {
  for (;;) {
    const ssize_t got = ::recv(channel, &report, sizeof report, MSG_DONTWAIT);
    if (got == static_cast<ssize_t>(sizeof report)) return GuardState::reported;
    // ECONNRESET tells, once, that the guard has not read all; what it has reported is still to be received.
    if (got < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    if (got < 0 && errno == EAGAIN) return GuardState::nothing;
    return GuardState::ended;
  }
}

void reapGuard(pid_t guard) {
  while (::waitpid(guard, nullptr, __WALL) < 0 && errno == EINTR) {}
}

void order(int channel, GuardOrder order, int signal) {
  const GuardRequest request{order, signal};
  // Where it has no room, so many were given before that one more says nothing new; but it must be killed.
  while (::send(channel, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR) {}
}

void endChildren() {
  for (;;) {
    signalChildren(SIGKILL);
    siginfo_t info = {};
    if (::waitid(P_ALL, 0, &info, WEXITED | __WALL) < 0 && errno != EINTR) return;
  }
}

}  // namespace troupe::os
