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
#include <optional>

#include "loop/loop.h"
#include "supervision/dying.h"

namespace troupe::supervision {

class Resting {
 public:
  static constexpr auto kRestAtMost = std::chrono::seconds(5);
  static constexpr std::size_t kMostResting = 64;

  explicit Resting(loop::Loop& loop);

  void add(std::unique_ptr<Child> process);
  // One that was made as this child would be, and keeps its ends, which are asked for on its behalf: that child takes it, unless it
  // has ended by then. Null where there is none.
  const Child* reserve(const Child& like);
  // The one that was reserved for this child, or else, unless `onlyReserved`, one that was made as it would be. Null where there is
  // none.
  std::unique_ptr<Child> take(const Child& like, bool onlyReserved);
  // Whoever was reserved for that child ends: it may have got its ends.
  void giveUp(ChildKey key);
  // Whoever keeps those of that actor ends.
  void dropEnds(wire::ActorId actor);
  // The process of one has ended.
  void ended(const Child& process);
  // SIGKILL for all of them, and all that are still to come.
  void close();

 private:
  struct Rest {
    std::unique_ptr<Child> process;
    loop::Clock::time_point until;
    std::optional<ChildKey> reservedFor = std::nullopt;
  };
  using Rests = std::deque<Rest>;
  static bool isFit(const Rest& rest, const Child& like);
  // The last one that fits.
  Rests::iterator find(const Child& like, std::optional<ChildKey> reservedFor);
  void end(Rests::iterator rest);
  void endLate();

  Rests resting_;  // as they came
  loop::Timer timer_;
  Dying dying_;
  bool closed_ = false;
};

}  // namespace troupe::supervision
