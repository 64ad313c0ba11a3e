#include "wire/payload.h"

#include <kj/debug.h>
#include <troupe/error.h>

#include "wire/reference.h"

namespace troupe::wire {

namespace {

// Each takes some words of the message.
constexpr unsigned kMostReferences = 1 << 20;

kj::Array<kj::Maybe<kj::Own<capnp::ClientHook>>> hooksOf(Payload::Reader payload) {
  const auto references = payload.getReferences();
  KJ_REQUIRE(references.size() <= kMostReferences, "too many references", references.size());
  auto hooks = kj::heapArrayBuilder<kj::Maybe<kj::Own<capnp::ClientHook>>>(references.size());
  for (const auto reference : references) {
    const auto path = reference.getPath();
    hooks.add(makeHook({reference.getActor(), std::string(path.cStr(), path.size())}));
  }
  return hooks.finish();
}

}  // namespace

capnp::AnyPointer::Builder PayloadWriter::content(Payload::Builder payload) {
  return table_.imbue(payload.getContent());
}

void PayloadWriter::finish(Payload::Builder payload, const std::string& what) {
  auto table = table_.getTable();
  if (table.size() == 0) return;
  auto references = payload.initReferences(static_cast<unsigned>(table.size()));
  for (unsigned i = 0; i < table.size(); ++i) {
    KJ_IF_MAYBE (hook, table[i]) {
      const auto address = addressOf(**hook);
      if (!address)
        throw Error(ErrorKind::invalid, what + ": a capability in it is not an actor (a troupe::Ref)");
      references[i].setActor(address->id);
      references[i].setPath(address->path.c_str());
    }
  }
}

PayloadReader::PayloadReader(Payload::Reader payload) : payload_(payload), table_(hooksOf(payload)) {}

capnp::AnyPointer::Reader PayloadReader::content() { return table_.imbue(payload_.getContent()); }

}  // namespace troupe::wire
