// What a pipe can do by itself.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "os/fd.h"
#include "tests/bench/compare/figure.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

int trips() { return static_cast<int>(effort(20'000)); }
// A multiple of 64, and of 4 times that.
std::uint64_t messages() { return effort(12'000) * 256; }

using Message = std::array<std::byte, kMessageBytes>;

struct Pipe {
  Pipe() {
    if (::pipe(ends) != 0) fail("no pipe");
  }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void read(Message& message) const {
    if (::read(ends[0], message.data(), message.size()) != kMessageBytes) ::_exit(0);
  }
  // For some microseconds without sleeping.
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

// Nanoseconds there and back.
template <void (Pipe::*read)(Message&) const>
double roundTrip() {
  Pipe there, back;
  if (read == &Pipe::spin) {
    os::setNonBlocking(there.ends[0]);
    os::setNonBlocking(back.ends[0]);
  }
  os::test::Child echo([&]() -> int {
    Message message;
    for (;;) {
      (there.*read)(message);
      back.write(message);
    }
  });
  double before = 0;
  for (int i = -trips() / 10; i < trips(); ++i) {
    if (i == 0) before = now();
    Message message{};
    const std::uint64_t value = valueOf(static_cast<std::uint64_t>(i));
    std::memcpy(message.data(), &value, sizeof value);
    there.write(message);
    Message answer;
    (back.*read)(answer);
    if (answer != message) fail("another answer");
  }
  return (now() - before) / trips();
}

// Millions of messages a second, `batch` in a write.
double oneWay(std::size_t batch) {
  const std::uint64_t count = messages();
  Pipe pipe, done;
  os::test::Child reader([&]() -> int {
    static std::array<Message, 1024> messages;
    std::uint64_t sum = 0;
    std::size_t bytes = 0;
    for (std::uint64_t left = count; left > 0;) {
      const ssize_t got = ::read(pipe.ends[0], reinterpret_cast<std::byte*>(messages.data()) + bytes,
                                 sizeof messages - bytes);
      if (got <= 0) return 1;
      bytes += static_cast<std::size_t>(got);
      const std::size_t whole = bytes / kMessageBytes;
      for (std::size_t i = 0; i < whole; ++i) {
        std::uint64_t value;
        std::memcpy(&value, messages[i].data(), sizeof value);
        sum += value;
      }
      left -= whole;
      messages[0] = messages[whole % messages.size()];
      bytes %= kMessageBytes;
    }
    Message answer{};
    std::memcpy(answer.data(), &sum, sizeof sum);
    done.write(answer);
    return 0;
  });
  std::array<Message, 64> messages{};
  const double before = now();
  for (std::uint64_t i = 0; i < count; i += batch) {
    for (std::size_t each = 0; each < batch; ++each) {
      const std::uint64_t value = valueOf(i + each);
      std::memcpy(messages[each].data(), &value, sizeof value);
    }
    const auto bytes = static_cast<ssize_t>(batch * kMessageBytes);
    if (::write(pipe.ends[1], messages.data(), batch * kMessageBytes) != bytes) fail("a short write");
  }
  Message answer;
  done.read(answer);
  std::uint64_t sum;
  std::memcpy(&sum, answer.data(), sizeof sum);
  if (sum != sumOf(count)) fail("another sum");
  return static_cast<double>(count) / (now() - before) * 1000;
}

}  // namespace

void addPipes(Figures& figures) {
  figures.push_back(
      {"round trip, 64 bytes", "pipe, blocking", "us", [] { return roundTrip<&Pipe::read>() / 1000; }});
  figures.push_back(
      {"round trip, 64 bytes", "pipe, spinning", "us", [] { return roundTrip<&Pipe::spin>() / 1000; }});
  figures.push_back({"one way, 64 bytes, 1 to 1", "pipe, 64 a write", "M/s", [] { return oneWay(64); }});
  figures.push_back({"one way, 64 bytes, 1 to 1", "pipe, 1 a write", "M/s", [] { return oneWay(1); }});
}

}  // namespace troupe::bench
