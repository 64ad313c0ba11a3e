// Replay: one dead letter, once more through the actor that it was for, in the foreground and in this very process, so that a
// debugger sees all of it.
//
// The actor is constructed as main declares it, and its init() runs; run() and stopping() do not. Then its handler gets the message, as a
// call. Nobody else is there: whatever it asks of others fails with `gone`. The outcome is printed, and the process ends
// with code 0 where the handler came to its end, else 1.
//
// Errors:  invalid, system: no such file, no letter, no such actor in the tree.
// Threads: the main thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "supervision/blueprint.h"

namespace troupe::node {

// The file after "--troupe-replay" among main's arguments. Errors: invalid, where it is missing.
std::optional<std::string> fileToReplay(const std::vector<std::string>& arguments);

[[noreturn]] void replay(const supervision::Blueprint& tree, const std::string& file);

}  // namespace troupe::node
