// What the root does for the bodies of large messages: it owns the arenas that they lie in, and frees those that nobody else will.
//
// Blocks of the dead. A receiver that died: what it had in hand, by its desk; replies to it, as nobody waits for them any more;
// and if it went for good, all that was on its way to it. A sender that died: its successor frees what was never sent. A
// sender that went for good: its arena stays until the last message in it was read.
#include <algorithm>

#include "mailbox/settle.h"
#include "node/directory.h"
#include "node/names.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "wire/arena_memory.h"
#include "wire/flat_message.h"
#include "wire/message.h"

namespace troupe::node {

namespace {

// An arena, as long as it is looked at.
class Mapped {
 public:
  explicit Mapped(const os::Fd& memory)
      : mapping_(memory, os::sizeOf(memory)),
        view_({static_cast<std::byte*>(mapping_.data()), mapping_.bytes()}) {}
  const wire::ArenaView* operator->() const { return &view_; }

 private:
  os::Mapping mapping_;
  wire::ArenaView view_;
};

constexpr std::uint32_t number(wire::Lane lane) { return static_cast<std::uint32_t>(lane); }

// Of the large messages in a packet: whose they are, and their blocks.
void forEachMessage(std::span<const std::byte> packet,
                    const std::function<void(wire::ActorId, std::span<const wire::BlockRef>)>& each) {
  wire::PacketView view;
  if (wire::PacketView::parse(packet.data(), packet.size(), view) != wire::PacketFault::none) return;
  for (unsigned i = 0; i < view.messages(); ++i) {
    try {
      const auto blocks = wire::blocksOf(view.message(i));
      if (!blocks.empty()) each(view.header().sender, blocks);
    } catch (const kj::Exception&) {
      continue;
    }
  }
}

}  // namespace

// Where a claim asks for another size, it waits until nothing lies in the one there is.
void Directory::makeArena(Entry& entry, std::size_t limit) {
  const std::size_t bytes = limit == 0 ? 0 : wire::arenaBytesFor(limit);
  const std::size_t has = entry.arena.valid() ? os::sizeOf(entry.arena) : 0;
  if (bytes == has || (has > 0 && !os::isUntouched(entry.arena) && !Mapped(entry.arena)->empty())) return;
  entry.arena = bytes == 0 ? os::Fd() : os::makeSharedMemory("troupe-arena", bytes);
}

const os::Fd* Directory::arenaOf(wire::ActorId actor) {
  if (const Entry* const entry = byId(actor)) return entry->arena.valid() ? &entry->arena : nullptr;
  for (const Leaving& leaving : leaving_) {
    if (leaving.entry && leaving.entry->id == actor && leaving.entry->arena.valid())
      return &leaving.entry->arena;
  }
  for (const RetiredArena& retired : retired_) {
    if (retired.actor == actor) return &retired.arena;
  }
  return nullptr;
}

// Who has gone, and was introduced to it before, is among the last two.
void Directory::forEachBlockTo(const Entry& to, wire::Lane lane,
                               const std::function<void(const wire::ArenaView&, wire::BlockRef)>& each) {
  const auto look = [&](const os::Fd& arena) {
    if (!arena.valid() || os::isUntouched(arena)) return;
    const Mapped mapped(arena);
    mapped->forEach([&](const wire::ArenaView::Block& block) {
      if (block.state == wire::BlockState::building) return;
      if (block.to == wire::BlockTarget{.actor = to.id, .lane = number(lane)})
        each(*mapped.operator->(), mapped->refTo(block));
    });
  };
  for (const wire::ActorId id : to.senders)
    if (const Entry* const sender = byId(id)) look(sender->arena);
  for (const Leaving& leaving : leaving_) {
    if (leaving.entry) look(leaving.entry->arena);
  }
  for (const RetiredArena& retired : retired_) look(retired.arena);
}

void Directory::freeBlocksTo(const Entry& to, wire::Lane lane) {
  try {
    forEachBlockTo(to, lane,
                   [](const wire::ArenaView& arena, const wire::BlockRef& block) { arena.free(block); });
  } catch (const Error& error) {
    hooks_.warn("large messages to an actor that has died stay in memory: " + error.message());
  }
}

// For a dead letter. What stands there may be a lie, or change meanwhile: nothing of it is looked at here.
std::vector<std::byte> Directory::copyWhole(wire::ActorId sender, std::span<const wire::BlockRef> blocks) {
  const os::Fd* const arena = arenaOf(sender);
  if (arena == nullptr || os::isUntouched(*arena)) return {};
  try {
    const Mapped mapped(*arena);
    std::vector<kj::ArrayPtr<const capnp::word>> segments;
    std::size_t bytes = sizeof(std::uint64_t) * (blocks.size() / 2 + 1);
    for (const wire::BlockRef& block : blocks) {
      const auto content = mapped->content(block);
      if (!content) return {};
      segments.emplace_back(content->data(), content->size());
      bytes += content->size_bytes();
    }
    return bytes > hooks_.mostLetterBytes ? std::vector<std::byte>() : wire::flatBytes(segments);
  } catch (const Error&) {
    return {};
  }
}

void Directory::freeBlocks(wire::ActorId sender, std::span<const wire::BlockRef> blocks) {
  settleBlocks(sender, blocks, false);
}

// A message whose receiver has died: it is over, or comes again.
void Directory::settleBlocks(wire::ActorId sender, std::span<const wire::BlockRef> blocks, bool again) {
  const os::Fd* const arena = arenaOf(sender);
  if (arena == nullptr || os::isUntouched(*arena)) return;
  const Mapped mapped(*arena);
  for (const wire::BlockRef& block : blocks) {
    again ? mapped->move(block, wire::BlockState::taken, wire::BlockState::sent) : mapped->free(block);
  }
}

// What was on its way to an actor that has gone for good; of a pool's worker, the pool has it.
void Directory::settleBlocksTo(const Entry& gone, Entry* pool) {
  freeBlocksTo(gone, wire::Lane::reply);
  if (gone.role != wire::Role::poolWorker || pool == nullptr) return freeBlocksTo(gone, wire::Lane::mailbox);
  // From here on it lies there for the pool.
  for (const wire::ActorId id : gone.senders) {
    Entry* const sender = byId(id);
    if (sender == nullptr) continue;
    sender->sendsTo.insert(pool->id);
    pool->senders.insert(id);
  }
  try {
    forEachBlockTo(gone, wire::Lane::mailbox,
                   [pool](const wire::ArenaView& arena, const wire::BlockRef& block) {
                     arena.address(block, {.actor = pool->id, .lane = number(wire::Lane::mailbox)});
                   });
  } catch (const Error& error) {
    hooks_.warn("large messages to " + gone.path +
                ", which has gone, may stay in memory: " + error.message());
  }
}

// Packets that the root was to deliver.
void Directory::freeBlocksIn(std::span<const std::byte> packet) {
  forEachMessage(packet, [this](wire::ActorId sender, std::span<const wire::BlockRef> blocks) {
    freeBlocks(sender, blocks);
  });
}

// Of a packet that its sender gave up. What an earlier process of it had written may be with a receiver that lives, whom this one
// could not be introduced to.
void Directory::freeUndeliverable(wire::ActorId actor, std::span<const std::byte> packet) {
  const wire::BlockTarget to{.actor = actor, .lane = number(wire::Lane::mailbox)};
  forEachMessage(packet, [&](wire::ActorId sender, std::span<const wire::BlockRef> blocks) {
    if (byId(actor) == nullptr || !isOnItsWay(sender, {.serial = blocks.front().serial, .to = to}))
      return freeBlocks(sender, blocks);
    const os::Fd* const arena = arenaOf(sender);
    if (arena == nullptr || os::isUntouched(*arena)) return;
    const Mapped mapped(*arena);
    for (const wire::BlockRef& block : blocks) mapped->address(block, to);
  });
}

// What an actor that has gone had committed and not written is sent by the root.
void Directory::sendBlocks(const os::Fd& arena, mailbox::Destination to, std::span<const std::byte> packet) {
  if (!arena.valid() || os::isUntouched(arena)) return;
  const Mapped mapped(arena);
  forEachMessage(packet, [&](wire::ActorId, std::span<const wire::BlockRef> blocks) {
    for (const wire::BlockRef& block : blocks) {
      mapped->address(block, {.actor = to.actor, .lane = number(to.lane)});
      mapped->move(block, wire::BlockState::building, wire::BlockState::sent);
    }
  });
}

// A process that died about to write a message: it may have written it, or not. Of those that its successor sends again
// nobody needs to know; the others are calls.
void Directory::settleDoubts(wire::ActorId sender, const os::Fd& arena,
                             std::span<const wire::BlockRef> unsent) {
  if (!arena.valid() || os::isUntouched(arena)) return;
  try {
    const Mapped mapped(arena);
    mapped->forEach([&](const wire::ArenaView::Block& block) {
      const bool again = std::ranges::any_of(unsent, [&](const wire::BlockRef& ref) {
        return ref.serial == block.serial && ref.offset == mapped->offsetOf(block.page);
      });
      // Its next process, or the root, addresses it again. Until then it must not be freed with all that is for an actor which
      // goes.
      if (again) {
        if (block.state != wire::BlockState::building)
          mapped->address(mapped->refTo(block), {.actor = block.to.actor, .lane = wire::kUndeliverable});
        return;
      }
      const bool sending = block.state == wire::BlockState::sending;
      const bool sent = block.state == wire::BlockState::sent;
      // Its sender was about to give it to the root, or has; that would have come by now.
      const bool undeliverable = block.to.lane == wire::kUndeliverable;
      if (undeliverable ? sending || sent : sent && isForNobody(block.to.actor) && !isOnItsWay(sender, block))
        return static_cast<void>(mapped->free(mapped->refTo(block)));
      if (!sending) return;
      const auto now = isOnItsWay(sender, block) ? wire::BlockState::sent : wire::BlockState::free;
      mapped->move(mapped->refTo(block), wire::BlockState::sending, now);
    });
  } catch (const Error& error) {
    hooks_.warn("the last message of a process that died may stay in memory: " + error.message());
  }
}

bool Directory::isForNobody(wire::ActorId actor) {
  return byId(actor) == nullptr && std::ranges::none_of(leaving_, [actor](const Leaving& leaving) {
           return leaving.entry && leaving.entry->id == actor;
         });
}

// First the pipe, then the desks: that is the way it goes. What is on neither has been done, or was never written.
bool Directory::isOnItsWay(wire::ActorId sender, const wire::ArenaView::Block& block) {
  const Entry* to = byId(block.to.actor);
  // Of a worker that has gone: what is still written for it lies there for the pool.
  if (const Gone* const gone = to == nullptr ? findGone(block.to.actor) : nullptr) {
    to = byPath(parentOf(gone->path));
    if (to != nullptr && to->role != wire::Role::pool) to = nullptr;
  }
  if (to == nullptr) return false;
  // A reply may be with its caller, wherever it keeps it.
  if (block.to.lane != number(wire::Lane::mailbox)) return true;
  bool found = false;
  const auto look = [&](wire::ActorId from, std::span<const wire::BlockRef> blocks) {
    found = found || (from == sender && blocks.front().serial == block.serial);
  };
  const auto packets = os::peekPackets(mailboxOf(*to));
  if (!packets) return true;
  for (const auto& packet : *packets) forEachMessage(packet, look);
  for (const Undelivered& each : undelivered_) forEachMessage(each.packet, look);
  const std::string top = to->role == wire::Role::poolWorker ? parentOf(to->path) : to->path;
  for (auto it = byPath_.lower_bound(top); it != byPath_.end() && it->first.starts_with(top); ++it) {
    if (!it->second->desk.valid()) continue;
    for (const auto& packet : mailbox::packetsOn(it->second->desk)) forEachMessage(packet, look);
  }
  return found;
}

void Directory::retireArena(Entry& entry) {
  if (!entry.arena.valid() || os::isUntouched(entry.arena)) return;
  retired_.push_back({.actor = entry.id, .arena = std::move(entry.arena), .desk = std::move(entry.desk)});
  retiredAgain_.startIn(kLookAtRetired);
}

// Its process may still be dying. Once it is dead, what it had not sent is nobody's.
void Directory::lookAtRetired() {
  std::erase_if(retired_, [this](RetiredArena& retired) {
    try {
      if (!retired.alone && os::lockedByAnother(retired.desk)) return false;
      const Mapped mapped(retired.arena);
      if (!retired.alone) settleDoubts(retired.actor, retired.arena, {});
      mapped->forEach([&](const wire::ArenaView::Block& block) {
        if (!retired.alone && block.state == wire::BlockState::building) mapped->free(mapped->refTo(block));
      });
      retired.alone = true;
      return mapped->empty();
    } catch (const Error&) {
      return false;
    }
  });
  if (!retired_.empty()) retiredAgain_.startIn(kLookAtRetired);
}

}  // namespace troupe::node
