#include "mailbox/desk.h"

#include <troupe/error.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "mailbox/last_from.h"
#include "os/kill_point.h"
#include "os/packet_pipe.h"
#include "wire/message.h"

namespace troupe::mailbox {

namespace {

// As many as an ordinary pipe holds.
constexpr unsigned kMostAtOnce = Crowd::kOrdinary;
static_assert(kMostAtOnce <= kDeskSlots / 2);

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
  pending_ = 0;
  opened_ = waiting_ = 0;
  known_ = full_ = false;
  taken_ = ~SlotMask{};
  clear_ = kDeskSlots;
  hadLarge_ = true;
}

std::optional<Desk::Message> Desk::next() {
  keptBack_ = false;
  while (pending_ == 0) {
    if (!openNextSlot()) return std::nullopt;
  }
  const auto index = static_cast<unsigned>(std::countr_zero(pending_));
  const Message message{.token = {static_cast<std::uint8_t>(slot_), static_cast<std::uint8_t>(index)},
                        .sender = packet_.header().sender,
                        .generation = packet_.header().generation,
                        .words = packet_.message(index)};
  if (wire::isLarge(message.words)) {
    hadLarge_ = true;
    if (gate_ && !gate_(message)) {
      keptBack_ = true;
      return std::nullopt;
    }
  }
  pending_ &= pending_ - 1;
  DeskSlot& slot = memory_.slots[slot_];
  slot.begun.store(slot.begun.load(std::memory_order_relaxed) | 1ULL << index, std::memory_order_release);
  os::killPoint("begun");
  return message;
}

// Messages that were delivered earlier, also by a predecessor's reading, come before those still in the pipe.
bool Desk::openNextSlot() {
  if (!std::exchange(known_, true)) findWaiting();
  for (;;) {
    if (opened_ == waiting_ && !readSome()) return false;
    if (open(order_[opened_++])) return true;
  }
}

// What a predecessor, or another process that has had the memory, has left to be begun.
void Desk::findWaiting() {
  opened_ = waiting_ = 0;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    if (memory_.bytesIn(i) == 0) continue;
    const wire::PacketHeader& header = memory_.header(i);
    if (header.messages > 0 && holds(begunOf(memory_.slots[i]), header.messages)) continue;
    order_[waiting_++] = static_cast<std::uint8_t>(i);
  }
  std::sort(order_.begin(), order_.begin() + waiting_, [this](std::uint8_t a, std::uint8_t b) {
    return memory_.slots[a].arrival < memory_.slots[b].arrival;
  });
}

bool Desk::isDone(std::size_t slot) const {
  const unsigned messages = memory_.header(slot).messages;
  return messages > 0 && holds(doneOf(memory_.slots[slot]), messages);
}

void Desk::findDone() {
  for (SlotMask left = taken_; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    if (memory_.bytesIn(i) == 0 || isDone(i)) taken_ &= ~(left & -left);
  }
}

// What is done lies there no longer: were this process to die, the blocks of its large messages would be freed once more, in arenas
// whose memory has been given back.
void Desk::tidy() {
  hadLarge_ = false;
  for (std::size_t i = 0; i < kDeskSlots; ++i) {
    if (memory_.bytesIn(i) == 0) continue;
    if (isDone(i)) {
      memory_.header(i).bytes = 0;
    } else {
      hadLarge_ = true;  // maybe
    }
  }
}

// Several at once, where nobody else reads there: who waits for room in the pipe is woken once for all of them. One at first, since
// whoever is sent one message now and then would ask in vain for another before handling it; then twice as many each time, until
// the pipe is empty. The lowest slots that are free: who is sent little uses little of the memory.
bool Desk::readSome() {
  opened_ = waiting_ = 0;
  findDone();
  full_ = false;
  while (waiting_ < atOnce_) {
    const auto free = static_cast<std::size_t>(std::countr_one(taken_));
    if (free == kDeskSlots) {
      full_ = waiting_ == 0;
      break;
    }
    if (free != clear_) clear(free);
    clear_ = free;
    const os::PacketRead read = os::readPacket(mailbox_.get(), memory_.packets[free]);
    DeskMemory::barrier();
    if (read.state != os::PipeState::done) {
      atOnce_ = 0;
      if (waiting_ > 0) break;
      crowd_.over();
      if (hadLarge_) tidy();
      break;
    }
    clear_ = kDeskSlots;
    hasRead_ = true;
    os::killPoint("packetRead");
    extent_[free] = read.bytes;
    if (read.bytes >= sizeof(wire::PacketHeader) && memory_.header(free).bytes == read.bytes) {
      taken_ |= SlotMask{1} << free;
      order_[waiting_++] = static_cast<std::uint8_t>(free);
      continue;
    }
    const auto fault = read.bytes < sizeof(wire::PacketHeader) ? wire::PacketFault::tooShort
                                                               : wire::PacketFault::wrongLength;
    memory_.header(free).bytes = 0;
    ++malformed_;
    fault_(0, std::string("a packet of ") + std::to_string(read.bytes) +
                  " bytes was dropped: " + toString(fault));
  }
  atOnce_ = std::clamp(2 * atOnce_, 1U, mostAtOnce_);
  return waiting_ > 0;
}

// Makes a slot ready for the kernel to write to: see mailbox/desk_layout.h for the order.
void Desk::clear(std::size_t at) {
  DeskSlot& slot = memory_.slots[at];
  memory_.header(at).bytes = 0;
  DeskMemory::barrier();
  std::memset(memory_.packets[at], 0, extent_[at]);
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
  pending_ = maskOf(packet_.messages()) & ~begunOf(memory_.slots[slot]);
  return true;
}

}  // namespace troupe::mailbox
