#include "tests/support/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

namespace tests {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kOften{5};

// Of this test program, which have not ended yet.
std::set<pid_t> runningPrograms;

milliseconds left(Clock::time_point until) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - Clock::now()));
}

[[noreturn]] void becomeProgram(const std::string& executable, const std::vector<std::string>& arguments,
                                const std::vector<std::string>& environment, std::array<int, 3> standard) {
  for (int fd = 0; fd < 3; ++fd) ::dup2(standard[static_cast<std::size_t>(fd)], fd);
  const rlimit noCores{0, 0};
  ::setrlimit(RLIMIT_CORE, &noCores);
  for (const std::string& variable : environment) {
    const auto equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> argv{const_cast<char*>(executable.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(executable.c_str(), argv.data());
  std::perror(executable.c_str());
  ::_exit(127);
}

// False at its end.
bool readAll(int fd, std::string& into) {
  std::array<char, 16 * 1024> buffer;
  for (;;) {
    const ssize_t bytes = ::read(fd, buffer.data(), buffer.size());
    if (bytes == 0) return false;
    if (bytes < 0) return true;
    into.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
}

// This process's own. As nobody else reaps them, the kernel's list is exact; and where it is empty, no
// process is left below that could be handed to this one later. A look through all of /proc could miss one
// that changes its parent.
std::vector<pid_t> children() {
  const std::string self = std::to_string(::getpid());
  std::ifstream file("/proc/self/task/" + self + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

}  // namespace

Program::Program(std::string executable, std::vector<std::string> arguments,
                 std::vector<std::string> environment) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  int input[2];
  int output[2];
  int errors[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) < 0 || ::pipe2(output, O_CLOEXEC) < 0 ||
      ::pipe2(errors, O_CLOEXEC) < 0) {
    std::abort();
  }
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) becomeProgram(executable, arguments, environment, {input[1], output[1], errors[1]});
  runningPrograms.insert(pid_);
  ::close(input[1]);
  ::close(output[1]);
  ::close(errors[1]);
  input_ = input[0];
  outputEnd_ = output[0];
  errorsEnd_ = errors[0];
  ::fcntl(outputEnd_, F_SETFL, O_NONBLOCK);
  ::fcntl(errorsEnd_, F_SETFL, O_NONBLOCK);
}

Program::~Program() {
  if (!end_) {
    signal(SIGKILL);
    waitForEnd();
  }
  leftovers();
  for (const int fd : {input_, outputEnd_, errorsEnd_}) {
    if (fd >= 0) ::close(fd);
  }
}

void Program::signal(int signal) const { ::kill(pid_, signal); }

void Program::send(const std::string& text) const { ::send(input_, text.data(), text.size(), MSG_NOSIGNAL); }

// Reads what there is, or waits for something to read.
void Program::read(milliseconds limit) {
  std::array<pollfd, 2> polls{{{outputEnd_, POLLIN, 0}, {errorsEnd_, POLLIN, 0}}};
  ::poll(polls.data(), polls.size(), static_cast<int>(limit.count()));
  if (polls[0].revents != 0 && !readAll(outputEnd_, output_)) ::close(std::exchange(outputEnd_, -1));
  if (polls[1].revents != 0 && !readAll(errorsEnd_, errors_)) ::close(std::exchange(errorsEnd_, -1));
}

std::optional<std::string> Program::nextLine() {
  const auto end = output_.find('\n', seen_);
  if (end == std::string::npos) return std::nullopt;
  std::string line = output_.substr(seen_, end - seen_);
  seen_ = end + 1;
  return line;
}

std::optional<std::string> Program::waitForLine(const std::string& text, milliseconds limit) {
  const auto until = Clock::now() + limit;
  for (;;) {
    while (auto line = nextLine()) {
      if (line->find(text) != std::string::npos) return line;
    }
    if (outputEnd_ < 0 || Clock::now() >= until) return std::nullopt;
    read(left(until));
  }
}

bool Program::waitUntil(const std::function<bool()>& holds, milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (!holds()) {
    if (Clock::now() >= until) return false;
    read(std::min(kOften, left(until)));
  }
  return true;
}

void Program::readFor(milliseconds time) {
  for (const auto until = Clock::now() + time; Clock::now() < until;) read(left(until));
}

std::optional<Program::End> Program::waitForEnd(milliseconds limit) {
  const bool ended = end_ || waitUntil(
                                 [this] {
                                   int status = 0;
                                   if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
                                   runningPrograms.erase(pid_);
                                   end_ = WIFSIGNALED(status) ? End{true, WTERMSIG(status)}
                                                              : End{false, WEXITSTATUS(status)};
                                   return true;
                                 },
                                 limit);
  // What it said last. Whoever it has left behind may still have the pipe.
  read(milliseconds(0));
  return ended ? end_ : std::nullopt;
}

std::vector<Process> Program::leftovers(milliseconds limit) {
  std::vector<Process> found;
  const auto nothingLeft = [&] {
    found.clear();
    for (const pid_t child : children()) {
      if (runningPrograms.contains(child)) continue;
      const auto tree = processesBelow(child);
      if (::waitpid(child, nullptr, WNOHANG) == child) {
        orphans_.push_back(tree.front());
      } else {
        found.insert(found.end(), tree.begin(), tree.end());
      }
    }
    return found.empty();
  };
  if (waitUntil(nothingLeft, limit)) return {};
  const auto survivors = found;
  for (const Process& process : survivors) ::kill(process.pid, SIGKILL);
  waitUntil(nothingLeft);
  return survivors;
}

std::string sourcePath(const std::string& name) { return TROUPE_SOURCE_DIR "/" + name; }

std::string samplePath(const std::string& name) { return TROUPE_BINARY_DIR "/samples/" + name; }

std::string ownPath() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

unsigned fromEnvironment(const char* name, unsigned otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise
                                            : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

}  // namespace tests
