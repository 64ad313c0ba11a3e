// The items of a list, as they lie in its kept table: each is a record, and their numbers have the order of the list.
//
// A new item gets a number between those of its neighbours. Where there is none, items around are given others, further apart: as many
// as it takes for them to have room again. So an index is a place in what is kept in memory, and no record moves when others come or go.
#pragma once

#include <troupe/kept_table.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

namespace troupe::actors {

class ListItems {
 public:
  ListItems(KeptTable& table, std::size_t mostBytes) : table_(table), mostBytes_(mostBytes) {}

  // What a predecessor has left, in the order of the table.
  void load(std::uint64_t number) { numbers_.push_back(number); }

  std::size_t size() const { return numbers_.size(); }
  std::size_t bytes() const { return table_.bytes(); }
  // Valid until the next change.
  std::span<const std::byte> operator[](std::size_t at) const { return *table_.find(numbers_[at]); }

  // Of such an item, beside the others, or instead of one.
  bool hasRoom(std::size_t bytes) const { return table_.bytes() + spaceFor(bytes) <= mostBytes_; }
  bool hasRoom(std::size_t bytes, std::size_t insteadOf) const;
  void insert(std::size_t at, std::span<const std::byte> content);
  void set(std::size_t at, std::span<const std::byte> content) { table_.put(numbers_[at], content); }
  void erase(std::size_t at);
  void clear();

 private:
  using Number = std::uint64_t;
  static constexpr Number kMost = ~Number{0};
  static constexpr Number kMiddle = Number{1} << 63;
  // Between neighbours, where there is room; and at least, where items are spread.
  static constexpr Number kStride = Number{1} << 20;
  static constexpr Number kLeastStride = Number{1} << 10;

  static std::size_t spaceFor(std::size_t bytes) { return 16 + bytes; }  // <troupe/kept_table.h>
  // 0 where there is none left.
  Number numberBefore(std::size_t at) const;
  void spreadAround(std::size_t at);
  void renumber(std::size_t from, std::size_t to, Number first, Number stride);

  KeptTable& table_;
  std::size_t mostBytes_;
  std::deque<Number> numbers_;
};

}  // namespace troupe::actors
