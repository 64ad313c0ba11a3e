// Very many actors: starting them, calling each, what each holds for itself; and what some cost that have nothing to do.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "os/limits.h"
#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/in_app.h"
#include "tests/bench/compare/memory.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

std::uint64_t supervisors() { return std::min<std::uint64_t>(effort(5000), 20); }
// Starts that are asked for at a time.
std::uint64_t atATime() { return std::min<std::uint64_t>(supervisors(), 16); }

std::uint64_t actors() { return effort(5000) / supervisors() * supervisors(); }

std::string groupName(std::uint64_t number) { return "group" + std::to_string(number); }

// The root holds three descriptors for each actor whose messages fit a packet.
constexpr std::size_t kMaxMessageBytes = 0;

void allowDescriptors() {
  const std::size_t needed = 3 * actors() + 200;
  if (os::raiseDescriptorLimit() < needed)
    fail("so many actors need " + std::to_string(needed) + " descriptors (ulimit -Hn)");
}

struct Crowd {
  double startsASecond = 0;
  double callMicroseconds = 0;
  std::vector<int> pids;
};

double privateMemory(const Crowd& crowd) { return privateKiB(crowd.pids); }
double startsASecond(const Crowd& crowd) { return crowd.startsASecond; }
double callMicroseconds(const Crowd& crowd) { return crowd.callMicroseconds; }

double withFork(double (*figure)(const Crowd&)) {
  allowDescriptors();
  struct Worker {
    Pipe there, back;
    std::unique_ptr<os::test::Child> process;
  };
  std::vector<std::unique_ptr<Worker>> workers;
  Crowd crowd;
  const auto call = [](Worker& worker, std::uint64_t value) {
    Message message{}, answer;
    std::memcpy(message.data(), &value, sizeof value);
    worker.there.write(message);
    worker.back.read(answer);
    if (answer != message) fail("another answer");
  };
  const double before = now();
  for (std::uint64_t i = 0; i < actors(); ++i) {
    Worker& worker = *workers.emplace_back(std::make_unique<Worker>());
    worker.process = std::make_unique<os::test::Child>([&]() -> int {
      // What it has of the others' is in the way of their end.
      const auto [low, high] = std::minmax(worker.there.ends[0], worker.back.ends[1]);
      ::close_range(3, static_cast<unsigned>(low) - 1, 0);
      if (high > low + 1) ::close_range(static_cast<unsigned>(low) + 1, static_cast<unsigned>(high) - 1, 0);
      ::close_range(static_cast<unsigned>(high) + 1, ~0U, 0);
      for (;;) {
        Message message;
        worker.there.read(message);
        worker.back.write(message);
      }
    });
    ::close(std::exchange(worker.there.ends[0], -1));
    ::close(std::exchange(worker.back.ends[1], -1));
    crowd.pids.push_back(worker.process->pid());
    call(worker, valueOf(i));
  }
  const double started = now();
  for (std::uint64_t i = 0; i < actors(); ++i) call(*workers[i], valueOf(i));
  crowd.callMicroseconds = (now() - started) / 1000 / static_cast<double>(actors());
  crowd.startsASecond = static_cast<double>(actors()) * 1e9 / (started - before);
  return figure(crowd);
}

// One call of each.
Task<double> callEach(const std::vector<Ref<Sink>>& refs) {
  const double before = now();
  for (std::uint64_t i = 0; i < refs.size(); ++i) co_await echo(refs[i], valueOf(i));
  co_return (now() - before) / 1000 / static_cast<double>(refs.size());
}

// Of each supervisor's share, one after the other.
Task<> startShare(SupervisorRef supervisor, std::uint64_t share, Crowd& crowd, std::vector<Ref<Sink>>& refs,
                  std::uint64_t& left) {
  for (std::uint64_t i = 0; i < share; ++i) {
    const StartedChild started = co_await supervisor.within(kForever).start("worker");
    crowd.pids.push_back(started.pid);
    refs.push_back(started.ref<Sink>());
  }
  --left;
}

