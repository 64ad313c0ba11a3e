// Those who look on at what an actor gets: a copy of each message that it begins to handle goes into their channels, as a Tapped of
// schemas/client.capnp.
//
// Loss:    an actor never waits for one who looks on. What finds no room in a channel is counted, and the next that finds some says so.
//          Of a message that is too large for a channel only the head goes there.
// Errors:  none leave it.
// Threads: the actor's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mailbox/desk.h"
#include "os/fd.h"
#include "wire/message.h"

namespace troupe::actor {

class Tap {
 public:
  // Each copies what it shows, and how much may be read of a message is limited: so many leave enough for the actor.
  static constexpr std::size_t kMost = 4;

  // Where there are too many, it is closed.
  void add(os::Fd channel);
  void show(const mailbox::Desk::Message& message, const wire::IncomingMessage& incoming);
  // Nobody looks on any more.
  bool closed() const { return onlookers_.empty(); }

 private:
  struct Onlooker {
    os::Fd channel;
    std::uint64_t dropped = 0;
  };
  static bool send(Onlooker& onlooker, std::span<const std::byte> packet);

  std::vector<Onlooker> onlookers_;
};

}  // namespace troupe::actor
