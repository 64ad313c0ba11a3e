// Who appears in the tests of what multiprocessing fails at.
#pragma once

#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Mutex;
using troupe::Queue;
using troupe::QueueSize;
using troupe::Ref;
using troupe::Restart;
using troupe::SupervisorRef;
using Texts = Queue<capnp::Text>;

inline Board& board() { return Board::shared(); }

inline constexpr troupe::ChildSpec kOnce{.restart = Restart::temporary};

inline Task<> becomes(Self& self, Texts queue, std::string what, bool (*holds)(const QueueSize&)) {
  const std::function<Task<bool>()> is = [queue, holds]() -> Task<bool> {
    const QueueSize size = co_await queue.size();
    co_return holds(size);
  };
  co_await until(self, what, is);
}

inline Task<> isNoted(Self& self, std::string note) {
  const std::function<bool()> is = [note] { return board().count(note) > 0; };
  co_await until(self, note, is);
}

inline Task<> killOne(Self& self, std::string id) {
  const auto pids = co_await pidsOf(SupervisorRef("/"));
  const int pid = pids.at(id);
  kill(pid, SIGKILL);
  co_await becomesDead(self, pid);
}

// Echoes, but for what begins with "segv", which ends it.
class Fragile final : public QuietPuppet<Fragile> {
 public:
  void echo(EchoParams in, EchoResults out) {
    if (std::string_view(in.getText().cStr()).starts_with("segv")) endAs("segv");
    out.setText(in.getText());
  }
};

// How many of the inputs came back as they were; all others have ended with the death of a worker.
inline Task<unsigned> echoed(Ref<Puppet> workers, std::vector<std::string> inputs) {
  const std::size_t count = inputs.size();
  const auto call = [workers = workers.within(5min)](const std::string& text) { return workers.echo(text); };
  auto results = troupe::map(std::move(inputs), call);
  unsigned whole = 0;
  std::size_t ended = 0;
  while (auto result = co_await results.next()) {
    ++ended;
    if (!result->ok()) {
      EXPECT_EQ(result->error().exitReason().toString().substr(0, 17), "killed by SIGSEGV")
          << result->error().what();
    } else {
      EXPECT_TRUE(result->input() == (*result)->getText().cStr())
          << "of " << result->input().size() << " bytes";
      whole += 1;
    }
  }
  EXPECT_EQ(ended, count);
  co_return whole;
}

inline std::vector<std::string> numbers(unsigned count) {
  std::vector<std::string> texts;
  for (unsigned i = 0; i < count; ++i) texts.push_back(std::to_string(i));
  return texts;
}

// As many bytes, which are others than those of any other size.
inline std::string patternOf(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + bytes) % 26);
  return text;
}

class Getter final : public troupe::Actor<Getter> {
 public:
  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    const auto item = co_await queue.get();
    co_await sleepFor(troupe::kForever);
  }
};

class Putter final : public troupe::Actor<Putter> {
 public:
  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    for (;;) co_await queue.put("of the dead");
  }
};

// Puts a hundred, and is killed by its own hand when the last put has returned.
class Hasty final : public troupe::Actor<Hasty> {
 public:
  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    for (const std::string& text : numbers(100)) co_await queue.put(text);
    std::raise(SIGKILL);
  }
};

class Holder final : public troupe::Actor<Holder> {
 public:
  Task<> run() {
    auto mutex = co_await find<Mutex>("mutex");
    const auto held = co_await mutex.lock();
    board().note("held");
    co_await sleepFor(troupe::kForever);
  }
};

// One of a hundred, who are all there at the same time.
class Guest final : public troupe::Actor<Guest> {
 public:
  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    auto all = co_await find<troupe::Event>("all");
    co_await queue.put(path());
    co_await all.wait();
  }
};

// Its standard output leads nowhere, its standard error is full, and it has no standard input.
class Mute final : public QuietPuppet<Mute> {
 public:
  Mute() {
    int ends[2];
    if (::pipe(ends) < 0) std::abort();
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    const int full = ::open("/dev/full", O_WRONLY);
    ::dup2(full, STDERR_FILENO);
    ::close(full);
    ::close(STDIN_FILENO);
  }
  void echo(EchoParams in, EchoResults out) {
    std::cout << "to nobody" << std::endl;
    std::cerr << "to nobody" << std::endl;
    out.setText(in.getText());
  }
};

// From here on a signal comes to this process each millisecond, which interrupts what it waits for.
inline void raiseStorm() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, nullptr);
  const itimerval often{{0, 1000}, {0, 1000}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
}

class Stormy final : public QuietPuppet<Stormy> {
 public:
  Stormy() { raiseStorm(); }
};

}  // namespace tests
