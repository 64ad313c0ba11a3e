// A board on which all processes of a test may write: what happened, in the order in which it did.
//
// Memory shared by the test program and all that is forked below it; a process that was started by exec has an empty one of
// its own. Writing never waits, and survives any death.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tests {

class Board {
 public:
  static Board& shared();

  void clear();
  // At most 62 characters of it. Past 16384 notes they are lost.
  void note(const std::string& text);
  std::vector<std::string> notes() const;
  std::size_t count(const std::string& text) const;
  // Those that begin with `prefix`, without it.
  std::vector<std::string> notesAfter(const std::string& prefix) const;

 private:
  struct Memory;
  Board();
  Memory* memory_;
};

}  // namespace tests
