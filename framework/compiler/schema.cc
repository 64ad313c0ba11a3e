#include "compiler/schema.h"

#include "compiler/names.h"
#include "compiler/text.h"

#include <kj/debug.h>

#include <algorithm>
#include <set>

namespace troupe::compiler {
namespace {

using capnp::schema::Type;

constexpr NodeId kNamespaceAnnotation = 0xb9c6f99ebf805f2c;
constexpr NodeId kNameAnnotation = 0xf264a779fef191ce;

// The text of an annotation, or nothing.
template <class Annotated>
kj::StringPtr annotation(Annotated on, NodeId id) {
  for (const auto each : on.getAnnotations()) {
    if (each.getId() == id) return each.getValue().getText();
  }
  return nullptr;
}

template <class Named>
std::string annotatedName(Named named) {
  const auto name = annotation(named, kNameAnnotation);
  return (name == nullptr ? named.getName() : name).cStr();
}

CppType plain(std::string name) { return {.name = std::move(name)}; }

CppType anyPointer(Type::AnyPointer::Unconstrained::Reader kind) {
  switch (kind.which()) {
    case Type::AnyPointer::Unconstrained::STRUCT: return plain("::capnp::AnyStruct");
    case Type::AnyPointer::Unconstrained::LIST: return plain("::capnp::AnyList");
    case Type::AnyPointer::Unconstrained::CAPABILITY: return plain("::capnp::Capability");
    default: return plain("::capnp::AnyPointer");
  }
}

CppType listOf(const CppType& element) {
  return {.name = str("::capnp::List<", element.spell(), ">"), .dependent = element.dependent};
}

}  // namespace

std::string cppNameOf(Field field) { return annotatedName(field); }
std::string cppNameOf(Method method) { return annotatedName(method); }

std::string CppType::member(std::string_view type) const {
  return str(dependent ? "typename " : "", name, "::", type);
}

Schema::Schema(Request request) : request_(request) {
  for (const auto node : request.getNodes()) nodes_.emplace(node.getId(), node);
  for (const auto node : request.getNodes()) {
    if (node.isInterface()) index(node);
  }
}

void Schema::index(Node interface) {
  for (const auto method : interface.getInterface().getMethods()) {
    const auto name = titleCase(cppNameOf(method));
    owners_[method.getParamStructType()] = {interface.getId(), name + "Params"};
    owners_[method.getResultStructType()] = {interface.getId(), name + "Results"};
  }
}

Node Schema::node(NodeId id) const {
  const auto found = nodes_.find(id);
  KJ_REQUIRE(found != nodes_.end(), "the request refers to a node that it does not contain", kj::hex(id));
  return found->second;
}

std::vector<Node> Schema::scopes(Node node) const {
  std::vector<Node> chain;
  if (isImplicit(node)) node = this->node(owners_.at(node.getId()).interface);
  for (; !node.isFile(); node = this->node(node.getScopeId())) {
    chain.insert(chain.begin(), node);
    KJ_REQUIRE(chain.size() <= 64, "scopes are nested in a circle", node.getDisplayName());
  }
  return chain;
}

Node Schema::fileOf(Node node) const {
  const auto chain = scopes(node);
  return chain.empty() ? node : this->node(chain.front().getScopeId());
}

std::vector<std::string> Schema::schemaPath(Node node) const {
  std::vector<std::string> path;
  for (const auto scope : scopes(node)) {
    const auto name = scope.getDisplayName();
    const auto prefix = scope.getDisplayNamePrefixLength();
    KJ_REQUIRE(prefix <= name.size(), "a name is shorter than its prefix", name, prefix);
    path.emplace_back(name.slice(prefix).cStr());
  }
  return path;
}

std::vector<std::string> Schema::cppPath(Node node) const {
  std::vector<std::string> path = schemaPath(node);
  const auto chain = scopes(node);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto name = annotation(chain[i], kNameAnnotation);
    if (name != nullptr) path[i] = name.cStr();
  }
  if (isImplicit(node)) path.push_back(owners_.at(node.getId()).name);
  return path;
}

