#include "mailbox/settle.h"
#include "mailbox/last_from.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "mailbox/kept_store.h"
#include "mailbox/log_walk.h"
#include "mailbox/recovery.h"
#include "mailbox/turn_log.h"
#include "wire/message.h"

namespace troupe::mailbox {

namespace {

// The packet in a slot, read from a copy: the dead may have left the memory to somebody who still writes to
// it.
class SlotCopy {
 public:
  // False where the slot is free, or what lies in it is no packet.
  bool take(DeskMemory& memory, std::size_t slot) {
    std::memcpy(bytes_.data(), memory.packets[slot], bytes_.size());
    wire::PacketHeader header;
    std::memcpy(&header, bytes_.data(), sizeof header);
    return wire::PacketView::parse(bytes_.data(), header.bytes, packet_) == wire::PacketFault::none;
  }
  const wire::PacketView& packet() const { return packet_; }

 private:
  alignas(8) std::array<std::byte, wire::kMaxPacketBytes> bytes_;
  wire::PacketView packet_;
};

struct Policy {
  unsigned attempts;
  const SettleBlocks& settleBlocks;
  const CopyWhole& copyWhole;
};

// One that was in hand and is tried no more.
void drop(const wire::PacketView& packet, unsigned index, unsigned attempts, Settlement& settlement) {
  const auto bytes = std::as_bytes(packet.message(index));
  const wire::PacketHeader& header = packet.header();
  settlement.dropped.push_back({.sender = header.sender,
                                .generation = header.generation,
                                .attempts = attempts,
                                .message = {bytes.begin(), bytes.end()}});
  try {
    const wire::IncomingMessage message(packet.message(index));
    const auto envelope = message.envelope();
    if (!envelope.isCall()) return;
    const auto call = envelope.getCall();
    settlement.calls.push_back({.caller = header.sender,
                                .generation = header.generation,
                                .call = call.getCall(),
                                .interfaceId = call.getInterface(),
                                .method = call.getMethod()});
  } catch (const kj::Exception&) {
    return;
  }
}

// Also of one that was done: its process may have died before it came to free them.
// `dropped`: what was listed of it.
void settleBody(const wire::PacketView& packet, unsigned index, bool again, const Policy& policy,
                InHand* dropped) {
  try {
    const auto blocks = wire::blocksOf(packet.message(index));
    if (blocks.empty()) return;
    if (dropped != nullptr && policy.copyWhole) {
      auto whole = policy.copyWhole(packet.header().sender, blocks);
      if (!whole.empty()) dropped->message = std::move(whole);
    }
    if (policy.settleBlocks) policy.settleBlocks(packet.header().sender, blocks, again);
  } catch (const kj::Exception&) {
    // A lie, and not about anybody else's blocks.
  }
}

void settleSlot(DeskMemory& memory, std::size_t at, const Policy& policy, Settlement& settlement) {
  DeskSlot& slot = memory.slots[at];
  const std::uint64_t begun = slot.begun.load();
  const std::uint64_t inHand = begun & ~slot.done.load();
  SlotCopy copy;
  if (begun == 0 || memory.bytesIn(at) == 0) return;
  std::uint64_t again = 0;
  if (copy.take(memory, at)) {
    for (unsigned index = 0; index < copy.packet().messages(); ++index) {
      if ((begun >> index & 1) == 0) continue;
      const unsigned tried = slot.attempts[index] + 1U;
      const bool held = (inHand >> index & 1) != 0;
      const bool retry = held && tried < policy.attempts;
      if (retry) {
        slot.attempts[index] = static_cast<std::uint8_t>(tried);
        again |= 1ULL << index;
      } else if (held) {
        drop(copy.packet(), index, tried, settlement);
      }
      const bool over = held && !retry;
      settleBody(copy.packet(), index, retry, policy, over ? &settlement.dropped.back() : nullptr);
    }
  }
  slot.done.store(slot.done.load() | (inHand & ~again));
  slot.begun.store(slot.begun.load() & ~again);
}

// The blocks of what is sent again.
void findUnsent(DeskMemory& memory, Settlement& settlement) {
  LogWalk walk(memory.log);
  while (walk.next() != nullptr) {
    if (walk.header().kind != LogRecord::message || walk.header().released != 0) continue;
    try {
      const auto blocks = wire::blocksOf(walk.bytes());
      settlement.unsent.insert(settlement.unsent.end(), blocks.begin(), blocks.end());
    } catch (const kj::Exception&) {
      continue;
    }
  }
}

}  // namespace

Settlement settle(const os::Fd& deskMemory, unsigned attempts, const SettleBlocks& settleBlocks,
                  const CopyWhole& copyWhole) {
  const Policy policy{attempts, settleBlocks, copyWhole};
  const MappedDesk memory(deskMemory);
  Settlement settlement;
  if (recover(*memory) == Recovered::ruined) {
    settlement.ruined = true;
    return settlement;
  }
  for (std::size_t i = 0; memory->layout == kDeskLayout && i < kDeskSlots; ++i)
    settleSlot(*memory, i, policy, settlement);
  if (memory->layout != kDeskLayout) return settlement;
  findUnsent(*memory, settlement);
  settlement.tookOver = KeptStore(memory->kept).tookOver();
  return settlement;
}

bool anyInHand(const os::Fd& deskMemory) {
  const MappedDesk memory(deskMemory);
  if (memory->layout != kDeskLayout) return false;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    const DeskSlot& slot = memory->slots[i];
    if (memory->bytesIn(i) != 0 && (slot.begun.load() & ~slot.done.load()) != 0) return true;
  }
  return false;
}

