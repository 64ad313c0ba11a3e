// A message of a mailbox or reply lane, being made or being read: an Envelope of schemas/envelope.capnp.
#pragma once

#include <capnp/capability.h>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schemas/envelope.capnp.h"
#include "wire/packet.h"
#include "wire/reference.h"

namespace troupe::wire {

// Made in place; its first segment is part of the object, so that a message that fits a packet allocates
// nothing.
class OutgoingMessage {
 public:
  OutgoingMessage();
  OutgoingMessage(const OutgoingMessage&) = delete;
  OutgoingMessage& operator=(const OutgoingMessage&) = delete;

  Envelope::Builder envelope() { return envelope_; }
  // Where parameters or results go. References put into it are carried by the envelope.
  capnp::AnyPointer::Builder body() { return body_; }

  // The framed message. Nothing may be put into it any more. `what` names it in errors.
  // Errors: invalid, where it is larger than kMaxMessageBytes, or holds a capability that is no actor.
  std::vector<std::byte> finish(const std::string& what);

 private:
  alignas(8) std::array<capnp::word, kMaxPacketBytes / sizeof(capnp::word)> scratch_{};
  capnp::BuilderCapabilityTable capabilities_;
  capnp::MallocMessageBuilder message_;
  Envelope::Builder envelope_;
  capnp::AnyPointer::Builder body_;
};

// Refers to the words it was given, which must stay while it is used.
class IncomingMessage {
 public:
  // Errors: kj::Exception, where the envelope is malformed.
  explicit IncomingMessage(std::span<const capnp::word> words);
  IncomingMessage(const IncomingMessage&) = delete;
  IncomingMessage& operator=(const IncomingMessage&) = delete;

  Envelope::Reader envelope() const { return envelope_; }
  // For checking: reading more than any honest message of a packet needs, throws.
  capnp::AnyPointer::Reader checkedBody() const { return checkedBody_; }
  // For using, once checked: reading is not counted, however often and long it is done.
  capnp::AnyPointer::Reader body() const { return body_; }

 private:
  capnp::FlatArrayMessageReader checked_;
  capnp::FlatArrayMessageReader unlimited_;
  capnp::ReaderCapabilityTable capabilities_;
  Envelope::Reader envelope_;
  capnp::AnyPointer::Reader checkedBody_;
  capnp::AnyPointer::Reader body_;
};

}  // namespace troupe::wire
