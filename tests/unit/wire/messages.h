// Messages and packets for tests of the rooms that move them: a message is a call, cast or reply whose body
// is a text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "wire/message.h"
#include "wire/packet.h"

namespace troupe::test {

using Bytes = std::vector<std::byte>;

inline Bytes bytesOf(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

inline Bytes castOf(const std::string& text) {
  wire::OutgoingMessage message;
  message.envelope().initCast().setInterface(1);
  message.body().setAs<capnp::Text>(text.c_str());
  return bytesOf(message.finish("a cast"));
}

inline Bytes callOf(std::uint64_t call, const std::string& text = "") {
  wire::OutgoingMessage message;
  auto to = message.envelope().initCall();
  to.setCall(call);
  to.setInterface(7);
  to.setMethod(3);
  message.body().setAs<capnp::Text>(text.c_str());
  return bytesOf(message.finish("a call"));
}

inline Bytes resultOf(std::uint64_t call, const std::string& text) {
  wire::OutgoingMessage message;
  message.envelope().initResult().setCall(call);
  message.body().setAs<capnp::Text>(text.c_str());
  return bytesOf(message.finish("a reply"));
}

inline Bytes errorOf(std::uint64_t call, std::uint16_t kind, const std::string& text) {
  wire::OutgoingMessage message;
  auto to = message.envelope().initError();
  to.setCall(call);
  to.setKind(kind);
  to.setMessage(text.c_str());
  return bytesOf(message.finish("an error"));
}

// The text in a message's body.
inline std::string textOf(std::span<const capnp::word> words) {
  const wire::IncomingMessage message(words);
  return message.body().getAs<capnp::Text>().cStr();
}

inline Bytes packetOf(const std::vector<Bytes>& messages, wire::ActorId sender = 1,
                      std::uint32_t generation = 1, std::uint64_t sequence = 1) {
  wire::PacketBuilder builder;
  for (const Bytes& message : messages) builder.append(message);
  const auto bytes = builder.finish(sender, generation, sequence);
  return {bytes.begin(), bytes.end()};
}

// Runs the loop until the condition holds; false where it does not within a generous time.
template <class Condition>
bool runUntil(loop::Loop& loop, Condition holds) {
  bool late = false;
  loop::Timer deadline(loop, [&] {
    late = true;
    loop.stop();
  });
  deadline.startIn(std::chrono::seconds(60));
  loop.beforeSleep([&] {
    if (holds()) loop.stop();
    return false;
  });
  while (!late && !holds()) loop.run();
  loop.beforeSleep({});
  return holds();
}

}  // namespace troupe::test
