// Messages that were in hand when a process died, and what becomes of them.
#include <utility>

#include "mailbox/settle.h"
#include "node/directory.h"
#include "node/names.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "wire/arena_memory.h"
#include "wire/flat_message.h"
#include "wire/message.h"
#include "wire/packet.h"
#include "wire/reason_codec.h"

namespace troupe::node {

void Directory::tellCallers(const Entry& entry, const mailbox::Settlement& settlement) {
  for (const mailbox::CallInHand& call : settlement.calls) {
    const Entry* const caller = byId(call.caller);
    if (caller == nullptr || caller->generation != call.generation) continue;
    wire::ControlMessage message;
    auto failed = message->initCallFailed();
    failed.setCall(call.call);
    failed.setCallee(entry.path.c_str());
    failed.setInterface(call.interfaceId);
    failed.setMethod(call.method);
    wire::write(failed.initReason(), entry.endReason);
    notify(call.caller, std::move(message));
  }
}

void Directory::giveUp(const Entry& entry, mailbox::Settlement& settlement) {
  for (mailbox::InHand& dropped : settlement.dropped) {
    wire::Letter letter{.actor = entry.id,
                        .path = entry.path,
                        .senderGeneration = dropped.generation,
                        .reason = entry.endReason,
                        .attempts = dropped.attempts,
                        .message = std::move(dropped.message)};
    nameSender(letter, dropped.sender);
    hooks_.dead(std::move(letter));
  }
}

void Directory::nameSender(wire::Letter& letter, wire::ActorId sender) {
  for (const RetiredArena& retired : retired_) {
    if (retired.actor == sender && retired.onBehalfOf != 0) sender = retired.onBehalfOf;
  }
  letter.sender = sender;
  letter.senderPath = pathOf(sender);
}

// Also of one that has gone for good. Empty where it is not known any more.
std::string Directory::pathOf(wire::ActorId actor) {
  if (const Entry* const entry = byId(actor)) return entry->path;
  const Gone* const gone = findGone(actor);
  return gone == nullptr ? "" : gone->path;
}

// Casts that no process will begin any more. The callers of calls among them are told that the actor has gone.
void Directory::bury(const Entry& entry, const ExitReason& reason) {
  try {
    if (entry.role == wire::Role::actor && !entry.rests && !os::lockedByAnother(entry.desk)) {
      for (const auto& packet : mailbox::takeUnhandled(entry.desk))
        buryPacket({.actor = entry.id, .path = entry.path, .reason = reason}, packet);
    }
    buryMailbox(entry, reason);
  } catch (const Error& error) {
    hooks_.warn("casts for " + entry.path + ", which has gone, are lost: " + error.message());
  }
}

// True where nobody can write to it any more.
bool Directory::buryMailbox(const Entry& entry, const ExitReason& reason) {
  alignas(8) std::byte packet[os::kPacketBytes];
  while (entry.mailbox.valid()) {
    const auto read = os::readPacket(entry.mailbox.get(), packet);
    if (read.state != os::PipeState::done) return read.state == os::PipeState::closed;
    buryPacket({.actor = entry.id, .path = entry.path, .reason = reason}, {packet, read.bytes});
  }
  return true;
}

void Directory::buryPacket(wire::Letter letter, std::span<const std::byte> bytes) {
  const auto aligned = wire::wordsOf(bytes);
  wire::PacketView packet;
  if (wire::PacketView::parse(aligned.begin(), bytes.size(), packet) != wire::PacketFault::none) return;
  nameSender(letter, packet.header().sender);
  letter.senderGeneration = packet.header().generation;
  for (unsigned i = 0; i < packet.messages(); ++i) {
    try {
      if (!wire::IncomingMessage(packet.message(i)).envelope().isCast()) continue;
    } catch (const kj::Exception&) {
      continue;
    }
    const auto message = std::as_bytes(packet.message(i));
    const auto blocks = wire::blocksOf(message);
    if (!blocks.empty()) letter.message = copyWhole(packet.header().sender, blocks);
    if (blocks.empty() || letter.message.empty()) letter.message.assign(message.begin(), message.end());
    hooks_.dead(letter);
  }
}

// For an actor that has gone for good; of those that went long ago neither path nor reason is remembered. Or for one that lives,
// where its sender had no descriptor left for it.
void Directory::buryLate(wire::ActorId actor, std::span<const std::byte> packet) {
  wire::Letter letter{.actor = actor, .path = pathOf(actor)};
  if (const Gone* const gone = findGone(actor)) {
    letter.reason = gone->reason;
  } else if (byId(actor) != nullptr) {
    letter.reason = {.kind = ExitKind::exception,
                     .text = "it runs, but its sender could not be introduced to it"};
  } else {
    letter.reason = {.kind = ExitKind::shutdown, .text = "so long ago that it is not remembered how"};
  }
  buryPacket(std::move(letter), packet);
}

// A sender has found out that its destination has gone. Whoever that is, the message is its own; it may have gone meanwhile too.
void Directory::onUndeliverable(const std::string& from, wire::Control::Undeliverable::Reader message) {
  const auto bytes = std::as_bytes(std::span(message.getPacket().begin(), message.getPacket().size()));
  const auto words = wire::wordsOf(bytes);
  wire::PacketView packet;
  if (wire::PacketView::parse(words.begin(), bytes.size(), packet) != wire::PacketFault::none ||
      pathOf(packet.header().sender) != from)
    return hooks_.warn("what " + from + " gave up sending is no packet of its own, and was dropped");
  buryLate(message.getActor(), bytes);
  // The blocks are the root's by now: see Outbox::close().
  freeUndeliverable(message.getActor(), std::as_bytes(std::span(words.begin(), words.size())));
}

namespace {

// As a cast, with the same body and the same references.
std::vector<std::byte> asCast(const wire::Letter& letter, wire::ArenaMemory& arena, const std::string& what) {
  try {
    const auto words = wire::wordsOf(letter.message);
    const wire::IncomingMessage incoming({words.begin(), words.size()});
    const auto envelope = incoming.envelope();
    if (!envelope.isCall() && !envelope.isCast())
      throw Error(ErrorKind::invalid, what + ": it is neither a call nor a cast");
    if (envelope.getLarge())
      throw Error(ErrorKind::invalid, what + ": it was a large message, and its body is not kept");
    wire::OutgoingMessage outgoing(&arena);
    outgoing.body().set(incoming.checkedBody());
    auto cast = outgoing.envelope().initCast();
    cast.setInterface(envelope.isCall() ? envelope.getCall().getInterface()
                                        : envelope.getCast().getInterface());
    cast.setMethod(envelope.isCall() ? envelope.getCall().getMethod() : envelope.getCast().getMethod());
    const auto bytes = outgoing.finish(what.c_str());
    return {bytes.begin(), bytes.end()};
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid, what + ": it is malformed: " + exception.getDescription().cStr());
  }
}

}  // namespace

