// The parameters of a message that are nothing but numbers, text and data, written straight into it: a message is made
// in place without Cap'n Proto's builder, which can do all that this can't, and takes longer for it.
//
// What comes out is what the builder makes, word for word. Used by generated code alone; <troupe/protocol.h> has the rest.
//
// Threads: any; an instance belongs to one.
#pragma once

#include <capnp/blob.h>

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

}  // namespace troupe
