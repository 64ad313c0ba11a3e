// Child processes for tests of the rooms below the actors, and conditions to wait for with a generous
// deadline.
#pragma once

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>

namespace troupe::os::test {

inline constexpr int kDeadlineMilliseconds = 60'000;

// True once the descriptor can be read (or is at its end).
inline bool becomesReadable(int fd) {
  pollfd one = {fd, POLLIN, 0};
  return ::poll(&one, 1, kDeadlineMilliseconds) == 1;
}

// What is there until the end of the stream.
inline std::string readToEnd(int fd) {
  std::string result;
  char part[4096];
  while (becomesReadable(fd)) {
    const ssize_t got = ::read(fd, part, sizeof(part));
    if (got <= 0) break;
    result.append(part, static_cast<std::size_t>(got));
  }
  return result;
}

// A forked process that runs `body` and ends with what it returns; killed where the test forgets it.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void kill(int signal) const { ::kill(pid_, signal); }
  // As waitpid(2) has it.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return status;
  }
  // The exit code; 1000 + signal where one has ended it.
  int exitCode() {
    const int status = wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

}  // namespace troupe::os::test
