#include "mailbox/turn_log.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

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

}  // namespace

TurnLog::TurnLog(DeskMemory& memory, std::uint32_t generation) : memory_(memory), log_(memory.log) {
  reload();
  if (memory_.sequences == 0) memory_.sequences = DeskMemory::firstNumber(generation);
}

void TurnLog::reload() {
  const auto extent = LogExtent::of(log_.extent.load(std::memory_order_acquire));
  first_ = extent.first;
  end_ = head_ = extent.end;
  live_ = 0;
  counted_ = first_ == end_;
  growing_ = kNoRecord;
  growsTo_ = 0;
  offsets_.clear();
  shares_.clear();
  freeHandles_.clear();
}

std::vector<TurnLog::Unsent> TurnLog::takeUnsent() {
  std::vector<Unsent> unsent;
  LogWalk walk(log_, {first_, end_});
  while (walk.next() != nullptr) {
    const LogRecord& record = walk.header();
    ordinal_ = std::max(ordinal_, record.ordinal);
    if (record.kind == LogRecord::packet) takePacket(walk, unsent);
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
  std::sort(unsent.begin(), unsent.end(), [](const Unsent& a, const Unsent& b) {
    return std::pair(a.ordinal, a.place) < std::pair(b.ordinal, b.place);
  });
  counted_ = true;
  trim();
  return unsent;
}

void TurnLog::takePacket(const LogWalk& walk, std::vector<Unsent>& unsent) {
  const LogRecord& record = walk.header();
  // One that was growing ends where what counts does, before anything is added behind it.
  at(walk.offset()).bytes = record.bytes;
  at(walk.offset()).realBytes = record.realBytes;
  auto messages = walk.bytes();
  if (record.released != 0 || messages.size() <= sizeof(wire::PacketHeader)) return;
  messages = messages.subspan(sizeof(wire::PacketHeader));
  live_ += sizeof(LogRecord) + record.bytes;
  const Handle handle = newHandle(walk.offset());
  at(walk.offset()).handle = handle;
  unsigned count = 0;
  while (const std::size_t size = wire::framedBytes(messages)) {
    unsent.push_back({.handle = handle,
                      .to = {record.subject, static_cast<wire::Lane>(record.lane)},
                      .sequence = record.sequence == 0 ? 0 : record.sequence + count,
                      .ordinal = record.ordinal,
                      .place = count,
                      .deadline = record.deadline,
                      .bytes = {messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(size)}});
    messages = messages.subspan(size);
    ++count;
  }
  share(handle, count);
}

bool TurnLog::fits(std::size_t bytes, std::size_t messages) const {
  return live_ + bytes + messages * (sizeof(LogRecord) + 8) <= kMostLive;
}

void TurnLog::addDone(std::size_t slot, unsigned index, std::uint64_t arrival) {
  LogRecord& record = add(LogRecord::done, {});
  record.index = static_cast<std::uint8_t>(index);
  record.subject = slot;
  record.sequence = arrival;
}

void TurnLog::addKept(KeptId entry, std::span<const std::byte> value) {
  LogRecord& record = add(LogRecord::kept, value);
  record.subject = entry.index;
  record.sequence = entry.made;
}

TurnLog::Handle TurnLog::addMessage(Destination to, std::int64_t deadline, std::span<const std::byte> bytes) {
  LogRecord& record = add(LogRecord::message, bytes);
  record.lane = static_cast<std::uint8_t>(to.lane);
  record.subject = to.actor;
  record.deadline = deadline;
  record.handle = newHandle(static_cast<std::uint32_t>(reinterpret_cast<std::byte*>(&record) - log_.bytes));
  live_ += sizeof record + record.bytes;
  return record.handle;
}

TurnLog::Handle TurnLog::beginPacket(Destination to) {
  makeRoom(kPacketSpace);
  LogRecord& record = add(LogRecord::packet, wire::kMaxPacketBytes);
  record.lane = static_cast<std::uint8_t>(to.lane);
  record.subject = to.actor;
  record.deadline = std::numeric_limits<std::int64_t>::max();
  const auto offset = static_cast<std::uint32_t>(reinterpret_cast<std::byte*>(&record) - log_.bytes);
  record.handle = growing_ = newHandle(offset);
  live_ += kPacketSpace;
  growsTo_ = head_;
  head_ = offset + sizeof record + sizeof(wire::PacketHeader);
  return growing_;
}

void TurnLog::grow(std::size_t bytes) {
  head_ += static_cast<std::uint32_t>(bytes);
  DeskMemory::barrier();
  os::killPoint("growing");
  end_ = head_;
  publish();
  DeskMemory::barrier();
}

void TurnLog::endPacket() {
  if (growing_ == kNoRecord) return;
  const Handle handle = std::exchange(growing_, kNoRecord);
  growsTo_ = 0;
  live_ -= kPacketSpace;
  // Nothing was put into it: it has never counted.
  if (head_ != end_) {
    freeHandles_.push_back(handle);
    head_ = end_;
    return;
  }
  const auto bytes = static_cast<std::uint32_t>(contentOf(handle));
  LogRecord& record = at(offsets_[handle]);
  record.bytes = record.realBytes = bytes;
  live_ += bytesOf(bytes);
}

// Made in its place: nothing of it counts yet.
LogRecord& TurnLog::add(LogRecord::Kind kind, std::span<const std::byte> bytes) {
  LogRecord& record = add(kind, bytes.size());
  if (!bytes.empty()) std::memcpy(&record + 1, bytes.data(), bytes.size());
  return record;
}

LogRecord& TurnLog::add(LogRecord::Kind kind, std::size_t bytes) {
  endPacket();
  const std::size_t size = bytesOf(bytes);
  Room room = Room::here;
  if (reserved_ >= size) {
    reserved_ -= size;
  } else {
    room = roomFor(size);
    if (room == Room::none) throw tooLarge();
  }
  LogRecord& record = at(place(size, room));
  record = LogRecord{};
  record.bytes = static_cast<std::uint32_t>(size - sizeof record);
  record.kind = kind;
  record.ordinal = ++ordinal_;
  record.realBytes = static_cast<std::uint32_t>(bytes);
  return record;
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
  endPacket();
  // What was added to a turn that was never committed is forgotten.
  head_ = end_;
  if (head_ < first_ || used() >= kCrowded) moveSome(2 * bytes + kPageBytes);
  // One more record must find room at any time, or nothing could be moved.
  const std::size_t enough = bytes + bytesOf(kLargestKept);
  Room room = roomFor(enough);
  // Past the end of the memory, and on to the start of it.
  for (int round = 0; round < kMostRounds && room == Room::none; ++round) {
    if (!moveSome(kLogBytes)) break;
    room = roomFor(enough);
  }
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
    if (record.kind >= LogRecord::message && record.released == 0) {
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

void TurnLog::trim() {
  const LogExtent before{first_, end_};
  blocked_ = false;
  // No message is left in it: most turns of an actor that only keeps something end here.
  if (live_ == 0 && counted_ && head_ == end_) first_ = end_ = head_ = 0;
  LogWalk walk(log_, {first_, end_});
  while (!blocked_ && walk.next() != nullptr) {
    const LogRecord& record = walk.header();
    // Also where nothing but the end of the memory lies before it.
    first_ = walk.offset();
    blocked_ = record.kind >= LogRecord::message && record.released == 0;
    if (!blocked_) first_ += static_cast<std::uint32_t>(sizeof record + record.bytes);
  }
  if (first_ == end_ && head_ == end_) first_ = end_ = head_ = 0;
  if (first_ != before.first || end_ != before.end) publish();
}

void TurnLog::publish() { log_.extent.store(LogExtent{first_, end_}.packed(), std::memory_order_release); }

TurnLog::Handle TurnLog::newHandle(std::uint32_t offset) {
  if (freeHandles_.empty()) {
    offsets_.push_back(offset);
    shares_.push_back(1);
    return static_cast<Handle>(offsets_.size() - 1);
  }
  const Handle handle = freeHandles_.back();
  freeHandles_.pop_back();
  offsets_[handle] = offset;
  shares_[handle] = 1;
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

void TurnLog::release(std::span<const Handle> messages) {
  for (const Handle message : messages) {
    if (message == kNoRecord || --shares_[message] > 0) continue;
    if (message == growing_) endPacket();
    const std::uint32_t offset = std::exchange(offsets_[message], std::numeric_limits<std::uint32_t>::max());
    LogRecord& record = at(offset);
    live_ -= sizeof record + record.bytes;
    record.released = 1;
    freeHandles_.push_back(message);
    if (offset == first_) blocked_ = false;
  }
  if (!blocked_ && first_ != end_) trim();
}

}  // namespace troupe::mailbox
