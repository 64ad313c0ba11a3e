#include "os/signals.h"

#include <sys/signalfd.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace troupe::os {

SignalQueue::SignalQueue(std::initializer_list<int> signals) : owner_(::getpid()) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : signals) sigaddset(&wanted, signal);
  sigset_t before;
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, &before); error != 0)
    throw Error::system("cannot block signals", error);
  sigemptyset(&blocked_);
  for (const int signal : signals)
    if (sigismember(&before, signal) == 0) sigaddset(&blocked_, signal);
  // Who started this program may have ignored SIGCHLD: then the kernel reaps children itself, and tells nobody.
  for (const int signal : signals)
    if (signal == SIGCHLD) ::signal(SIGCHLD, SIG_DFL);
  fd_ = Fd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_.valid()) {
    const int error = errno;
    ::pthread_sigmask(SIG_UNBLOCK, &blocked_, nullptr);
    throw Error::system("cannot make a signal descriptor", error);
  }
}

SignalQueue::~SignalQueue() {
  if (leavesBlocked_ || owner_ != ::getpid()) return;
  while (next()) {}  // what waits unseen would strike at the moment of unblocking
  ::pthread_sigmask(SIG_UNBLOCK, &blocked_, nullptr);
}

std::optional<int> SignalQueue::next() {
  signalfd_siginfo info = {};
  for (;;) {
    const ssize_t got = ::read(fd_.get(), &info, sizeof(info));
    if (got == static_cast<ssize_t>(sizeof(info))) return static_cast<int>(info.ssi_signo);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) throw Error::system("cannot read signals", errno);
    return std::nullopt;
  }
}

void unblock(int signal) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
}

void ignoreBrokenPipes() { ::signal(SIGPIPE, SIG_IGN); }

}  // namespace troupe::os
