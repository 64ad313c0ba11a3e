// What the tests of mutexes, semaphores, conditions, events and barriers have in common.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <span>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/puppet.h"

namespace tests {

inline constexpr unsigned kKills = 1000;

// Until its status is such.
template <class Part, class Holds>
Task<> becomes(Self& self, Part part, std::string what, Holds holds) {
  const std::function<Task<bool>()> is = [part, holds]() -> Task<bool> {
    const auto status = co_await part.status();
    co_return holds(status);
  };
  co_await until(self, what, is);
}

// That child of the root is killed, and has ended.
inline Task<> killChild(Self& self, std::string id) {
  const auto pids = co_await pidsOf(troupe::SupervisorRef("/"));
  const int pid = pids.at(id);
  kill(pid, SIGKILL);
  co_await becomesDead(self, pid);
}

inline bool hasEnded(pid_t pid) {
  const char state = stateOf(pid);
  return state == 0 || state == 'Z' || state == 'X';
}

// So many places for processes, of whose number somebody else must take care. Of all processes.
template <std::size_t kPlaces>
class Places {
 public:
  // False where all are taken by processes that live.
  bool take() {
    for (auto& place : places_) {
      pid_t owner = place;
      while (owner == 0 || hasEnded(owner)) {
        if (place.compare_exchange_strong(owner, ::getpid())) return true;
      }
    }
    return false;
  }
  // False where this process has none.
  bool leave() {
    for (auto& place : places_) {
      pid_t owner = ::getpid();
      if (place.compare_exchange_strong(owner, 0)) return true;
    }
    return false;
  }

 private:
  std::array<std::atomic<pid_t>, kPlaces> places_;
};

// What the parties of a test have done, each by its index. Of all processes.
struct Progress {
  std::array<std::atomic<unsigned>, 16> rounds;
  std::atomic<unsigned> wrong;
};

// Each of the first `parties` goes on: nobody waits for ever.
inline Task<> allGoOn(Self& self, Progress& progress, unsigned parties, unsigned rounds = 10) {
  for (unsigned party = 0; party < parties; ++party) {
    const auto& done = progress.rounds[party];
    const unsigned before = done;
    const std::function<bool()> goesOn = [&done, before, rounds] { return done >= before + rounds; };
    co_await until(self, "party " + std::to_string(party) + " goes on", goesOn);
  }
}

}  // namespace tests
