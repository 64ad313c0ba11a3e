// Messages that were in hand when a process died, and what becomes of them.
#include <utility>

#include "mailbox/settle.h"
#include "node/directory.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
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
    const Entry* const sender = byId(dropped.sender);
    hooks_.dead({.actor = entry.id,
                 .path = entry.path,
                 .sender = dropped.sender,
                 .senderPath = sender == nullptr ? "" : sender->path,
                 .senderGeneration = dropped.generation,
                 .reason = entry.endReason,
                 .attempts = dropped.attempts,
                 .message = std::move(dropped.message)});
  }
}

// Casts that no process will begin any more. The callers of calls among them are told that the actor has gone.
void Directory::bury(const Entry& entry, const ExitReason& reason) {
  try {
    if (entry.role == wire::Role::actor && !os::lockedByAnother(entry.desk)) {
      for (const auto& packet : mailbox::takeUnhandled(entry.desk))
        buryPacket({.actor = entry.id, .path = entry.path, .reason = reason}, packet);
    }
    buryMailbox(entry, reason);
  } catch (const Error& error) {
    hooks_.warn("casts for " + entry.path + ", which has gone, are lost: " + error.message());
  }
}

void Directory::buryMailbox(const Entry& entry, const ExitReason& reason) {
  alignas(8) std::byte packet[os::kPacketBytes];
  while (entry.mailbox.valid()) {
    const auto read = os::readPacket(entry.mailbox.get(), packet);
    if (read.state != os::PipeState::done) return;
    buryPacket({.actor = entry.id, .path = entry.path, .reason = reason}, {packet, read.bytes});
  }
}

void Directory::buryPacket(wire::Letter letter, std::span<const std::byte> bytes) {
  const auto aligned = wire::wordsOf(bytes);
  wire::PacketView packet;
  if (wire::PacketView::parse(aligned.begin(), bytes.size(), packet) != wire::PacketFault::none) return;
  const Entry* const sender = byId(packet.header().sender);
  letter.sender = packet.header().sender;
  letter.senderPath = sender == nullptr ? "" : sender->path;
  letter.senderGeneration = packet.header().generation;
  for (unsigned i = 0; i < packet.messages(); ++i) {
    try {
      if (!wire::IncomingMessage(packet.message(i)).envelope().isCast()) continue;
    } catch (const kj::Exception&) {
      continue;
    }
    const auto message = std::as_bytes(packet.message(i));
    letter.message.assign(message.begin(), message.end());
    hooks_.dead(letter);
  }
}

// A sender has found out that its destination has gone.
void Directory::onUndeliverable(const std::string& from, wire::Control::Undeliverable::Reader message) {
  const Gone* const gone = findGone(message.getActor());
  if (byPath(from) == nullptr || gone == nullptr) return;
  const auto bytes = message.getPacket();
  buryPacket({.actor = gone->id, .path = gone->path, .reason = gone->reason},
             {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()});
}

namespace {

// As a cast, with the same body and the same references.
std::vector<std::byte> asCast(const wire::Letter& letter, const std::string& what) {
  try {
    const auto words = wire::wordsOf(letter.message);
    const wire::IncomingMessage incoming({words.begin(), words.size()});
    const auto envelope = incoming.envelope();
    if (!envelope.isCall() && !envelope.isCast())
      throw Error(ErrorKind::invalid, what + ": it is neither a call nor a cast");
    if (envelope.getLarge())
      throw Error(ErrorKind::invalid, what + ": it was a large message, and its body is not kept");
    wire::OutgoingMessage outgoing;
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
      "resending the dead letter " + std::to_string(letter.number) + " to " + letter.path;
  Entry* entry = byId(letter.actor);
  if (entry == nullptr) entry = byPath(letter.path);
  if (entry == nullptr) throw Error::gone(what + ": there is no such actor any more", letter.reason);
  const os::Fd& mailbox = mailboxOf(*entry);
  if (!mailbox.valid())
    throw Error(ErrorKind::invalid, what + ": it is a supervisor now, and has no mailbox");
  wire::PacketBuilder packet;
  if (!packet.append(asCast(letter, what))) throw Error(ErrorKind::invalid, what + ": it is too large");
  const auto bytes = packet.finish(letter.sender, letter.senderGeneration, 0);
  if (os::writePacket(mailbox.get(), bytes.data(), bytes.size()) != os::PipeState::done)
    throw Error(ErrorKind::overloaded, what + ": its mailbox is full");
}

}  // namespace troupe::node
