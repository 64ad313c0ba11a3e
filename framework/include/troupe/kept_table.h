// KeptTable: records by number that the next process of an actor inherits, where there are too many of them for Kept values
// (<troupe/kept.h>), which have to be small.
//
//     troupe::KeptTable items_{*this};
//     items_.put(7, bytes);   items_.find(7);   items_.erase(7);
//
// Commit,
// Survives:  as those of Kept values: what a handler changes counts when its turn ends, together with its answer, its casts, and what
//            else it keeps; it survives the death of the process and of any supervisor but the root.
// Cost:      that of what is changed, not of what there is: a record is copied once into shared memory. A new process reads all of it
//            once. The memory grows to up to four times what the records have, in steps, and is given back with the actor.
// Limits:    one table an actor; mostBytes for all records, of which each takes 16 bytes beside its content.
// Errors:    overloaded, past mostBytes; system, where the machine has no memory for it; gone, in a process that has handed over to a
//            newer one (SupervisorRef::upgrade), from reading too: nothing is changed. invalid, from the constructor, where
//            a second one is made.
// Threads:   the actor's.
#pragma once

#include <troupe/actor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace troupe {

class KeptTable {
 public:
  static constexpr std::size_t kDefaultBytes = std::size_t{64} << 20;
  static constexpr std::size_t kMostBytes = std::size_t{16} << 30;

  explicit KeptTable(ActorBase& actor, std::size_t mostBytes = kDefaultBytes);
  ~KeptTable();
  KeptTable(const KeptTable&) = delete;
  KeptTable& operator=(const KeptTable&) = delete;

  // A record of that number from here on, instead of the one there may be.
  void put(std::uint64_t number, std::span<const std::byte> content);
  // False where there is none.
  bool erase(std::uint64_t number);
  // Valid until the table is changed.
  std::optional<std::span<const std::byte>> find(std::uint64_t number) const;
  // The smallest number from `from` on that has a record.
  std::optional<std::uint64_t> next(std::uint64_t from) const;
  // Calls `each` for all records in the order of their numbers. It must not change the table.
  void forEach(const std::function<void(std::uint64_t, std::span<const std::byte>)>& each) const;

  std::size_t size() const;
  // That count against mostBytes.
  std::size_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe
