#include "wire/control_lane.h"

#include <troupe/error.h>

namespace troupe::wire {

namespace {
// So many messages of one lane in a row; then the other lanes have their turn.
constexpr unsigned kBurst = 64;
}  // namespace

ControlLane::ControlLane(loop::Loop& loop, os::Fd channel, Handlers handlers)
    : channel_(std::move(channel)),
      handlers_(std::move(handlers)),
      poll_(loop, channel_.get(), loop::Interest::readable,
            [this](bool readable, bool writable) {
              if (readable && !receive(kBurst)) return;
              if (writable) sendWaiting();
            }),
      retry_(loop, [this] { sendWaiting(); }) {}

ControlLane::~ControlLane() { *alive_ = false; }

void ControlLane::send(ControlMessage message) {
  if (closed_) return;
  Waiting next{message.encode(), std::move(message.descriptors())};
  if (waiting_.empty() && sendNow(next) != os::ChannelState::wouldBlock) return;
  waiting_.push_back(std::move(next));
  wantEvents();
  if (waiting_.size() > kMaxWaiting && !stuck_) {
    stuck_ = true;
    handlers_.stuck();
  }
}

os::ChannelState ControlLane::sendNow(const Waiting& message) {
  std::vector<int> descriptors;
  descriptors.reserve(message.descriptors.size());
  for (const os::Fd& fd : message.descriptors) descriptors.push_back(fd.get());
  return os::sendOn(channel_.get(), message.bytes, descriptors);
}

void ControlLane::sendWaiting() {
  while (!waiting_.empty() && !closed_) {
    if (sendNow(waiting_.front()) == os::ChannelState::wouldBlock) break;
    waiting_.pop_front();
  }
  wantEvents();
}

void ControlLane::wantEvents() {
  if (closed_) return;
  poll_.want(waiting_.empty() ? loop::Interest::readable : loop::Interest::both);
  // Too many descriptors in flight also shows as "would block", though the socket polls as writable: look again by and by.
  if (!waiting_.empty()) retry_.startIn(std::chrono::milliseconds(10));
}

void ControlLane::receivePending() {
  while (!closed_ && receive(kBurst)) {
    if (scratch_.bytes.empty()) return;
  }
}

bool ControlLane::receive(unsigned most) {
  const auto alive = alive_;
  for (unsigned i = 0; i < most && !closed_; ++i) {
    switch (os::receiveFrom(channel_.get(), scratch_)) {
      case os::ChannelState::wouldBlock: scratch_.bytes.clear(); return true;
      case os::ChannelState::closed:
        closed_ = true;
        poll_.want(loop::Interest::none);
        retry_.cancel();
        waiting_.clear();  // with its descriptors: somebody may wait for what they lock
        scratch_.bytes.clear();
        handlers_.closed();
        return *alive;
      case os::ChannelState::done: break;
    }
    if (scratch_.descriptorsLost) handlers_.fault("descriptors of a control message were lost: no more can be opened");
    if (!*alive) return false;
    try {
      ReceivedControl received(scratch_.bytes, std::move(scratch_.descriptors));
      scratch_.descriptors.clear();
      handlers_.message(received);
    } catch (const Error& error) {
      if (*alive) handlers_.fault(error.message());
    } catch (const kj::Exception& exception) {
      if (*alive) handlers_.fault(std::string("a malformed control message: ") + exception.getDescription().cStr());
    }
    if (!*alive) return false;
  }
  return true;
}

}  // namespace troupe::wire
