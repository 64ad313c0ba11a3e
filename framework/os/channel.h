// A control channel: a SOCK_SEQPACKET socket pair. Messages stay whole and in order; descriptors travel with
// them.
//
// Errors:  making throws `system`; sending and receiving answer with a state.
// Threads: one user at a time for each end.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "os/fd.h"

namespace troupe::os {

inline constexpr std::size_t kMaxChannelMessageBytes = 64 * 1024;
inline constexpr std::size_t kMaxChannelDescriptors = 16;

// Both ends non-blocking and close-on-exec.
std::pair<Fd, Fd> makeChannel();

enum class ChannelState {
  done,
  wouldBlock,  // full, when sending (also: too many descriptors in flight); empty, when receiving
  closed,      // the other end is gone
};

// SIGPIPE is never raised. The descriptors stay the sender's: they are copied on the way.
ChannelState sendOn(int channel, std::span<const std::byte> message, std::span<const int> descriptors = {});

struct ChannelMessage {
  std::vector<std::byte> bytes;
  std::vector<Fd> descriptors;  // close-on-exec
  // Descriptors got lost because this process is at its descriptor limit.
  bool descriptorsLost = false;
};

// Until something has come, or the other end is gone.
void waitForMessage(int channel);

// Fills `message` (its storage is reused).
ChannelState receiveFrom(int channel, ChannelMessage& message);

}  // namespace troupe::os