std::string Schema::plainName(Node node) const {
  const auto space = annotation(fileOf(node), kNamespaceAnnotation);
  auto path = cppPath(node);
  if (space != nullptr) path.insert(path.begin(), space.cStr());
  return join(path, "::");
}

// --- Types -----------------------------------------------------------------------------------------------

CppType Schema::parameter(NodeId scope, unsigned index, const Bindings& bound) const {
  const auto found = bound.find(scope);
  if (found != bound.end() && index < found->second.size()) return found->second[index];
  const auto parameters = node(scope).getParameters();
  KJ_REQUIRE(index < parameters.size(), "no such type parameter", index);
  return {.name = typeParameterName(parameters[index].getName().cStr()), .dependent = true};
}

std::vector<CppType> Schema::argumentsAt(Node scope, Brand brand, const Bindings& bound) const {
  const unsigned count = scope.getParameters().size();
  std::vector<CppType> arguments(count, plain("::capnp::AnyPointer"));
  for (const auto at : brand.getScopes()) {
    if (at.getScopeId() != scope.getId()) continue;
    for (unsigned i = 0; i < count; ++i) {
      if (at.isInherit()) {
        arguments[i] = parameter(scope.getId(), i, bound);
      } else if (i < at.getBind().size() && at.getBind()[i].isType()) {
        arguments[i] = typeOf(at.getBind()[i].getType(), bound);
      }
    }
  }
  return arguments;
}

CppType Schema::spell(Node node, const Bindings& arguments) const {
  const auto space = annotation(fileOf(node), kNamespaceAnnotation);
  CppType type = plain(space == nullptr ? "" : str("::", space.cStr()));
  const auto path = cppPath(node);
  const auto chain = scopes(node);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool generic = i < chain.size() && chain[i].getParameters().size() > 0;
    type.nested = type.dependent;
    type.name += str(generic && type.dependent ? "::template " : "::", path[i]);
    if (!generic) continue;
    std::vector<std::string> spelled;
    for (const auto& argument : arguments.at(chain[i].getId())) {
      spelled.push_back(argument.spell());
      type.dependent = type.dependent || argument.dependent;
    }
    type.name += str("<", join(spelled, ", "), ">");
  }
  return type;
}

Bindings Schema::bindings(NodeId id, Brand brand, const Bindings& bound) const {
  Bindings arguments;
  for (const auto scope : scopes(node(id))) arguments[scope.getId()] = argumentsAt(scope, brand, bound);
  return arguments;
}

CppType Schema::typeOf(NodeId id, Brand brand, const Bindings& bound) const {
  return spell(node(id), bindings(id, brand, bound));
}

CppType Schema::typeOf(SchemaType type, const Bindings& bound) const {
  switch (type.which()) {
    case Type::VOID: return plain("::capnp::Void");
    case Type::BOOL: return plain("bool");
    case Type::INT8: return plain("std::int8_t");
    case Type::INT16: return plain("std::int16_t");
    case Type::INT32: return plain("std::int32_t");
    case Type::INT64: return plain("std::int64_t");
    case Type::UINT8: return plain("std::uint8_t");
    case Type::UINT16: return plain("std::uint16_t");
    case Type::UINT32: return plain("std::uint32_t");
    case Type::UINT64: return plain("std::uint64_t");
    case Type::FLOAT32: return plain("float");
    case Type::FLOAT64: return plain("double");
    case Type::TEXT: return plain("::capnp::Text");
    case Type::DATA: return plain("::capnp::Data");
    case Type::LIST: return listOf(typeOf(type.getList().getElementType(), bound));
    case Type::ENUM: return typeOf(type.getEnum().getTypeId(), type.getEnum().getBrand(), bound);
    case Type::STRUCT: return typeOf(type.getStruct().getTypeId(), type.getStruct().getBrand(), bound);
    case Type::INTERFACE:
      return typeOf(type.getInterface().getTypeId(), type.getInterface().getBrand(), bound);
    case Type::ANY_POINTER: {
      const auto any = type.getAnyPointer();
      if (any.isParameter())
        return parameter(any.getParameter().getScopeId(), any.getParameter().getParameterIndex(), bound);
      return any.isUnconstrained() ? anyPointer(any.getUnconstrained()) : plain("::capnp::AnyPointer");
    }
  }
  KJ_FAIL_REQUIRE("a type of a kind that this version does not know", static_cast<int>(type.which()));
}

