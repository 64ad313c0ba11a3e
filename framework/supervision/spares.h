// Processes that are forked ahead and wait to become a child: those that a child's spec asks for, which stand ready for the death of
// its process, its hot spares; and one for the child whose start comes next, while its supervisor waits for another to become ready.
//
// State:  made -> prepared, when it has said that it waits -> taken: it is the child from then on, and no spare any more.
// Place:  a spare serves one child, or any worker of a pool.
// Limit:  one that has not said that it waits within readyWithin is killed.
// Pace:   spares are made one by one, of all places, and some time after the child has become ready: its start comes first, and one that crashes
//         without end costs no more forks than it would without spares. Where spares die unused, the next ones wait ever longer.
//
// Threads: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loop/loop.h"
#include "supervision/dying.h"

namespace troupe::supervision {

// Whom a spare serves: a child, or with 0 the workers of a pool.
using SparePlace = ChildKey;

class Spares {
 public:
  // `launch` makes the process of a spare; false where that has failed.
  Spares(loop::Loop& loop, std::function<bool(Child&)> launch);

  // `child` is ready: spares like it are made, up to as many as its spec says.
  void provide(SparePlace place, const Child& child);
  void prepared(Child& spare);
  // The start of this one comes next: its process is made now, unless there is one. One that is not taken soon is ended.
  void makeAhead(SparePlace place, std::unique_ptr<Child> spare);
  // One that waits and is launched as `spec` wants it. Null where there is none.
  std::unique_ptr<Child> take(SparePlace place, const ChildSpec& spec);
  // The process of one has ended.
  void ended(const Child& spare);

  // SIGKILL for the spares of a place, which has gone or needs others; those of all places, for good.
  void drop(SparePlace place);
  void close();

 private:
  struct Group {
    // What they are made like.
    ChildKey key = 0;
    std::string path;
    ChildSpec spec;
    std::shared_ptr<const Blueprint> blueprint;
    std::vector<std::unique_ptr<Child>> spares;
    Duration pace = {};
    bool waits = false;               // for its turn
    loop::Clock::time_point at = {};  // which comes then
    std::unique_ptr<loop::Timer> timer;
  };
  void makeSoon(Group& group);
  void makeOne(Group& group);
  void endUseless(Group& group);
  void endAll(Group& group);

  loop::Loop& loop_;
  std::function<bool(Child&)> launch_;
  std::unordered_map<SparePlace, Group> groups_;
  loop::Clock::time_point nextFree_ = {};  // turn that nobody has
  Dying dying_;
  bool closed_ = false;
};

}  // namespace troupe::supervision
