// The tree of an app as its main function describes it: what a supervisor needs to make its children.
//
// Ownership: a plain tree of values. A forked child has its own copy; one started by exec builds it anew in its main.
#pragma once

#include <troupe/actor_class.h>
#include <troupe/spec.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "supervision/core_types.h"
#include "wire/control_message.h"

namespace troupe::supervision {

// A descriptor that main opened and gave to a child: of a listening socket, or of shared memory. `index` counts what main opened, so that a fresh
// image of the program knows which is which.
struct InheritedDescriptor {
  int fd = -1;
  unsigned index = 0;
};

// What every process must know of the program as a whole.
struct Program {
  std::vector<std::string> arguments;  // those of main
  std::vector<std::string>
      listening;  // the addresses of the sockets that main opened, by their index; empty: memory
};

struct Blueprint {
  ChildDeclaration declaration;
  wire::Role role = wire::Role::actor;
  bool keepStandardInput = false;

  // An actor, a pool's worker, or a template of actors:
  const detail::ActorClass* actorClass = nullptr;
  detail::ActorFactory factory;

  std::vector<InheritedDescriptor> descriptors;

  // A supervisor:
  SupervisorSpec flags;
  std::vector<std::shared_ptr<Blueprint>> children;
  // A pool's protocol, for those who look for it.
  std::vector<std::uint64_t> interfaces;

  // Its own and those of all below it.
  std::vector<InheritedDescriptor> allDescriptors() const;
};

// The part of the tree at `path`; its last step is `declared` in the tree: of an instance, the template. Null, where there is none.
const Blueprint* findPart(const Blueprint& tree, const std::string& path, const std::string& declared);

// "Greeter.greet", from the actor classes of the tree; empty where none of them knows the interface.
std::string methodName(const Blueprint& tree, std::uint64_t interfaceId, std::uint16_t method);

// The interface, as the program was compiled with it, and all that it is made of: its parameters, their fields, what it extends. Empty
// where no actor class of the program serves it.
std::vector<const capnp::_::RawSchema*> schemaOf(const Blueprint& tree, std::uint64_t interfaceId);

// "/shop" and "till" make "/shop/till"; the root's path is "/".
std::string pathBelow(const std::string& supervisor, const std::string& id);
// What a hot spare of the child at `path` is called: "/shop/till:spare"; of a pool's workers, "/workers/*:spare". No child has
// such a path.
std::string sparePath(const std::string& path);
// True where `path` is `ancestor` or lies below it.
bool isWithin(const std::string& path, const std::string& ancestor);
// The first part of `path` below `ancestor`: "till" for "/shop/till/drawer" below "/shop".
std::string stepBelow(const std::string& path, const std::string& ancestor);

}  // namespace troupe::supervision
