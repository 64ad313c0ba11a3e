// Writes the typed edge of one interface: its Protocol, its RefMethods and its Handlers.
#pragma once

#include "compiler/checks.h"
#include "compiler/schema.h"

#include <string>
#include <string_view>

namespace troupe::compiler {

struct EdgeContext {
  const Schema& schema;
  Checks& checks;
  std::string file;             // "greeter.capnp"
  std::string checksNamespace;  // "generated::greeter_b1a2c3d4e5f60718"
};

std::string protocolCode(const EdgeContext& context, Node interface);
std::string refMethodsCode(const EdgeContext& context, Node interface);
std::string handlersCode(const EdgeContext& context, Node interface);

}  // namespace troupe::compiler
