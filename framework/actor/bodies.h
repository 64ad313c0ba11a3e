// The bodies of large messages, as an actor's process has to do with them: its own arena, in which those are built that it
// sends, and the arenas of others, in which those lie that it reads.
//
// The first large message of a sender waits until its arena was introduced; meanwhile nothing after it is read there, so that the order
// stays.
// Ownership: a Body is open as long as somebody holds it; then its blocks go back to the sender.
// Errors:    what a message says of its blocks is checked against the arena; a lie costs the message.
// Threads:   the loop's.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "loop/loop.h"
#include "os/shared_memory.h"
#include "wire/arena_memory.h"
#include "wire/message.h"

namespace troupe::actor {

class Bodies {
  struct Peer;

 public:
  struct Hooks {
    std::function<void(wire::ActorId)>
        introduce;                  // asks for an arena; the answer is introduced() or unreachable()
    std::function<void()> arrived;  // something that could not be opened, can be now
  };
  Bodies(loop::Loop& loop, os::Fd arena, std::size_t limit, std::uint32_t generation, Hooks hooks);
  ~Bodies();

  // Where this actor's own are built.
  wire::ArenaMemory& own() { return own_; }
  // Looks after the own arena: gives back what is not used. To be called before the process sleeps.
  void rest();

  // The segments of one message.
  class Body {
   public:
    Body(std::shared_ptr<Peer> peer, std::vector<wire::BlockRef> blocks);
    ~Body();
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;
    std::vector<std::span<const capnp::word>> segments;

   private:
    std::shared_ptr<Peer> peer_;
    std::vector<wire::BlockRef> blocks_;
  };

  // False where the message is large, and its sender's arena was not there yet. It is asked for.
  bool canOpen(wire::ActorId sender, std::span<const capnp::word> message);
  // Nothing for a message that is not large. Errors: invalid, where its blocks are not there; kj::Exception, where
  // it is malformed.
  std::shared_ptr<Body> open(wire::ActorId sender, std::span<const capnp::word> message);
  // The message is not going to be read.
  void drop(wire::ActorId sender, std::span<const capnp::word> message);

  // `lasting`: until gone() says otherwise.
  void introduced(wire::ActorId actor, const os::Fd& memory, bool lasting);
  void unreachable(wire::ActorId actor);
  void gone(wire::ActorId actor);

 private:
  void tidy();

  wire::ArenaMemory own_;
  Hooks hooks_;
  std::unordered_map<wire::ActorId, std::shared_ptr<Peer>> peers_;
  std::set<wire::ActorId> asked_;
  std::set<wire::ActorId> unreachable_;
  loop::Timer timer_;
  bool resting_ = false;
  unsigned rests_ = 0;
  std::uint64_t lastSerial_ = 0;
};

}  // namespace troupe::actor
