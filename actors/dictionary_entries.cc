#include "actors/dictionary_entries.h"

#include <cstring>
#include <vector>

namespace troupe::actors {

DictionaryEntries::DictionaryEntries(ActorBase& actor, KeptTable& table, std::size_t mostBytes,
                                     std::size_t mostRemovals)
    : table_(table), mostBytes_(mostBytes), mostRemovals_(mostRemovals), counts_(actor, "counts") {}

std::size_t DictionaryEntries::spaceFor(std::size_t keyBytes, std::size_t valueBytes) {
  constexpr std::size_t kOfTable = 16;  // <troupe/kept_table.h>
  return kOfTable + sizeof(Head) + paddedKey(keyBytes) + valueBytes;
}

DictionaryEntries::Change DictionaryEntries::changeOf(Version version, std::span<const std::byte> record) {
  Head head;
  std::memcpy(&head, record.data(), sizeof head);
  const auto* const key = reinterpret_cast<const char*>(record.data() + sizeof head);
  return {.key = {key, head.keyBytes}, .version = version, .removed = head.removed != 0};
}

void DictionaryEntries::load(Version version, std::span<const std::byte> record) {
  const Change change = changeOf(version, record);
  (change.removed ? removed_ : entries_)[std::string(change.key)] = version;
  if (change.removed) removals_.insert(version);
  bytes_ += spaceFor(0, 0) - sizeof(Head) + record.size();
}

std::span<const std::byte> DictionaryEntries::recordOf(Version version) const {
  return *table_.find(version);
}

DictionaryEntries::Version DictionaryEntries::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? 0 : found->second;
}

std::span<const std::byte> DictionaryEntries::valueOf(Version version) const {
  const auto record = recordOf(version);
  return record.subspan(sizeof(Head) + paddedKey(changeOf(version, record).key.size()));
}

bool DictionaryEntries::makeRoom(const std::string& key, std::size_t valueBytes) {
  const std::size_t more = spaceFor(key.size(), valueBytes);
  const Version old = find(key);
  const std::size_t freed = old == 0 ? 0 : spaceFor(key.size(), valueOf(old).size());
  std::size_t bytes = bytes_ - freed + more;
  std::size_t toForget = 0;
  for (auto removal = removals_.begin(); bytes > mostBytes_ && removal != removals_.end(); ++removal) {
    bytes -= spaceOf(*removal);
    ++toForget;
  }
  if (bytes > mostBytes_) return false;
  for (; toForget > 0; --toForget) forgetOldestRemoval();
  return true;
}

DictionaryEntries::Version DictionaryEntries::put(const std::string& key, std::span<const std::byte> value) {
  dropKey(key);
  return entries_[key] = write(key, false, value);
}

void DictionaryEntries::remove(const std::string& key) {
  dropKey(key);
  const Version version = write(key, true, {});
  removed_[key] = version;
  removals_.insert(version);
  while (removals_.size() > mostRemovals_) forgetOldestRemoval();
}

// As if each had been removed, and that forgotten.
void DictionaryEntries::clear() {
  for (const auto& [key, version] : entries_) table_.erase(version);
  for (const Version version : removals_) table_.erase(version);
  entries_.clear();
  removed_.clear();
  removals_.clear();
  bytes_ = 0;
  Counts& counts = counts_.change();
  counts.horizon = ++counts.last;
}

std::optional<DictionaryEntries::Change> DictionaryEntries::next(Version after, Version since) const {
  for (auto version = table_.next(after + 1); version && *version < kOthers;
       version = table_.next(*version + 1)) {
    const Change change = changeOf(*version, recordOf(*version));
    if (!change.removed || *version > since) return change;
  }
  return std::nullopt;
}

// Of one key no removal is ever missed: where there is nothing, and something was forgotten, it is not there.
std::optional<DictionaryEntries::Change> DictionaryEntries::next(Version after,
                                                                 const std::string& key) const {
  if (const auto entry = entries_.find(key); entry != entries_.end()) {
    if (entry->second <= after) return std::nullopt;
    return Change{.key = entry->first, .version = entry->second, .removed = false};
  }
  const auto removed = removed_.find(key);
  const Version version = removed == removed_.end() ? horizon() : removed->second;
  if (version <= after) return std::nullopt;
  return Change{.key = key, .version = version, .removed = true};
}

DictionaryEntries::Version DictionaryEntries::write(const std::string& key, bool removed,
                                                    std::span<const std::byte> value) {
  const Head head{.removed = removed ? 1U : 0U, .keyBytes = static_cast<std::uint32_t>(key.size())};
  std::vector<std::byte> record(sizeof head + paddedKey(key.size()) + value.size());
  std::memcpy(record.data(), &head, sizeof head);
  std::memcpy(record.data() + sizeof head, key.data(), key.size());
  if (!value.empty()) std::memcpy(record.data() + record.size() - value.size(), value.data(), value.size());
  const Version version = ++counts_.change().last;
  table_.put(version, record);
  bytes_ += spaceFor(key.size(), value.size());
  return version;
}

std::size_t DictionaryEntries::spaceOf(Version version) const {
  return spaceFor(0, 0) - sizeof(Head) + recordOf(version).size();
}

void DictionaryEntries::drop(Version version) {
  bytes_ -= spaceOf(version);
  table_.erase(version);
}

void DictionaryEntries::dropKey(const std::string& key) {
  if (const auto entry = entries_.find(key); entry != entries_.end()) {
    drop(entry->second);
    entries_.erase(entry);
  }
  if (const auto removed = removed_.find(key); removed != removed_.end()) {
    drop(removed->second);
    removals_.erase(removed->second);
    removed_.erase(removed);
  }
}

void DictionaryEntries::forgetOldestRemoval() {
  const Version version = *removals_.begin();
  removed_.erase(std::string(changeOf(version, recordOf(version)).key));
  removals_.erase(version);
  drop(version);
  counts_.change().horizon = version;
}

}  // namespace troupe::actors
