#include "mailbox/desk.h"

#include <troupe/error.h>

#include <cstring>

#include "mailbox/last_from.h"
#include "os/kill_point.h"
#include "os/packet_pipe.h"
#include "wire/message.h"

namespace troupe::mailbox {

namespace {

// Half of the desk: what is read and not handled yet should stay in the processor's first cache.
constexpr unsigned kMostAtOnce = kDeskSlots / 2;

// What has been begun, or done, of a packet, with what had come before it did.
std::uint64_t begunOf(const DeskSlot& slot) {
  return slot.begun.load(std::memory_order_relaxed) | (slot.judged != 0 ? slot.repeated : 0);
}
std::uint64_t doneOf(const DeskSlot& slot) {
  return slot.done.load(std::memory_order_relaxed) | (slot.judged != 0 ? slot.repeated : 0);
}

// All messages of a packet are in the mask. More than those would be the work of a stray pointer.
bool holds(std::uint64_t mask, unsigned messages) {
  const std::uint64_t all = maskOf(messages);
  return (mask & all) == all;
}

}  // namespace

Desk::Desk(DeskMemory& memory, os::Fd mailbox, Fault fault, bool alone)
    : memory_(memory),
      mailbox_(std::move(mailbox)),
      fault_(std::move(fault)),
      mostAtOnce_(alone ? kMostAtOnce : 1) {
  extent_.fill(kPageBytes);
  if (memory_.layout == 0) memory_.layout = kDeskLayout;
  if (memory_.layout != kDeskLayout) {
    throw Error(ErrorKind::invalid, "the desk that a predecessor left has layout " +
                                        std::to_string(memory_.layout) + ", and this program knows " +
                                        std::to_string(kDeskLayout));
  }
}

void Desk::reload() {
  extent_.fill(kPageBytes);
  open_ = full_ = false;
  hadLarge_ = true;
}

std::optional<Desk::Message> Desk::next() {
  keptBack_ = false;
  for (;;) {
    if (!open_ && !openNextSlot()) return std::nullopt;
    DeskSlot& slot = memory_.slots[slot_];
    while (index_ < packet_.messages()) {
      const unsigned index = index_++;
      const std::uint64_t bit = 1ULL << index;
      if (begunOf(slot) & bit) continue;
      const Message message{.token = {static_cast<std::uint8_t>(slot_), static_cast<std::uint8_t>(index)},
                            .sender = packet_.header().sender,
                            .generation = packet_.header().generation,
                            .words = packet_.message(index)};
      const bool large = wire::isLarge(message.words);
      hadLarge_ = hadLarge_ || large;
      if (large && gate_ && !gate_(message)) {
        keptBack_ = true;
        --index_;
        return std::nullopt;
      }
      slot.begun.store(slot.begun.load(std::memory_order_relaxed) | bit, std::memory_order_release);
      os::killPoint("begun");
      return message;
    }
    open_ = false;
  }
}

// Messages that were delivered earlier, also by a predecessor's reading, come before those still in the pipe.
bool Desk::openNextSlot() {
  for (;;) {
    std::size_t oldest = kDeskSlots;
    for (std::size_t i = 0; i < kDeskSlots; ++i) {
      DeskSlot& slot = memory_.slots[i];
      if (wasNeverUsed(slot)) continue;
      const wire::PacketHeader& header = memory_.header(i);
      if (header.bytes == 0) continue;
      if (header.messages > 0 && holds(begunOf(slot), header.messages)) continue;
      if (oldest == kDeskSlots || slot.arrival < memory_.slots[oldest].arrival) oldest = i;
    }
    if (oldest != kDeskSlots ? open(oldest) : !readSome()) return oldest != kDeskSlots;
  }
}

std::optional<std::size_t> Desk::freeSlot() {
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    if (wasNeverUsed(memory_.slots[i])) return i;
    const wire::PacketHeader& header = memory_.header(i);
    const bool over = header.messages > 0 && holds(doneOf(memory_.slots[i]), header.messages);
    if (header.bytes == 0 || over) return i;
  }
  return std::nullopt;
}

// What is done lies there no longer: were this process to die, the blocks of its large messages would be freed once more, in arenas
// whose memory has been given back.
void Desk::tidy() {
  hadLarge_ = false;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    if (wasNeverUsed(memory_.slots[i])) continue;
    wire::PacketHeader& header = memory_.header(i);
    if (header.bytes == 0) continue;
    if (header.messages > 0 && holds(doneOf(memory_.slots[i]), header.messages)) {
      header.bytes = 0;
    } else {
      hadLarge_ = true;  // maybe
    }
  }
}

// Several at once, where nobody else reads there: who waits for room in the pipe is woken once for all of them.
bool Desk::readSome() {
  unsigned packets = 0;
  while (packets < mostAtOnce_) {
    const auto free = freeSlot();
    full_ = !free && packets == 0;
    if (!free) break;
    clear(*free);
    const os::PacketRead read = os::readPacket(mailbox_.get(), memory_.packets[*free]);
    DeskMemory::barrier();
    if (read.state != os::PipeState::done) {
      crowd_.over();
      if (packets == 0 && hadLarge_) tidy();
      break;
    }
    os::killPoint("packetRead");
    extent_[*free] = read.bytes;
    if (read.bytes >= sizeof(wire::PacketHeader) && memory_.header(*free).bytes == read.bytes) {
      ++packets;
      continue;
    }
    const auto fault = read.bytes < sizeof(wire::PacketHeader) ? wire::PacketFault::tooShort
                                                               : wire::PacketFault::wrongLength;
    memory_.header(*free).bytes = 0;
    ++malformed_;
    fault_(0, std::string("a packet of ") + std::to_string(read.bytes) +
                  " bytes was dropped: " + toString(fault));
  }
  return packets > 0;
}

// Makes a slot ready for the kernel to write to: see mailbox/desk_layout.h for the order.
void Desk::clear(std::size_t at) {
  DeskSlot& slot = memory_.slots[at];
  if (!wasNeverUsed(slot)) {
    memory_.header(at).bytes = 0;
    DeskMemory::barrier();
    std::memset(memory_.packets[at], 0, extent_[at]);
  }
  extent_[at] = 0;
  os::killPoint("freeing");
  slot.begun.store(0, std::memory_order_relaxed);
  slot.done.store(0, std::memory_order_relaxed);
  slot.judged = 0;
  std::memset(slot.attempts, 0, sizeof slot.attempts);
  slot.arrival = ++memory_.arrivals;
  DeskMemory::barrier();
}

bool Desk::open(std::size_t slot) {
  wire::PacketHeader& header = memory_.header(slot);
  const auto fault = wire::PacketView::parse(memory_.packets[slot], header.bytes, packet_);
  if (fault != wire::PacketFault::none) {
    const std::string size = std::to_string(header.bytes);
    const auto sender = header.sender;
    header.bytes = 0;
    ++malformed_;
    fault_(sender, "a packet of " + size + " bytes was dropped: " + toString(fault));
    return false;
  }
  judge(memory_, slot, packet_.header());
  os::killPoint("noted");
  if (const auto packets = crowd_.came(packet_.header().sender); packets != 0)
    os::makeRoom(mailbox_.get(), packets);
  slot_ = slot;
  index_ = 0;
  open_ = true;
  return true;
}

}  // namespace troupe::mailbox
