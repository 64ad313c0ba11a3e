#include "mailbox/kept_records.h"

#include <troupe/error.h>

#include <cstring>
#include <limits>
#include <utility>

#include "os/kill_point.h"

namespace troupe::mailbox {

namespace {

// A shorter log is not worth the copying.
constexpr std::size_t kShortLog = 64u << 10;

[[noreturn]] void refuseMemory(const std::string& what) {
  throw Error(ErrorKind::invalid, "the records that a predecessor left make no sense: " + what);
}

}  // namespace

KeptRecords::KeptRecords(Memory memory, std::size_t mostBytes)
    : memory_(std::move(memory)), mostBytes_(mostBytes) {}

void KeptRecords::open(const Head& head) {
  if (head.half > 1 || head.bytes % 8 != 0)
    refuseMemory("half " + std::to_string(head.half) + ", " + std::to_string(head.bytes) + " bytes");
  head_ = {.half = head.half, .bytes = 0};
  kept_ = head.half;
  places_.clear();
  live_ = 0;
  log_ = memory_.reach(static_cast<unsigned>(head.half), head.bytes);
  otherInUse_ = true;
  replay(head.bytes);
}

void KeptRecords::replay(std::size_t end) {
  while (head_.bytes < end) {
    Entry entry;
    if (end - head_.bytes < sizeof entry) refuseMemory("a record leads beyond the end");
    std::memcpy(&entry, log_ + head_.bytes, sizeof entry);
    const bool known = entry.kind == kPut || entry.kind == kErase;
    if (!known || spaceFor(entry.bytes) > end - head_.bytes)
      refuseMemory("at byte " + std::to_string(head_.bytes) + " of " + std::to_string(end) +
                   " a record of kind " + std::to_string(entry.kind) + " and " + std::to_string(entry.bytes) +
                   " bytes");
    if (entry.kind == kPut) {
      note(entry.number, {head_.bytes + sizeof entry, entry.bytes});
    } else {
      forget(entry.number);
    }
    head_.bytes += spaceFor(entry.bytes);
  }
}

void KeptRecords::committed(const Head& head) {
  kept_ = head.half;
  if (kept_ != head_.half || !otherInUse_) return;
  memory_.drop(static_cast<unsigned>(1 - head_.half));
  otherInUse_ = false;
  os::killPoint("halfDropped");
}

void KeptRecords::put(std::uint64_t number, std::span<const std::byte> content) {
  const auto old = places_.find(number);
  const std::size_t others = live_ - (old == places_.end() ? 0 : spaceFor(old->second.bytes));
  if (content.size() > std::numeric_limits<std::uint32_t>::max() ||
      others + spaceFor(content.size()) > mostBytes_)
    throw Error(ErrorKind::overloaded, "no room for a record of " + std::to_string(content.size()) +
                                           " bytes: the others take " + std::to_string(others) + " of " +
                                           std::to_string(mostBytes_));
  add(number, kPut, content);
}

bool KeptRecords::erase(std::uint64_t number) {
  if (!places_.contains(number)) return false;
  add(number, kErase, {});
  return true;
}

std::optional<std::span<const std::byte>> KeptRecords::find(std::uint64_t number) const {
  const auto found = places_.find(number);
  if (found == places_.end()) return std::nullopt;
  return std::span<const std::byte>(log_ + found->second.offset, found->second.bytes);
}

void KeptRecords::forEach(const std::function<void(std::uint64_t, std::span<const std::byte>)>& each) const {
  for (const auto& [number, place] : places_)
    each(number, std::span<const std::byte>(log_ + place.offset, place.bytes));
}

std::optional<std::uint64_t> KeptRecords::next(std::uint64_t from) const {
  const auto found = places_.lower_bound(from);
  if (found == places_.end()) return std::nullopt;
  return found->first;
}

void KeptRecords::add(std::uint64_t number, std::uint32_t kind, std::span<const std::byte> content) {
  const std::size_t space = spaceFor(content.size());
  if (head_.half == kept_ && head_.bytes > kShortLog && head_.bytes + space > 2 * (live_ + space)) compact();
  log_ = memory_.reach(static_cast<unsigned>(head_.half), head_.bytes + space);
  write(log_, head_.bytes, number, kind, content);
  os::killPoint("recordWritten");
  if (kind == kPut) {
    note(number, {head_.bytes + sizeof(Entry), content.size()});
  } else {
    forget(number);
  }
  head_.bytes += space;
}

void KeptRecords::write(std::byte* log, std::size_t offset, std::uint64_t number, std::uint32_t kind,
                        std::span<const std::byte> content) const {
  const Entry entry{.number = number, .bytes = static_cast<std::uint32_t>(content.size()), .kind = kind};
  std::memcpy(log + offset, &entry, sizeof entry);
  // May be a part of this very log.
  if (!content.empty()) std::memmove(log + offset + sizeof entry, content.data(), content.size());
}

void KeptRecords::note(std::uint64_t number, Place place) {
  forget(number);
  places_[number] = place;
  live_ += spaceFor(place.bytes);
}

bool KeptRecords::forget(std::uint64_t number) {
  const auto found = places_.find(number);
  if (found == places_.end()) return false;
  live_ -= spaceFor(found->second.bytes);
  places_.erase(found);
  return true;
}

void KeptRecords::compact() {
  const unsigned other = static_cast<unsigned>(1 - head_.half);
  std::byte* const fresh = memory_.reach(other, live_);
  otherInUse_ = true;
  std::size_t end = 0;
  for (auto& [number, place] : places_) {
    write(fresh, end, number, kPut, {log_ + place.offset, place.bytes});
    os::killPoint("recordMoved");
    place.offset = end + sizeof(Entry);
    end += spaceFor(place.bytes);
  }
  os::killPoint("recordsMoved");
  log_ = fresh;
  head_ = {.half = other, .bytes = end};
}

}  // namespace troupe::mailbox
