#include "actor/bodies.h"

#include <troupe/error.h>

#include "os/kill_point.h"

namespace troupe::actor {

namespace {

constexpr auto kRest = std::chrono::milliseconds(250);
// Memory is not given back while the arena is being used, except now and then.
constexpr unsigned kRestsAtMost = 8;

}  // namespace

// The arena of another actor. The headers are shared for writing, as blocks are freed there.
struct Bodies::Peer {
  explicit Peer(const os::Fd& memory)
      : mapping(memory, os::sizeOf(memory)),
        view({static_cast<std::byte*>(mapping.data()), mapping.bytes()}) {}

  os::Mapping mapping;
  wire::ArenaView view;
  bool lasting = true;
};

Bodies::Body::Body(std::shared_ptr<Peer> peer, std::vector<wire::BlockRef> blocks)
    : peer_(std::move(peer)), blocks_(std::move(blocks)) {
  for (const wire::BlockRef& block : blocks_) {
    const auto content = peer_->view.content(block);
    if (!content) {
      throw Error(ErrorKind::invalid, "its body of " + std::to_string(block.words) + " words at " +
                                          std::to_string(block.offset) + " is not in its sender's arena");
    }
    segments.push_back(*content);
  }
  os::killPoint("bodyChecked");
  // A repetition, which must not free them under the first.
  if (!peer_->view.take(blocks_.front()))
    throw Error(ErrorKind::invalid, "its body is being read already, or is over");
  os::killPoint("bodyTaken");
}

Bodies::Body::~Body() {
  os::killPoint("bodyFreeing");
  for (const wire::BlockRef& block : blocks_) {
    peer_->view.free(block);
    os::killPoint("blockFreed");
  }
}

Bodies::Bodies(loop::Loop& loop, os::Fd arena, std::size_t limit, std::uint32_t generation, Hooks hooks)
    : own_(std::move(arena), limit, generation), hooks_(std::move(hooks)), timer_(loop, [this] { tidy(); }) {}

Bodies::~Bodies() = default;

void Bodies::rest() {
  if (!own_.inUse() || std::exchange(resting_, true)) return;
  timer_.startIn(kRest);
}

void Bodies::tidy() {
  resting_ = false;
  if (!own_.inUse()) return;
  const std::uint64_t serial = own_.open()->lastSerial();
  if (serial != std::exchange(lastSerial_, serial) && ++rests_ % kRestsAtMost != 0) return;
  own_.trim();
}

bool Bodies::canOpen(wire::ActorId sender, std::span<const capnp::word> message) {
  if (!wire::isLarge(message) || peers_.contains(sender) || unreachable_.contains(sender)) return true;
  if (asked_.insert(sender).second) {
    hooks_.introduce(sender);
    os::killPoint("arenaAwaited");
  }
  return false;
}

std::shared_ptr<Bodies::Body> Bodies::open(wire::ActorId sender, std::span<const capnp::word> message) {
  auto blocks = wire::blocksOf(message);
  if (blocks.empty()) return nullptr;
  const auto peer = peers_.find(sender);
  if (peer == peers_.end()) {
    unreachable_.erase(sender);
    throw Error(ErrorKind::invalid, "its body lies in an arena that is not there any more");
  }
  auto body = std::make_shared<Body>(peer->second, std::move(blocks));
  if (!peer->second->lasting) peers_.erase(peer);
  return body;
}

void Bodies::drop(wire::ActorId sender, std::span<const capnp::word> message) {
  try {
    open(sender, message);
  } catch (const Error&) {
    // There is nothing to free.
  } catch (const kj::Exception&) {}
}

void Bodies::introduced(wire::ActorId actor, const os::Fd& memory, bool lasting) {
  if (!os::keepsItsSize(memory)) return unreachable(actor);
  try {
    const auto peer = std::make_shared<Peer>(memory);
    peer->lasting = lasting;
    peers_[actor] = peer;
  } catch (const Error&) {
    return unreachable(actor);
  }
  asked_.erase(actor);
  os::killPoint("arenaCame");
  hooks_.arrived();
}

void Bodies::unreachable(wire::ActorId actor) {
  asked_.erase(actor);
  unreachable_.insert(actor);
  hooks_.arrived();
}

// What is being read keeps it until then.
void Bodies::gone(wire::ActorId actor) { peers_.erase(actor); }

}  // namespace troupe::actor
