#include "supervision/blueprint.h"

#include <algorithm>

namespace troupe::supervision {

std::vector<InheritedDescriptor> Blueprint::allDescriptors() const {
  std::vector<InheritedDescriptor> all = descriptors;
  for (const auto& child : children) {
    const auto below = child->allDescriptors();
    all.insert(all.end(), below.begin(), below.end());
  }
  return all;
}

const Blueprint* findPart(const Blueprint& tree, const std::string& path, const std::string& declared) {
  const Blueprint* part = &tree;
  std::string at = "/";
  while (at != path) {
    const std::string step = stepBelow(path, at);
    const std::string full = pathBelow(at, step);
    const std::string& id = full == path ? declared : step;
    const Blueprint* next = nullptr;
    for (const auto& child : part->children) {
      if (child->declaration.id == id) next = child.get();
    }
    if (next == nullptr) return nullptr;
    part = next;
    at = full;
  }
  return part;
}

std::string methodName(const Blueprint& tree, std::uint64_t interfaceId, std::uint16_t method) {
  if (tree.actorClass != nullptr) return tree.actorClass->methodName(interfaceId, method);
  for (const auto& child : tree.children) {
    std::string name = methodName(*child, interfaceId, method);
    if (!name.empty()) return name;
  }
  return {};
}

namespace {

const capnp::_::RawSchema* schemaIn(const detail::ActorClass& actorClass, std::uint64_t interfaceId) {
  const auto found = std::ranges::find(actorClass.schemas, interfaceId, &capnp::_::RawSchema::id);
  return found == actorClass.schemas.end() ? nullptr : *found;
}

const capnp::_::RawSchema* schemaIn(const Blueprint& tree, std::uint64_t interfaceId) {
  if (tree.actorClass != nullptr) return schemaIn(*tree.actorClass, interfaceId);
  for (const auto& child : tree.children) {
    if (const auto* const found = schemaIn(*child, interfaceId)) return found;
  }
  return nullptr;
}

}  // namespace

std::vector<const capnp::_::RawSchema*> schemaOf(const Blueprint& tree, std::uint64_t interfaceId) {
  const capnp::_::RawSchema* first = schemaIn(tree, interfaceId);
  if (first == nullptr) {
    const detail::ActorClass* const started = detail::findConstructibleServing(interfaceId);
    if (started != nullptr) first = schemaIn(*started, interfaceId);
  }
  if (first == nullptr) return {};
  std::vector<const capnp::_::RawSchema*> all{first};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (unsigned each = 0; each < all[i]->dependencyCount; ++each) {
      const capnp::_::RawSchema* const needed = all[i]->dependencies[each];
      if (std::ranges::find(all, needed) == all.end()) all.push_back(needed);
    }
  }
  return all;
}

std::string pathBelow(const std::string& supervisor, const std::string& id) {
  return supervisor == "/" ? "/" + id : supervisor + "/" + id;
}

std::string sparePath(const std::string& path) { return path + ":spare"; }

bool isWithin(const std::string& path, const std::string& ancestor) {
  if (ancestor == "/" || path == ancestor) return true;
  return path.starts_with(ancestor) && path[ancestor.size()] == '/';
}

std::string stepBelow(const std::string& path, const std::string& ancestor) {
  const std::size_t from = ancestor == "/" ? 1 : ancestor.size() + 1;
  if (from >= path.size()) return {};
  return path.substr(from, path.find('/', from) - from);
}

}  // namespace troupe::supervision
