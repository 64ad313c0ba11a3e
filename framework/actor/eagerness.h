// Decides how long a process looks again for what it waits for, before it sleeps. To be woken costs more than a small message's
// whole way; to look costs a core. So it looks only where that has paid lately, and not for long.
//
// It pays where sleeps have been so short that most of them was waking up. Where it did not pay in spite of that, so many waits
// are slept through, twice as many each time. An idle process never looks.
//
// A pure function of what it is told; order: howLong(), then what came of that wait.
#pragma once

#include "loop/loop.h"

namespace troupe::actor {

class Eagerness {
 public:
  // So long it looks. More than the way to another core, a small handler and the way back.
  static constexpr loop::Duration kLook = std::chrono::microseconds(20);
  // A sleep of less is spent on waking up mostly: of two processes, where an answer was waited for.
  static constexpr loop::Duration kShort = std::chrono::microseconds(100);
  // So many of them in a row, before it looks.
  static constexpr unsigned kInARow = 4;
  // So many waits, at most, are slept through after it did not pay.
  static constexpr unsigned kMostPassed = 1024;

  // For the wait that begins now; zero: it sleeps at once.
  loop::Duration howLong() const {
    return shortSleeps_ >= kInARow && passes_ == 0 ? kLook : loop::Duration::zero();
  }
  // While it looked, something came, or nothing did: then it sleeps.
  void found() { doubt_ = 1; }
  void foundNothing() {
    passes_ = doubt_;
    doubt_ = doubt_ < kMostPassed ? 2 * doubt_ : kMostPassed;
  }
  // It has slept for so long, until something came that it would have found.
  void slept(loop::Duration duration) {
    shortSleeps_ = duration >= kShort ? 0 : shortSleeps_ < kInARow ? shortSleeps_ + 1 : kInARow;
    if (passes_ > 0) --passes_;
  }

 private:
  unsigned shortSleeps_ = 0;
  unsigned passes_ = 0;
  unsigned doubt_ = 1;
};

}  // namespace troupe::actor
