// Building text for generated code.
#pragma once

#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::compiler {

// The parts, one after the other.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

std::string hex(unsigned long long number);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

using Values = std::initializer_list<std::pair<std::string_view, std::string>>;

// `pattern` with every $name$ replaced by the value of that name. Throws std::logic_error where there is
// none.
std::string expand(std::string_view pattern, Values values);

}  // namespace troupe::compiler
