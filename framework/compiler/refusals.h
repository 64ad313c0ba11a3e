// What a schema may hold and Troupe can't serve, found before any code is written.
#pragma once

#include "compiler/schema.h"

#include <string>
#include <vector>

namespace troupe::compiler {

// One line each, as "greeter.capnp:3: error: ...", for the interfaces that the file declares. Empty: all can
// be served.
std::vector<std::string> refusals(const Schema& schema, RequestedFile file);

}  // namespace troupe::compiler
