// A message of a mailbox or reply lane, being made or being read: an Envelope of schemas/envelope.capnp.
#pragma once

#include <capnp/capability.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <troupe/error.h>

#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/envelope.capnp.h"
#include "wire/arena_memory.h"
#include "wire/envelope_head.h"
#include "wire/packet.h"
#include "wire/plain.h"
#include "wire/reference.h"
#include "wire/scratch.h"

namespace troupe::wire {

// What a message is for, as errors say it: put into words only for them.
class Purpose {
 public:
  Purpose(const char* text)
      : of_(text), text_([](const void* of) { return std::string(static_cast<const char*>(of)); }) {}
  // `describe` must stay as long as this.
  template <std::invocable F>
  Purpose(const F& describe)
      : of_(&describe), text_([](const void* of) { return std::string((*static_cast<const F*>(of))()); }) {}
  std::string text() const { return text_(of_); }

 private:
  const void* of_;
  std::string (*text_)(const void*);
};

// The memory of a message that is being made: a first segment of a packet's size, then blocks of an arena, each as large as
// all before it. Where the arena has no room it goes on in heap memory, so that its size gets known.
class MessageMemory final : public capnp::MessageBuilder {
 public:
  // `arena` may be null: there is none then.
  explicit MessageMemory(ArenaMemory* arena) : arena_(arena) {}
  // Frees the blocks, unless they were let go of.
  ~MessageMemory() override;

  kj::ArrayPtr<capnp::word> allocateSegment(unsigned atLeast) override;
  // True where a part of it is in neither the first segment nor the arena.
  bool spilled() const { return !heap_.empty(); }
  // The arena blocks of all segments, of which the first is copied. Nothing, where there is no room for that.
  std::optional<std::vector<BlockRef>> intoArena();
  // They belong to the one who sends the message from here on.
  void letGo() { blocks_.clear(); }
  // With its framing, which is written before it; of a message that has no other segment. In this memory.
  std::span<const std::byte> framed();

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  ArenaMemory* arena_;
  bool begun_ = false;
  std::size_t words_ = 0;
  std::uint64_t serial_ = 0;
  std::vector<BlockRef> blocks_;
  std::vector<std::unique_ptr<capnp::word, Free>> heap_;
  Scratch first_;
};

// Made in place: a message that fits a packet allocates nothing. What does not fit it is built in the arena.
class OutgoingMessage {
 public:
  // Without an arena, what does not fit a packet is refused. It must stay as long as this.
  explicit OutgoingMessage(ArenaMemory* arena = nullptr);
  OutgoingMessage(const OutgoingMessage&) = delete;
  OutgoingMessage& operator=(const OutgoingMessage&) = delete;

  Envelope::Builder envelope() { return envelope_; }
  // Where parameters or results go. References put into it are carried by the envelope.
  capnp::AnyPointer::Builder body() { return body_; }

  // The framed message, which stays as long as this; of a large one its short form, which owns the blocks it names:
  // whoever does not send it, frees them. Nothing may be put into it any more. `what` names it in errors.
  // Where another process has the arena just now, a large one is given whole: see intoArena().
  // Errors: invalid, where it is larger than kMaxMessageBytes and the arena's limit, or holds a capability that is no
  // actor; overloaded, where the arena is full of messages that nobody has read.
  std::span<const std::byte> finish(const Purpose& what);

 private:
  void writeReferences(const Purpose& what);
  std::vector<std::byte> finishLarge(const std::string& what, std::size_t size);

  ArenaMemory* arena_;
  std::vector<std::byte> shortForm_;  // of a large message
  capnp::BuilderCapabilityTable capabilities_;
  MessageMemory message_;
  Envelope::Builder envelope_;
  capnp::AnyPointer::Builder body_;
};

// Makes `message` the answer that a call has failed; too long a text is cut. Valid as long as the message.
std::span<const std::byte> finishError(OutgoingMessage& message, std::uint64_t call, ErrorKind kind,
                                       std::string_view text);

// Refers to the words it was given, which must stay while it is used.
class IncomingMessage {
 public:
  // Nothing.
  IncomingMessage();
  // Errors: kj::Exception, where the envelope is malformed.
  explicit IncomingMessage(std::span<const capnp::word> words);
  ~IncomingMessage();
  IncomingMessage(const IncomingMessage&) = delete;
  IncomingMessage& operator=(const IncomingMessage&) = delete;

  // These words from here on. Errors: as the constructor.
  void read(std::span<const capnp::word> words) {
    words_ = words;
    if (readers_) forgetReaders();
    if (!heads_.read(words, head_) || head_.references) readOther();
  }

  const EnvelopeHead& head() const { return head_; }
  Envelope::Reader envelope() const;
  // The pointer to its body, which can be read without a check: every pointer that can be reached from there leads to words that
  // are there. Null, where it is not plain, or has none.
  const capnp::word* plainBodyAt() const { return readers_ ? nullptr : head_.body; }
  // A large message has no body before attach().
  bool isLarge() const { return head_.large; }
  // Its segments, which must stay while it is used. Errors: kj::Exception, where they are no envelope.
  void attach(std::vector<std::span<const capnp::word>> segments);
  // For checking: reading more than any honest message of a packet needs, throws; unless nobody could read too much of it.
  capnp::AnyPointer::Reader checkedBody() const;
  // For using, once checked: reading is not counted, however often and long it is done.
  capnp::AnyPointer::Reader body() const;

 private:
  // Of a message that is not plain (wire/plain.h), or large.
  struct Readers;
  Readers& readers();
  void forgetReaders();
  void readOther();
  capnp::AnyPointer::Reader plainBody() const;

  std::span<const capnp::word> words_;
  EnvelopeHead head_;
  PlainHeads heads_;
  std::unique_ptr<Readers> readers_;
};

// A message that finish() gave, whole: of a large one its body is copied out of the arena, and the blocks are freed.
std::vector<std::byte> outOfArena(ArenaMemory& arena, std::span<const std::byte> message);
// The other way round, for a whole message that does not fit a packet. Errors: overloaded, where the arena has no room.
std::vector<std::byte> intoArena(ArenaMemory& arena, std::span<const std::byte> message,
                                 const std::string& what);

// Whether this is the short form of a large message; fast. False where it is malformed.
bool isLargeAnywhere(std::span<const capnp::word> message);
inline bool isLarge(std::span<const capnp::word> message) {
  const auto large = largeAtOnce(message);
  return large ? *large : isLargeAnywhere(message);
}
// The same of a message that finish() gave.
inline bool isLarge(std::span<const std::byte> message) {
  return isLarge(
      {reinterpret_cast<const capnp::word*>(message.data()), message.size() / sizeof(capnp::word)});
}
// The blocks that it names, of its sender's arena; none, where it is not large. Errors: kj::Exception, where it is
// malformed.
std::vector<BlockRef> blocksOf(std::span<const capnp::word> message);
// The same of a message that finish() gave.
std::vector<BlockRef> blocksOf(std::span<const std::byte> message);

}  // namespace troupe::wire
