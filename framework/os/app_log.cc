#include "os/app_log.h"

#include <fcntl.h>
#include <poll.h>
#include <troupe/error.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "os/packet_pipe.h"

namespace troupe::os {

namespace {

constexpr const char* kVariable = "TROUPE_LOG_ENDS";
using Clock = std::chrono::steady_clock;

// Never closed: this process writes to them until its end.
struct Ends {
  int keeper = -1;  // the root's
  int writer = -1;
  int memory = -1;
};
Ends ends;

struct Losses {
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> told;
};
Losses& in(const Mapping& memory) { return *static_cast<Losses*>(memory.data()); }

// Mapped only where something is lost, which is seldom.
void countLost() {
  try {
    static const Mapping memory(Fd(::fcntl(ends.memory, F_DUPFD_CLOEXEC, 0)), kLogMemoryBytes);
    ++in(memory).lost;
  } catch (const Error&) {
    // Nobody is left to be told: not even that much memory can be had.
  }
}

bool put(std::string_view record) {
  for (;;) {
    if (::write(ends.writer, record.data(), record.size()) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

bool putInTime(std::string_view record) {
  const auto until = Clock::now() + logSettings().patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return false;
    pollfd room{.fd = ends.writer, .events = POLLOUT, .revents = 0};
    ::poll(&room, 1, static_cast<int>(left.count()));
    if (put(record)) return true;
    if (errno != EAGAIN) return false;
  }
}

}  // namespace

LogSettings& logSettings() {
  static LogSettings settings;
  return settings;
}

void makeLog() {
  if (ends.writer >= 0) return;
  int pipe[2];
  if (::pipe2(pipe, O_NONBLOCK | O_CLOEXEC) < 0)
    throw Error::system("cannot make the pipe of the log", errno);
  // The system may say no: then fewer lines lie in it.
  (void)::fcntl(pipe[1], F_SETPIPE_SZ, static_cast<int>(kLogPipeBytes));
  ends = {.keeper = pipe[0],
          .writer = pipe[1],
          .memory = makeSharedMemory("troupe-log", kLogMemoryBytes).release()};
}

void inheritLog() {
  const char* const value = std::getenv(kVariable);
  if (value == nullptr) return;
  Ends inherited;
  if (std::sscanf(value, "%d,%d", &inherited.writer, &inherited.memory) == 2) ends = inherited;
  ::unsetenv(kVariable);
  for (const int fd : logDescriptors()) setCloseOnExec(fd, true);
}

bool hasLog() { return ends.writer >= 0; }

std::vector<int> logDescriptors() {
  return ends.writer < 0 ? std::vector<int>() : std::vector<int>{ends.writer, ends.memory};
}

std::pair<std::string, std::string> logVariable() {
  return {kVariable, std::to_string(ends.writer) + "," + std::to_string(ends.memory)};
}

bool tryWriteLog(std::string_view record) { return hasLog() && put(record); }

bool writeLog(std::string_view record) {
  // Whoever has waited in vain once does not wait for each further record.
  static bool choked = false;
  if (!hasLog()) return false;
  bool written = put(record);
  if (!written && errno == EAGAIN && !choked) written = putInTime(record);
  choked = !written;
  if (!written) countLost();
  return written;
}

Fd openLogReader() {
  const std::string path = "/proc/self/fd/" + std::to_string(ends.writer);
  Fd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!reader.valid()) throw Error::system("cannot open the pipe of the log for reading", errno);
  return reader;
}

Fd openLogMemory() { return openSharedMemory(Fd(::fcntl(ends.memory, F_DUPFD_CLOEXEC, 0))); }

LogLosses lossesIn(const Mapping& memory) { return {in(memory).lost, in(memory).told}; }

void setTold(const Mapping& memory, std::uint64_t told) { in(memory).told = told; }

}  // namespace troupe::os
