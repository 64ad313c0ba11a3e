// Starting somebody, asking one thing, and stopping: one after the other.
#include <utility>

#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/in_app.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

std::uint64_t starts() { return effort(300); }

double withFork() {
  const double before = now();
  for (std::uint64_t i = 0; i < starts(); ++i) {
    Pipe there, back;
    os::test::Child worker([&] {
      ::close(there.ends[1]);
      Message message;
      for (;;) {
        there.read(message);  // ends the process at the end of the pipe
        back.write(message);
      }
      return 0;
    });
    Message message{}, answer;
    const std::uint64_t value = valueOf(i);
    std::memcpy(message.data(), &value, sizeof value);
    there.write(message);
    back.read(answer);
    if (answer != message) fail("another answer");
    ::close(std::exchange(there.ends[1], -1));
    if (worker.exitCode() != 0) fail("a process ended with a failure");
  }
  return (now() - before) / 1000 / static_cast<double>(starts());
}

double withActors() {
  return inApp(
      [](App& app) { app.supervisor("workers").each<Echoer>("worker", {.restart = Restart::temporary}); },
      [](Self& self) -> Task<double> {
        auto workers = co_await self.findSupervisor("workers");
        const double before = now();
        for (std::uint64_t i = 0; i < starts(); ++i) {
          const StartedChild started = co_await workers.start("worker");
          co_await echo(started.ref<Sink>(), valueOf(i));
          co_await workers.stop(started.id);
        }
        co_return (now() - before) / 1000 / static_cast<double>(starts());
      });
}

}  // namespace

void addStarts(Figures& figures) {
  figures.push_back({"start, one call, stop", "fork, two pipes, wait", "us", withFork});
  figures.push_back({"start, one call, stop", "Troupe", "us", withActors});
}

}  // namespace troupe::bench
