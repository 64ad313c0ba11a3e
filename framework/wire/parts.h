// Messages of any size on a channel, whose packets are small: in parts. Each packet begins with a word that says whether more of the
// message follows.
//
// Errors:  invalid, for what is no part of a message, or a message that is larger than allowed.
// Threads: one user at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "os/channel.h"

namespace troupe::wire {

class PartsReader {
 public:
  explicit PartsReader(std::size_t mostBytes) : mostBytes_(mostBytes) {}
  // A packet has come. True where it is the last of a message: take() it.
  bool add(std::span<const std::byte> packet);
  std::vector<std::byte> take();

 private:
  std::size_t mostBytes_;
  std::vector<std::byte> message_;
};

class PartsWriter {
 public:
  void add(std::vector<std::byte> message);
  // As much as the channel takes now. `done`: all of it.
  os::ChannelState writeTo(int channel);
  std::size_t bytes() const { return bytes_; }

 private:
  std::deque<std::vector<std::byte>> messages_;
  std::size_t bytes_ = 0;    // of all of them
  std::size_t written_ = 0;  // of the first one
};

}  // namespace troupe::wire
