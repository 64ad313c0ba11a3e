#include "wire/parts.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace troupe::wire {

namespace {
constexpr std::uint64_t kLast = 0;
constexpr std::uint64_t kMore = 1;
constexpr std::size_t kPartBytes = os::kMaxChannelMessageBytes - sizeof kLast;
}  // namespace

bool PartsReader::add(std::span<const std::byte> packet) {
  std::uint64_t head = 0;
  if (packet.size() >= sizeof head) std::memcpy(&head, packet.data(), sizeof head);
  if (packet.size() <= sizeof head || packet.size() % sizeof head != 0 || head > kMore)
    throw Error(ErrorKind::invalid, "what has come is no part of a message");
  const auto part = packet.subspan(sizeof head);
  if (message_.size() + part.size() > mostBytes_) {
    throw Error(ErrorKind::invalid,
                "a message of more than the " + std::to_string(mostBytes_) + " bytes that are allowed");
  }
  message_.insert(message_.end(), part.begin(), part.end());
  return head == kLast;
}

std::vector<std::byte> PartsReader::take() { return std::exchange(message_, {}); }

void PartsWriter::add(std::vector<std::byte> message) {
  bytes_ += message.size();
  messages_.push_back(std::move(message));
}

os::ChannelState PartsWriter::writeTo(int channel) {
  std::vector<std::byte> packet;
  while (!messages_.empty()) {
    const auto& message = messages_.front();
    const std::size_t size = std::min(kPartBytes, message.size() - written_);
    const std::uint64_t head = written_ + size < message.size() ? kMore : kLast;
    packet.resize(sizeof head + size);
    std::memcpy(packet.data(), &head, sizeof head);
    std::memcpy(packet.data() + sizeof head, message.data() + written_, size);
    const os::ChannelState state = os::sendOn(channel, packet);
    if (state != os::ChannelState::done) return state;
    written_ += size;
    if (head == kMore) continue;
    bytes_ -= message.size();
    written_ = 0;
    messages_.pop_front();
  }
  return os::ChannelState::done;
}

}  // namespace troupe::wire
