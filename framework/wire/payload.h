// Parameters and results on their way between a client and its session: a Payload of schemas/client.capnp.
//
// Errors:  writing: invalid, for a capability that is no actor. Reading throws kj::Exception where it is malformed.
// Threads: any.
#pragma once

#include <capnp/any.h>
#include <capnp/capability.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schemas/client.capnp.h"

namespace troupe::wire {

// A message that has one, being made. What is put into content() may hold references to actors.
class PayloadWriter {
 public:
  capnp::AnyPointer::Builder content(Payload::Builder payload);
  // When all is in it. `what` names it in errors.
  void finish(Payload::Builder payload, const std::string& what);

 private:
  capnp::BuilderCapabilityTable table_;
};

// Of a message in one piece, which must stay as long as this. What may be read of it is limited by its size.
class PayloadReader {
 public:
  explicit PayloadReader(Payload::Reader payload);
  capnp::AnyPointer::Reader content();

 private:
  Payload::Reader payload_;
  capnp::ReaderCapabilityTable table_;
};

}  // namespace troupe::wire
