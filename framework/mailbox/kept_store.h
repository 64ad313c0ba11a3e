// What an actor keeps, as its process sees it: the values that a predecessor left, by name, and the places of
// new ones.
//
// Errors: invalid, where a name is empty, too long or taken, a value too large, or there are too many.
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailbox/desk_layout.h"
#include "mailbox/turn_log.h"

namespace troupe::mailbox {

class KeptStore {
 public:
  explicit KeptStore(KeptMemory& memory) : memory_(memory) {}

  struct Found {
    std::uint64_t fingerprint = 0;
    std::span<const std::byte> value;
  };
  // The latest value of that name, whatever its layout; or nothing.
  std::optional<Found> find(std::string_view name) const;

  // Gives a name to a value of this process. `write` gives its bytes, when a turn in which it was touched is
  // committed.
  using Write = std::function<std::span<const std::byte>()>;
  std::size_t add(std::string_view name, std::uint64_t fingerprint, std::size_t capacity, Write write);
  // The value is destroyed: what was changed of it and not committed is not kept.
  void remove(std::size_t index);
  // The memory is another process's from here on: what is added has no place.
  void letGo() { away_ = true; }
  // It has kept nothing, and the memory is this process's again: but it may have taken places for what it meant to keep.
  void reload();
  void touch(std::size_t index);
  void touchAll();
  bool touched(std::size_t index) const { return values_[index].touched; }
  // The next commit says that the process of this generation has taken over from one of an older program. Once.
  void noteTakeOver(std::uint64_t generation);
  // Which one did last; 0: none.
  std::uint64_t tookOver() const;
  bool anyTouched() const { return !touched_.empty(); }
  // What that adds to a turn at most.
  std::size_t bytesTouched() const;
  // Adds what was touched to a turn that is about to be committed; true if there was anything.
  bool addTo(TurnLog& log);
  // Copies it to where it is kept: to be called when the turn is committed.
  void carryOut();

 private:
  struct Value {
    std::string name;
    std::uint64_t fingerprint;
    std::size_t capacity;
    KeptId entry;
    Write write;
    std::span<const std::byte> bytes = {};  // on their way through a commit
    bool touched = false;
  };
  // The entries that count, by name: the latest with a value.
  std::map<std::string_view, std::size_t> written() const;
  bool isSound(std::size_t index) const;
  KeptId entryFor(std::string_view name, std::uint64_t fingerprint, std::size_t capacity);
  void checkLimits(std::string_view name, std::size_t capacity) const;
  std::size_t freePlace(std::size_t capacity) const;

  KeptMemory& memory_;
  std::vector<Value> values_;
  std::vector<std::size_t> touched_;
  std::uint64_t takeOver_ = 0;
  bool away_ = false;
};

}  // namespace troupe::mailbox
