// The schemas of one run of the Cap'n Proto compiler: nodes by number, their files, and how C++ spells them.
//
// The C++ names follow capnpc-c++ to the letter, as generated code has to meet its x.capnp.h. That includes
// the annotations $Cxx.namespace and $Cxx.name, and the names that parameters and results get when they are
// not structs of their own.
//
// Ownership: views the request, which must outlive it.
// Errors:    kj::Exception, where the request is not what a Cap'n Proto compiler writes.
#pragma once

#include <capnp/schema.capnp.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::compiler {

using Node = capnp::schema::Node::Reader;
using Field = capnp::schema::Field::Reader;
using Method = capnp::schema::Method::Reader;
using SchemaType = capnp::schema::Type::Reader;
using Brand = capnp::schema::Brand::Reader;
using Request = capnp::schema::CodeGeneratorRequest::Reader;
using RequestedFile = capnp::schema::CodeGeneratorRequest::RequestedFile::Reader;
using NodeId = std::uint64_t;

// The result type of a method declared `-> stream`.
inline constexpr NodeId kStreamResult = 0x995f9a3377c0b16e;

// A type in C++, and what its use inside a template needs.
struct CppType {
  std::string name;        // "::Queue<T>::Ticket"
  bool dependent = false;  // on a parameter of the template it stands in
  bool nested = false;     // in a dependent type, so that it needs `typename`

  std::string spell() const { return (nested ? "typename " : "") + name; }
  std::string member(std::string_view type) const;  // "typename ::Queue<T>::Ticket::Reader"
};

// What type parameters stand for, by the generic node that declares them.
using Bindings = std::map<NodeId, std::vector<CppType>>;

class Schema {
 public:
  explicit Schema(Request request);

  Request request() const { return request_; }
  Node node(NodeId id) const;

  // The file that a node is in.
  Node fileOf(Node node) const;
  // The interfaces that a file declares, also inside of others and of structs, in the order of the schema.
  std::vector<Node> interfacesOf(Node file) const;
  // An interface and all that it extends, each once, itself first.
  struct Ancestor {
    Node node;
    CppType type;
  };
  std::vector<Ancestor> ancestors(Node interface) const;

  // The structs that hold a method's parameters and results.
  CppType paramType(Method method) const;
  CppType resultType(Method method) const;
  // True for the struct of a method's parameters or results, where the schema lists them in place.
  static bool isImplicit(Node node) { return node.isStruct() && node.getScopeId() == 0; }

  // Types as they are spelled inside the scope that mentions them; type parameters of that scope that `bound`
  // has nothing for keep their names.
  CppType typeOf(NodeId id, Brand brand, const Bindings& bound = {}) const;
  CppType typeOf(SchemaType type, const Bindings& bound = {}) const;
  // What the type parameters of `id`, and of what it is nested in, stand for where it is named with this
  // brand.
  Bindings bindings(NodeId id, Brand brand, const Bindings& bound = {}) const;
  // The same as one list, outermost first.
  std::vector<CppType> typeArguments(NodeId id, Brand brand) const;
  // The type parameters of a node and of what it is nested in, outermost first.
  std::vector<std::string> typeParameters(Node node) const;
  // The name of a node as its own scope sees it, with its type parameters as arguments: "::Queue<T>".
  CppType ownType(Node node) const;
  // "bank::Account": without type parameters.
  std::string plainName(Node node) const;
  // "Bank", "Account": the names from the file down, in C++ or in the schema.
  std::vector<std::string> cppPath(Node node) const;
  std::vector<std::string> schemaPath(Node node) const;

  // The comment in the schema on a method; lines end in '\n'.
  std::string_view docComment(NodeId interface, unsigned method) const;

 private:
  struct Owner {
    NodeId interface;
    std::string name;  // "GreetParams"
  };

  void index(Node interface);
  // From the outermost below the file to the node itself; for implicit ones those of their interface.
  std::vector<Node> scopes(Node node) const;
  std::vector<CppType> argumentsAt(Node scope, Brand brand, const Bindings& bound) const;
  CppType parameter(NodeId scope, unsigned index, const Bindings& bound) const;
  CppType spell(Node node, const Bindings& arguments) const;
  void addAncestors(Node interface, const CppType& type, const Bindings& bound,
                    std::vector<Ancestor>& to) const;

  Request request_;
  std::map<NodeId, Node> nodes_;
  std::map<NodeId, Owner> owners_;  // of implicit parameters and results
};

// The name that C++ knows a field or method by.
std::string cppNameOf(Field field);
std::string cppNameOf(Method method);

}  // namespace troupe::compiler
