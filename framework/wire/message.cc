#include "wire/message.h"

#include <kj/debug.h>
#include <troupe/error.h>
#include <troupe/protocol.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "os/kill_point.h"
#include "wire/flat_message.h"
#include "wire/plain.h"

namespace troupe::wire {

namespace {

// Smaller ones would be many: a message grows in few steps.
constexpr std::size_t kLeastBlockWords = 2 * kArenaPage / sizeof(capnp::word);
// A message that grows by doubling has far fewer segments.
constexpr std::size_t kMaxLargeSegments = 64;

// Each object of a message may be reached by many pointers, so reading all of an honest one can take more
// than its size; sixteen times is more than anybody needs, and little enough that a hostile message costs no
// time.
capnp::ReaderOptions checkedOptions() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 16 * kMaxPacketBytes / sizeof(capnp::word);
  options.nestingLimit = 64;
  return options;
}

// A large message has less to gain by far: to read all of it four times is generous.
capnp::ReaderOptions largeOptions(std::size_t words) {
  capnp::ReaderOptions options = checkedOptions();
  options.traversalLimitInWords += 4 * words;
  return options;
}

capnp::ReaderOptions optionsFor(std::size_t words) {
  return words * sizeof(capnp::word) <= kMaxPacketBytes ? checkedOptions() : largeOptions(words);
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

std::vector<std::byte> framed(capnp::MessageBuilder& message) {
  std::vector<std::byte> bytes(capnp::computeSerializedSizeInWords(message) * sizeof(capnp::word));
  kj::ArrayOutputStream stream({reinterpret_cast<kj::byte*>(bytes.data()), bytes.size()});
  capnp::writeMessage(stream, message);
  return bytes;
}

void copyKind(Envelope::Reader from, Envelope::Builder to) {
  switch (from.which()) {
    case Envelope::CALL: {
      auto call = to.initCall();
      call.setInterface(from.getCall().getInterface());
      call.setMethod(from.getCall().getMethod());
      call.setCall(from.getCall().getCall());
      call.setDeadline(from.getCall().getDeadline());
      break;
    }
    case Envelope::CAST: {
      auto cast = to.initCast();
      cast.setInterface(from.getCast().getInterface());
      cast.setMethod(from.getCast().getMethod());
      break;
    }
    case Envelope::RESULT: to.initResult().setCall(from.getResult().getCall()); break;
    case Envelope::ERROR: {
      auto error = to.initError();
      error.setCall(from.getError().getCall());
      error.setKind(from.getError().getKind());
      break;
    }
  }
}

std::vector<std::byte> shortFormOf(Envelope::Reader whole, std::span<const BlockRef> blocks) {
  capnp::MallocMessageBuilder shortForm;
  auto envelope = shortForm.initRoot<Envelope>();
  copyKind(whole, envelope);
  envelope.setLarge(true);
  auto segments = envelope.getBody().initAs<LargeBody>().initSegments(static_cast<unsigned>(blocks.size()));
  for (unsigned i = 0; i < segments.size(); ++i) {
    segments[i].setOffset(blocks[i].offset);
    segments[i].setWords(blocks[i].words);
    segments[i].setSerial(blocks[i].serial);
  }
  return framed(shortForm);
}

Error noRoom(const Arena& arena, const std::string& what, std::size_t size) {
  return {ErrorKind::overloaded, what + ": no room for its message of " + std::to_string(size) +
                                     " bytes: of the " + std::to_string(arena.capacityBytes()) +
                                     " bytes of this actor's arena " + std::to_string(arena.usedBytes()) +
                                     " are taken by large messages that have not been read"};
}

}  // namespace

MessageMemory::~MessageMemory() {
  if (begun_) first_.usedWords = getSegmentsForOutput()[0].size();
  for (const BlockRef& block : blocks_) arena_->free(block);
}

kj::ArrayPtr<capnp::word> MessageMemory::allocateSegment(unsigned atLeast) {
  if (!begun_) {
    KJ_ASSERT(atLeast <= first_->segment.size(), "a message begins with its root");
    begun_ = true;
    words_ = first_->segment.size();
    return {first_->segment.data(), words_};
  }
  const std::size_t wanted = std::max({std::size_t{atLeast}, words_, kLeastBlockWords});
  words_ += wanted;
  Arena* const arena =
      spilled() || arena_ == nullptr ? nullptr : arena_->openFor(wanted * sizeof(capnp::word));
  if (arena != nullptr && words_ * sizeof(capnp::word) <= 2 * arena_->limit() + kMaxPacketBytes) {
    if (serial_ == 0) serial_ = arena->nextSerial();
    // All but the last word of what is copied there: it may be filled in part.
    const std::size_t overwritten = detail::CopiedAtOnce::expected() && atLeast > 0 ? atLeast - 1 : 0;
    if (const auto block = arena->allocate(serial_, wanted, overwritten)) {
      blocks_.push_back(block->ref);
      return {block->data, block->ref.words};
    }
  }
  // Never touched where nothing is put: such memory costs nothing.
  heap_.emplace_back(static_cast<capnp::word*>(std::calloc(wanted, sizeof(capnp::word))));
  if (heap_.back() == nullptr) throw std::bad_alloc();
  return {heap_.back().get(), wanted};
}

std::optional<std::vector<BlockRef>> MessageMemory::intoArena() {
  Arena* const arena = arena_ == nullptr ? nullptr : arena_->open();
  const auto segments = getSegmentsForOutput();
  if (arena == nullptr || spilled() || segments.size() != blocks_.size() + 1) return std::nullopt;
  const auto first = arena->allocate(serial_, segments[0].size());
  if (!first) return std::nullopt;
  std::memcpy(static_cast<void*>(first->data), segments[0].begin(), segments[0].asBytes().size());
  blocks_.insert(blocks_.begin(), first->ref);
  for (std::size_t i = 0; i < segments.size(); ++i) arena->shrink(blocks_[i], segments[i].size());
  return blocks_;
}

std::span<const std::byte> MessageMemory::framed() {
  const auto segment = getSegmentsForOutput()[0];
  first_->segmentWords = static_cast<std::uint32_t>(segment.size());
  return {reinterpret_cast<const std::byte*>(&first_->segmentsLessOne),
          (segment.size() + 1) * sizeof(capnp::word)};
}

OutgoingMessage::OutgoingMessage(ArenaMemory* arena)
    : arena_(arena),
      message_(arena),
      envelope_(capabilities_.imbue(message_.getRoot<capnp::AnyPointer>()).initAs<Envelope>()),
      body_(envelope_.getBody()) {}

void OutgoingMessage::writeReferences(const Purpose& what) {
  auto table = capabilities_.getTable();
  if (table.size() == 0) return;
  auto references = envelope_.initReferences(static_cast<unsigned>(table.size()));
  for (unsigned i = 0; i < table.size(); ++i) {
    KJ_IF_MAYBE (hook, table[i]) {
      const auto address = addressOf(**hook);
      if (!address)
        throw Error(ErrorKind::invalid, what.text() + ": a capability in it is not an actor (a troupe::Ref)");
      references[i].setActor(address->id);
      references[i].setPath(address->path.c_str());
    }
  }
}

std::span<const std::byte> OutgoingMessage::finish(const Purpose& what) {
  writeReferences(what);
  const auto segments = message_.getSegmentsForOutput();
  if (segments.size() == 1 && (segments[0].size() + 1) * sizeof(capnp::word) <= kMaxMessageBytes)
    return message_.framed();
  const std::size_t size = capnp::computeSerializedSizeInWords(message_) * sizeof(capnp::word);
  shortForm_ = size > kMaxMessageBytes ? finishLarge(what.text(), size) : framed(message_);
  return shortForm_;
}

std::vector<std::byte> OutgoingMessage::finishLarge(const std::string& what, std::size_t size) {
  const bool letGo = arena_ != nullptr && arena_->isLetGo();
  const std::size_t limit = letGo || (arena_ != nullptr && arena_->open() != nullptr) ? arena_->limit() : 0;
  // The limit is the body's; what the envelope adds to it fits a packet.
  if (size > (limit == 0 ? kMaxMessageBytes : limit + kMaxPacketBytes)) {
    throw Error(ErrorKind::invalid, what + ": its message takes " + std::to_string(size) +
                                        " bytes, and a message can have " +
                                        std::to_string(std::max(limit, kMaxMessageBytes)) +
                                        " at most (maxMessageBytes of the sender's spec)");
  }
  if (letGo) return framed(message_);
  os::killPoint("bodyBuilt");
  const auto blocks = message_.intoArena();
  if (!blocks) throw noRoom(*arena_->open(), what, size);
  auto bytes = shortFormOf(envelope_.asReader(), *blocks);
  message_.letGo();
  return bytes;
}

std::vector<std::byte> outOfArena(ArenaMemory& arena, std::span<const std::byte> message) {
  const auto blocks = blocksOf(message);
  Arena* const memory = blocks.empty() ? nullptr : arena.open();
  std::vector<kj::ArrayPtr<const capnp::word>> segments;
  for (const BlockRef& block : blocks) {
    const auto content = memory == nullptr ? std::nullopt : memory->view().unsentContent(block);
    if (content) segments.push_back(asArray(*content));
  }
  // Somebody has written what he should not: its receiver will say so.
  if (blocks.empty() || segments.size() != blocks.size()) return {message.begin(), message.end()};
  auto whole = flatBytes(segments);
  for (const BlockRef& block : blocks) memory->free(block);
  return whole;
}

std::vector<std::byte> intoArena(ArenaMemory& arena, std::span<const std::byte> message,
                                 const std::string& what) {
  const auto words = wordsOf(message);
  capnp::FlatArrayMessageReader reader(words, unlimitedOptions());
  Arena* const memory = arena.open();
  if (memory == nullptr) throw Error(ErrorKind::overloaded, what + ": its arena cannot be opened");
  const std::uint64_t serial = memory->nextSerial();
  std::vector<BlockRef> blocks;
  for (unsigned i = 0; reader.getSegment(i) != nullptr; ++i) {
    const auto segment = reader.getSegment(i);
    const auto block = memory->allocate(serial, segment.size());
    if (!block) {
      for (const BlockRef& each : blocks) memory->free(each);
      throw noRoom(*memory, what, message.size());
    }
    std::memcpy(static_cast<void*>(block->data), segment.begin(), segment.asBytes().size());
    blocks.push_back(block->ref);
    memory->shrink(blocks.back(), segment.size());
  }
  return shortFormOf(reader.getRoot<Envelope>(), blocks);
}

struct IncomingMessage::Readers {
  struct Large {
    Large(std::span<const std::span<const capnp::word>> from, std::size_t words)
        : segments(KJ_MAP(each, kj::arrayPtr(from.data(), from.size())) { return asArray(each); }),
          checked(segments, largeOptions(words)),
          unlimited(segments, unlimitedOptions()) {}
    kj::Array<kj::ArrayPtr<const capnp::word>> segments;
    capnp::SegmentArrayMessageReader checked;
    capnp::SegmentArrayMessageReader unlimited;
  };

