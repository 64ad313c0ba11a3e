#include "wire/plain.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace troupe::wire {

namespace {

// The encoding: capnproto.org/encoding.html. Words are read as numbers, which is right on little-endian machines only.
class Walk {
 public:
  explicit Walk(std::span<const capnp::word> segment) : segment_(segment), left_(segment.size()) {}

  // What the pointer at this place leads to.
  bool follow(std::size_t at, unsigned depth) {
    const std::uint64_t pointer = wordAt(at);
    if (pointer == 0) return true;
    if (depth == kDeepest) return false;
    const auto offset = static_cast<std::int32_t>(pointer) >> 2;
    const auto target = static_cast<std::int64_t>(at) + 1 + offset;
    if (target < 0) return false;
    switch (pointer & 3) {
      case kStruct: return structAt(static_cast<std::size_t>(target), pointer, 1, depth);
      case kList: return listAt(static_cast<std::size_t>(target), pointer, depth);
      default: return false;
    }
  }

 private:
  static constexpr unsigned kDeepest = 64;
  enum Kind : unsigned { kStruct = 0, kList = 1 };
  enum ElementSize : unsigned { kVoid = 0, kBit = 1, kPointers = 6, kComposite = 7 };

  std::uint64_t wordAt(std::size_t at) const {
    std::uint64_t word = 0;
    std::memcpy(&word, segment_.data() + at, sizeof word);
    return word;
  }

  bool spend(std::size_t words) {
    if (words > left_) return false;
    left_ -= words;
    return true;
  }
  // There are so many words there.
  bool take(std::size_t at, std::size_t words) {
    return at <= segment_.size() && words <= segment_.size() - at && spend(words);
  }

  // `count` structs of the size that the pointer, or the tag of a list, says.
  bool structAt(std::size_t at, std::uint64_t size, std::size_t count, unsigned depth) {
    const std::size_t data = size >> 32 & 0xffff;
    const std::size_t pointers = size >> 48;
    const std::size_t each = data + pointers;
    // What has no size stands anywhere, and costs as if it had one.
    if (each == 0) return spend(count);
    if (count > left_ / each || !take(at, count * each)) return false;
    if (pointers == 0) return true;
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t pointer = 0; pointer < pointers; ++pointer) {
        if (!follow(at + i * each + data + pointer, depth + 1)) return false;
      }
    }
    return true;
  }

  bool listAt(std::size_t at, std::uint64_t pointer, unsigned depth) {
    const std::size_t count = pointer >> 35;
    const auto size = static_cast<unsigned>(pointer >> 32 & 7);
    switch (size) {
      case kVoid: return spend(count);
      case kBit: return take(at, (count + 63) / 64);
      case kPointers: return pointersAt(at, count, depth);
      case kComposite: return compositeAt(at, count, depth);
      default: {
        constexpr unsigned kBytes[] = {0, 0, 1, 2, 4, 8};
        return take(at, (count * kBytes[size] + 7) / 8);
      }
    }
  }

  bool pointersAt(std::size_t at, std::size_t count, unsigned depth) {
    if (!take(at, count)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (!follow(at + i, depth + 1)) return false;
    }
    return true;
  }

  // The tag looks like a struct's pointer, with the number of elements for an offset.
  bool compositeAt(std::size_t at, std::size_t words, unsigned depth) {
    if (!take(at, 1) || words > segment_.size() - at - 1) return false;
    const std::uint64_t tag = wordAt(at);
    const std::size_t count = (tag & 0xffffffff) >> 2;
    const std::size_t each = (tag >> 32 & 0xffff) + (tag >> 48);
    if ((tag & 3) != kStruct || (each != 0 && count > words / each)) return false;
    return structAt(at + 1, tag, count, depth);
  }

  std::span<const capnp::word> segment_;
  std::size_t left_;  // words that no object was found to take
};

}  // namespace

bool isPlain(std::span<const capnp::word> message) {
  if (std::endian::native != std::endian::little || message.size() < 2) return false;
  std::uint64_t table = 0;
  std::memcpy(&table, message.data(), sizeof table);
  const std::uint64_t words = table >> 32;
  if ((table & 0xffffffff) != 0 || words == 0 || words > message.size() - 1) return false;
  return Walk(message.subspan(1, words)).follow(0, 0);
}

}  // namespace troupe::wire
