// Tells messages that can be read without looking out: nearly all are such.
#pragma once

#include <capnp/common.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "wire/envelope_head.h"

namespace troupe::wire {

// Whether `message`, framed, is of one segment in which every pointer that can be reached from the root leads to words of that
// segment, none is far or a capability, nothing is nested more than 64 deep, and all objects together take no more words than
// there are: so none is reached twice, and no list pretends to have elements where it has no words.
//
// Of such a message any typed reader may be used without bounds or limits (capnp::readMessageUnchecked): what remains to be checked
// by Cap'n Proto, and is, is whether an object is what its reader takes it for.
//
// False of others, honest or not; nothing is thrown. Takes time for the message's own words only.
bool isPlain(std::span<const capnp::word> message);

// Takes the heads of messages that are plain, and envelopes, one after the other.
class PlainHeads {
 public:
  // False of a message that is not plain, or no envelope.
  bool read(std::span<const capnp::word> message, EnvelopeHead& head) {
    if (!isAsBefore(message)) return readAnew(message, head);
    readHead(message.data() + 2, paramsAt_ - 2, 1, head);
    return true;
  }

 private:
  // Every word that leads anywhere is where it was in the last message that was learned, and the same: so it is plain as well. Those
  // of one method that follow each other are like that.
  bool isAsBefore(std::span<const capnp::word> message) const {
    using envelope::wordAt;
    if (message.size() != words_) return false;
    const capnp::word* const at = message.data();
    if (wordAt(at) != frame_ || wordAt(at + 1) != root_ || wordAt(at + paramsAt_) != params_) return false;
    for (std::size_t i = 0; i < count_; ++i) {
      if (wordAt(at + pointersAt_ + i) != pointers_[i]) return false;
    }
    return true;
  }
  bool readAnew(std::span<const capnp::word> message, EnvelopeHead& head);
  void learn(std::span<const capnp::word> message, std::size_t paramsAt);

  static constexpr std::size_t kMostPointers = 8;
  std::size_t words_ =
      std::numeric_limits<std::size_t>::max();  // of the message; no message has so many: none was learned
  std::uint64_t frame_ = 0;
  std::uint64_t root_ = 0;
  // The pointer to its parameters, and theirs: where in the message.
  std::size_t paramsAt_ = 0;
  std::uint64_t params_ = 0;
  std::size_t pointersAt_ = 0;
  std::size_t count_ = 0;
  std::array<std::uint64_t, kMostPointers> pointers_;
};

}  // namespace troupe::wire
