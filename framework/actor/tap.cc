#include "actor/tap.h"

#include <capnp/message.h>
#include <troupe/error.h>

#include <chrono>

#include "os/channel.h"
#include "schemas/client.capnp.h"
#include "wire/flat_message.h"
#include "wire/payload.h"

namespace troupe::actor {

namespace {

// With what stands around them they fit a packet of the channel.
constexpr std::size_t kMostShown = 48 * 1024;

std::size_t bytesOf(const mailbox::Desk::Message& message, const wire::IncomingMessage& incoming) {
  if (!incoming.isLarge()) return message.words.size() * sizeof(capnp::word);
  std::size_t bytes = 0;
  for (const wire::BlockRef& block : wire::blocksOf(message.words))
    bytes += block.words * sizeof(capnp::word);
  return bytes;
}

void writeParams(wire::Tapped::Builder tapped, const wire::IncomingMessage& incoming) {
  auto params = tapped.initParams();
  wire::PayloadWriter payload;
  payload.content(params).set(incoming.checkedBody());
  payload.finish(params, "a message that is looked on at");
}

void write(wire::Tapped::Builder tapped, const mailbox::Desk::Message& message,
           const wire::IncomingMessage& incoming, std::uint64_t dropped, bool withParams) {
  const wire::EnvelopeHead& head = incoming.head();
  tapped.setSender(message.sender);
  tapped.setGeneration(message.generation);
  tapped.setCall(head.kind == wire::EnvelopeHead::call);
  tapped.setInterface(head.interface);
  tapped.setMethod(head.method);
  tapped.setTime(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  tapped.setDropped(dropped);
  const std::size_t bytes = bytesOf(message, incoming);
  if (withParams && bytes <= kMostShown) return writeParams(tapped, incoming);
  tapped.setBytes(bytes);
}

std::vector<std::byte> tappedOf(const mailbox::Desk::Message& message, const wire::IncomingMessage& incoming,
                                std::uint64_t dropped) {
  for (const bool withParams : {true, false}) {
    try {
      capnp::MallocMessageBuilder builder;
      write(builder.initRoot<wire::Tapped>(), message, incoming, dropped, withParams);
      auto packet = wire::flatBytes(builder);
      if (!withParams || packet.size() <= os::kMaxChannelMessageBytes) return packet;
    } catch (const kj::Exception&) {
      // It is malformed.
    } catch (const Error&) {}
  }
  return {};
}

}  // namespace

void Tap::add(os::Fd channel) {
  // Those that have gone, and were shown nothing since.
  os::ChannelMessage nothingRead;
  std::erase_if(onlookers_, [&](const Onlooker& each) {
    try {
      return os::receiveFrom(each.channel.get(), nothingRead) == os::ChannelState::closed;
    } catch (const Error&) {
      return true;
    }
  });
  if (onlookers_.size() >= kMost) return;
  onlookers_.push_back({.channel = std::move(channel)});
  capnp::MallocMessageBuilder nothing;
  nothing.initRoot<wire::Tapped>();
  if (!send(onlookers_.back(), wire::flatBytes(nothing))) onlookers_.pop_back();
}

void Tap::show(const mailbox::Desk::Message& message, const wire::IncomingMessage& incoming) {
  std::erase_if(onlookers_, [&](Onlooker& onlooker) {
    const auto packet = tappedOf(message, incoming, onlooker.dropped);
    return packet.empty() || !send(onlooker, packet);
  });
}

// False where it looks on no more.
bool Tap::send(Onlooker& onlooker, std::span<const std::byte> packet) {
  try {
    const os::ChannelState state = os::sendOn(onlooker.channel.get(), packet);
    onlooker.dropped = state == os::ChannelState::wouldBlock ? onlooker.dropped + 1 : 0;
    return state != os::ChannelState::closed;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace troupe::actor
