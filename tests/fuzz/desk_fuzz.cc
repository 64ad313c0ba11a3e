// A desk of any content, whose process has died: the root settles it, and its successor comes to an end with
// it.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <cstring>

#include "mailbox/desk.h"
#include "mailbox/settle.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "wire/message.h"

namespace {

using namespace troupe;
using namespace troupe::mailbox;

struct World {
  os::Fd memory = os::makeSharedMemory("desk", kDeskBytes);
  os::Fd pipe = os::makePacketPipe();
  os::Fd writer = os::openWriteEnd(pipe);
  MappedDesk mapping = MappedDesk(memory);
  DeskMemory& desk() { return *mapping; }
};

void fill(DeskMemory& memory, FuzzedDataProvider& data) {
  std::memset(static_cast<void*>(&memory), 0, offsetof(DeskMemory, lastFrom));
  memory.kept.entries = memory.kept.used = 0;
  memory.log.extent = 0;
  memory.layout = kDeskLayout;
  memory.arrivals = data.ConsumeIntegral<std::uint64_t>();
  const std::size_t slots = data.ConsumeIntegralInRange<std::size_t>(0, kDeskSlots);
  for (std::size_t i = 0; i < slots; ++i) {
    DeskSlot& slot = memory.slots[i];
    slot.arrival = data.ConsumeIntegral<std::uint8_t>();
    slot.begun = data.ConsumeIntegral<std::uint64_t>();
    slot.done = data.ConsumeIntegral<std::uint64_t>();
    const auto bytes =
        data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, kPageBytes));
    if (!bytes.empty()) std::memcpy(memory.packets[i], bytes.data(), bytes.size());
    if (data.ConsumeBool()) {
      memory.header(i).version = wire::kPacketVersion;
      memory.header(i).bytes = static_cast<std::uint32_t>(bytes.size());
    }
  }
}

void read(std::span<const capnp::word> words) {
  try {
    const wire::IncomingMessage message(words);
    static_cast<void>(message.checkedBody().targetSize());
  } catch (const kj::Exception&) {
    return;
  }
}

// Each message at most once in a life.
void live(World& world, FuzzedDataProvider& data) {
  Desk desk(world.desk(), os::openReadEnd(world.pipe), [](wire::ActorId, const std::string&) {});
  std::vector<MessageToken> open;
  unsigned begun = 0;
  for (auto message = desk.next(); message; message = desk.next()) {
    if (++begun > (kDeskSlots + 16) * wire::kMaxPacketMessages) std::abort();
    read(message->words);
    open.push_back(message->token);
    while (!open.empty() && data.ConsumeIntegralInRange<int>(0, 3) != 0) {
      desk.finish(open.back());
      open.pop_back();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static World world;
  FuzzedDataProvider data(input, size);
  fill(world.desk(), data);
  const std::size_t packets = data.ConsumeIntegralInRange<std::size_t>(0, 8);
  for (std::size_t i = 0; i < packets; ++i) {
    auto packet = data.ConsumeBytes<std::byte>(data.ConsumeIntegralInRange<std::size_t>(1, 200));
    if (!packet.empty()) os::writePacket(world.writer.get(), packet.data(), packet.size());
  }
  settle(world.memory);
  if (data.ConsumeBool()) takeUnhandled(world.memory);
  live(world, data);
  if (!settle(world.memory).calls.empty() && !settle(world.memory).calls.empty()) std::abort();
  live(world, data);
  alignas(8) std::byte rest[os::kPacketBytes];
  while (os::readPacket(os::openReadEnd(world.pipe).get(), rest).state == os::PipeState::done) {}
  return 0;
}
