// What is done between sockets that ask, answer, push and pull, whosever they are. A Socket is made for a Role, has its address by then,
// and has
//
//     send(data, bytes)
//     receive(use)          gives what use(data, bytes) makes of the next message
#pragma once

#include "tests/bench/peers/peer.h"

namespace peer {

// Those who answer and pull are there before the others.
enum class Role { answer, ask, pull, push, pullLarge, pushLarge };

template <class Socket>
double roundTripBetween(std::uint64_t count) {
  Processes processes;
  Signal ready;
  processes.start([&] {
    Socket socket(Role::answer);
    ready.set();
    for (;;) {
      Message message;
      message.value = socket.receive(valueIn);
      socket.send(&message, sizeof message);
    }
  });
  ready.wait();
  Socket socket(Role::ask);
  return timeTrips(count, [&](const Message& message) {
    socket.send(&message, sizeof message);
    return socket.receive(valueIn);
  });
}

template <class Socket>
double oneWayBetween(std::uint64_t senders, std::uint64_t messages) {
  const auto receive = [&](const Signal& ready, std::uint64_t count) {
    Socket socket(Role::pull);
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += socket.receive(valueIn);
    return sum;
  };
  const auto send = [&](std::uint64_t each, const auto& begin, const auto& stay) {
    Socket socket(Role::push);
    begin();
    for (std::uint64_t i = 0; i < each; ++i) {
      const Message message{.value = valueOf(i)};
      socket.send(&message, sizeof message);
    }
    stay();
  };
  const std::uint64_t each = messages / senders;
  return millionsASecond(senders * each, timeOneWay(senders, each, senders * sumOf(each), receive, send));
}

template <class Socket>
double largeBetween(std::uint64_t count) {
  const auto receive = [&](const Signal& ready, std::uint64_t) {
    Socket socket(Role::pullLarge);
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += socket.receive(sumOfLarge);
    return sum;
  };
  const auto send = [&](std::uint64_t, const auto& begin, const auto& stay) {
    Socket socket(Role::pushLarge);
    auto words = largeContents();
    begin();
    for (std::uint64_t i = 0; i < count; ++i) {
      number(words, i);
      socket.send(words.data(), kLargeBytes);
    }
    stay();
  };
  return gigabytesASecond(count, timeOneWay(1, count, sumOfLarges(count), receive, send));
}

// All three.
template <class Socket>
Peer betweenSockets() {
  return {roundTripBetween<Socket>, oneWayBetween<Socket>, largeBetween<Socket>};
}

}  // namespace peer