  explicit Readers(std::span<const capnp::word> words)
      : words(words), unlimited(asArray(words), unlimitedOptions()) {}

  capnp::FlatArrayMessageReader& limited() {
    if (!checked) checked.emplace(asArray(words), optionsFor(words.size()));
    return *checked;
  }
  // With what the references in it stand for; there is no table where there are none.
  template <class Reader>
  capnp::AnyPointer::Reader bodyOf(Reader& message) {
    if (!capabilities) return message.template getRoot<Envelope>().getBody();
    return capabilities->imbue(message.template getRoot<capnp::AnyPointer>())
        .template getAs<Envelope>()
        .getBody();
  }

  std::span<const capnp::word> words;
  capnp::FlatArrayMessageReader unlimited;
  std::optional<capnp::FlatArrayMessageReader> checked;
  std::optional<capnp::ReaderCapabilityTable> capabilities;
  std::unique_ptr<Large> large;
};

namespace {

EnvelopeHead headOf(Envelope::Reader envelope) {
  EnvelopeHead head{.kind = static_cast<std::uint16_t>(envelope.which()),
                    .large = envelope.getLarge(),
                    .references = envelope.hasReferences()};
  switch (envelope.which()) {
    case Envelope::CALL: {
      const auto call = envelope.getCall();
      head.interface = call.getInterface();
      head.method = call.getMethod();
      head.number = call.getCall();
      head.deadline = call.getDeadline();
      break;
    }
    case Envelope::CAST:
      head.interface = envelope.getCast().getInterface();
      head.method = envelope.getCast().getMethod();
      break;
    case Envelope::RESULT: head.number = envelope.getResult().getCall(); break;
    case Envelope::ERROR: head.number = envelope.getError().getCall(); break;
  }
  return head;
}

}  // namespace

std::span<const std::byte> finishError(OutgoingMessage& message, std::uint64_t call, ErrorKind kind,
                                       std::string_view text) {
  constexpr std::size_t kMaxText = 2048;
  auto error = message.envelope().initError();
  error.setCall(call);
  error.setKind(static_cast<std::uint16_t>(kind));
  error.setMessage(std::string(text.substr(0, kMaxText)).c_str());
  return message.finish("an error");
}

IncomingMessage::IncomingMessage() {
  // Once there is such a table, a null capability can be read without one.
  static const capnp::ReaderCapabilityTable kForNullCapabilities(nullptr);
}

IncomingMessage::IncomingMessage(std::span<const capnp::word> words) : IncomingMessage() { read(words); }

void IncomingMessage::forgetReaders() { readers_.reset(); }

// Of the envelope no more is read without a limit than a few values; many references may lead to one long path.
void IncomingMessage::readOther() {
  head_ = headOf(readers().unlimited.getRoot<Envelope>());
  if (!head_.references) return;
  readers_->capabilities.emplace(hooksOf(readers_->limited().getRoot<Envelope>(), words_.size()));
}

IncomingMessage::~IncomingMessage() = default;

IncomingMessage::Readers& IncomingMessage::readers() {
  if (!readers_) readers_ = std::make_unique<Readers>(words_);
  return *readers_;
}

Envelope::Reader IncomingMessage::envelope() const {
  return readers_ ? readers_->unlimited.getRoot<Envelope>()
                  : capnp::readMessageUnchecked<Envelope>(words_.data() + 1);
}

capnp::AnyPointer::Reader IncomingMessage::plainBody() const {
  return head_.body == nullptr ? capnp::AnyPointer::Reader()
                               : capnp::readMessageUnchecked<capnp::AnyPointer>(head_.body);
}

capnp::AnyPointer::Reader IncomingMessage::body() const {
  if (!readers_) return plainBody();
  return readers_->large ? readers_->bodyOf(readers_->large->unlimited)
                         : readers_->bodyOf(readers_->unlimited);
}

capnp::AnyPointer::Reader IncomingMessage::checkedBody() const {
  if (!readers_) return plainBody();
  return readers_->large ? readers_->bodyOf(readers_->large->checked) : readers_->bodyOf(readers_->limited());
}

void IncomingMessage::attach(std::vector<std::span<const capnp::word>> segments) {
  std::size_t words = 0;
  for (const auto& segment : segments) words += segment.size();
  auto large = std::make_unique<Readers::Large>(segments, words);
  const auto envelope = large->checked.getRoot<Envelope>();
  auto& own = readers();
  own.capabilities.reset();
  if (envelope.hasReferences()) own.capabilities.emplace(hooksOf(envelope, words));
  own.large = std::move(large);
}

bool isLargeAnywhere(std::span<const capnp::word> message) {
  if (message.empty()) return false;
  try {
    capnp::FlatArrayMessageReader reader(asArray(message), checkedOptions());
    return reader.getRoot<Envelope>().getLarge();
  } catch (const kj::Exception&) {
    return false;
  }
}

std::vector<BlockRef> blocksOf(std::span<const capnp::word> message) {
  if (!isLarge(message)) return {};
  capnp::FlatArrayMessageReader reader(asArray(message), checkedOptions());
  const auto segments = reader.getRoot<Envelope>().getBody().getAs<LargeBody>().getSegments();
  KJ_REQUIRE(segments.size() > 0 && segments.size() <= kMaxLargeSegments,
             "a large message of so many segments", segments.size());
  std::vector<BlockRef> blocks;
  blocks.reserve(segments.size());
  for (const auto segment : segments) {
    blocks.push_back(
        {.offset = segment.getOffset(), .serial = segment.getSerial(), .words = segment.getWords()});
  }
  return blocks;
}

std::vector<BlockRef> blocksOf(std::span<const std::byte> message) {
  try {
    return blocksOf(std::span(reinterpret_cast<const capnp::word*>(message.data()),
                              message.size() / sizeof(capnp::word)));
  } catch (const kj::Exception&) {
    return {};
  }
}

}  // namespace troupe::wire
