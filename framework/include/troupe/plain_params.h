// The parameters of a message that are nothing but numbers, text and data, written straight into it, and checked where they
// lie: without Cap'n Proto's builders and readers, which can do all that this can't, and take longer for it.
//
// What is written is what the builder makes, word for word. Used by generated code alone; <troupe/protocol.h> has the rest.
//
// Threads: any; an instance belongs to one.
#pragma once

#include <capnp/blob.h>
#include <capnp/common.h>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace troupe {

class TextArg;
class DataArg;

// Words are written as numbers, which is their encoding on machines like these only.
inline constexpr bool kWritesPlainParams = std::endian::native == std::endian::little;

class PlainParams {
 public:
  // Of a struct of so many words of data and so many pointers, at `words`; what text and data take is written behind it.
  PlainParams(std::uint64_t* words, unsigned dataWords, unsigned pointers)
      : data_(words), pointers_(words + dataWords), next_(words + dataWords + pointers) {
    std::memset(words, 0, (dataWords + pointers) * sizeof *words);
  }

  // A field of this type, at `slot` times its size, whose default is zero.
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void set(unsigned slot, T value) {
    if constexpr (std::same_as<T, bool>) {
      data_[slot / 64] |= std::uint64_t{value} << slot % 64;
    } else {
      std::memcpy(reinterpret_cast<std::byte*>(data_) + slot * sizeof value, &value, sizeof value);
    }
  }
  void set(unsigned pointer, const TextArg& text);
  void set(unsigned pointer, const DataArg& data);

  static constexpr std::size_t wordsOf(std::size_t bytes) { return (bytes + 7) / 8; }

 private:
  // A list of bytes for that pointer, with its last word cleared.
  std::byte* bytes(unsigned pointer, std::size_t count) {
    const auto offset = static_cast<std::uint64_t>(next_ - (pointers_ + pointer) - 1);
    pointers_[pointer] = offset << 2 | 1 | std::uint64_t{2} << 32 | std::uint64_t{count} << 35;
    auto* const at = reinterpret_cast<std::byte*>(next_);
    next_ += wordsOf(count);
    if (count > 0) next_[-1] = 0;
    return at;
  }

  std::uint64_t* data_;
  std::uint64_t* pointers_;
  std::uint64_t* next_;
};

// What puts parameters into a message, in both ways: `fill` with a builder, `write` with PlainParams. Text and data take so many words.
template <unsigned kWords, unsigned kPtrs, class Fill, class Write>
struct PlainFill {
  static constexpr unsigned kDataWords = kWords;
  static constexpr unsigned kPointers = kPtrs;

  Fill fill;
  Write write;
  std::size_t words;

  template <class Builder>
  void operator()(Builder params) const {
    fill(params);
  }
};

template <unsigned kDataWords, unsigned kPointers, class Fill, class Write>
PlainFill<kDataWords, kPointers, Fill, Write> plainFill(std::size_t words, Fill fill, Write write) {
  return {std::move(fill), std::move(write), words};
}

template <class Fill>
concept FillsPlainly =
    kWritesPlainParams && requires(const Fill& fill, PlainParams& params) { fill.write(params); };

// The check of parameters whose pointers are all text or data: a bit for each, by its place. `Deep` is the check for any message.
template <std::uint64_t kText, std::uint64_t kData, class Deep>
struct BytesCheck {
  Deep deep;

  template <class Reader>
  void operator()(const Reader& in) const {
    deep(in);
  }

  // `params` points to them in a message that is plain: every pointer in that leads to words that are there. True where deep()
  // would find nothing wrong.
  static bool holds(const capnp::word* params) {
    const std::uint64_t pointer = wordAt(params);
    if (pointer == 0) return true;
    if ((pointer & 3) != 0) return false;
    const capnp::word* const pointers = targetOf(params, pointer) + (pointer >> 32 & 0xffff);
    const std::uint64_t count = pointer >> 48;
    for (std::uint64_t left = kText | kData; left != 0; left &= left - 1) {
      const int at = std::countr_zero(left);
      // An older sender's are fewer.
      if (static_cast<unsigned>(at) >= count) break;
      if (!leadsToBytes(pointers + at, (kText >> at & 1) != 0)) return false;
    }
    return true;
  }

 private:
  static std::uint64_t wordAt(const capnp::word* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
  static const capnp::word* targetOf(const capnp::word* at, std::uint64_t pointer) {
    return at + 1 + (static_cast<std::int32_t>(pointer) >> 2);
  }
  static bool leadsToBytes(const capnp::word* at, bool isText) {
    const std::uint64_t pointer = wordAt(at);
    if (pointer == 0) return true;
    constexpr std::uint64_t kListOfBytes = std::uint64_t{2} << 32 | 1;
    if ((pointer & (std::uint64_t{7} << 32 | 3)) != kListOfBytes) return false;
    if (!isText) return true;
    const std::uint64_t size = pointer >> 35;
    return size > 0 && reinterpret_cast<const char*>(targetOf(at, pointer))[size - 1] == 0;
  }
};

template <std::uint64_t kText, std::uint64_t kData, class Deep>
BytesCheck<kText, kData, Deep> bytesCheck(Deep deep) {
  return {std::move(deep)};
}

template <class Check>
concept ChecksPlainly = kWritesPlainParams && requires(const capnp::word* params) { Check::holds(params); };

}  // namespace troupe
