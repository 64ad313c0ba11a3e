#include "mailbox/recovery.h"

#include <cstring>

#include "mailbox/log_walk.h"

namespace troupe::mailbox {

namespace {

bool markDone(DeskMemory& memory, const LogRecord& record) {
  if (record.subject >= kDeskSlots || record.index >= wire::kMaxPacketMessages) return false;
  DeskSlot& slot = memory.slots[record.subject];
  // Else the slot has been given to another packet since.
  if (slot.arrival == record.sequence) slot.done.store(slot.done.load() | 1ULL << record.index);
  return true;
}

bool keep(KeptMemory& kept, const LogRecord& record, std::span<const std::byte> bytes) {
  if (record.subject >= kKeptPlaces) return false;
  KeptEntry& entry = kept.entry[record.subject];
  // Else the place has been given to another entry since.
  if (entry.made != record.sequence) return true;
  const auto place = kept.place(record.subject);
  if (bytes.size() > entry.capacity || entry.capacity > place.size()) return false;
  std::memcpy(place.data(), bytes.data(), bytes.size());
  entry.bytes = bytes.size();
  DeskMemory::barrier();
  entry.written = 1;
  return true;
}

bool isMessage(std::span<const std::byte> bytes) {
  return !bytes.empty() && bytes.size() % sizeof(capnp::word) == 0 && bytes.size() <= wire::kMaxMessageBytes;
}

bool isPacket(std::span<const std::byte> bytes) {
  return bytes.size() > sizeof(wire::PacketHeader) && bytes.size() <= wire::kMaxPacketBytes &&
         wire::countMessages(bytes.subspan(sizeof(wire::PacketHeader))) > 0;
}

}  // namespace

bool carryOut(DeskMemory& memory, const LogRecord& record, std::span<const std::byte> bytes) {
  switch (record.kind) {
    case LogRecord::done: return markDone(memory, record);
    case LogRecord::kept: return keep(memory.kept, record, bytes);
    case LogRecord::packet: return isPacket(bytes);
    default: return isMessage(bytes);
  }
}

Recovered recover(DeskMemory& memory) {
  if (memory.layout == 0) return Recovered::fine;
  if (memory.layout != kDeskLayout) return Recovered::ruined;
  LogWalk walk(memory.log);
  while (walk.next() != nullptr) {
    if (!carryOut(memory, walk.header(), walk.bytes())) return Recovered::ruined;
  }
  return walk.ruined() ? Recovered::ruined : Recovered::fine;
}

}  // namespace troupe::mailbox
