// Reads the parameters of a message by the user's schema files.
//
// Errors: Failure, with the words of the schema compiler.
#pragma once

#include <capnp/dynamic.h>
#include <capnp/schema-parser.h>
#include <capnp/schema.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/json.h"
#include "wire/letter.h"

namespace troupe::cli {

// The id of an interface as schemas write it.
std::string hex(std::uint64_t number);

class Schemas {
 public:
  // `imports`: where absolute imports are looked for, beside the system's folders.
  Schemas(const std::vector<std::string>& files, const std::vector<std::string>& imports);

  // The parameters' type. Errors: Failure, where none of the files knows the method.
  capnp::StructSchema paramsOf(std::uint64_t interfaceId, std::uint16_t method) const;
  std::string methodName(std::uint64_t interfaceId, std::uint16_t method) const;

 private:
  capnp::InterfaceSchema::Method find(std::uint64_t interfaceId, std::uint16_t method) const;

  capnp::SchemaParser parser_;
  std::vector<capnp::ParsedSchema> files_;
};

// The actors that the message refers to, in the order of its table: "/till (actor 1)".
std::vector<std::string> actorsIn(const wire::Letter& letter);

// For people, and for machines, who get actors by their ids and paths.
std::string paramsText(const wire::Letter& letter, capnp::StructSchema type);
void writeParams(Json& json, const wire::Letter& letter, capnp::StructSchema type);
// Any struct, in the same way.
void writeStruct(Json& json, const capnp::DynamicStruct::Reader& value);

}  // namespace troupe::cli
