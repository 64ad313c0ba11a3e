#include "mailbox/last_from.h"

#include <algorithm>

#include "os/kill_point.h"

namespace troupe::mailbox {

namespace {

LastFrom::Place* bucketOf(LastFrom& table, wire::ActorId sender) {
  return table.places[(sender * 0x9e3779b97f4a7c15ULL >> 32) % LastFrom::kBuckets];
}

LastFrom::Place* find(LastFrom& table, wire::ActorId sender) {
  auto* const bucket = bucketOf(table, sender);
  auto* const found = std::find_if(bucket, bucket + LastFrom::kWays,
                                   [&](const LastFrom::Place& place) { return place.sender == sender; });
  return found == bucket + LastFrom::kWays ? nullptr : found;
}

// The place of one that has been silent for longest, made free.
LastFrom::Place* makePlace(LastFrom& table, wire::ActorId sender) {
  auto* const bucket = bucketOf(table, sender);
  auto* const oldest = std::min_element(
      bucket, bucket + LastFrom::kWays,
      [](const LastFrom::Place& a, const LastFrom::Place& b) { return a.arrival < b.arrival; });
  oldest->sender = 0;
  DeskMemory::barrier();
  oldest->sequence = 0;
  DeskMemory::barrier();
  oldest->sender = sender;
  return oldest;
}

}  // namespace

void judge(DeskMemory& memory, std::size_t at, const wire::PacketHeader& header) {
  if (header.sender == 0 || header.sequence == 0) return;
  DeskSlot& slot = memory.slots[at];
  LastFrom::Place* place = find(memory.lastFrom, header.sender);
  if ((header.flags & wire::kMayRepeat) != 0 && slot.judged == 0) {
    const std::uint64_t last = place == nullptr ? 0 : place->sequence;
    const std::uint64_t seen = last < header.sequence ? 0 : last - header.sequence + 1;
    slot.repeated = maskOf(static_cast<unsigned>(std::min<std::uint64_t>(seen, header.messages)));
    DeskMemory::barrier();
    slot.judged = 1;
    DeskMemory::barrier();
    os::killPoint("judged");
  }
  if (place == nullptr) place = makePlace(memory.lastFrom, header.sender);
  place->sequence = std::max(place->sequence, header.sequence + header.messages - 1);
  place->arrival = slot.arrival;
}

}  // namespace troupe::mailbox