std::uint64_t tookOver(const os::Fd& deskMemory) {
  const MappedDesk memory(deskMemory);
  return memory->layout == kDeskLayout ? KeptStore(memory->kept).tookOver() : 0;
}

std::vector<std::vector<std::byte>> packetsOn(const os::Fd& deskMemory) {
  const MappedDesk memory(deskMemory);
  std::vector<std::vector<std::byte>> packets;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    const std::size_t bytes = std::min<std::size_t>(memory->bytesIn(i), kPageBytes);
    packets.emplace_back(memory->packets[i], memory->packets[i] + bytes);
  }
  return packets;
}

std::vector<std::vector<std::byte>> takeUnhandled(const os::Fd& deskMemory) {
  const MappedDesk mapped(deskMemory);
  DeskMemory& memory = *mapped;
  std::vector<std::vector<std::byte>> packets;
  if (memory.layout != kDeskLayout) return packets;
  std::array<std::pair<std::uint64_t, std::size_t>, kDeskSlots> slots;
  for (std::size_t i = 0; i < kDeskSlots; ++i) slots[i] = {memory.slots[i].arrival, i};
  std::sort(slots.begin(), slots.end());
  SlotCopy copy;
  for (const auto& [arrival, at] : slots) {
    if (memory.bytesIn(at) == 0 || !copy.take(memory, at)) continue;
    // It may have been read, and not been opened.
    judge(memory, at, copy.packet().header());
    const DeskSlot& slot = memory.slots[at];
    const wire::PacketView& packet = copy.packet();
    const std::uint64_t left =
        maskOf(packet.messages()) & ~slot.begun.load() & ~(slot.judged != 0 ? slot.repeated : 0);
    for (unsigned index = 0; index < packet.messages(); ++index) {
      if ((left >> index & 1) == 0) continue;
      wire::PacketBuilder builder;
      builder.append(std::as_bytes(packet.message(index)));
      const auto& header = packet.header();
      const std::uint64_t number = header.sequence == 0 ? 0 : header.sequence + index;
      const auto whole = builder.finish(header.sender, header.generation, number);
      packets.emplace_back(whole.begin(), whole.end());
    }
    memory.header(at).bytes = 0;
  }
  return packets;
}

std::vector<Posthumous> takeUnsent(const os::Fd& deskMemory, wire::ActorId owner, std::uint32_t generation) {
  const MappedDesk memory(deskMemory);
  std::vector<Posthumous> packets;
  if (memory->layout != kDeskLayout || recover(*memory) == Recovered::ruined) return packets;
  TurnLog log(*memory, generation);
  for (const auto& message : log.takeUnsent()) {
    const std::uint64_t number = message.sequence != 0 ? message.sequence : log.number(1);
    wire::PacketBuilder builder;
    // A lie about its framing is the business of whoever reads it.
    builder.append(message.bytes);
    const auto whole = builder.finish(owner, generation, number, wire::kMayRepeat);
    packets.push_back({message.to, {whole.begin(), whole.end()}});
  }
  return packets;
}

}  // namespace troupe::mailbox
