// Writes the functions that validate a message before its handler sees it: one for each struct with pointers.
//
// A function reads every pointer that it knows of, as deep as they go, and of a union only the member that is
// set. Reading is what validates in Cap'n Proto. Null pointers are not followed: their defaults come from the
// schema and can be endless. What a type parameter stands for is known in C++ only; it is checked by its
// schema (checkBound in <troupe/protocol.h>).
#pragma once

#include "compiler/schema.h"

#include <set>
#include <string>
#include <vector>

namespace troupe::compiler {

class Checks {
 public:
  explicit Checks(const Schema& schema) : schema_(schema) {}

  // The function for a method's parameters, to be called with a reader, such as "checkQueuePutParams<T>".
  // Empty where nothing can be malformed.
  std::string functionFor(NodeId params, Brand brand);

  // All functions asked for, and those that they call.
  std::string code() const;
  // Whether the code calls for <capnp/dynamic.h>.
  bool needsDynamic() const { return needsDynamic_; }

 private:
  bool hasPointers(Node structNode) const;
  void define(Node structNode);
  std::string callOf(Node structNode, const std::vector<CppType>& arguments);
  std::string nameOf(Node structNode);
  std::string signature(Node structNode);

  // The statements for the fields of `structNode`, a struct or a group, which `reader` reads.
  std::string fields(Node structNode, const std::string& reader, const std::string& indent);
  std::string slot(SchemaType type, const std::string& has, const std::string& get,
                   const std::string& indent);
  // The statement that checks one value behind a pointer, such as "checkDish(each);". Empty where reading it
  // is enough.
  std::string value(SchemaType type, const std::string& expression, const std::string& indent,
                    unsigned depth = 0);
  std::string list(SchemaType element, const std::string& expression, const std::string& indent,
                   unsigned depth);

  const Schema& schema_;
  std::map<NodeId, std::string> names_;
  std::set<std::string> takenNames_;
  std::set<NodeId> defined_;               // or being defined
  std::set<NodeId> finished_;              // their code is in definitions_
  std::vector<std::string> declarations_;  // of functions that are called before they are defined
  std::vector<std::string> definitions_;
  bool needsDynamic_ = false;
};

}  // namespace troupe::compiler
