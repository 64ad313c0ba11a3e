// Large messages one way: whoever receives them reads all of them, or both ends.
//
// As many bytes are under way at most, whoever carries them: two windows.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/in_app.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

struct Load {
  std::size_t bytes;
  std::uint64_t count;
  std::uint64_t window;  // messages
  bool all;              // or both ends

  std::size_t words() const { return bytes / sizeof(std::uint64_t); }
  double gigabytesASecond(double nanoseconds) const {
    return static_cast<double>(bytes * count) / nanoseconds;
  }
};

Load oneMiB(bool all) { return {.bytes = kMiB, .count = effort(1024), .window = 4, .all = all}; }
Load kibibytes(std::size_t size) {
  const std::size_t bytes = size << 10;
  return {.bytes = bytes, .count = effort(256 * kMiB / bytes), .window = kMiB / 2 / bytes, .all = true};
}
Load manyMiB() { return {.bytes = 64 * kMiB, .count = effort(12), .window = 1, .all = false}; }

// The first and the last word are the message's number; between them all are alike.
std::vector<std::uint64_t> contentsFor(const Load& load) {
  std::vector<std::uint64_t> words(load.words());
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = valueOf(i);
  return words;
}

void number(std::uint64_t* words, const Load& load, std::uint64_t i) {
  words[0] = words[load.words() - 1] = valueOf(i);
}

std::uint64_t read(const std::uint64_t* words, const Load& load) {
  if (!load.all) return words[0] + words[load.words() - 1];
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < load.words(); ++i) sum += words[i];
  return sum;
}

std::uint64_t expected(const Load& load) {
  const std::uint64_t between = load.all ? sumOf(load.words() - 1) : 0;  // that of number 0 is 0
  return load.count * between + 2 * sumOf(load.count);
}

void answer(const Pipe& done, std::uint64_t sum) {
  Message message{};
  std::memcpy(message.data(), &sum, sizeof sum);
  done.write(message);
}

void checkAnswer(const Pipe& done, const Load& load) {
  Message message;
  done.read(message);
  std::uint64_t sum;
  std::memcpy(&sum, message.data(), sizeof sum);
  if (sum != expected(load)) fail("another sum");
}

// --- By hand -----------------------------------------------------------------------------------------------

double throughPipe(const Load& load) {
  Pipe pipe, done;
  ::fcntl(pipe.ends[1], F_SETPIPE_SZ, static_cast<int>(kMiB));  // where it is refused, it is slower
  os::test::Child reader([&] {
    std::vector<std::uint64_t> words(load.words());
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < load.count; ++i) {
      for (std::size_t at = 0; at < load.bytes;) {
        const auto got =
            ::read(pipe.ends[0], reinterpret_cast<std::byte*>(words.data()) + at, load.bytes - at);
        if (got <= 0) failOfSystem("a read failed");
        at += static_cast<std::size_t>(got);
      }
      sum += read(words.data(), load);
    }
    answer(done, sum);
    return 0;
  });
  std::vector<std::uint64_t> words = contentsFor(load);
  const double before = now();
  for (std::uint64_t i = 0; i < load.count; ++i) {
    number(words.data(), load, i);
    for (std::size_t at = 0; at < load.bytes;) {
      const auto put =
          ::write(pipe.ends[1], reinterpret_cast<const std::byte*>(words.data()) + at, load.bytes - at);
      if (put <= 0) failOfSystem("a write failed");
      at += static_cast<std::size_t>(put);
    }
  }
  checkAnswer(done, load);
  return load.gigabytesASecond(now() - before);
}

