#include "mailbox/turn_log.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "os/kill_point.h"

namespace troupe::mailbox {

namespace {

// The log begins again at the start of its memory when there is room for so much, and twice what counts: so a
// log that is never empty stays in a small part of its memory.
constexpr std::size_t kComfortable = 64u << 10;
// From here on messages that do not leave are moved out of the way.
constexpr std::size_t kCrowded = kLogBytes / 8 * 3;
constexpr int kMostRounds = 16;

Error tooLarge() { return {ErrorKind::overloaded, "a turn's changes do not fit its log"}; }

constexpr std::uint32_t roundedUp(std::size_t bytes) {
  return static_cast<std::uint32_t>((bytes + 7) / 8 * 8);
}

}  // namespace

TurnLog::TurnLog(DeskMemory& memory, std::uint32_t generation) : memory_(memory), log_(memory.log) {
  reload();
  // Numbers of a process whose desk was lost must not come again.
  if (memory_.sequences == 0) memory_.sequences = std::uint64_t{generation} << 40;
}

void TurnLog::reload() {
  const auto extent = LogExtent::of(log_.extent.load(std::memory_order_acquire));
  first_ = extent.first;
  end_ = head_ = extent.end;
  live_ = 0;
  offsets_.clear();
  freeHandles_.clear();
}

std::vector<TurnLog::Unsent> TurnLog::takeUnsent() {
  std::vector<Unsent> unsent;
  LogWalk walk(log_, {first_, end_});
  while (walk.next() != nullptr) {
    const LogRecord& record = walk.header();
    ordinal_ = std::max(ordinal_, record.ordinal);
    if (record.kind != LogRecord::message || record.released != 0) continue;
    live_ += sizeof(LogRecord) + record.bytes;
    const Handle handle = newHandle(walk.offset());
    at(walk.offset()).handle = handle;
    unsent.push_back({.handle = handle,
                      .to = {record.subject, static_cast<wire::Lane>(record.lane)},
                      .sequence = record.sequence,
                      .ordinal = record.ordinal,
                      .deadline = record.deadline,
                      .bytes = {walk.bytes().begin(), walk.bytes().end()}});
  }
  // A message that was moved stands behind those that were said after it.
  std::sort(unsent.begin(), unsent.end(),
            [](const Unsent& a, const Unsent& b) { return a.ordinal < b.ordinal; });
  trim();
  return unsent;
}

bool TurnLog::fits(std::size_t bytes, std::size_t messages) const {
  return live_ + bytes + messages * (sizeof(LogRecord) + 8) <= kMostLive;
}

void TurnLog::addDone(std::size_t slot, unsigned index, std::uint64_t arrival) {
  LogRecord record{};
  record.kind = LogRecord::done;
  record.index = static_cast<std::uint8_t>(index);
  record.subject = slot;
  record.sequence = arrival;
  add(record, {});
}

void TurnLog::addKept(std::size_t entry, std::span<const std::byte> value) {
  LogRecord record{};
  record.kind = LogRecord::kept;
  record.subject = entry;
  add(record, value);
}

TurnLog::Handle TurnLog::addMessage(Destination to, std::int64_t deadline, std::span<const std::byte> bytes) {
  LogRecord record{};
  record.kind = LogRecord::message;
  record.lane = static_cast<std::uint8_t>(to.lane);
  record.subject = to.actor;
  record.deadline = deadline;
  const Handle handle = newHandle(0);
  record.handle = handle;
  const LogRecord& added = add(record, bytes);
  live_ += sizeof(LogRecord) + added.bytes;
  offsets_[handle] = static_cast<std::uint32_t>(reinterpret_cast<const std::byte*>(&added) - log_.bytes);
  return handle;
}

LogRecord& TurnLog::add(LogRecord header, std::span<const std::byte> bytes) {
  header.bytes = roundedUp(bytes.size());
  header.realBytes = static_cast<std::uint32_t>(bytes.size());
  header.ordinal = ++ordinal_;
  const std::size_t size = sizeof header + header.bytes;
  Room room = Room::here;
  if (reserved_ >= size) {
    reserved_ -= size;
  } else {
    room = roomFor(size);
    if (room == Room::none) throw tooLarge();
  }
  const std::uint32_t offset = place(size, room);
  std::memcpy(log_.bytes + offset, &header, sizeof header);
  if (!bytes.empty()) std::memcpy(log_.bytes + offset + sizeof header, bytes.data(), bytes.size());
  return at(offset);
}

// Room behind the head, in one piece, which never reaches what counts: those bytes may be needed by a
// successor.
TurnLog::Room TurnLog::roomFor(std::size_t bytes) const {
  if (head_ < first_) return head_ + bytes < first_ ? Room::here : Room::none;
  const bool here = head_ + bytes <= kLogBytes;
  const bool comfortable = first_ >= kComfortable + 2 * (head_ - first_ + bytes);
  if (bytes < first_ && (!here || comfortable)) return Room::atStart;
  return here ? Room::here : Room::none;
}

std::uint32_t TurnLog::place(std::size_t bytes, Room room) {
  if (room == Room::atStart) {
    if (kLogBytes - head_ >= sizeof(LogRecord)) at(head_).kind = LogRecord::wrap;
    head_ = 0;
  }
  const std::uint32_t offset = head_;
  head_ += static_cast<std::uint32_t>(bytes);
  return offset;
}

std::size_t TurnLog::used() const { return head_ >= first_ ? head_ - first_ : kLogBytes - first_ + head_; }

// Two bytes are moved for each that is going to be added: so the gap that is being filled, which is at least
// twice what lies beyond it, is not used up before all of that is moved; but by a turn that is larger than it.
void TurnLog::makeRoom(std::size_t bytes) {
  // What was added to a turn that was never committed is forgotten.
  head_ = end_;
  if (head_ < first_ || used() >= kCrowded) moveSome(2 * bytes + kPageBytes);
  // One more record must find room at any time, or nothing could be moved.
  const std::size_t enough = bytes + bytesOf(kLargestKept);
  // Past the end of the memory, and on to the start of it.
  for (int round = 0; round < kMostRounds && roomFor(enough) == Room::none; ++round) {
    if (!moveSome(kLogBytes)) break;
  }
  const Room room = roomFor(enough);
  if (room == Room::none) throw tooLarge();
  reserved_ = bytes;
  place(0, room);
}

void TurnLog::commit() {
  reserved_ = 0;
  DeskMemory::barrier();
  os::killPoint("storing");
  end_ = head_;
  publish();
  DeskMemory::barrier();
}

// Copies the oldest messages behind the newest, as many as so many bytes, and begins what counts behind where
// they were: the store that commits the copies withdraws the originals. False where there was nothing to move,
// or no room for it.
bool TurnLog::moveSome(std::size_t bytes) {
  std::uint32_t first = first_;
  LogWalk walk(log_, {first_, end_});
  for (std::size_t moved = 0; moved < bytes && walk.next() != nullptr;) {
    const LogRecord record = walk.header();
    // From here on they are in the part that is being filled.
    if (head_ < first_ && walk.offset() < first_) break;
    if (record.kind == LogRecord::message && record.released == 0) {
      const std::size_t size = sizeof record + record.bytes;
      const Room room = roomFor(size);
      if (room == Room::none) break;
      const std::uint32_t offset = place(size, room);
      std::memcpy(log_.bytes + offset, log_.bytes + walk.offset(), size);
      offsets_[record.handle] = offset;
      os::killPoint("moving");
      moved += size;
    }
    first = walk.offset() + static_cast<std::uint32_t>(sizeof record + record.bytes);
  }
  if (first == first_) return false;
  first_ = first;
  commit();
  trim();
  return true;
}

void TurnLog::carriedOut() { trim(); }

void TurnLog::trim() {
  LogWalk walk(log_, {first_, end_});
  while (walk.next() != nullptr) {
    const LogRecord& record = walk.header();
    // Also where nothing but the end of the memory lies before it.
    first_ = walk.offset();
    if (record.kind == LogRecord::message && record.released == 0) break;
    first_ += static_cast<std::uint32_t>(sizeof record + record.bytes);
  }
  if (first_ == end_ && head_ == end_) first_ = end_ = head_ = 0;
  publish();
}

void TurnLog::publish() { log_.extent.store(LogExtent{first_, end_}.packed(), std::memory_order_release); }

TurnLog::Handle TurnLog::newHandle(std::uint32_t offset) {
  if (freeHandles_.empty()) {
    offsets_.push_back(offset);
    return static_cast<Handle>(offsets_.size() - 1);
  }
  const Handle handle = freeHandles_.back();
  freeHandles_.pop_back();
  offsets_[handle] = offset;
  return handle;
}

// The counter first: a number that was given away is never given again.
std::uint64_t TurnLog::number(std::size_t count) {
  const std::uint64_t before = memory_.sequences;
  memory_.sequences = before + count;
  DeskMemory::barrier();
  return before + 1;
}

void TurnLog::setNumber(Handle message, std::uint64_t number) { at(offsets_[message]).sequence = number; }

void TurnLog::release(Handle message) {
  LogRecord& record = at(offsets_[message]);
  live_ -= sizeof(LogRecord) + record.bytes;
  record.released = 1;
  offsets_[message] = std::numeric_limits<std::uint32_t>::max();
  freeHandles_.push_back(message);
  if (first_ != end_) trim();
}

}  // namespace troupe::mailbox
