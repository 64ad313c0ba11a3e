// What a message costs, beside what the bare pipes cost that carry it.
//
// Throughput: from one process to another, in batches, each of which is waited for. RawPipe writes one
// message a time.
// Price:      messages that are made, go through Outbox and Desk, and are read, with and without the log that
//             makes turns crash-proof, measured in turns: one way, one way to a receiver that keeps a count, and
//             there and back. In processor time, which other load on the machine changes little: one way that of
//             the busier process, there and back that of both. `..._price` is with by without.
// RoundTrip:  a call of an actor in an App, and the same over two blocking pipes, measured in turns; `ratio`
//             is what remains to be compared between machines.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <time.h>
#include <troupe/troupe.h>

#include <algorithm>

#include "greeter.actor.h"
#include "mailbox/journal.h"
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

// --- The price of the log ---

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// Processor time of a process, in nanoseconds.
double processorTime(pid_t pid) {
  clockid_t clock;
  timespec time;
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) std::abort();
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// From when it was made to now, in this process and in another one.
class Stopwatch {
 public:
  explicit Stopwatch(pid_t other) : other_(other), before_{processorTime(0), processorTime(other)} {}
  double busier() const {
    return std::max(processorTime(0) - before_[0], processorTime(other_) - before_[1]);
  }
  double both() const { return processorTime(0) - before_[0] + processorTime(other_) - before_[1]; }

 private:
  pid_t other_;
  double before_[2];
};

test::Bytes made() { return test::castOf("about forty bytes of text, as they come"); }
std::size_t read(const mailbox::Desk::Message& message) { return test::textOf(message.words).size(); }

// What a process has, that sends and receives.
struct Party {
  Party(wire::ActorId actor, const os::Fd& mailbox)
      : outbox(loop, {.actor = actor, .generation = 1}, log, [](mailbox::Destination) {}),
        desk(*memory, os::openReadEnd(mailbox), [](wire::ActorId, const std::string&) { ::_exit(1); }) {
    place = kept.add("count", 1, sizeof count, [this] { return std::as_bytes(std::span(&count, 1)); });
  }
  void send(mailbox::Destination to, bool logged) {
    while (outbox.hasRoom(to, message().size()) == mailbox::Outbox::Put::noRoom) {
      const auto waiter = outbox.whenRoom(to, [&] { loop.stop(); });
      loop.run();
    }
    if (logged) return journal.send(to, made(), false);
    outbox.put(to, made());
  }

  loop::Loop loop;
  mailbox::MappedDesk memory{os::makeSharedMemory("desk", mailbox::kDeskBytes)};
  mailbox::TurnLog log{*memory, 1};
  mailbox::KeptStore kept{memory->kept};
  mailbox::Outbox outbox;
  mailbox::Desk desk;
  mailbox::Journal journal{log, kept, desk, outbox};
  std::uint64_t count = 0;
  std::size_t text = 0;
  std::size_t place;
};

enum class Way { plain, logged, kept };

// Nanoseconds a message.
double oneWay(Way way) {
  constexpr int kBatches = 10;
  const os::Fd pipe = os::makePacketPipe();
  const os::Fd nothing = os::makePacketPipe();
  Tally tally;
  os::test::Child reader([&]() -> int {
    Party party(2, pipe);
    mailbox::StagedMessages staged;
    for (;;) {
      const auto next = party.desk.next();
      if (!next) {
        os::test::becomesReadable(party.desk.mailboxFd());
        continue;
      }
      party.text += read(*next);
      if (way == Way::kept) {
        ++party.count;
        party.kept.touch(party.place);
      }
      if (way == Way::plain) {
        party.desk.finish(next->token);
      } else {
        party.journal.commit(next->token, staged, true);
      }
      tally.add(1);
    }
  });
  Party party(1, nothing);
  party.outbox.introduced({2}, os::openWriteEnd(pipe));
  const auto batch = [&] {
    for (int i = 0; i < kBatch; ++i) party.send({2}, way != Way::plain);
    test::runUntil(party.loop, [&] {
      party.outbox.flush();
      return party.outbox.waitingPackets() == 0;
    });
    tally.wait();
  };
  batch();
  const Stopwatch time(reader.pid());
  for (int i = 0; i < kBatches; ++i) batch();
  return time.busier() / kBatches / kBatch;
}

// Nanoseconds there and back. A call is never in the log; its answer is.
double thereAndBack(bool logged) {
  constexpr int kTrips = 20'000;
  const os::Fd there = os::makePacketPipe();
  const os::Fd back = os::makePacketPipe();
  const mailbox::Destination caller{1, wire::Lane::reply};
  os::test::Child callee([&]() -> int {
    Party party(2, there);
    party.outbox.introduced(caller, os::openWriteEnd(back));
    for (;;) {
      const auto next = party.desk.next();
      if (!next) {
        os::test::becomesReadable(party.desk.mailboxFd());
        continue;
      }
      party.text += read(*next);
      mailbox::StagedMessages staged;
      if (logged) {
        staged.add(caller, made());
        party.journal.commit(next->token, staged, true);
      } else {
        party.outbox.put(caller, made());
        party.desk.finish(next->token);
      }
      party.outbox.flush();
    }
  });
  const os::Fd nothing = os::makePacketPipe();
  const os::Fd answers = os::openReadEnd(back);
  Party party(1, nothing);
  party.outbox.introduced({2}, os::openWriteEnd(there));
  const auto trip = [&] {
    alignas(8) std::byte packet[os::kPacketBytes];
    party.outbox.put({2}, made());
    party.outbox.flush();
    readNext(answers.get(), packet);
  };
  for (int i = 0; i < kTrips / 10; ++i) trip();
  const Stopwatch time(callee.pid());
  for (int i = 0; i < kTrips; ++i) trip();
  return time.both() / kTrips;
}

void Price(benchmark::State& state) {
  std::vector<double> plain, logged, kept, trip, loggedTrip;
  for (auto _ : state) {
    plain.push_back(oneWay(Way::plain));
    logged.push_back(oneWay(Way::logged));
    kept.push_back(oneWay(Way::kept));
    trip.push_back(thereAndBack(false));
    loggedTrip.push_back(thereAndBack(true));
    state.SetIterationTime(logged.back() / 1e9);
  }
  state.counters["plain_ns"] = median(plain);
  state.counters["logged_ns"] = median(logged);
  state.counters["kept_ns"] = median(kept);
  state.counters["logged_price"] = median(logged) / median(plain);
  state.counters["kept_price"] = median(kept) / median(plain);
  state.counters["trip_us"] = median(trip) / 1000;
  state.counters["logged_trip_us"] = median(loggedTrip) / 1000;
  state.counters["trip_price"] = median(loggedTrip) / median(trip);
}
BENCHMARK(Price)->UseManualTime()->Iterations(7)->Unit(benchmark::kNanosecond);

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
