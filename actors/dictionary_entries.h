// The entries of a dictionary, as they lie in its kept table, and what is made of them in memory.
//
// Each change has a number, the version of what it made: an entry, or a removal, which is remembered for those who watch. There is
// one record of it, by that number, until the same key is changed again: so the records in their order are what has changed since any
// version, each key once. Removals are forgotten from the oldest on; `horizon` is the last version of which one was.
#pragma once

#include <troupe/kept.h>
#include <troupe/kept_table.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace troupe::actors {

class DictionaryEntries {
 public:
  using Version = std::uint64_t;
  // Records from that number on are somebody else's.
  static constexpr std::uint64_t kOthers = std::uint64_t{1} << 63;

  struct Change {
    std::string_view key;
    Version version = 0;
    bool removed = false;
  };

  DictionaryEntries(ActorBase& actor, KeptTable& table, std::size_t mostBytes, std::size_t mostRemovals);

  // What a predecessor has left: a record below kOthers.
  void load(Version version, std::span<const std::byte> record);

  // 0 where there is none.
  Version find(const std::string& key) const;
  // Of an entry; valid until the next change.
  std::span<const std::byte> valueOf(Version version) const;
  // Those from that key on.
  auto from(const std::string& key) const { return entries_.lower_bound(key); }
  auto end() const { return entries_.end(); }

  // Whether there is room for such an entry; removals are forgotten for it, where that helps.
  bool makeRoom(const std::string& key, std::size_t valueBytes);
  Version put(const std::string& key, std::span<const std::byte> value);
  void remove(const std::string& key);
  void clear();

  // The first change after that version, of all keys or of one; its key is valid until the next change. Of all keys, removals up to
  // `since` are passed over; of one that is not there, forgotten ones count.
  std::optional<Change> next(Version after, Version since) const;
  std::optional<Change> next(Version after, const std::string& key) const;

  std::size_t size() const { return entries_.size(); }
  // Of entries and removals.
  std::size_t bytes() const { return bytes_; }
  Version last() const { return counts_->last; }
  Version horizon() const { return counts_->horizon; }

 private:
  struct Head {
    std::uint32_t removed;
    std::uint32_t keyBytes;  // of the key, which follows, filled up to whole words; then the value
  };
  struct Counts {
    Version last = 0;
    Version horizon = 0;
  };
  static std::size_t paddedKey(std::size_t bytes) { return (bytes + 7) / 8 * 8; }
  static std::size_t spaceFor(std::size_t keyBytes, std::size_t valueBytes);
  std::size_t spaceOf(Version version) const;
  static Change changeOf(Version version, std::span<const std::byte> record);

  std::span<const std::byte> recordOf(Version version) const;
  Version write(const std::string& key, bool removed, std::span<const std::byte> value);
  void drop(Version version);
  void dropKey(const std::string& key);
  void forgetOldestRemoval();

  KeptTable& table_;
  std::size_t mostBytes_;
  std::size_t mostRemovals_;
  Kept<Counts> counts_;
  std::map<std::string, Version> entries_;
  std::map<std::string, Version> removed_;
  std::set<Version> removals_;
  std::size_t bytes_ = 0;
};

}  // namespace troupe::actors
