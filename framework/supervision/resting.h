// Processes that have been an instance of a template, and wait to be the next (ChildSpec::instancesPerProcess).
//
// Order:  the one that came last is taken first: it is the warmest, and those that are too many are left alone.
// Limit:  one that has waited for kRestAtMost ends, and of more than kMostResting those that came first.
// Errors: none.
//
// Threads: the loop's.
#pragma once

#include <deque>
#include <memory>

#include "loop/loop.h"
#include "supervision/dying.h"

namespace troupe::supervision {

class Resting {
 public:
  static constexpr auto kRestAtMost = std::chrono::seconds(5);
  static constexpr std::size_t kMostResting = 64;

  explicit Resting(loop::Loop& loop);

  void add(std::unique_ptr<Child> process);
  // One that was made as this child would be. Null where there is none.
  std::unique_ptr<Child> take(const Child& like);
  // The process of one has ended.
  void ended(const Child& process);
  // SIGKILL for all of them, and all that are still to come.
  void close();

 private:
  struct Rest {
    std::unique_ptr<Child> process;
    loop::Clock::time_point until;
  };
  void endFirst();
  void endLate();

  std::deque<Rest> resting_;  // as they came
  loop::Timer timer_;
  Dying dying_;
  bool closed_ = false;
};

}  // namespace troupe::supervision