std::vector<CppType> Schema::typeArguments(NodeId id, Brand brand) const {
  std::vector<CppType> all;
  for (const auto scope : scopes(node(id))) {
    for (auto& argument : argumentsAt(scope, brand, {})) all.push_back(std::move(argument));
  }
  return all;
}

std::vector<std::string> Schema::typeParameters(Node node) const {
  std::vector<std::string> all;
  for (const auto scope : scopes(node)) {
    for (const auto parameter : scope.getParameters())
      all.push_back(typeParameterName(parameter.getName().cStr()));
  }
  return all;
}

CppType Schema::ownType(Node node) const {
  Bindings arguments;
  for (const auto scope : scopes(node)) {
    auto& own = arguments[scope.getId()];
    for (unsigned i = 0; i < scope.getParameters().size(); ++i)
      own.push_back(parameter(scope.getId(), i, {}));
  }
  return spell(node, arguments);
}

CppType Schema::paramType(Method method) const {
  const Node params = node(method.getParamStructType());
  return isImplicit(params) ? ownType(params) : typeOf(params.getId(), method.getParamBrand());
}

CppType Schema::resultType(Method method) const {
  const Node results = node(method.getResultStructType());
  return isImplicit(results) ? ownType(results) : typeOf(results.getId(), method.getResultBrand());
}

// --- Interfaces ------------------------------------------------------------------------------------------

std::vector<Node> Schema::interfacesOf(Node file) const {
  std::vector<Node> found;
  std::vector<Node> open{file};
  std::set<NodeId> seen;
  while (!open.empty()) {
    const Node scope = open.back();
    open.pop_back();
    KJ_REQUIRE(seen.insert(scope.getId()).second, "a node is nested in itself, or twice",
               scope.getDisplayName());
    if (scope.isInterface()) found.push_back(scope);
    const auto nested = scope.getNestedNodes();
    for (unsigned i = nested.size(); i-- > 0;) {  // so that the first is on top
      const auto inside = nodes_.find(nested[i].getId());
      if (inside == nodes_.end()) continue;  // a constant, say, that nothing refers to
      open.push_back(inside->second);
      KJ_REQUIRE(open.back().getScopeId() == scope.getId(), "a node is nested in another than its scope",
                 open.back().getDisplayName());
    }
  }
  return found;
}

std::vector<Schema::Ancestor> Schema::ancestors(Node interface) const {
  std::vector<Ancestor> all;
  addAncestors(interface, ownType(interface), {}, all);
  return all;
}

void Schema::addAncestors(Node interface, const CppType& type, const Bindings& bound,
                          std::vector<Ancestor>& to) const {
  if (std::any_of(to.begin(), to.end(), [&](const Ancestor& seen) { return seen.type.name == type.name; }))
    return;
  // A request that no compiler writes: an interface that extends itself with ever other type arguments.
  KJ_REQUIRE(to.size() < 256 && type.name.size() < 65536, "an interface extends itself without end",
             interface.getDisplayName());
  to.push_back({interface, type});
  for (const auto parent : interface.getInterface().getSuperclasses()) {
    const Node parentNode = node(parent.getId());
    const auto parentBound = bindings(parent.getId(), parent.getBrand(), bound);
    addAncestors(parentNode, spell(parentNode, parentBound), parentBound, to);
  }
}

std::string_view Schema::docComment(NodeId interface, unsigned method) const {
  for (const auto info : request_.getSourceInfo()) {
    if (info.getId() != interface || method >= info.getMembers().size()) continue;
    const auto comment = info.getMembers()[method].getDocComment();
    return {comment.begin(), comment.size()};
  }
  return {};
}

}  // namespace troupe::compiler
