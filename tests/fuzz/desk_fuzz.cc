// A desk of any content, whose process has died: the root settles it, and its successors come to an end with
// it; what they handle, keep and send afterwards is sound.
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <troupe/error.h>

#include <cstring>

#include "mailbox/journal.h"
#include "mailbox/recovery.h"
#include "mailbox/settle.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "tests/fuzz/insist.h"
#include "wire/message.h"

namespace {

using namespace troupe;
using namespace troupe::mailbox;

constexpr std::size_t kLogPart = 2 * kPageBytes;  // that is filled, at each end

struct World {
  loop::Loop loop;
  os::Fd memory = os::makeSharedMemory("desk", kDeskBytes);
  os::Fd pipe = os::makePacketPipe();
  os::Fd writer = os::openWriteEnd(pipe);
  os::Fd out = os::makePacketPipe();
  MappedDesk mapping = MappedDesk(memory);
  DeskMemory& desk() { return *mapping; }
};

void fillSlots(DeskMemory& memory, FuzzedDataProvider& data) {
  const std::size_t slots = data.ConsumeIntegralInRange<std::size_t>(0, kDeskSlots);
  for (std::size_t i = 0; i < slots; ++i) {
    DeskSlot& slot = memory.slots[i];
    slot.arrival = data.ConsumeIntegral<std::uint8_t>();
    slot.begun = data.ConsumeIntegral<std::uint64_t>();
    slot.done = data.ConsumeIntegral<std::uint64_t>();
    slot.repeated = data.ConsumeIntegral<std::uint64_t>();
    slot.judged = data.ConsumeIntegral<std::uint8_t>();
    slot.attempts[0] = data.ConsumeIntegral<std::uint8_t>();
    const auto bytes =
        data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, kPageBytes));
    if (!bytes.empty()) std::memcpy(memory.packets[i], bytes.data(), bytes.size());
    if (data.ConsumeBool()) {
      memory.header(i).version = wire::kPacketVersion;
      memory.header(i).bytes = static_cast<std::uint32_t>(bytes.size());
    }
  }
}

// A small number, mostly; or any.
std::uint64_t number(FuzzedDataProvider& data, std::uint64_t most) {
  const auto any = data.ConsumeIntegral<std::uint64_t>();
  return data.ConsumeIntegralInRange<int>(0, 15) == 0 ? any : any % (most + 1);
}

void fillKept(KeptMemory& kept, FuzzedDataProvider& data) {
  kept.made = number(data, 8);
  kept.usedSmall = number(data, 3);
  kept.usedLarge = number(data, 1);
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{2}, kSmallKeptPlaces}) {
    KeptEntry& entry = kept.entry[i];
    entry.made = number(data, 8);
    entry.name[0] = static_cast<char>('a' + number(data, 2));
    entry.fingerprint = number(data, 2);
    entry.capacity = number(data, 2) * 8;
    entry.bytes = number(data, 16);
    entry.written = number(data, 1);
  }
}

void fillLastFrom(LastFrom& table, FuzzedDataProvider& data) {
  for (auto& bucket : table.places) {
    if (data.remaining_bytes() == 0 || !data.ConsumeBool()) return;
    for (auto& place : bucket) place = {number(data, 8), number(data, 100), number(data, 300)};
  }
}

// Records that follow each other, each of which may lie; or any bytes.
void fillLog(LogMemory& log, FuzzedDataProvider& data) {
  std::size_t at =
      data.ConsumeBool() ? 0 : kLogBytes - data.ConsumeIntegralInRange<std::size_t>(0, kLogPart / 8) * 8;
  const std::size_t first = at;
  for (std::size_t i = data.ConsumeIntegralInRange<std::size_t>(0, 20); i > 0; --i) {
    if (kLogBytes - at < sizeof(LogRecord)) at = 0;
    LogRecord record{};
    record.kind = static_cast<LogRecord::Kind>(number(data, 5));
    record.bytes = static_cast<std::uint32_t>(number(data, 12)) * 8;
    record.realBytes = static_cast<std::uint32_t>(number(data, record.bytes));
    record.lane = static_cast<std::uint8_t>(number(data, 1));
    record.index = data.ConsumeIntegral<std::uint8_t>() % 66;
    record.released = data.ConsumeBool();
    record.ordinal = number(data, 50);
    record.subject = number(data, 8);
    record.sequence = number(data, 300);
    record.deadline = data.ConsumeIntegral<std::int64_t>();
    record.handle = data.ConsumeIntegral<std::uint32_t>();
    std::memcpy(log.bytes + at, &record, sizeof record);
    if (record.kind == LogRecord::wrap) {
      at = 0;
      continue;
    }
    at = std::min<std::size_t>(at + sizeof record + record.bytes, kLogBytes);
    if (at > kLogPart && at < kLogBytes - kLogPart) at = kLogPart;
  }
  const auto bytes = data.ConsumeBytes<std::byte>(data.ConsumeIntegralInRange<std::size_t>(0, 200));
  if (!bytes.empty()) std::memcpy(log.bytes + number(data, 4) * 64 % kLogPart, bytes.data(), bytes.size());
  log.extent = data.ConsumeIntegralInRange<int>(0, 7) == 0
                   ? data.ConsumeIntegral<std::uint64_t>()
                   : LogExtent{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(at)}.packed();
}