void Directory::resend(const wire::Letter& letter) {
  const std::string what =
      "resending the dead letter " + std::to_string(letter.number) + " to " + receiverOf(letter);
  Entry* entry = byId(letter.actor);
  if (entry == nullptr) entry = byPath(letter.path);
  if (entry == nullptr) throw Error::gone(what + ": there is no such actor any more", letter.reason);
  const os::Fd& mailbox = mailboxOf(*entry);
  if (!mailbox.valid())
    throw Error(ErrorKind::invalid, what + ": it is a supervisor now, and has no mailbox");
  // A large one lies in an arena of its own, as if from an actor that has gone, until it was read.
  const bool large = letter.message.size() > wire::kMaxMessageBytes;
  os::Fd memory =
      large ? os::makeSharedMemory("troupe-arena", wire::arenaBytesFor(letter.message.size())) : os::Fd();
  wire::ArenaMemory arena(large ? os::openSharedMemory(memory) : os::Fd(), 2 * letter.message.size(), 1);
  const auto message = asCast(letter, arena, what);
  const auto blocks = wire::blocksOf(message);
  for (const wire::BlockRef& block : blocks) {
    arena.open()->sending(
        block, {.actor = targetOf(*entry), .lane = static_cast<std::uint32_t>(wire::Lane::mailbox)});
    arena.open()->sent(block);
  }
  wire::PacketBuilder packet;
  if (!packet.append(message)) throw Error(ErrorKind::invalid, what + ": it is too large");
  const wire::ActorId sender = blocks.empty() ? letter.sender : lastId_ + 1;
  const auto bytes = packet.finish(sender, letter.senderGeneration, 0);
  if (os::writePacket(mailbox.get(), bytes.data(), bytes.size()) != os::PipeState::done)
    throw Error(ErrorKind::overloaded, what + ": its mailbox is full");
  if (blocks.empty()) return;
  lastId_ = sender;
  retired_.push_back(
      {.actor = sender, .arena = std::move(memory), .desk = {}, .alone = true, .onBehalfOf = letter.sender});
  retiredAgain_.startIn(kLookAtRetired);
}

// Whose mailbox it is.
wire::ActorId Directory::targetOf(const Entry& entry) {
  const Entry* const pool = entry.role == wire::Role::poolWorker ? byPath(parentOf(entry.path)) : nullptr;
  return pool == nullptr ? entry.id : pool->id;
}

}  // namespace troupe::node
