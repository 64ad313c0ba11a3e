// The protocols of a running app's actors, as its program was compiled with them: what their methods are called, and what they take.
//
// Errors:  Failure.
// Threads: one.
#pragma once

#include <capnp/schema-loader.h>
#include <capnp/schema.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/app_link.h"

namespace troupe::cli {

struct MethodInfo {
  std::uint64_t interfaceId = 0;
  std::uint16_t number = 0;
  std::string name;  // "Till.pay"
  bool isCast = false;
  capnp::StructSchema params;
  capnp::StructSchema results;
};

// By its path, or its name in the app. Errors: refused, where there is none.
ActorLine actorCalled(AppLink& link, const std::string& name);

class Protocols {
 public:
  // Of that actor.
  Protocols(AppLink& link, const ActorLine& actor);

  // "pay", or "Till.pay" where several of the actor's protocols have a method of that name. Errors: usage; it says which methods there
  // are.
  const MethodInfo& method(const std::string& name) const;
  // Null where there is none.
  const MethodInfo* method(std::uint64_t interfaceId, std::uint16_t number) const;

 private:
  std::string all() const;

  std::string path_;
  capnp::SchemaLoader loader_;
  std::vector<MethodInfo> methods_;
};

}  // namespace troupe::cli