double onDemand(double (*figure)(const Crowd&)) {
  allowDescriptors();
  return inApp(
      [](App& app) {
        for (std::uint64_t i = 0; i < supervisors(); ++i)
          app.supervisor(groupName(i))
              .each<Echoer>("worker", {.restart = Restart::temporary, .maxMessageBytes = kMaxMessageBytes});
      },
      [figure](Self& self) -> Task<double> {
        Crowd crowd;
        std::vector<Ref<Sink>> refs;
        std::uint64_t left = atATime();
        const double before = now();
        for (std::uint64_t i = 0; i < atATime(); ++i) {
          auto supervisor = co_await self.findSupervisor(groupName(i));
          const std::uint64_t share = actors() / atATime() + (i < actors() % atATime() ? 1 : 0);
          self.spawn(startShare(supervisor, share, crowd, refs, left));
        }
        while (left > 0) co_await self.sleepFor(std::chrono::milliseconds(1));
        crowd.startsASecond = static_cast<double>(actors()) * 1e9 / (now() - before);
        co_await callEach(refs);  // all are introduced
        crowd.callMicroseconds = co_await callEach(refs);
        co_return figure(crowd);
      });
}

// A tree that is declared: one child after the other, as OTP starts them.
double declared() {
  allowDescriptors();
  const double before = now();
  return inApp(
      [](App& app) {
        for (std::uint64_t i = 0; i < supervisors(); ++i) {
          auto& group = app.supervisor(groupName(i));
          for (std::uint64_t k = 0; k < actors() / supervisors(); ++k)
            group.child<Echoer>("worker" + std::to_string(k), {.maxMessageBytes = kMaxMessageBytes});
        }
      },
      [before](Self&) -> Task<double> { co_return static_cast<double>(actors()) * 1e9 / (now() - before); });
}

// Of the processes' time on a core, what they used of a second.
double processorSeconds(const std::vector<int>& pids) {
  double ticks = 0;
  for (const int pid : pids) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
    double nanoseconds = 0;
    if (!(file >> nanoseconds)) fail("no time to see of process " + std::to_string(pid));
    ticks += nanoseconds;
  }
  return ticks / 1e9;
}

constexpr std::uint64_t kIdle = 100;
constexpr std::chrono::seconds kLooking{5};

double idle() {
  return inApp(
      [](App& app) { app.supervisor("workers").each<Echoer>("worker", {.restart = Restart::temporary}); },
      [](Self& self) -> Task<double> {
        auto workers = co_await self.findSupervisor("workers");
        std::vector<int> pids{self.pid(), ::getppid()};
        for (std::uint64_t i = 0; i < kIdle; ++i) {
          const StartedChild started = co_await workers.start("worker");
          co_await echo(started.ref<Sink>(), valueOf(i));
          pids.push_back(started.pid);
        }
        for (const ChildInfo& child : co_await self.supervisor().children())
          if (child.supervisor) pids.push_back(child.pid);
        co_await self.sleepFor(std::chrono::seconds(1));
        const double before = processorSeconds(pids);
        co_await self.sleepFor(kLooking);
        co_return (processorSeconds(pids) - before) / static_cast<double>(kLooking.count()) * 100;
      });
}

}  // namespace

void addScale(Figures& figures) {
  const std::string many = std::to_string(actors()) + " actors";
  const auto add = [&](const std::string& what, const std::string& unit, double (*figure)(const Crowd&)) {
    figures.push_back({many + ", " + what, "fork, two pipes", unit, [figure] { return withFork(figure); }});
    figures.push_back({many + ", " + what, "Troupe", unit, [figure] { return onDemand(figure); }});
  };
  add("starts a second", "1/s", startsASecond);
  figures.push_back({many + ", starts a second", "Troupe, a declared tree", "1/s", declared});
  add("a call to each", "us", callMicroseconds);
  add("private memory", "KiB", privateMemory);
  figures.push_back({"100 idle actors", "Troupe", "% core", idle});
}

}  // namespace troupe::bench
