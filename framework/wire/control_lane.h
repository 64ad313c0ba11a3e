// One end of a control lane, on an event loop: control messages with their descriptors, both ways, never
// blocking.
//
// Order:   first in, first out.
// Size:    what is too large for the channel (a list of thousands of children) goes as a memory file beside a
//          message of one word, its size in bytes; it is the last descriptor.
// Loss:    none while both ends live. What the kernel has no room for waits here; where more than kMaxWaiting
//          messages wait the other side is not reading any more: `stuck` is reported once, and its process
//          should be killed.
// Errors:  a malformed message from the other side is given to `fault` and costs only itself.
// Threads: the loop's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "loop/loop.h"
#include "os/fd.h"
#include "wire/control_message.h"

namespace troupe::wire {

class ControlLane {
 public:
  static constexpr std::size_t kMaxWaiting = 16384;

  struct Handlers {
    std::function<void(ReceivedControl&)> message;
    std::function<void()> closed;  // the other side is gone; comes once, as the last thing
    std::function<void(const std::string& what)> fault;  // something malformed came, or descriptors were lost
    std::function<void()> stuck;
  };

  // Handlers may destroy the lane.
  ControlLane(loop::Loop& loop, os::Fd channel, Handlers handlers);
  ~ControlLane();
  ControlLane(const ControlLane&) = delete;
  ControlLane& operator=(const ControlLane&) = delete;

  void send(ControlMessage message);
  // Nothing waits to be sent.
  bool drained() const { return waiting_.empty(); }
  // The other side is gone.
  bool closed() const { return closed_; }
  int fd() const { return channel_.get(); }
  // Handles what has already come, now, without going through the loop.
  void receivePending();
  // The channel, which goes on without the lane: to be destroyed, and nothing else, from then on.
  os::Fd release() { return std::move(channel_); }

  // What has come on a channel that has no lane. Errors: as ReceivedControl's, and invalid where its memory is missing.
  static ReceivedControl unpacked(os::ChannelMessage& message);

 private:
  struct Waiting {
    std::vector<std::byte> bytes;
    std::vector<os::Fd> descriptors;
  };
  // False where the lane was destroyed by a handler.
  bool receive(unsigned most);
  static Waiting packed(ControlMessage message);
  os::ChannelState sendNow(const Waiting& message);
  void sendWaiting();
  void wantEvents();

  os::Fd channel_;
  Handlers handlers_;
  std::deque<Waiting> waiting_;
  bool closed_ = false;
  bool stuck_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  os::ChannelMessage scratch_;
  loop::Poll poll_;
  loop::Timer retry_;
};

}  // namespace troupe::wire
