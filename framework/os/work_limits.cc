#include "os/work_limits.h"

#include <sys/resource.h>
#include <troupe/error.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>

namespace troupe::os {

void limitMemory(std::size_t bytes) {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) throw Error::system("cannot ask for the limit of memory", errno);
  // A lower one that holds already goes on holding.
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, bytes);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, bytes);
  if (::setrlimit(RLIMIT_DATA, &limit) != 0)
    throw Error::system("cannot limit memory to " + std::to_string(bytes) + " bytes", errno);
}

// Both end a process that has made no arrangements for them.
int WorkTimer::signalOf(Of of) { return of == Of::cpuTime ? SIGXCPU : SIGVTALRM; }

WorkTimer::WorkTimer(Of of, std::chrono::nanoseconds limit)
    : limit_{.tv_sec = static_cast<time_t>(limit.count() / 1'000'000'000),
             .tv_nsec = static_cast<long>(limit.count() % 1'000'000'000)} {
  const int signal = signalOf(of);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  const clockid_t clock = of == Of::cpuTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  if (::timer_create(clock, &event, &timer_) != 0) throw Error::system("cannot make a timer for work", errno);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

WorkTimer::~WorkTimer() { ::timer_delete(timer_); }

void WorkTimer::set(const timespec& in) {
  const itimerspec time = {.it_interval = {}, .it_value = in};
  ::timer_settime(timer_, 0, &time, nullptr);
}

}  // namespace troupe::os
