// The dead letters of an app, as its root keeps them: in memory, up to a number of bytes.
//
// Order:   by their numbers, which count from 1 as letters come in, and are never used again.
// Loss:    where there is no room the oldest go, and are counted. A letter that is larger than all the room is counted as
//          stored and as evicted, and the others stay.
// Errors:  none.
// Threads: one; pure memory, no clock and no file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

#include "wire/letter.h"

namespace troupe::mailbox {

class DeadLetters {
 public:
  // Since the beginning.
  struct Counts {
    std::uint64_t stored = 0;
    std::uint64_t evicted = 0;
  };

  explicit DeadLetters(std::size_t mostBytes) : mostBytes_(mostBytes) {}

  // The number of the letter that comes in next.
  std::uint64_t nextNumber() const { return counts_.stored + 1; }
  // Gives it that number, and keeps it.
  void add(wire::Letter letter);

  const wire::Letter* find(std::uint64_t number) const;
  bool remove(std::uint64_t number);
  // How many there were.
  std::size_t clear();

  const std::map<std::uint64_t, wire::Letter>& letters() const { return letters_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t mostBytes() const { return mostBytes_; }
  // A letter with a message of so many bytes has room, unless its texts are very long.
  std::size_t mostMessageBytes() const { return mostBytes_ - std::min(mostBytes_, kTexts); }
  const Counts& counts() const { return counts_; }

  // What a letter takes of the room: its message and its texts, and something for the rest.
  static std::size_t weightOf(const wire::Letter& letter);

 private:
  static constexpr std::size_t kTexts = 4096;
  std::map<std::uint64_t, wire::Letter> letters_;
  std::size_t mostBytes_;
  std::size_t bytes_ = 0;
  Counts counts_;
};

}  // namespace troupe::mailbox
