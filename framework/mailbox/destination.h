// Where a message goes: a lane of an actor.
#pragma once

#include "wire/control_message.h"
#include "wire/packet.h"

namespace troupe::mailbox {

struct Destination {
  wire::ActorId actor = 0;
  wire::Lane lane = wire::Lane::mailbox;
  friend bool operator==(const Destination&, const Destination&) = default;
};

}  // namespace troupe::mailbox
