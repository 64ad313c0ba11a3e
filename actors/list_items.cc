#include "actors/list_items.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace troupe::actors {

bool ListItems::hasRoom(std::size_t bytes, std::size_t insteadOf) const {
  return table_.bytes() - (*this)[insteadOf].size() + bytes <= mostBytes_;
}

void ListItems::insert(std::size_t at, std::span<const std::byte> content) {
  Number number = numberBefore(at);
  if (number == 0) {
    spreadAround(at);
    number = numberBefore(at);
  }
  table_.put(number, content);
  numbers_.insert(numbers_.begin() + static_cast<std::ptrdiff_t>(at), number);
}

void ListItems::erase(std::size_t at) {
  table_.erase(numbers_[at]);
  numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(at));
}

void ListItems::clear() {
  for (const Number number : numbers_) table_.erase(number);
  numbers_.clear();
}

ListItems::Number ListItems::numberBefore(std::size_t at) const {
  if (numbers_.empty()) return kMiddle;
  if (at == size()) {
    const Number last = numbers_.back();
    return last > kMost - kStride ? 0 : last + kStride;
  }
  const Number after = numbers_[at];
  if (at == 0) return after <= kStride ? 0 : after - kStride;
  const Number gap = after - numbers_[at - 1];
  return gap < 2 ? 0 : numbers_[at - 1] + gap / 2;
}

// More and more of those around, until they can be far enough apart; all, around the middle, where an end is at the end of all numbers.
void ListItems::spreadAround(std::size_t at) {
  if (at == 0 || at == size()) return renumber(0, size(), kMiddle - size() / 2 * kStride, kStride);
  for (std::size_t reach = 8;; reach *= 2) {
    const std::size_t from = at > reach ? at - reach : 0;
    const std::size_t to = std::min(at + reach, size());
    if (from == 0 && to == size()) return renumber(0, size(), kMiddle - size() / 2 * kStride, kStride);
    const Number gaps = to - from + 1;
    const Number wanted = gaps * kStride;  // where nothing is in the way
    const Number low = from > 0 ? numbers_[from - 1] : numbers_[to] - std::min(numbers_[to], wanted);
    const Number high = to < size() ? numbers_[to] : low + std::min(kMost - low, wanted);
    const Number stride = (high - low) / gaps;
    if (stride >= kLeastStride) return renumber(from, to, low + stride, stride);
  }
}

void ListItems::renumber(std::size_t from, std::size_t to, Number first, Number stride) {
  std::vector<std::vector<std::byte>> contents;
  contents.reserve(to - from);
  for (std::size_t at = from; at < to; ++at) {
    const auto content = (*this)[at];
    contents.emplace_back(content.begin(), content.end());
    table_.erase(numbers_[at]);
  }
  for (std::size_t at = from; at < to; ++at) {
    numbers_[at] = first + (at - from) * stride;
    table_.put(numbers_[at], contents[at - from]);
  }
}

}  // namespace troupe::actors
