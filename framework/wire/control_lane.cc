#include "wire/control_lane.h"

#include <troupe/error.h>

#include <cstring>

#include "os/shared_memory.h"

namespace troupe::wire {

namespace {
// So many messages of one lane in a row; then the other lanes have their turn.
constexpr unsigned kBurst = 64;
// No control message is as short as this: it stands for one in a memory file.
constexpr std::size_t kWord = sizeof(std::uint64_t);
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
  Waiting next = packed(std::move(message));
  if (waiting_.empty() && sendNow(next) != os::ChannelState::wouldBlock) return;
  waiting_.push_back(std::move(next));
  wantEvents();
  if (waiting_.size() > kMaxWaiting && !stuck_) {
    stuck_ = true;
    handlers_.stuck();
  }
}

ControlLane::Waiting ControlLane::packed(ControlMessage message) {
  Waiting packed{message.encode(), std::move(message.descriptors())};
  const std::size_t size = packed.bytes.size();
  if (size <= os::kMaxChannelMessageBytes) return packed;
  os::Fd memory = os::makeSharedMemory("troupe-control", size);
  const os::Mapping mapping(memory, size);
  std::memcpy(mapping.data(), packed.bytes.data(), size);
  packed.descriptors.push_back(std::move(memory));
  packed.bytes.resize(kWord);
  std::memcpy(packed.bytes.data(), &size, kWord);
  return packed;
}

ReceivedControl ControlLane::unpacked(os::ChannelMessage& message) {
  auto descriptors = std::exchange(message.descriptors, {});
  if (message.bytes.size() != kWord) return {message.bytes, std::move(descriptors)};
  std::size_t size = 0;
  std::memcpy(&size, message.bytes.data(), kWord);
  if (descriptors.empty() || size > kMaxControlBytes || !os::keepsItsSize(descriptors.back())) {
    throw Error(ErrorKind::invalid,
                "a control message of " + std::to_string(size) + " bytes came without its memory");
  }
  const os::Mapping mapping(descriptors.back(), size);
  descriptors.pop_back();
  return {{static_cast<const std::byte*>(mapping.data()), size}, std::move(descriptors)};
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
  // Too many descriptors in flight also shows as "would block", though the socket polls as writable: look
  // again by and by.
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
    if (scratch_.descriptorsLost)
      handlers_.fault("descriptors of a control message were lost: no more can be opened");
    if (!*alive) return false;
    try {
      ReceivedControl received = unpacked(scratch_);
      handlers_.message(received);
    } catch (const Error& error) {
      if (*alive) handlers_.fault(error.message());
    } catch (const kj::Exception& exception) {
      if (*alive)
        handlers_.fault(std::string("a malformed control message: ") + exception.getDescription().cStr());
    }
    if (!*alive) return false;
  }
  return true;
}

}  // namespace troupe::wire
