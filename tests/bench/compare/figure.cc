#include "tests/bench/compare/figure.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

double part = 1;
std::string subject;
volatile sig_atomic_t running = 0;

volatile sig_atomic_t late = 0;

constexpr int kPatienceSeconds = 120;

// What a process says on standard error, until it is wanted.
class Errors {
 public:
  Errors() : file_(::memfd_create("errors", MFD_CLOEXEC)) {
    if (file_ < 0) failOfSystem("no file for what is said");
  }
  ~Errors() { ::close(file_); }
  Errors(const Errors&) = delete;
  Errors& operator=(const Errors&) = delete;

  void takeOver() const { ::dup2(file_, STDERR_FILENO); }
  // Its end.
  void show() const {
    char text[8192];
    const off_t size = ::lseek(file_, 0, SEEK_END);
    const off_t from = std::max<off_t>(0, size - static_cast<off_t>(sizeof text));
    const ssize_t got = ::pread(file_, text, sizeof text, from);
    if (got > 0) std::fwrite(text, 1, static_cast<std::size_t>(got), stderr);
  }

 private:
  int file_;
};

void onAlarm(int) {
  late = 1;
  killChild();
}

// Gives the exit code of the child that runs, which is killed when it takes too long. An alarm, and no descriptor
// of the process: valgrind does not know those.
int codeInTime(os::test::Child& process) {
  late = 0;
  std::signal(SIGALRM, onAlarm);
  ::alarm(static_cast<unsigned>(kPatienceSeconds * std::max(1.0, part)));
  const int code = process.exitCode();
  ::alarm(0);
  return code;
}

}  // namespace

std::uint64_t effort(std::uint64_t count) {
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(count) * part));
}

void setEffort(double to) { part = to; }

Shared::Shared() {
  void* const memory =
      ::mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory to measure in");
  value_ = new (memory) double(0);
}

Shared::~Shared() { ::munmap(value_, sizeof *value_); }

std::optional<double> inChild(const std::function<double()>& body) {
  Shared result;
  const Errors errors;
  os::test::Child process([&] {
    ::setpgid(0, 0);
    errors.takeOver();
    *result = body();
    return 0;
  });
  const pid_t pid = process.pid();
  ::setpgid(pid, pid);  // whoever comes first
  running = pid;
  const int code = codeInTime(process);
  running = 0;
  ::kill(-pid, SIGKILL);
  if (code == 0) return *result;
  errors.show();
  complain(late ? "it had not ended in time" : "it ended with code " + std::to_string(code));
  return std::nullopt;
}

void killChild() {
  if (running > 0) ::kill(-static_cast<pid_t>(running), SIGKILL);
}

double now() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch() /
                             std::chrono::nanoseconds(1));
}

void setSubject(const std::string& to) { subject = to; }

void complain(const std::string& what) {
  std::fprintf(stderr, "bench: %s: %s\n", subject.c_str(), what.c_str());
  std::fflush(nullptr);
}

void fail(const std::string& what) {
  complain(what);
  ::_exit(1);
}

void failOfSystem(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

std::uint64_t sumOf(std::uint64_t messages) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < messages; ++i) sum += valueOf(i);
  return sum;
}

}  // namespace troupe::bench
