#include "tests/bench/compare/programs.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace troupe::bench {

bool isProgram(const std::string& file) { return ::access(file.c_str(), X_OK) == 0; }

std::string inPath(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::string rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    const std::string file = rest.substr(0, end) + "/" + name;
    if (isProgram(file)) return file;
    rest.erase(0, end + 1);
  }
  return {};
}

}  // namespace troupe::bench
