#include "mailbox/kept_store.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "os/kill_point.h"

namespace troupe::mailbox {

namespace {

constexpr const char* kSenseless = "the memory that a predecessor left makes no sense";

std::string_view nameOf(const KeptEntry& entry) {
  return {entry.name, ::strnlen(entry.name, kKeptNameBytes)};
}

bool isOurOwn(std::string_view name) { return name == kTookOverName; }

// No entry is this one.
constexpr KeptId kNoPlace{.made = std::numeric_limits<std::uint64_t>::max()};

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw Error(ErrorKind::invalid, "keeping \"" + std::string(name) + "\": " + why);
}

}  // namespace

std::map<std::string_view, std::size_t> KeptStore::written() const {
  std::map<std::string_view, std::size_t> latest;
  const auto look = [&](std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) {
      const KeptEntry& entry = memory_.entry[i];
      if (entry.made == 0 || entry.written == 0) continue;
      const auto [other, isFirst] = latest.try_emplace(nameOf(entry), i);
      if (!isFirst && memory_.entry[other->second].made < entry.made) other->second = i;
    }
  };
  look(0, std::min(memory_.usedSmall, kSmallKeptPlaces));
  look(kSmallKeptPlaces, kSmallKeptPlaces + std::min(memory_.usedLarge, kKeptPlaces - kSmallKeptPlaces));
  return latest;
}

// What it says of its place is true of any memory but such as a stray pointer has written to.
bool KeptStore::isSound(std::size_t index) const {
  const KeptEntry& entry = memory_.entry[index];
  return entry.capacity <= memory_.place(index).size() && entry.bytes <= entry.capacity;
}

std::optional<KeptStore::Found> KeptStore::find(std::string_view name) const {
  const auto latest = written();
  const auto found = latest.find(name);
  if (found == latest.end()) return std::nullopt;
  if (!isSound(found->second)) refuse(name, kSenseless);
  const KeptEntry& entry = memory_.entry[found->second];
  return Found{entry.fingerprint, memory_.place(found->second).first(entry.bytes)};
}

std::size_t KeptStore::add(std::string_view name, std::uint64_t fingerprint, std::size_t capacity,
                           Write write) {
  if (name.empty() || name.size() >= kKeptNameBytes)
    refuse(name, "a name has 1 to " + std::to_string(kKeptNameBytes - 1) + " bytes");
  if (capacity > kLargestKept)
    refuse(name, "it takes " + std::to_string(capacity) + " bytes, and " + std::to_string(kLargestKept) +
                     " is the most");
  for (const Value& value : values_) {
    if (value.write && value.name == name) refuse(name, "this actor keeps another value of that name");
  }
  if (!isOurOwn(name)) checkLimits(name, capacity);
  Value made{.name = std::string(name),
             .fingerprint = fingerprint,
             .capacity = capacity,
             .entry = away_ ? kNoPlace : entryFor(name, fingerprint, capacity),
             .write = std::move(write)};
  const auto free =
      std::find_if(values_.begin(), values_.end(), [](const Value& value) { return !value.write; });
  if (free == values_.end()) {
    values_.push_back(std::move(made));
    return values_.size() - 1;
  }
  *free = std::move(made);
  return static_cast<std::size_t>(free - values_.begin());
}

// Of a value with an older layout only the newer one counts: it is going to take its place.
void KeptStore::checkLimits(std::string_view name, std::size_t capacity) const {
  std::map<std::string_view, std::size_t> bytes;
  for (const auto& [other, index] : written()) bytes[other] = memory_.entry[index].capacity;
  for (const Value& value : values_) {
    if (value.write) bytes[value.name] = value.capacity;
  }
  bytes.erase(kTookOverName);
  bytes.erase(name);
  if (bytes.size() >= kMostKept)
    refuse(name, "an actor keeps " + std::to_string(kMostKept) +
                     " values at most, those included that an earlier process has left");
  std::size_t taken = 0;
  for (const auto& [other, size] : bytes) taken += std::min(size, kLargestKept);
  if (taken + capacity > kMostKeptBytes)
    refuse(name, "an actor keeps " + std::to_string(kMostKeptBytes) + " bytes at most, and " +
                     std::to_string(taken) + " are taken");
}

KeptId KeptStore::entryFor(std::string_view name, std::uint64_t fingerprint, std::size_t capacity) {
  const auto latest = written();
  if (const auto found = latest.find(name); found != latest.end()) {
    const KeptEntry& entry = memory_.entry[found->second];
    if (!isSound(found->second)) refuse(name, kSenseless);
    if (entry.fingerprint == fingerprint && entry.capacity == capacity) return {found->second, entry.made};
  }
  const std::size_t index = freePlace(capacity);
  if (index == kKeptPlaces) refuse(name, kSenseless);
  // Nothing is in a place whose `made` is 0: so whoever dies here leaves no half of an entry.
  KeptEntry& entry = memory_.entry[index];
  if (index < kSmallKeptPlaces)
    memory_.usedSmall = std::max(memory_.usedSmall, index + 1);
  else
    memory_.usedLarge = std::max(memory_.usedLarge, index - kSmallKeptPlaces + 1);
  entry.made = 0;
  DeskMemory::barrier();
  std::memset(entry.name, 0, sizeof entry.name);
  std::memcpy(entry.name, name.data(), name.size());
  entry.fingerprint = fingerprint;
  entry.capacity = capacity;
  entry.bytes = entry.written = 0;
  const std::uint64_t made = ++memory_.made;
  DeskMemory::barrier();
  entry.made = made;
  return {index, made};
}

// There are as many as one value of each name and one of its older layout need.
std::size_t KeptStore::freePlace(std::size_t capacity) const {
  std::vector<bool> taken(kKeptPlaces);
  for (const auto& [name, index] : written()) taken[index] = true;
  for (const Value& value : values_) {
    if (value.write) taken[value.entry.index] = true;
  }
  std::size_t index = capacity <= kSmallKept ? 0 : kSmallKeptPlaces;
  while (index < kKeptPlaces && taken[index]) ++index;
  return index;
}

void KeptStore::remove(std::size_t index) {
  values_[index].write = nullptr;
  if (std::exchange(values_[index].touched, false)) std::erase(touched_, index);
}

// Those whose places were taken must not keep others from theirs.
void KeptStore::reload() {
  away_ = false;
  std::vector<Value*> lost;
  for (Value& value : values_) {
    if (value.write && memory_.entry[value.entry.index].made != value.entry.made) lost.push_back(&value);
  }
  std::vector<Write> writes;
  writes.reserve(lost.size());
  for (Value* value : lost) writes.push_back(std::exchange(value->write, nullptr));
  for (std::size_t i = 0; i < lost.size(); ++i) {
    lost[i]->entry = entryFor(lost[i]->name, lost[i]->fingerprint, lost[i]->capacity);
    lost[i]->write = std::move(writes[i]);
  }
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
  const auto latest = written();
  const auto found = latest.find(kTookOverName);
  std::uint64_t generation = 0;
  if (found == latest.end() || !isSound(found->second)) return generation;
  if (memory_.entry[found->second].bytes == sizeof generation)
    std::memcpy(&generation, memory_.place(found->second).data(), sizeof generation);
  return generation;
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
    KeptEntry& entry = memory_.entry[value.entry.index];
    std::memcpy(memory_.place(value.entry.index).data(), value.bytes.data(), value.bytes.size());
    os::killPoint("keeping");
    entry.bytes = value.bytes.size();
    DeskMemory::barrier();
    entry.written = 1;
    value.touched = false;
  }
  touched_.clear();
}

}  // namespace troupe::mailbox
