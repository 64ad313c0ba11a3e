#include "mailbox/kept_store.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstring>

#include "os/kill_point.h"

namespace troupe::mailbox {

namespace {

constexpr const char* kSenseless = "the memory that a predecessor left makes no sense";

std::string_view nameOf(const KeptEntry& entry) {
  return {entry.name, ::strnlen(entry.name, kKeptNameBytes)};
}

// What it says of its place is true of any memory but such as a stray pointer has written to.
bool isSound(const KeptEntry& entry) {
  return entry.capacity <= kLargestKept && entry.bytes <= entry.capacity &&
         entry.offset <= kKeptBytes - entry.capacity;
}

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw Error(ErrorKind::invalid, "keeping \"" + std::string(name) + "\": " + why);
}

}  // namespace

std::optional<KeptStore::Found> KeptStore::find(std::string_view name) const {
  for (std::size_t i = std::min<std::size_t>(memory_.entries, kKeptEntries); i-- > 0;) {
    const KeptEntry& entry = memory_.entry[i];
    if (entry.written == 0 || nameOf(entry) != name) continue;
    if (!isSound(entry)) refuse(name, kSenseless);
    return Found{entry.fingerprint, {memory_.bytes + entry.offset, entry.bytes}};
  }
  return std::nullopt;
}

std::size_t KeptStore::add(std::string_view name, std::uint64_t fingerprint, std::size_t capacity,
                           Write write) {
  // Before a place is taken for it: a start that fails again and again must not use them up.
  for (const Value& value : values_) {
    if (value.write && nameOf(memory_.entry[value.entry]) == name)
      refuse(name, "this actor keeps another value of that name");
  }
  Value made{.entry = entryFor(name, fingerprint, capacity), .capacity = capacity, .write = std::move(write)};
  const auto free =
      std::find_if(values_.begin(), values_.end(), [](const Value& value) { return !value.write; });
  if (free == values_.end()) {
    values_.push_back(std::move(made));
    return values_.size() - 1;
  }
  *free = std::move(made);
  return static_cast<std::size_t>(free - values_.begin());
}

std::size_t KeptStore::entryFor(std::string_view name, std::uint64_t fingerprint, std::size_t capacity) {
  if (name.empty() || name.size() >= kKeptNameBytes)
    refuse(name, "a name has 1 to " + std::to_string(kKeptNameBytes - 1) + " bytes");
  if (capacity > kLargestKept)
    refuse(name, "it takes " + std::to_string(capacity) + " bytes, and " + std::to_string(kLargestKept) +
                     " is the most");
  const std::size_t entries = std::min<std::size_t>(memory_.entries, kKeptEntries);
  // The last one of that name only: the values of those before it are older.
  for (std::size_t i = entries; i-- > 0;) {
    const KeptEntry& entry = memory_.entry[i];
    if (nameOf(entry) != name) continue;
    if (!isSound(entry)) refuse(name, kSenseless);
    if (entry.fingerprint == fingerprint && entry.capacity == capacity) return i;
    break;
  }
  if (entries == kKeptEntries)
    refuse(name, "an actor keeps " + std::to_string(kKeptEntries) + " values at most, old layouts included");
  if (memory_.used > kKeptBytes - capacity)
    refuse(name, "an actor keeps " + std::to_string(kKeptBytes) + " bytes at most, and " +
                     std::to_string(memory_.used) + " are taken");
  KeptEntry& entry = memory_.entry[entries];
  entry = KeptEntry{};
  std::memcpy(entry.name, name.data(), name.size());
  entry.fingerprint = fingerprint;
  entry.capacity = capacity;
  entry.offset = memory_.used;
  DeskMemory::barrier();
  memory_.used += (capacity + 63) / 64 * 64;
  memory_.entries = entries + 1;
  return entries;
}

void KeptStore::remove(std::size_t index) {
  values_[index].write = nullptr;
  if (std::exchange(values_[index].touched, false)) std::erase(touched_, index);
}

void KeptStore::touch(std::size_t index) {
  if (std::exchange(values_[index].touched, true)) return;
  touched_.push_back(index);
}

void KeptStore::touchAll() {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].write) touch(i);
  }
}

void KeptStore::noteTakeOver(std::uint64_t generation) {
  takeOver_ = generation;
  touch(add(kTookOverName, kDeskLayout, sizeof takeOver_,
            [this] { return std::as_bytes(std::span(&takeOver_, 1)); }));
}

std::uint64_t KeptStore::tookOver() const {
  for (std::size_t i = std::min<std::size_t>(memory_.entries, kKeptEntries); i-- > 0;) {
    const KeptEntry& entry = memory_.entry[i];
    std::uint64_t generation = 0;
    if (entry.written == 0 || nameOf(entry) != kTookOverName) continue;
    if (isSound(entry) && entry.bytes == sizeof generation)
      std::memcpy(&generation, memory_.bytes + entry.offset, sizeof generation);
    return generation;
  }
  return 0;
}

std::size_t KeptStore::bytesTouched() const {
  std::size_t bytes = 0;
  for (const std::size_t index : touched_) bytes += TurnLog::bytesOf(values_[index].capacity);
  return bytes;
}

bool KeptStore::addTo(TurnLog& log) {
  for (const std::size_t index : touched_) {
    Value& value = values_[index];
    value.bytes = value.write();
    log.addKept(value.entry, value.bytes);
  }
  return !touched_.empty();
}

void KeptStore::carryOut() {
  for (const std::size_t index : touched_) {
    Value& value = values_[index];
    KeptEntry& entry = memory_.entry[value.entry];
    std::memcpy(memory_.bytes + entry.offset, value.bytes.data(), value.bytes.size());
    os::killPoint("keeping");
    entry.bytes = value.bytes.size();
    DeskMemory::barrier();
    entry.written = 1;
    value.touched = false;
  }
  touched_.clear();
}

}  // namespace troupe::mailbox
