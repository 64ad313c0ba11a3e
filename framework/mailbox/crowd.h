// Decides how many packets a lane has to hold: one of each who sends at the same time. Where there are more of them than that, the
// rest are told that it is full, and each time that a packet is read all of these are woken, and all but one in vain.
//
// They send at the same time whose packets come one after the other while the lane never is empty. One that sends much is
// not a crowd: it has to wait for its receiver.
//
// A pure function of what it is told.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "wire/packet.h"

namespace troupe::mailbox {

class Crowd {
 public:
  // So many packets an ordinary pipe holds, and so many the largest one that the system gives to everybody.
  static constexpr std::size_t kOrdinary = 16;
  static constexpr std::size_t kMost = 256;

  // The lane is empty.
  void over() { senders_.clear(); }
  // A packet has come. Gives how many the lane has to hold from here on; 0: as many as before.
  std::size_t came(wire::ActorId sender) {
    if (held_ == kMost || std::ranges::find(senders_, sender) != senders_.end()) return 0;
    senders_.push_back(sender);
    return senders_.size() < held_ ? 0 : held_ *= 2;
  }

 private:
  std::vector<wire::ActorId> senders_;
  std::size_t held_ = kOrdinary;
};

}  // namespace troupe::mailbox
