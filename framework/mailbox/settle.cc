#include "mailbox/settle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "mailbox/desk_layout.h"
#include "os/shared_memory.h"
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

void note(const wire::PacketView& packet, unsigned index, Settlement& settlement) {
  try {
    const wire::IncomingMessage message(packet.message(index));
    const auto envelope = message.envelope();
    if (!envelope.isCall()) {
      ++settlement.casts;
      return;
    }
    const auto call = envelope.getCall();
    settlement.calls.push_back({.caller = packet.header().sender,
                                .generation = packet.header().generation,
                                .call = call.getCall(),
                                .interfaceId = call.getInterface(),
                                .method = call.getMethod()});
  } catch (const kj::Exception&) {
    ++settlement.casts;
  }
}

// Also of one that was done: its process may have died before it came to free them.
void free(const wire::PacketView& packet, unsigned index, const FreeBlocks& freeBlocks) {
  try {
    const auto blocks = wire::blocksOf(packet.message(index));
    if (!blocks.empty()) freeBlocks(packet.header().sender, blocks);
  } catch (const kj::Exception&) {
    // A lie, and not about anybody else's blocks.
  }
}

}  // namespace

Settlement settle(const os::Fd& deskMemory, const FreeBlocks& freeBlocks) {
  const os::Mapping mapping(deskMemory, kDeskBytes);
  auto& memory = *static_cast<DeskMemory*>(mapping.data());
  Settlement settlement;
  if (memory.layout != kDeskLayout) {
    settlement.ruined = memory.layout != 0;
    return settlement;
  }
  SlotCopy copy;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    DeskSlot& slot = memory.slots[i];
    const std::uint64_t begun = slot.begun.load();
    const std::uint64_t inHand = begun & ~slot.done.load();
    if (memory.header(i).bytes == 0 || begun == 0) continue;
    if (copy.take(memory, i)) {
      for (unsigned index = 0; index < copy.packet().messages(); ++index) {
        if ((inHand >> index & 1) != 0) note(copy.packet(), index, settlement);
        if ((begun >> index & 1) != 0 && freeBlocks) free(copy.packet(), index, freeBlocks);
      }
    }
    slot.done.store(slot.done.load() | inHand);
  }
  return settlement;
}

std::vector<std::vector<std::byte>> takeUnhandled(const os::Fd& deskMemory) {
  const os::Mapping mapping(deskMemory, kDeskBytes);
  auto& memory = *static_cast<DeskMemory*>(mapping.data());
  std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> found;
  SlotCopy copy;
  for (std::size_t i = 0; memory.layout == kDeskLayout && i < kDeskSlots; ++i) {
    if (memory.header(i).bytes == 0 || !copy.take(memory, i)) continue;
    const wire::PacketView& packet = copy.packet();
    const std::uint64_t left = maskOf(packet.messages()) & ~memory.slots[i].begun.load();
    for (unsigned index = 0; index < packet.messages(); ++index) {
      if ((left >> index & 1) == 0) continue;
      wire::PacketBuilder builder;
      builder.append(std::as_bytes(packet.message(index)));
      const auto& header = packet.header();
      const auto whole = builder.finish(header.sender, header.generation, header.sequence);
      found.emplace_back(memory.slots[i].arrival, std::vector<std::byte>(whole.begin(), whole.end()));
    }
    memory.header(i).bytes = 0;
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::vector<std::byte>> packets;
  packets.reserve(found.size());
  for (auto& [arrival, bytes] : found) packets.push_back(std::move(bytes));
  return packets;
}

}  // namespace troupe::mailbox