void fill(DeskMemory& memory, FuzzedDataProvider& data) {
  std::memset(static_cast<void*>(&memory), 0, offsetof(DeskMemory, kept) + offsetof(KeptMemory, small));
  // All zeros again, and no time spent on what was not written.
  insist(::madvise(&memory.log, sizeof memory.log, MADV_REMOVE) == 0);
  memory.layout = kDeskLayout;
  memory.arrivals = data.ConsumeIntegral<std::uint64_t>();
  memory.sequences = number(data, 300);
  fillLog(memory.log, data);
  fillKept(memory.kept, data);
  fillLastFrom(memory.lastFrom, data);
  fillSlots(memory, data);
}

void read(std::span<const capnp::word> words) {
  try {
    const wire::IncomingMessage message(words);
    static_cast<void>(message.checkedBody().targetSize());
  } catch (const kj::Exception&) {
    return;
  }
}

// A process upon it. Each message at most once in a life.
class Life {
 public:
  Life(World& world, std::uint32_t generation)
      : world_(world),
        log_(world.desk(), generation),
        kept_(world.desk().kept),
        outbox_(world.loop, {.actor = 5, .generation = generation}, log_, [](Destination) {}),
        desk_(world.desk(), os::openReadEnd(world.pipe), [](wire::ActorId, const std::string&) {}),
        journal_(log_, kept_, desk_, outbox_) {}

  void live(FuzzedDataProvider& data) {
    outbox_.resend();
    for (const char* name : {"a", "b"}) keep(name);
    for (wire::ActorId actor = 0; actor < 3; ++actor) {
      if (data.ConsumeBool()) outbox_.introduced({actor}, os::openWriteEnd(world_.out), data.ConsumeBool());
    }
    unsigned begun = 0;
    for (auto message = desk_.next(); message; message = desk_.next()) {
      insist(++begun <= (kDeskSlots + 16) * wire::kMaxPacketMessages);
      read(message->words);
      open_.push_back(message->token);
      while (!open_.empty() && data.ConsumeIntegralInRange<int>(0, 3) != 0) end(data);
    }
    if (data.ConsumeBool()) outbox_.close({1});
    outbox_.flush();
    empty(world_.out);
  }

  static void empty(const os::Fd& pipe) {
    alignas(8) std::byte packet[os::kPacketBytes];
    const os::Fd end = os::openReadEnd(pipe);
    for (;;) {
      const auto got = os::readPacket(end.get(), packet);
      if (got.state != os::PipeState::done) return;
    }
  }

 private:
  void keep(const std::string& name) {
    try {
      kept_.find(name);
      kept_.touch(kept_.add(name, 1, sizeof value_, [this] { return std::as_bytes(std::span(&value_, 1)); }));
    } catch (const Error& error) {
      insist(error.kind() == ErrorKind::invalid);
    }
  }
  void end(FuzzedDataProvider& data) {
    StagedMessages staged;
    const Bytes text(data.ConsumeIntegralInRange<std::size_t>(1, 20) * 8);
    for (int i = data.ConsumeIntegralInRange<int>(0, 3); i > 0; --i)
      staged.add({number(data, 3), data.ConsumeBool() ? wire::Lane::mailbox : wire::Lane::reply}, text);
    ++value_;
    journal_.commit(open_.back(), staged, data.ConsumeBool());
    open_.pop_back();
    if (data.ConsumeIntegralInRange<int>(0, 7) == 0) castInPlace(data);
  }
  // A run of casts outside of any turn.
  void castInPlace(FuzzedDataProvider& data) {
    const Destination to{number(data, 3)};
    const std::size_t words = data.ConsumeIntegralInRange<std::size_t>(1, 520);
    for (int i = data.ConsumeIntegralInRange<int>(0, 200); i > 0; --i) {
      std::byte* const place = outbox_.place(to, words * sizeof(std::uint64_t));
      if (place == nullptr) continue;
      std::memset(place, 0, words * sizeof(std::uint64_t));
      const std::uint64_t frame = std::uint64_t{words - 1} << 32;
      std::memcpy(place, &frame, sizeof frame);
      outbox_.placed(words * sizeof(std::uint64_t));
    }
  }

  using Bytes = std::vector<std::byte>;
  World& world_;
  TurnLog log_;
  KeptStore kept_;
  Outbox outbox_;
  Desk desk_;
  Journal journal_;
  std::uint64_t value_ = 0;
  std::vector<MessageToken> open_;
};

void live(World& world, FuzzedDataProvider& data, std::uint32_t generation) {
  try {
    Life(world, generation).live(data);
  } catch (const Error& error) {
    insist(error.kind() == ErrorKind::overloaded);
  }
  world.loop.post([&] { world.loop.stop(); });
  world.loop.run();
}

void lives(World& world, FuzzedDataProvider& data) {
  if (settle(world.memory, data.ConsumeIntegralInRange<unsigned>(1, 3)).ruined) return;
  if (data.ConsumeBool()) takeUnhandled(world.memory);
  for (std::uint32_t generation = 1; generation < 4; ++generation) {
    live(world, data, generation);
    // What a process leaves is sound, and settled by settling it.
    insist(!settle(world.memory).ruined);
    insist(settle(world.memory).calls.empty());
  }
  const auto unsent = takeUnsent(world.memory, 5, 4);
  insist(unsent.size() == takeUnsent(world.memory, 5, 4).size());
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
  lives(world, data);
  Life::empty(world.pipe);
  Life::empty(world.out);
  return 0;
}
