// Actors as Cap'n Proto capabilities: what stands in an interface-typed field while a message is made or
// read.
//
// Such a capability is only an address. It can be put into a message and turned into a troupe::Ref; calling
// it through Cap'n Proto's own RPC fails, with a text that says so.
#pragma once

#include <capnp/capability.h>

#include <optional>
#include <string>

#include "wire/packet.h"

namespace troupe::wire {

struct ActorAddress {
  ActorId id = 0;  // 0: nobody
  std::string path;
};

capnp::Capability::Client toCapability(const ActorAddress& address);

// The actor behind a hook that toCapability() made; nothing for a foreign one. A null capability is nobody.
std::optional<ActorAddress> addressOf(capnp::ClientHook& hook);
std::optional<ActorAddress> addressOf(capnp::Capability::Client client);

kj::Own<capnp::ClientHook> makeHook(const ActorAddress& address);

}  // namespace troupe::wire
