// The commands of `troupe` that are about actors. Each returns what is to be printed.
//
// Errors: Failure.
#pragma once

#include <string>

#include "cli/app_link.h"

namespace troupe::cli {

struct Style {
  bool json = false;
  // For each answer of an app; none: as long as it takes.
  Limit limit = {};
};

// Of one app; or of all, where `app` is empty.
std::string ps(const std::string& app, const Style& style);
std::string tree(const std::string& app, const Style& style);
// Ends the whole app, where `path` is empty or "/".
std::string stop(const std::string& app, const std::string& path, const Style& style);
std::string restart(const std::string& app, const std::string& path, const Style& style);

}  // namespace troupe::cli
