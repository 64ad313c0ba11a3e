// The commands of `troupe` that send messages to actors, and look on at those that they get. What is returned is to be printed.
//
// Errors: Failure.
#pragma once

#include <cstdint>
#include <string>

#include "cli/commands.h"

namespace troupe::cli {

// What is sent: to that actor, by its path or name, with parameters as `capnp encode` takes them.
struct Sending {
  std::string app;
  std::string actor;
  std::string method;
  std::string params;
};
std::string callActor(const Sending& sending, const Style& style);
std::string castToActor(const Sending& sending, const Style& style);

// Prints each message that the actor begins to handle, as it does, until so many were printed (0: any number), or the app ends.
std::string tapActor(const std::string& app, const std::string& actor, std::uint64_t count,
                     const Style& style);

}  // namespace troupe::cli
