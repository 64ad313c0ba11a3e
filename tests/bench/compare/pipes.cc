// What a pipe can do by itself.
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "os/fd.h"
#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

int trips() { return static_cast<int>(effort(20'000)); }
// A multiple of 64, and of 4 times that.
std::uint64_t messages() { return effort(12'000) * 256; }

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

// Reads so many, and answers with what they add up to.
void readAll(const Pipe& pipe, const Pipe& done, std::uint64_t count) {
  static std::array<Message, 1024> messages;
  std::uint64_t sum = 0;
  std::size_t bytes = 0;
  for (std::uint64_t left = count; left > 0;) {
    const ssize_t got =
        ::read(pipe.ends[0], reinterpret_cast<std::byte*>(messages.data()) + bytes, sizeof messages - bytes);
    if (got <= 0) failOfSystem("a read failed");
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
}

// The first so many, `batch` in a write.
void writeAll(const Pipe& pipe, std::uint64_t count, std::size_t batch) {
  std::array<Message, 64> messages{};
  for (std::uint64_t i = 0; i < count; i += batch) {
    for (std::size_t each = 0; each < batch; ++each) {
      const std::uint64_t value = valueOf(i + each);
      std::memcpy(messages[each].data(), &value, sizeof value);
    }
    const auto bytes = static_cast<ssize_t>(batch * kMessageBytes);
    if (::write(pipe.ends[1], messages.data(), batch * kMessageBytes) != bytes) fail("a short write");
  }
}

// Millions of messages a second.
double oneWay(std::uint64_t senders, std::size_t batch) {
  const std::uint64_t each = messages() / senders;
  Pipe pipe, done, begin;
  os::test::Child reader([&] {
    readAll(pipe, done, senders * each);
    return 0;
  });
  std::vector<std::unique_ptr<os::test::Child>> others;
  for (std::uint64_t i = 1; i < senders; ++i) {
    others.push_back(std::make_unique<os::test::Child>([&] {
      Message message;
      begin.read(message);
      writeAll(pipe, each, batch);
      return 0;
    }));
  }
  const double before = now();
  for (std::uint64_t i = 1; i < senders; ++i) begin.write({});
  writeAll(pipe, each, batch);
  Message answer;
  done.read(answer);
  std::uint64_t sum;
  std::memcpy(&sum, answer.data(), sizeof sum);
  if (sum != senders * sumOf(each)) fail("another sum");
  return static_cast<double>(senders * each) / (now() - before) * 1000;
}

}  // namespace

void addPipes(Figures& figures) {
  figures.push_back(
      {"round trip, 64 bytes", "pipe, blocking", "us", [] { return roundTrip<&Pipe::read>() / 1000; }});
  figures.push_back(
      {"round trip, 64 bytes", "pipe, spinning", "us", [] { return roundTrip<&Pipe::spin>() / 1000; }});
  figures.push_back({"one way, 64 bytes, 1 to 1", "pipe, 64 a write", "M/s", [] { return oneWay(1, 64); }});
  figures.push_back({"one way, 64 bytes, 1 to 1", "pipe, 1 a write", "M/s", [] { return oneWay(1, 1); }});
  figures.push_back({"one way, 64 bytes, 4 to 1", "pipe, 64 a write", "M/s", [] { return oneWay(4, 64); }});
  figures.push_back({"one way, 64 bytes, 4 to 1", "pipe, 1 a write", "M/s", [] { return oneWay(4, 1); }});
}

}  // namespace troupe::bench
