#include "mailbox/turn_log.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace troupe::mailbox {

namespace {

// The log begins again at the start of its memory when there is room for so much, and twice what counts: so a
// log that is never empty stays in a small part of its memory.
constexpr std::size_t kComfortable = 64u << 10;
// From here on messages that do not leave are moved out of the way.
constexpr std::size_t kCrowded = kLogBytes / 8 * 3;

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
  added_ = live_ = 0;
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
  const std::uint32_t offset = place(sizeof header + header.bytes);
  std::memcpy(log_.bytes + offset, &header, sizeof header);
  if (!bytes.empty()) std::memcpy(log_.bytes + offset + sizeof header, bytes.data(), bytes.size());
  added_ += sizeof header + header.bytes;
  return at(offset);
}

// Room behind the head, which never reaches what counts: those bytes may be needed by a successor.
std::uint32_t TurnLog::place(std::size_t bytes) {
  std::uint32_t offset = head_;
  bool fits = head_ + bytes < first_;
  if (head_ >= first_) {
    const bool here = head_ + bytes <= kLogBytes;
    const bool atStart = bytes < first_;
    fits = here || atStart;
    if (atStart && (!here || first_ >= kComfortable + 2 * (head_ - first_ + bytes))) {
      if (kLogBytes - head_ >= sizeof(LogRecord)) at(head_).kind = LogRecord::wrap;
      offset = 0;
    }
  }
  if (!fits) throw Error(ErrorKind::overloaded, "a turn's changes do not fit its log");
  head_ = offset + static_cast<std::uint32_t>(bytes);
  return offset;
}

std::size_t TurnLog::used() const { return head_ >= first_ ? head_ - first_ : kLogBytes - first_ + head_; }

void TurnLog::commit() {
  const std::uint32_t first = moveSome();
  added_ = 0;
  DeskMemory::barrier();
  first_ = first;
  end_ = head_;
  publish();
  DeskMemory::barrier();
}

// Copies the oldest messages behind the newest, where they keep too much room occupied or lie beyond the gap
// that is being filled, and says where what counts begins without them. The store that commits the copies
// withdraws the originals. Two bytes are moved for each that was added: so the gap, which is at least twice
// what lies beyond it, is never used up, since no more than kMostLive has to be moved.
std::uint32_t TurnLog::moveSome() {
  std::uint32_t first = first_;
  if (head_ >= first_ && used() < kCrowded) return first;
  const std::size_t budget = 2 * added_ + kPageBytes;
  LogWalk walk(log_, {first_, end_});
  for (std::size_t moved = 0; moved < budget && walk.next() != nullptr;) {
    const LogRecord record = walk.header();
    // From here on they are in the part that is being filled.
    if (head_ < first_ && walk.offset() < first_) break;
    if (record.kind == LogRecord::message && record.released == 0) {
      const std::uint32_t offset = place(sizeof record + record.bytes);
      std::memcpy(log_.bytes + offset, log_.bytes + walk.offset(), sizeof record + record.bytes);
      offsets_[record.handle] = offset;
      moved += sizeof record + record.bytes;
    }
    first = walk.offset() + static_cast<std::uint32_t>(sizeof record + record.bytes);
  }
  return first;
}

void TurnLog::carriedOut() { trim(); }

void TurnLog::trim() {
  LogWalk walk(log_, {first_, end_});
  while (walk.next() != nullptr) {
    const LogRecord& record = walk.header();
    if (record.kind == LogRecord::message && record.released == 0) break;
    first_ = walk.offset() + static_cast<std::uint32_t>(sizeof record + record.bytes);
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
