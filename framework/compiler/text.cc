#include "compiler/text.h"

#include <stdexcept>

namespace troupe::compiler {

std::string hex(unsigned long long number) {
  std::ostringstream out;
  out << std::hex << number;
  return out.str();
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const auto& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

std::string expand(std::string_view pattern, Values values) {
  std::string out;
  for (;;) {
    const auto open = pattern.find('$');
    out += pattern.substr(0, open);
    if (open == std::string_view::npos) return out;
    const auto close = pattern.find('$', open + 1);
    const auto name = pattern.substr(open + 1, close - open - 1);
    const auto* found = values.begin();
    while (found != values.end() && found->first != name) ++found;
    if (close == std::string_view::npos || found == values.end())
      throw std::logic_error(str("no value for $", name));
    out += found->second;
    pattern.remove_prefix(close + 1);
  }
}

}  // namespace troupe::compiler
