// What actors that hold values of any type say to those whose values they don't take.
#pragma once

#include <cstddef>
#include <string>

namespace troupe::actors {

// The most that a page has, where it has more than one value.
inline constexpr std::size_t kPageBytes = std::size_t{256} << 10;

inline std::string otherType(const std::string& what) {
  return "the " + what + " is of other types than the caller takes it for";
}

inline std::string noRoom(std::size_t bytes, std::size_t taken, std::size_t most) {
  return "no room for " + std::to_string(bytes) + " bytes: what it holds takes " + std::to_string(taken) +
         " of " + std::to_string(most);
}

}  // namespace troupe::actors
