#include "node/names.h"

#include "supervision/blueprint.h"

namespace troupe::node {

std::vector<std::string> candidates(const std::string& asker, const std::string& name) {
  if (name.empty() || (name.size() > 1 && name.back() == '/')) return {};
  if (name.front() == '/') return {name};
  std::vector<std::string> paths;
  for (std::string scope = asker; scope.size() > 1;) {
    const std::size_t slash = scope.rfind('/');
    scope = slash == 0 ? "/" : scope.substr(0, slash);
    paths.push_back(supervision::pathBelow(scope, name));
  }
  if (paths.empty()) paths.push_back("/" + name);
  return paths;
}

std::string parentOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace troupe::node
