// What a fuzzer holds to be true; where it is not, the place is said, and the input kept.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace troupe {

inline void insist(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold\n", where.file_name(), where.line());
  std::abort();
}

}  // namespace troupe
