// Goes one hot path so many times, under callgrind: `hot_paths <path> <count>`. It prints which process is the main
// actor: what that computes is told apart from what the others do (instructions.sh). `hot_paths made-with` prints on what
// else the counts depend.
//
// They must come out alike each time. So everybody shares one core, where nobody looks for a message before he
// sleeps; a sender is not interrupted by whom it wakes; and what is forked begins to count anew.
#include <gnu/libc-version.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/bench/compare/in_app.h"

namespace troupe::bench {
namespace {

constexpr std::uint64_t kWindow = 4;
constexpr unsigned kLargeBytes = 1U << 16;

Task<Ref<Sink>> findSink(Self& self) {
  auto sink = co_await self.find<Sink>("sink");
  co_return sink.within(kForever);
}

// It has handled so many, whose ends add up to that.
Task<> checkTotal(Ref<Sink> sink, std::uint64_t messages, std::uint64_t sum) {
  const auto total = co_await sink.total();
  if (total->getMessages() != messages || total->getSum() != sum) fail("another total");
}

Task<> cast(Self& self, std::uint64_t count) {
  auto sink = co_await findSink(self);
  std::byte bytes[kMessageBytes] = {};
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t value = valueOf(i);
    std::memcpy(bytes, &value, sizeof value);
    co_await sink.take(asData(bytes));
  }
  co_await checkTotal(sink, count, sumOf(count));
}

Task<> call(Self& self, std::uint64_t count) {
  auto sink = co_await findSink(self);
  for (std::uint64_t i = 0; i < count; ++i) co_await echo(sink, valueOf(i));
}

Task<> castLarge(Self& self, std::uint64_t count) {
  auto sink = co_await findSink(self);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto fill = [i](auto params) {
      auto* const words = reinterpret_cast<std::uint64_t*>(params.initData(kLargeBytes).begin());
      words[0] = words[kLargeBytes / sizeof(std::uint64_t) - 1] = valueOf(i);
    };
    co_await sink.take(fill);
    if (i % kWindow == kWindow - 1) co_await checkTotal(sink, i + 1, 2 * sumOf(i + 1));
  }
}

Task<> start(Self& self, std::uint64_t count) {
  auto workers = co_await self.findSupervisor("workers");
  for (std::uint64_t i = 0; i < count; ++i) {
    const StartedChild started = co_await workers.start("worker");
    co_await echo(started.ref<Sink>(), valueOf(i));
    co_await workers.stop(started.id);
  }
}

using Path = Task<> (*)(Self& self, std::uint64_t count);
const std::map<std::string, Path> kPaths = {
    {"cast", cast}, {"call", call}, {"large", castLarge}, {"start", start}};

void go(Path path, std::uint64_t count) {
  const auto declare = [](App& app) {
    app.child<Adder>("sink");
    app.supervisor("workers").each<Echoer>("worker", {.restart = Restart::temporary});
  };
  inApp(declare, [&](Self& self) -> Task<double> {
    std::printf("main %d\n", static_cast<int>(::getpid()));
    std::fflush(stdout);
    co_await path(self, count);
    co_return 0;
  });
}

void countAnew() { CALLGRIND_ZERO_STATS; }

void makeEven() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
  if (::sched_setaffinity(0, sizeof one, &one) != 0) failOfSystem("can't stay on one core");
  const sched_param none = {};
  if (::sched_setscheduler(0, SCHED_BATCH, &none) != 0) failOfSystem("can't be scheduled in batches");
  ::pthread_atfork(nullptr, nullptr, countAnew);
}

#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif
#ifdef __x86_64__
constexpr const char* kProcessor = "x86-64";
#else
constexpr const char* kProcessor = "another processor";
#endif

}  // namespace
}  // namespace troupe::bench

int main(int argc, char** argv) {
  using namespace troupe::bench;
  if (argc == 2 && std::string(argv[1]) == "made-with") {
    std::printf("%s, glibc %s, %s\n", kCompiler, gnu_get_libc_version(), kProcessor);
    return 0;
  }
  const auto path = kPaths.find(argc == 3 ? argv[1] : "");
  if (path == kPaths.end()) {
    std::fprintf(stderr, "usage: hot_paths cast|call|large|start <count>, or hot_paths made-with\n");
    return 2;
  }
  setSubject(path->first);
  makeEven();
  go(path->second, static_cast<std::uint64_t>(std::atoll(argv[2])));
  return 0;
}