// Copied into memory that the reader sees too; a pipe carries the turns, another gives them back.
double throughMemory(const Load& load) {
  const std::uint64_t slots = 2 * load.window;
  auto* const memory = static_cast<std::uint64_t*>(
      ::mmap(nullptr, slots * load.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) failOfSystem("no shared memory");
  const auto slot = [&](std::uint64_t i) { return memory + (i % slots) * load.words(); };
  Pipe filled, freed, done;
  os::test::Child reader([&] {
    std::uint64_t sum = 0;
    Message token;
    for (std::uint64_t i = 0; i < load.count; ++i) {
      filled.read(token);
      sum += read(slot(i), load);
      freed.write(token);
    }
    answer(done, sum);
    return 0;
  });
  std::vector<std::uint64_t> words = contentsFor(load);
  Message token{};
  const double before = now();
  for (std::uint64_t i = 0; i < load.count; ++i) {
    if (i >= slots) freed.read(token);
    number(words.data(), load, i);
    std::memcpy(slot(i), words.data(), load.bytes);
    filled.write(token);
  }
  checkAnswer(done, load);
  const double result = load.gigabytesASecond(now() - before);
  ::munmap(memory, slots * load.bytes);
  return result;
}

// --- With actors -------------------------------------------------------------------------------------------

class Reader final : public Actor<Reader, Sink> {
 public:
  explicit Reader(Load load) : load_(load) {}
  void take(TakeParams in) {
    if (in.getData().size() != load_.bytes) fail("a message of another size");
    // Data begins at a word.
    sum_ += read(reinterpret_cast<const std::uint64_t*>(in.getData().begin()), load_);
    ++messages_;
  }
  void total(TotalParams, TotalResults out) {
    out.setMessages(messages_);
    out.setSum(sum_);
  }
  void echo(EchoParams, EchoResults out) { out.refuse("this one reads large messages"); }

 private:
  Load load_;
  std::uint64_t messages_ = 0;
  std::uint64_t sum_ = 0;
};

// Whether the messages are copied in, or made where they are read: then both ends of them are.
class Writer final : public Actor<Writer, Source> {
 public:
  Writer(Load load, bool inPlace) : load_(load), inPlace_(inPlace) {}
  Task<> init() {
    sink_ = (co_await find<Sink>("/sink")).within(kForever);
    if (!inPlace_) words_ = contentsFor(load_);
  }
  void send(SendParams) { spawn(sendAll()); }

 private:
  // No more than two windows are under way.
  Task<> sendAll() {
    std::optional<Call<Sink::TotalResults>> before;
    for (std::uint64_t i = 0; i < load_.count; ++i) {
      if (i > 0 && i % load_.window == 0) {
        auto handled = sink_.total();
        if (before) co_await *before;
        before.reset();
        before.emplace(std::move(handled));
      }
      if (inPlace_) {
        const auto fill = [this, i](auto params) {
          numberInPlace(params.initData(static_cast<unsigned>(load_.bytes)), i);
        };
        co_await sink_.take(fill);
      } else {
        number(words_.data(), load_, i);
        co_await sink_.take(
            capnp::Data::Reader(reinterpret_cast<const kj::byte*>(words_.data()), load_.bytes));
      }
    }
    if (before) co_await *before;
  }
  void numberInPlace(capnp::Data::Builder data, std::uint64_t i) const {
    number(reinterpret_cast<std::uint64_t*>(data.begin()), load_, i);
  }

  Load load_;
  bool inPlace_;
  Ref<Sink> sink_;
  std::vector<std::uint64_t> words_;
};

double throughActors(const Load& load, bool inPlace) {
  return inApp(
      [&](App& app) {
        const ChildSpec spec{.maxMessageBytes = std::max<std::size_t>(64 * kMiB, 2 * load.bytes)};
        app.child<Reader>("sink", {}, load);
        app.child<Writer>("source", spec, load, inPlace);
      },
      [&load](Self& self) -> Task<double> {
        auto sink = co_await self.find<Sink>("sink");
        auto source = co_await self.find<Source>("source");
        const double before = now();
        co_await source.send(load.count);
        co_await allHandled(self, sink, load.count, expected(load));
        co_return load.gigabytesASecond(now() - before);
      });
}

void add(Figures& figures, const std::string& workload, const std::function<Load()>& load, bool all) {
  figures.push_back({workload, "pipe of 1 MiB", "GB/s", [load] { return throughPipe(load()); }});
  figures.push_back({workload, "shared memory, memcpy", "GB/s", [load] { return throughMemory(load()); }});
  figures.push_back({workload, "Troupe, cast", "GB/s", [load] { return throughActors(load(), false); }});
  if (all) return;
  figures.push_back(
      {workload, "Troupe, cast made in place", "GB/s", [load] { return throughActors(load(), true); }});
}

}  // namespace

void addLarge(Figures& figures) {
  for (const std::size_t size : {2, 16, 128}) {
    const std::string workload = "one way, " + std::to_string(size) + " KiB, all read";
    add(figures, workload, [size] { return kibibytes(size); }, true);
  }
  add(figures, "one way, 1 MiB, all read", [] { return oneMiB(true); }, true);
  add(figures, "one way, 1 MiB, ends read", [] { return oneMiB(false); }, false);
  add(figures, "one way, 64 MiB, ends read", manyMiB, false);
}

}  // namespace troupe::bench
