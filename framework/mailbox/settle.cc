#include "mailbox/settle.h"

#include <bit>

#include "mailbox/desk_layout.h"
#include "os/shared_memory.h"
#include "wire/message.h"

namespace troupe::mailbox {

namespace {

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

}  // namespace

Settlement settle(const os::Fd& deskMemory) {
  const os::Mapping mapping(deskMemory, kDeskBytes);
  auto& memory = *static_cast<DeskMemory*>(mapping.data());
  Settlement settlement;
  if (memory.layout != kDeskLayout) return settlement;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    DeskSlot& slot = memory.slots[i];
    const std::uint64_t inHand = slot.begun.load() & ~slot.done.load();
    if (memory.header(i).bytes == 0 || inHand == 0) continue;
    wire::PacketView packet;
    const auto fault = wire::PacketView::parse(memory.packets[i], memory.header(i).bytes, packet);
    if (fault == wire::PacketFault::none) {
      for (unsigned index = 0; index < packet.messages(); ++index) {
        if (inHand >> index & 1) note(packet, index, settlement);
      }
    }
    slot.done.store(slot.done.load() | inHand);
  }
  return settlement;
}

}  // namespace troupe::mailbox
