// The processes of an actor that are not known to have ended. There are several while one that has handed over to a newer program ends,
// and a process goes by several generations where it was given back what it had handed over.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe::node {

class Lives {
 public:
  void started(std::uint32_t generation, pid_t pid) {
    const auto same =
        std::find_if(lives_.begin(), lives_.end(), [&](const Life& life) { return life.pid == pid; });
    Life& life = same == lives_.end() ? lives_.emplace_back(Life{pid, {}}) : *same;
    life.generations.push_back(generation);
  }
  bool has(std::uint32_t generation) const { return find(generation) != lives_.end(); }
  // The process of that generation has ended: all that it went by. None where that was known.
  std::vector<std::uint32_t> ended(std::uint32_t generation) {
    const auto life = find(generation);
    if (life == lives_.end()) return {};
    std::vector<std::uint32_t> generations = life->generations;
    lives_.erase(life);
    return generations;
  }
  std::vector<std::uint32_t> allEnded() {
    std::vector<std::uint32_t> generations;
    for (const Life& life : std::exchange(lives_, {}))
      generations.insert(generations.end(), life.generations.begin(), life.generations.end());
    return generations;
  }

 private:
  struct Life {
    pid_t pid = 0;
    std::vector<std::uint32_t> generations;
  };
  std::vector<Life>::const_iterator find(std::uint32_t generation) const {
    return std::find_if(lives_.begin(), lives_.end(), [&](const Life& life) {
      return std::find(life.generations.begin(), life.generations.end(), generation) !=
             life.generations.end();
    });
  }

  std::vector<Life> lives_;
};

}  // namespace troupe::node
