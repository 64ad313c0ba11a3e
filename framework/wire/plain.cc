#include "wire/plain.h"

#include <bit>
#include <cstdint>

namespace troupe::wire {

using envelope::wordAt;

namespace {

constexpr unsigned kDeepest = 64;
enum Kind : unsigned { kStruct = 0, kList = 1 };
enum ElementSize : unsigned { kVoid, kBit, kByte, kTwoBytes, kFourBytes, kEightBytes, kPointers, kComposite };

// The encoding: capnproto.org/encoding.html. Words are read as numbers, which is right on little-endian machines only.
class Walk {
 public:
  explicit Walk(std::span<const capnp::word> segment) : segment_(segment), left_(segment.size()) {}

  // What the pointers lead to that stand there.
  bool followAll(std::size_t at, std::size_t count, unsigned depth) {
    for (const std::size_t end = at + count; at != end; ++at) {
      const std::uint64_t pointer = wordAt(segment_.data() + at);
      if (pointer != 0 && !follow(at + 1, pointer, depth)) return false;
    }
    return true;
  }

  // There is a struct of the size that the pointer says, and all that it leads to.
  bool structAt(std::size_t at, std::uint64_t pointer, unsigned depth) {
    const std::size_t data = pointer >> 32 & 0xffff;
    const std::size_t pointers = pointer >> 48;
    // What has no size stands anywhere, and costs as if it had one.
    if (data + pointers == 0) return spend(1);
    return take(at, data + pointers) && followAll(at + data, pointers, depth + 1);
  }

 private:
  // What that pointer leads to, which counts from this word on.
  bool follow(std::size_t from, std::uint64_t pointer, unsigned depth) {
    if (depth == kDeepest) return false;
    const std::int64_t target = static_cast<std::int64_t>(from) + (static_cast<std::int32_t>(pointer) >> 2);
    if (target < 0) return false;
    const auto at = static_cast<std::size_t>(target);
    if ((pointer & 3) == kStruct) return structAt(at, pointer, depth);
    if ((pointer & 3) != kList) return false;
    // Text and data first: they are what most pointers lead to.
    const auto size = static_cast<unsigned>(pointer >> 32 & 7);
    if (size >= kByte && size <= kEightBytes) return take(at, ((pointer >> 35 << (size - kByte)) + 7) / 8);
    return listAt(at, pointer, depth);
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

  // A list of other elements than bytes and numbers of bytes.
  bool listAt(std::size_t at, std::uint64_t pointer, unsigned depth) {
    const std::size_t count = pointer >> 35;
    switch (static_cast<unsigned>(pointer >> 32 & 7)) {
      case kVoid: return spend(count);
      case kBit: return take(at, (count + 63) / 64);
      case kPointers: return take(at, count) && followAll(at, count, depth + 1);
      default: return compositeAt(at, count, depth);
    }
  }

  // The tag looks like a struct's pointer, with the number of elements for an offset.
  bool compositeAt(std::size_t at, std::size_t words, unsigned depth) {
    if (!take(at, 1) || words > segment_.size() - at - 1) return false;
    const std::uint64_t tag = wordAt(segment_.data() + at);
    const std::size_t count = (tag & 0xffffffff) >> 2;
    const std::size_t data = tag >> 32 & 0xffff;
    const std::size_t pointers = tag >> 48;
    const std::size_t each = data + pointers;
    if ((tag & 3) != kStruct) return false;
    if (each == 0) return spend(count);
    if (count > words / each || !take(at + 1, count * each)) return false;
    for (std::size_t i = 0; pointers > 0 && i < count; ++i) {
      if (!followAll(at + 1 + i * each + data, pointers, depth + 1)) return false;
    }
    return true;
  }

  std::span<const capnp::word> segment_;
  std::size_t left_;  // words that no object was found to take
};

// Its one segment; empty where there are more, or less than it says.
std::span<const capnp::word> segmentOf(std::span<const capnp::word> message) {
  if (std::endian::native != std::endian::little || message.size() < 2) return {};
  const std::uint64_t table = wordAt(message.data());
  const std::uint64_t words = table >> 32;
  if ((table & 0xffffffff) != 0 || words > message.size() - 1) return {};
  return message.subspan(1, words);
}

// Whether that pointer leads to a struct right behind it, and what its own pointers lead to are text and data only, in their order,
// with nothing between: as nearly all messages are made. Then nothing is reached twice.
bool isTight(std::span<const capnp::word> segment, std::size_t at) {
  const capnp::word* const words = segment.data();
  const std::uint64_t pointer = wordAt(words + at);
  if ((pointer & 0xffffffff) != 0) return false;
  std::size_t each = at + 1 + (pointer >> 32 & 0xffff);
  std::size_t next = each + (pointer >> 48);
  if (next > segment.size()) return false;
  for (const std::size_t end = next; each != end; ++each) {
    const std::uint64_t list = wordAt(words + each);
    if (list == 0) continue;
    const auto size = static_cast<unsigned>(list >> 32 & 7);
    const auto target = static_cast<std::int64_t>(each) + 1 + (static_cast<std::int32_t>(list) >> 2);
    if ((list & 3) != kList || size < kByte || size > kEightBytes ||
        target != static_cast<std::int64_t>(next))
      return false;
    next += ((list >> 35 << (size - kByte)) + 7) / 8;
    if (next > segment.size()) return false;
  }
  return true;
}

}  // namespace

bool isPlain(std::span<const capnp::word> message) {
  const auto segment = segmentOf(message);
  return !segment.empty() && Walk(segment).followAll(0, 1, 0);
}

bool PlainHeads::readAnew(std::span<const capnp::word> message, EnvelopeHead& head) {
  const auto segment = segmentOf(message);
  if (segment.empty()) return false;
  const std::uint64_t root = wordAt(segment.data());
  // As all write it: the root is a struct, right behind its pointer.
  if (root != 0 && (root & 0xffffffff) == 0) {
    const std::size_t data = root >> 32 & 0xffff;
    const std::size_t pointers = root >> 48;
    const bool alone = pointers == 1 && data + 2 <= segment.size();
    const bool tight = alone && isTight(segment, 1 + data);
    if (!tight && !Walk(segment).structAt(1, root, 0)) return false;
    if (tight) learn(message, 2 + data);
    readHead(segment.data() + 1, data, pointers, head);
    return true;
  }
  const auto other = isPlain(message) ? headOf(message) : std::nullopt;
  if (other) head = *other;
  return other.has_value();
}

// A tight one: nothing else in it leads anywhere.
void PlainHeads::learn(std::span<const capnp::word> message, std::size_t paramsAt) {
  const std::uint64_t params = wordAt(message.data() + paramsAt);
  const std::size_t count = params >> 48;
  if (count > kMostPointers) return;
  words_ = message.size();
  frame_ = wordAt(message.data());
  root_ = wordAt(message.data() + 1);
  paramsAt_ = paramsAt;
  params_ = params;
  pointersAt_ = paramsAt + 1 + (params >> 32 & 0xffff);
  count_ = count;
  for (std::size_t i = 0; i < count; ++i) pointers_[i] = wordAt(message.data() + pointersAt_ + i);
}

}  // namespace troupe::wire
