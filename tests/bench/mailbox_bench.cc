// What a message costs, beside what the bare pipes cost that carry it.
//
// Throughput: from one process to another, in batches, each of which is waited for. RawPipe writes one
// message a time.
// RoundTrip:  a call of an actor in an App, and the same over two blocking pipes, measured in turns; `ratio`
//             is what remains to be compared between machines.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <troupe/troupe.h>

#include <algorithm>

#include "greeter.actor.h"
#include "mailbox/desk.h"
#include "mailbox/outbox.h"
#include "os/packet_pipe.h"
#include "tests/unit/os/children.h"
#include "tests/unit/wire/messages.h"

namespace {

using namespace troupe;
using Clock = std::chrono::steady_clock;

constexpr int kBatch = 20'000;

const test::Bytes& message() {
  static const test::Bytes bytes = test::castOf("about forty bytes of text, as they come");
  return bytes;
}

// A blocking pipe.
struct Pipe {
  Pipe() {
    if (::pipe(ends) != 0) std::abort();
  }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  bool read(void* into, std::size_t bytes) {
    return ::read(ends[0], into, bytes) == static_cast<ssize_t>(bytes);
  }
  bool write(const void* from, std::size_t bytes) {
    return ::write(ends[1], from, bytes) == static_cast<ssize_t>(bytes);
  }
  int ends[2];
};

// Says so after each batch of messages.
class Tally {
 public:
  void add(unsigned messages) {
    count_ += messages;
    for (; count_ >= kBatch; count_ -= kBatch) {
      if (!acknowledgements_.write("x", 1)) ::_exit(1);
    }
  }
  void wait() {
    char one;
    if (!acknowledgements_.read(&one, 1)) std::abort();
  }

 private:
  int count_ = 0;
  Pipe acknowledgements_;
};

void finish(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.SetBytesProcessed(state.iterations() * kBatch * static_cast<std::int64_t>(message().size()));
}

void RawPipe(benchmark::State& state) {
  Pipe pipe;
  Tally tally;
  os::test::Child reader([&] {
    char buffer[4096];
    std::size_t rest = 0;
    for (;;) {
      const ssize_t got = ::read(pipe.ends[0], buffer, sizeof buffer);
      if (got <= 0) return 1;
      rest += static_cast<std::size_t>(got);
      tally.add(static_cast<unsigned>(rest / message().size()));
      rest %= message().size();
    }
  });
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      if (!pipe.write(message().data(), message().size())) std::abort();
    }
    tally.wait();
  }
  finish(state);
}
BENCHMARK(RawPipe)->UseRealTime()->Unit(benchmark::kMillisecond);

// Waits where the pipe is empty.
os::PacketRead readNext(int fd, void* into) {
  for (;;) {
    const auto read = os::readPacket(fd, into);
    if (read.state != os::PipeState::wouldBlock) return read;
    os::test::becomesReadable(fd);
  }
}

void PacketPipe(benchmark::State& state) {
  const os::Fd pipe = os::makePacketPipe();
  const os::Fd writer = os::openWriteEnd(pipe);
  Tally tally;
  os::test::Child reader([&] {
    const os::Fd end = os::openReadEnd(pipe);
    alignas(8) std::byte packet[os::kPacketBytes];
    for (;;) {
      const auto read = readNext(end.get(), packet);
      wire::PacketView view;
      if (wire::PacketView::parse(packet, read.bytes, view) != wire::PacketFault::none) return 1;
      tally.add(view.messages());
    }
  });
  for (auto _ : state) {
    wire::PacketBuilder builder;
    const auto write = [&] {
      const auto packet = builder.finish(1, 1, 1);
      while (os::writePacket(writer.get(), packet.data(), packet.size()) == os::PipeState::wouldBlock) {
        pollfd one = {writer.get(), POLLOUT, 0};
        ::poll(&one, 1, -1);
      }
      builder.clear();
    };
    for (int i = 0; i < kBatch; ++i) {
      if (builder.append(message())) continue;
      write();
      builder.append(message());
    }
    write();
    tally.wait();
  }
  finish(state);
}
BENCHMARK(PacketPipe)->UseRealTime()->Unit(benchmark::kMillisecond);

