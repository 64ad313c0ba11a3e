#include "wire/message.h"

#include <kj/debug.h>
#include <troupe/error.h>

#include <limits>

namespace troupe::wire {

namespace {

// Each object of a message may be reached by many pointers, so reading all of an honest one can take more
// than its size; sixteen times is more than anybody needs, and little enough that a hostile message costs no
// time.
capnp::ReaderOptions checkedOptions() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 16 * kMaxPacketBytes / sizeof(capnp::word);
  options.nestingLimit = 64;
  return options;
}

capnp::ReaderOptions unlimitedOptions() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = std::numeric_limits<std::uint64_t>::max();
  options.nestingLimit = 64;
  return options;
}

kj::ArrayPtr<const capnp::word> asArray(std::span<const capnp::word> words) {
  return {words.data(), words.size()};
}

// A list can pretend to hold thousands that take no room, and each would cost a hook: an honest one takes two
// words.
kj::Array<kj::Maybe<kj::Own<capnp::ClientHook>>> hooksOf(Envelope::Reader envelope, std::size_t words) {
  const auto references = envelope.getReferences();
  KJ_REQUIRE(references.size() <= words / 2, "more references than the message has room for",
             references.size());
  auto hooks = kj::heapArrayBuilder<kj::Maybe<kj::Own<capnp::ClientHook>>>(references.size());
  for (const auto reference : references) {
    const auto path = reference.getPath();
    hooks.add(makeHook({reference.getActor(), std::string(path.cStr(), path.size())}));
  }
  return hooks.finish();
}

}  // namespace

OutgoingMessage::OutgoingMessage()
    : message_(kj::arrayPtr(scratch_.data(), scratch_.size())),
      envelope_(capabilities_.imbue(message_.getRoot<capnp::AnyPointer>()).initAs<Envelope>()),
      body_(envelope_.getBody()) {}

std::vector<std::byte> OutgoingMessage::finish(const std::string& what) {
  auto table = capabilities_.getTable();
  if (table.size() > 0) {
    auto references = envelope_.initReferences(static_cast<unsigned>(table.size()));
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
  const std::size_t size = capnp::computeSerializedSizeInWords(message_) * sizeof(capnp::word);
  if (size > kMaxMessageBytes) {
    throw Error(ErrorKind::invalid, what + ": its message takes " + std::to_string(size) +
                                        " bytes, and a message can have " + std::to_string(kMaxMessageBytes) +
                                        " at most");
  }
  std::vector<std::byte> bytes(size);
  kj::ArrayOutputStream stream({reinterpret_cast<kj::byte*>(bytes.data()), bytes.size()});
  capnp::writeMessage(stream, message_);
  return bytes;
}

IncomingMessage::IncomingMessage(std::span<const capnp::word> words)
    : checked_(asArray(words), checkedOptions()),
      unlimited_(asArray(words), unlimitedOptions()),
      capabilities_(hooksOf(checked_.getRoot<Envelope>(), words.size())),
      envelope_(checked_.getRoot<Envelope>()),
      checkedBody_(capabilities_.imbue(checked_.getRoot<capnp::AnyPointer>()).getAs<Envelope>().getBody()),
      body_(capabilities_.imbue(unlimited_.getRoot<capnp::AnyPointer>()).getAs<Envelope>().getBody()) {}

}  // namespace troupe::wire
