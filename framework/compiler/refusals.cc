#include "compiler/refusals.h"

#include "compiler/names.h"
#include "compiler/source_lines.h"
#include "compiler/text.h"

#include <map>
#include <optional>

namespace troupe::compiler {
namespace {

class Refusals {
 public:
  Refusals(const Schema& schema, RequestedFile file) : schema_(schema), file_(file.getFilename().cStr()) {
    for (const auto interface : schema.interfacesOf(schema.node(file.getId()))) check(interface);
  }

  std::vector<std::string> take() && { return std::move(lines_); }

 private:
  void check(Node interface) {
    if (nestedInGeneric(interface)) return;
    std::map<std::string, std::string> own;
    for (const auto method : interface.getInterface().getMethods()) {
      checkName(interface, method);
      checkGeneric(interface, method);
      checkAliases(interface, method);
      const auto [other, added] = own.emplace(cppNameOf(method), method.getName().cStr());
      if (!added) {
        refuse(interface, method.getName().cStr(),
               str(quoted(interface, method), " has the same name in C++ as `", other->second, "`"));
      }
    }
    checkAncestors(interface);
  }

  bool nestedInGeneric(Node interface) {
    const auto all = schema_.typeParameters(interface).size();
    if (all == interface.getParameters().size()) return false;
    refuse(interface, {},
           str("interface ", name(interface),
               " is nested in a generic type; C++ can't specialise templates for it. ",
               "Declare it outside, with type parameters of its own"));
    return true;
  }

  void checkName(Node interface, Method method) {
    const auto why = whyReserved(cppNameOf(method));
    if (why.empty()) return;
    refuse(interface, method.getName().cStr(),
           str(quoted(interface, method), " can't be a method: ", why,
               ". Choose another name, or give it one with $Cxx.name"));
  }

  void checkGeneric(Node interface, Method method) {
    if (method.getImplicitParameters().size() == 0) return;
    refuse(interface, method.getName().cStr(),
           str(quoted(interface, method), " has type parameters of its own; only interfaces can be generic"));
  }

  // `GetParams` may stand for the parameters of `get`, or for a struct that the interface declares; not for
  // both.
  void checkAliases(Node interface, Method method) {
    const auto title = titleCase(cppNameOf(method));
    for (const auto nested : interface.getNestedNodes()) {
      const std::string_view type = nested.getName().cStr();
      const bool params = type == title + "Params" && nested.getId() != method.getParamStructType();
      const bool results = type == title + "Results" && nested.getId() != method.getResultStructType();
      if (!params && !results) continue;
      refuse(interface, std::string(type),
             str("`", type, "` in interface ", name(interface), " is also the name of the ",
                 params ? "parameters" : "results", " of its method `", method.getName().cStr(), "`"));
    }
  }

  // An actor has one handler for each name, and an interface is found by its number: so neither may come from
  // two ancestors.
  void checkAncestors(Node interface) {
    std::map<std::string, Node> methods;
    std::map<NodeId, CppType> types;
    for (const auto& ancestor : schema_.ancestors(interface)) {
      const auto [seen, added] = types.emplace(ancestor.node.getId(), ancestor.type);
      if (!added) {
        refuse(interface, {},
               str("interface ", name(interface), " extends ", name(ancestor.node), " twice, as ",
                   seen->second.name, " and as ", ancestor.type.name));
        continue;
      }
      for (const auto method : ancestor.node.getInterface().getMethods()) {
        const auto [other, unique] = methods.emplace(cppNameOf(method), ancestor.node);
        if (!unique && other->second.getId() != ancestor.node.getId())
          refuseInherited(interface, other->second, ancestor.node, method);
      }
    }
  }

  void refuseInherited(Node interface, Node first, Node second, Method method) {
    const bool own = first.getId() == interface.getId();
    refuse(interface, own ? ownName(interface, cppNameOf(method)) : std::string(),
           own ? str("`", cppNameOf(method), "` in interface ", name(interface), " is also a method of ",
                     name(second), ", which it extends; an actor has one handler for each name")
               : str("interface ", name(interface), " inherits `", cppNameOf(method), "` from ", name(first),
                     " and from ", name(second), "; an actor has one handler for each name"));
  }

  static std::string ownName(Node interface, const std::string& cppName) {
    for (const auto method : interface.getInterface().getMethods()) {
      if (cppNameOf(method) == cppName) return method.getName().cStr();
    }
    return {};
  }

  std::string name(Node interface) const { return join(schema_.schemaPath(interface), "."); }
  std::string quoted(Node interface, Method method) const {
    return str("`", method.getName().cStr(), "` in interface ", name(interface));
  }

  // `member` is a method of the interface or a type in it; empty for the interface itself.
  void refuse(Node interface, const std::string& member, const std::string& reason) {
    if (!source_) source_ = SourceLines::find(file_);
    auto path = schema_.schemaPath(interface);
    if (!member.empty()) path.push_back(member);
    const auto line = source_->lineOf(path);
    lines_.push_back(line == 0 ? str(file_, ": error: ", reason)
                               : str(file_, ":", line, ": error: ", reason));
  }

  const Schema& schema_;
  std::string file_;
  std::optional<SourceLines> source_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> refusals(const Schema& schema, RequestedFile file) {
  return Refusals(schema, file).take();
}

}  // namespace troupe::compiler
