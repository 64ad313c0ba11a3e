// What dictionaries of all types have in common. For <troupe/dictionary.h>, which has what programs use.
#pragma once

#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>
#include <troupe/value.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

class Group;

struct DictionarySpec {
  // Of all entries: keys, values, and some 24 bytes each.
  std::size_t mostBytes = std::size_t{64} << 20;
  // Keys that are gone are remembered for those who watch: so many, and fewer where room is needed. One who is behind by more is told
  // all anew.
  std::size_t mostRemovals = 1000;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct DictionarySize {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // that they take
  std::uint64_t mostBytes = 0;
};

namespace detail {

struct HeldEntry {
  std::string key;
  std::uint64_t version = 0;
  HeldValue held;
};

struct HeldEntries {
  std::vector<HeldEntry> entries;
  std::optional<std::string> next;
};

struct DictionaryChange {
  enum class Kind { put, removed, anew, gone } kind = Kind::gone;
  std::string key;
  std::uint64_t version = 0;
};

// What one who watches knows; the dictionary knows nothing of it unless it waits.
class DictionaryWatch {
 public:
  // From that version on.
  DictionaryWatch(RefBase dictionary, std::uint64_t type, std::optional<std::string> key,
                  std::uint64_t version);
  Task<DictionaryChange> next(Duration deadline);

 private:
  Task<> ask(Duration deadline);

  RefBase dictionary_;
  std::uint64_t type_;
  std::optional<std::string> key_;
  std::uint64_t ticket_;
  std::uint64_t after_;
  std::uint64_t since_;
  bool asking_ = false;
  std::deque<DictionaryChange> told_;
};

class DictionaryClient : public RefBase {
 public:
  DictionaryClient(RefBase dictionary, std::uint64_t type) : RefBase(std::move(dictionary)), type_(type) {}
  void setDeadline(Duration deadline) { deadline_ = deadline; }

  Task<HeldEntry> get(std::string key) const;
  Task<std::uint64_t> put(std::string key, FillValue fill, std::optional<std::uint64_t> version) const;
  Task<bool> remove(std::string key, std::optional<std::uint64_t> version) const;
  Task<HeldEntry> pop(std::string key) const;
  Task<HeldEntries> page(std::string from, std::uint32_t most) const;
  Task<DictionarySize> size() const;
  Task<std::uint64_t> clear() const;
  Task<std::shared_ptr<DictionaryWatch>> watch(std::optional<std::string> key) const;

 private:
  std::uint64_t type_;
};

void declareDictionary(Group& group, std::string id, const DictionarySpec& spec, std::uint64_t type);
ServedProtocol servedByDictionaries();

}  // namespace detail

}  // namespace troupe
