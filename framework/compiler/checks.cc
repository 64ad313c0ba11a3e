#include "compiler/checks.h"

#include "compiler/names.h"
#include "compiler/text.h"

#include <algorithm>

namespace troupe::compiler {
namespace {

using capnp::schema::Type;

bool isPointer(SchemaType type) {
  switch (type.which()) {
    case Type::TEXT:
    case Type::DATA:
    case Type::LIST:
    case Type::STRUCT:
    case Type::INTERFACE:
    case Type::ANY_POINTER: return true;
    default: return false;
  }
}

std::vector<CppType> asArguments(const std::vector<std::string>& parameters) {
  std::vector<CppType> arguments;
  arguments.reserve(parameters.size());
  for (const auto& name : parameters) arguments.push_back({.name = name, .dependent = true});
  return arguments;
}

std::string templateArguments(const std::vector<CppType>& arguments) {
  std::vector<std::string> spelled;
  spelled.reserve(arguments.size());
  for (const auto& argument : arguments) spelled.push_back(argument.spell());
  return spelled.empty() ? "" : str("<", join(spelled, ", "), ">");
}

bool inUnion(Field field) { return field.getDiscriminantValue() != capnp::schema::Field::NO_DISCRIMINANT; }

}  // namespace

std::string Checks::functionFor(NodeId params, Brand brand) {
  const Node node = schema_.node(params);
  if (!hasPointers(node)) return {};
  if (Schema::isImplicit(node)) return callOf(node, asArguments(schema_.typeParameters(node)));
  return callOf(node, schema_.typeArguments(params, brand));
}

std::string Checks::code() const {
  std::string out;
  for (const auto& declaration : declarations_) out += declaration + ";\n";
  if (!declarations_.empty()) out += "\n";
  return out + join(definitions_, "\n");
}

bool Checks::hasPointers(Node structNode) const {
  for (const auto field : structNode.getStruct().getFields()) {
    if (field.isGroup() ? hasPointers(schema_.node(field.getGroup().getTypeId()))
                        : isPointer(field.getSlot().getType()))
      return true;
  }
  return false;
}

std::string Checks::callOf(Node structNode, const std::vector<CppType>& arguments) {
  const bool fresh = defined_.insert(structNode.getId()).second;
  if (fresh) {
    define(structNode);
  } else if (finished_.count(structNode.getId()) == 0) {
    const auto declaration = signature(structNode);
    if (std::find(declarations_.begin(), declarations_.end(), declaration) == declarations_.end())
      declarations_.push_back(declaration);
  }
  return nameOf(structNode) + templateArguments(arguments);
}

void Checks::define(Node structNode) {
  const auto body = fields(structNode, "in", "  ");
  definitions_.push_back(signature(structNode) + " {\n" + body + "}\n");
  finished_.insert(structNode.getId());
}

std::string Checks::signature(Node structNode) {
  std::string head = "inline ";
  const auto parameters = schema_.typeParameters(structNode);
  if (!parameters.empty()) head = str("template <class ", join(parameters, ", class "), ">\n");
  return str(head, "void ", nameOf(structNode), "(const ", schema_.ownType(structNode).member("Reader"),
             "& in)");
}

std::string Checks::nameOf(Node structNode) {
  auto& name = names_[structNode.getId()];
  if (!name.empty()) return name;
  name = "check";
  for (const auto& part : schema_.cppPath(structNode)) name += titleCase(part);
  // Two files may have a struct of the same name, and paths may read alike when put together.
  if (!takenNames_.insert(name).second) name += "_" + hex(structNode.getId());
  return name;
}

// --- Fields ----------------------------------------------------------------------------------------------

std::string Checks::fields(Node structNode, const std::string& reader, const std::string& indent) {
  std::string out;
  for (const auto field : structNode.getStruct().getFields()) {
    const auto name = titleCase(cppNameOf(field));
    const auto get = str(reader, ".get", name, "()");
    const auto isSet = inUnion(field) ? str(reader, ".is", name, "()") : "";
    if (field.isSlot()) {
      if (!isPointer(field.getSlot().getType())) continue;
      const auto has = str(isSet, isSet.empty() ? "" : " && ", reader, ".has", name, "()");
      out += slot(field.getSlot().getType(), has, get, indent);
      continue;
    }
    const Node group = schema_.node(field.getGroup().getTypeId());
    if (!hasPointers(group)) continue;
    const auto variable = str(reader == "in" ? "in" : reader, name);
    out += str(indent, isSet.empty() ? "{\n" : str("if (", isSet, ") {\n"));
    out += str(indent, "  const auto ", variable, " = ", get, ";\n");
    out += str(fields(group, variable, indent + "  "), indent, "}\n");
  }
  return out;
}

std::string Checks::slot(SchemaType type, const std::string& has, const std::string& get,
                         const std::string& indent) {
  const auto checked = value(type, get, indent + "  ");
  if (checked.empty()) return str(indent, "if (", has, ") static_cast<void>(", get, ");\n");
  const bool oneLine = checked.find('\n') == checked.size() - 1;
  if (oneLine) return str(indent, "if (", has, ") ", checked.substr(indent.size() + 2));
  return str(indent, "if (", has, ") {\n", checked, indent, "}\n");
}

std::string Checks::value(SchemaType type, const std::string& expression, const std::string& indent,
                          unsigned depth) {
  switch (type.which()) {
    case Type::LIST: return list(type.getList().getElementType(), expression, indent, depth);
    case Type::STRUCT: {
      const Node node = schema_.node(type.getStruct().getTypeId());
      if (!hasPointers(node)) return {};
      return str(indent, callOf(node, schema_.typeArguments(node.getId(), type.getStruct().getBrand())), "(",
                 expression, ");\n");
    }
    case Type::ANY_POINTER: {
      const auto any = type.getAnyPointer();
      if (any.isParameter()) {
        needsDynamic_ = true;
        return str(indent, "checkBound<", schema_.typeOf(type).spell(), ">(", expression, ");\n");
      }
      if (any.isUnconstrained() && any.getUnconstrained().isCapability()) return {};
      return str(indent, "checkAny(", expression, ");\n");
    }
    default: return {};
  }
}

std::string Checks::list(SchemaType element, const std::string& expression, const std::string& indent,
                         unsigned depth) {
  if (!isPointer(element)) return {};
  const auto each = depth == 0 ? std::string("each") : str("each", depth + 1);
  const auto checked = value(element, each, indent + "  ", depth + 1);
  if (!checked.empty())
    return str(indent, "for (const auto ", each, " : ", expression, ") {\n", checked, indent, "}\n");
  // The elements of a list of structs lie in the list itself, which is checked as a whole; others are behind
  // pointers.
  return element.isStruct() ? std::string() : str(indent, "checkElements(", expression, ");\n");
}

}  // namespace troupe::compiler
