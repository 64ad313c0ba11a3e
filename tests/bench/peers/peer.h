// What the programs share that do the same with other means: `peer <workload> <count>` does it so often, with
// contents that are checked, and prints the figure. They run in a folder of their own, for sockets and the
// like.
//
// Processes are forked before the means that are measured are touched: most of them start threads.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace peer {

struct Message {
  std::uint64_t value = 0;
  char rest[56] = {};
};
static_assert(sizeof(Message) == 64);
constexpr std::size_t kLargeBytes = std::size_t{1} << 20;

constexpr std::uint64_t valueOf(std::uint64_t i) { return i * 0x9e3779b97f4a7c15; }
inline std::uint64_t sumOf(std::uint64_t messages) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < messages; ++i) sum += valueOf(i);
  return sum;
}

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::fflush(stderr);
  ::_exit(1);
}

inline double now() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch() /
                             std::chrono::nanoseconds(1));
}

// A number on its way from one process to another.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) fail("no pipe");
  }
  void set(std::uint64_t value = 0) const {
    if (::write(ends_[1], &value, sizeof value) != sizeof value) fail("a signal can't be given");
  }
  std::uint64_t wait() const {
    std::uint64_t value = 0;
    if (::read(ends_[0], &value, sizeof value) != sizeof value) fail("no signal has come");
    return value;
  }

 private:
  int ends_[2];
};

// How a forked process ends. Most means that are measured are not made for an exit in order there.
inline void (*endProcess)(int) = ::_exit;

// Forked processes, which end with code 0; killed where nobody waits for that.
class Processes {
 public:
  Processes() = default;
  ~Processes() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;
  void start(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid < 0) fail("no fork");
    if (pid == 0) {
      body();
      endProcess(0);
    }
    pids_.push_back(pid);
  }
  void wait() {
    for (const pid_t pid : pids_) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      if (status != 0) fail("a process has failed");
    }
    pids_.clear();
  }

 private:
  std::vector<pid_t> pids_;
};

// The contents of a large message: numbered at both ends.
inline std::vector<std::uint64_t> largeContents() {
  std::vector<std::uint64_t> words(kLargeBytes / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = valueOf(i);
  return words;
}
inline void number(std::vector<std::uint64_t>& words, std::uint64_t i) {
  words.front() = words.back() = valueOf(i);
}
inline std::uint64_t sumOfLarge(const void* data, std::size_t bytes) {
  if (bytes != kLargeBytes) fail("a message of another size");
  std::uint64_t sum = 0, word;
  for (std::size_t at = 0; at < bytes; at += sizeof word) {
    std::memcpy(&word, static_cast<const char*>(data) + at, sizeof word);
    sum += word;
  }
  return sum;
}
inline std::uint64_t sumOfLarges(std::uint64_t count) {
  return count * sumOf(kLargeBytes / sizeof(std::uint64_t) - 1) + 2 * sumOf(count);
}

inline std::uint64_t valueIn(const void* data, std::size_t bytes) {
  if (bytes != sizeof(Message)) fail("a message of another size");
  std::uint64_t value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

// Asks so many times; `ask` gives what was answered. Microseconds.
inline double timeTrips(std::uint64_t count, const std::function<std::uint64_t(const Message&)>& ask) {
  double before = 0;
  const std::uint64_t warmUp = count / 10;
  for (std::uint64_t i = 0; i < warmUp + count; ++i) {
    if (i == warmUp) before = now();
    const Message message{.value = valueOf(i)};
    if (ask(message) != message.value) fail("another answer");
  }
  return (now() - before) / 1000 / static_cast<double>(count);
}

// A receiver and its senders, each a process. `receive` gets a signal to say that it is ready, and gives the
// sum of `count` messages; `send` sends the first so many, and stays until all have been received. Nanoseconds
// between.
inline double timeOneWay(
    std::uint64_t senders, std::uint64_t each, std::uint64_t expected,
    const std::function<std::uint64_t(const Signal& ready, std::uint64_t count)>& receive,
    const std::function<void(std::uint64_t each, const std::function<void()>& begin,
                             const std::function<void()>& stay)>& send) {
  Processes processes;
  Signal ready, connected, begin, done, end;
  processes.start([&] {
    done.set(receive(ready, senders * each));
    end.wait();
  });
  ready.wait();
  for (std::uint64_t i = 0; i < senders; ++i) {
    processes.start([&] { send(each, [&] { connected.set(), begin.wait(); }, [&] { end.wait(); }); });
  }
  for (std::uint64_t i = 0; i < senders; ++i) connected.wait();
  const double before = now();
  for (std::uint64_t i = 0; i < senders; ++i) begin.set();
  const std::uint64_t sum = done.wait();
  const double took = now() - before;
  if (sum != expected) fail("another sum");
  for (std::uint64_t i = 0; i <= senders; ++i) end.set();
  processes.wait();
  return took;
}

inline double millionsASecond(std::uint64_t count, double took) {
  return static_cast<double>(count) / took * 1000;
}
inline double gigabytesASecond(std::uint64_t count, double took) {
  return static_cast<double>(count * kLargeBytes) / took;
}

struct Peer {
  double (*roundTrip)(std::uint64_t count);                         // us
  double (*oneWay)(std::uint64_t senders, std::uint64_t messages);  // M/s
  double (*large)(std::uint64_t count);                             // GB/s
};

inline int run(int argc, char** argv, const Peer& peer) {
  if (argc != 3) fail("usage: peer round-trip|one-way|four-to-one|large <count>");
  const std::string workload = argv[1];
  const auto count = static_cast<std::uint64_t>(std::atoll(argv[2]));
  double value = 0;
  if (workload == "round-trip")
    value = peer.roundTrip(count);
  else if (workload == "one-way")
    value = peer.oneWay(1, count);
  else if (workload == "four-to-one")
    value = peer.oneWay(4, count);
  else if (workload == "large")
    value = peer.large(count);
  else
    fail("no such workload: " + workload);
  std::printf("%.9g\n", value);
  std::fflush(stdout);
  return 0;
}

}  // namespace peer
