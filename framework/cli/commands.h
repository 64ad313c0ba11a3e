// The commands of `troupe` that are about actors. Each returns what is to be printed.
//
// Errors: Failure.
#pragma once

#include <string>

#include "cli/app_link.h"

namespace troupe::cli {

// For questions that are answered at once, by an app that runs.
constexpr std::chrono::seconds kQuestion{10};

struct Style {
  bool json = false;
  // For each answer of an app; none: kQuestion, and as long as it takes where something stops or starts.
  Limit limit = {};
};

// Of one app; or of all, where `app` is empty.
std::string ps(const std::string& app, const Style& style);
std::string tree(const std::string& app, const Style& style);
// Ends the whole app, where `path` is empty or "/".
std::string stop(const std::string& app, const std::string& path, const Style& style);
std::string restart(const std::string& app, const std::string& path, const Style& style);
// Replaces it by a process of the program in the file `image`, with no message lost (SupervisorRef::upgrade).
std::string upgrade(const std::string& app, const std::string& path, const std::string& image,
                    const Style& style);

}  // namespace troupe::cli
