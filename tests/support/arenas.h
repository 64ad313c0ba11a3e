// The arenas of an app, as its root has them open.
#pragma once

#include <sys/types.h>
#include <troupe/self.h>

#include <cstddef>

namespace tests {

struct Arenas {
  std::size_t touched = 0;  // so many take any memory at all
  std::size_t kiB = 0;
  std::size_t blocks = 0;  // that are not free
};
Arenas arenasOf(pid_t root);

// All blocks are free, and only the first page of each arena takes memory.
bool areEmpty(const Arenas& arenas);
// In main: until they are.
troupe::Task<> becomesEmpty(troupe::Self& self);

}  // namespace tests
