// Writes the whole x.actor.h of a schema file.
#pragma once

#include "compiler/schema.h"

#include <string>

namespace troupe::compiler {

// "schemas/greeter.capnp" as "schemas/greeter.actor.h".
std::string headerName(std::string_view schemaFile);

// The text of the header. The file must have passed refusals().
std::string headerCode(const Schema& schema, RequestedFile file);

}  // namespace troupe::compiler
