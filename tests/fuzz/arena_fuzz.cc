// An arena of any content, and a large message of any content that refers to it: whoever receives it refuses it or reads within the
// memory, and whoever takes the arena over gives out blocks that do not overlap.
#include <fuzzer/FuzzedDataProvider.h>
#include <troupe/protocol.h>

#include <cstring>
#include <optional>
#include <vector>

#include "tests/fuzz/insist.h"
#include "wire/arena.h"
#include "wire/message.h"

namespace {

using namespace troupe;

constexpr std::size_t kPages = 24;

struct alignas(wire::kArenaPage) Memory {
  std::byte bytes[(kPages + 4) * wire::kArenaPage];
};

// The headers, then some of the data.
void fill(const wire::ArenaView& view, std::span<std::byte> memory, FuzzedDataProvider& data) {
  std::memset(memory.data(), 0, memory.size());
  view.header().layout = data.ConsumeBool() ? wire::kArenaLayout : data.ConsumeIntegral<std::uint64_t>();
  view.header().highest = data.ConsumeIntegralInRange<std::uint64_t>(0, kPages * 2);
  for (std::uint32_t page = 0; page < view.pages() && data.remaining_bytes() > 0; ++page) {
    auto& block = view.block(page);
    block.word = data.ConsumeIntegral<std::uint8_t>();
    block.pages = data.ConsumeBool() ? data.ConsumeIntegralInRange<std::uint32_t>(0, kPages)
                                     : data.ConsumeIntegral<std::uint32_t>();
    const auto content = data.ConsumeBytes<std::byte>(data.ConsumeIntegralInRange<std::size_t>(0, 64));
    if (!content.empty()) std::memcpy(view.data(page), content.data(), content.size());
  }
}

// As a receiver does it.
void receive(const wire::ArenaView& view, std::span<const capnp::word> words) {
  try {
    wire::IncomingMessage message(words);
    insist(message.isLarge() == wire::isLarge(words));
    std::vector<std::span<const capnp::word>> segments;
    const auto blocks = wire::blocksOf(words);
    for (const wire::BlockRef& block : blocks) {
      const auto content = view.content(block);
      if (!content) return;
      segments.push_back(*content);
    }
    if (message.isLarge()) message.attach(std::move(segments));
    checkAny(message.checkedBody());
    for (const wire::BlockRef& block : blocks) view.free(block);
  } catch (const kj::Exception&) {
    return;
  }
}

void receiveAny(const wire::ArenaView& view, FuzzedDataProvider& data) {
  const auto bytes = data.ConsumeBytes<std::byte>(data.ConsumeIntegralInRange<std::size_t>(0, 512));
  std::vector<std::uint64_t> words(bytes.size() / 8);
  if (words.empty()) return;
  std::memcpy(words.data(), bytes.data(), words.size() * 8);
  receive(view, {reinterpret_cast<const capnp::word*>(words.data()), words.size()});
}

// Well formed, but for what it says of its blocks.
void receiveLie(const wire::ArenaView& view, FuzzedDataProvider& data) {
  capnp::MallocMessageBuilder builder;
  auto envelope = builder.initRoot<wire::Envelope>();
  envelope.setLarge(true);
  auto segments =
      envelope.getBody().initAs<wire::LargeBody>().initSegments(data.ConsumeIntegralInRange(1U, 4U));
  for (auto segment : segments) {
    segment.setOffset(data.ConsumeBool() ? view.offsetOf(data.ConsumeIntegral<std::uint8_t>())
                                         : data.ConsumeIntegral<std::uint64_t>());
    segment.setSerial(data.ConsumeBool() ? data.ConsumeIntegral<std::uint8_t>() / 8
                                         : data.ConsumeIntegral<std::uint64_t>());
    segment.setWords(data.ConsumeBool() ? data.ConsumeIntegral<std::uint8_t>()
                                        : data.ConsumeIntegral<std::uint32_t>());
  }
  const auto words = capnp::messageToFlatArray(builder);
  receive(view, {words.begin(), words.size()});
}

void takeOver(std::span<std::byte> memory, FuzzedDataProvider& data) {
  wire::Arena arena(memory, data.ConsumeIntegral<std::uint32_t>());
  std::vector<wire::Arena::Given> given;
  for (int i = 0; i < 8; ++i) {
    auto block = arena.allocate(arena.nextSerial(), data.ConsumeIntegralInRange<std::size_t>(1, 4000));
    if (!block) continue;
    const auto* const bytes = reinterpret_cast<const std::byte*>(block->data);
    insist(bytes >= memory.data() && bytes + block->ref.words * 8 <= memory.data() + memory.size());
    for (const auto& other : given) {
      insist(block->data >= other.data + other.ref.words || other.data >= block->data + block->ref.words);
    }
    std::memset(static_cast<void*>(block->data), 0xff, block->ref.words * 8);
    arena.sending(block->ref, {});
    arena.sent(block->ref);
    given.push_back(*block);
  }
  arena.trim([](std::size_t, std::size_t) { return true; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static Memory memory;
  const std::span<std::byte> all(memory.bytes);
  const wire::ArenaView view(all);
  FuzzedDataProvider data(input, size);
  fill(view, all, data);
  receiveAny(view, data);
  receiveLie(view, data);
  receiveLie(view, data);
  takeOver(all, data);
  return 0;
}