void OutboxToDesk(benchmark::State& state) {
  const os::Fd pipe = os::makePacketPipe();
  const os::Fd memory = os::makeSharedMemory("desk", mailbox::kDeskBytes);
  Tally tally;
  os::test::Child reader([&]() -> int {
    const mailbox::MappedDesk mapped(memory);
    mailbox::Desk desk(*mapped, os::openReadEnd(pipe), [](wire::ActorId, const std::string&) { ::_exit(1); });
    for (;;) {
      if (const auto next = desk.next()) {
        desk.finish(next->token);
        tally.add(1);
      } else {
        os::test::becomesReadable(desk.mailboxFd());
      }
    }
  });
  loop::Loop loop;
  const mailbox::MappedDesk own(os::makeSharedMemory("desk", mailbox::kDeskBytes));
  mailbox::TurnLog log(*own, 1);
  mailbox::Outbox outbox(loop, {.actor = 1, .generation = 1}, log, [](mailbox::Destination) {});
  const mailbox::Destination to{.actor = 2};
  outbox.introduced(to, os::openWriteEnd(pipe));
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      while (outbox.put(to, message()) == mailbox::Outbox::Put::noRoom) {
        const auto waiter = outbox.whenRoom(to, [&] { loop.stop(); });
        loop.run();
      }
    }
    test::runUntil(loop, [&] {
      outbox.flush();
      return outbox.waitingPackets() == 0;
    });
    tally.wait();
  }
  finish(state);
}
BENCHMARK(OutboxToDesk)->UseRealTime()->Unit(benchmark::kMillisecond);

// --- Round trips ---

// So many there and back, one after the other; nanoseconds each.
double rawRoundTrip(int count) {
  Pipe there, back;
  os::test::Child echo([&] {
    char buffer[128];
    while (there.read(buffer, sizeof buffer) && back.write(buffer, sizeof buffer)) {}
    return 0;
  });
  char buffer[128] = {};
  const auto trip = [&] {
    if (!there.write(buffer, sizeof buffer) || !back.read(buffer, sizeof buffer)) std::abort();
  };
  for (int i = 0; i < count / 10; ++i) trip();
  const auto before = Clock::now();
  for (int i = 0; i < count; ++i) trip();
  return std::chrono::duration<double, std::nano>(Clock::now() - before).count() / count;
}

class Polite final : public Actor<Polite, Greeter> {
 public:
  void greet(GreetParams in, GreetResults out) { out.setGreeting(in.getName()); }
  void forget(ForgetParams) {}
};

// The same by calls of an actor. The app lives in a process of its own.
double callRoundTrip(int count) {
  void* const shared =
      ::mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& result = *new (shared) double(0);
  os::test::Child process([&] {
    char name[] = "bench";
    char* arguments[] = {name, nullptr};
    App app(1, arguments);
    app.child<Polite>("greeter");
    app.main([&](Self& self) -> Task<> {
      auto greeter = co_await self.find<Greeter>("greeter");
      for (int i = 0; i < count / 10; ++i) co_await greeter.greet("Ada");
      const auto before = Clock::now();
      for (int i = 0; i < count; ++i) co_await greeter.greet("Ada");
      result = std::chrono::duration<double, std::nano>(Clock::now() - before).count() / count;
    });
    return app.run();
  });
  if (process.wait() != 0) std::abort();
  const double nanoseconds = result;
  ::munmap(shared, sizeof(double));
  return nanoseconds;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void RoundTrip(benchmark::State& state) {
  constexpr int kTrips = 20'000;
  std::vector<double> raw, call;
  for (auto _ : state) {
    raw.push_back(rawRoundTrip(kTrips));
    call.push_back(callRoundTrip(kTrips));
    state.SetIterationTime(call.back() / 1e9);
  }
  state.counters["raw_us"] = median(raw) / 1000;
  state.counters["call_us"] = median(call) / 1000;
  state.counters["ratio"] = median(call) / median(raw);
}
BENCHMARK(RoundTrip)->UseManualTime()->Iterations(5)->Unit(benchmark::kMicrosecond);

}  // namespace
