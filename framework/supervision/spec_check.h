// Refuses specs that make no sense, before anything is started by them.
//
// Errors: each function throws `invalid`, naming supervisor, child, field and value.
#pragma once

#include "supervision/core_types.h"

#include <string>
#include <vector>

namespace troupe::supervision {

// An id is part of paths, process titles and log lines: 1 to 128 bytes, without '/', ':', white space and
// control characters.
inline constexpr std::size_t kLongestId = 128;

// A list of Cap'n Proto holds no more.
inline constexpr std::size_t kLargestMessage = std::size_t{512} << 20;

void checkSupervisor(const std::string& supervisor, const SupervisorSpec& flags);

// The child by itself, and together with its supervisor's flags.
void checkChild(const std::string& supervisor, const SupervisorSpec& flags, const ChildDeclaration& child);

// Each of them, and that no id is there twice.
void checkChildren(const std::string& supervisor, const SupervisorSpec& flags,
                   const std::vector<ChildDeclaration>& children);

// "250ms", "for ever": the largest unit that gives a whole number.
std::string describe(Duration duration);

}  // namespace troupe::supervision
