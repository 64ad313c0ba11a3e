// How much a line of the log matters.
#pragma once

#include <cstdint>

namespace troupe {

enum class Level : std::uint8_t {
  trace,
  debug,
  info,
  warn,
  error,
  off,  // of what is to be written: nothing
};
const char* toString(Level level);

}  // namespace troupe
