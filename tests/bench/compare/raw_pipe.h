// A blocking pipe, used by hand.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "tests/bench/compare/figure.h"

namespace troupe::bench {

using Message = std::array<std::byte, kMessageBytes>;

struct Pipe {
  Pipe() {
    if (::pipe(ends) != 0) failOfSystem("no pipe");
  }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // Ends the process where the other one has ended.
  void read(Message& message) const {
    if (::read(ends[0], message.data(), message.size()) != kMessageBytes) ::_exit(0);
  }
  // For some microseconds without sleeping. The pipe must be non-blocking.
  void spin(Message& message) const {
    ssize_t got = -1;
    const double before = now();
    while (got < 0 && now() < before + 50'000) got = ::read(ends[0], message.data(), message.size());
    while (got < 0 && errno == EAGAIN) {
      pollfd one = {ends[0], POLLIN, 0};
      ::poll(&one, 1, -1);
      got = ::read(ends[0], message.data(), message.size());
    }
    if (got != kMessageBytes) ::_exit(0);
  }
  void write(const Message& message) const {
    if (::write(ends[1], message.data(), message.size()) != kMessageBytes) ::_exit(0);
  }

  int ends[2];
};

}  // namespace troupe::bench
