// How paths are made up, and names looked up: pure.
#pragma once

#include <string>
#include <vector>

namespace troupe::node {

// The paths that `name` may mean for the process at `asker`, in the order of trying. "/shop/till" is itself; "till", asked by
// "/shop/clerk", is "/shop/till", then "/till". Empty, where it makes no sense as a name.
std::vector<std::string> candidates(const std::string& asker, const std::string& name);

// "/" for what lies right below the root.
std::string parentOf(const std::string& path);

}  // namespace troupe::node
