// What one of many idle processes holds for itself, having answered once.
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "os/limits.h"
#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/in_app.h"
#include "tests/bench/compare/memory.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

std::uint64_t processes() { return effort(1000); }

double privateKiBOf(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  double sum = 0;
  int found = 0;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("Private_Clean:") && !line.starts_with("Private_Dirty:")) continue;
    double kiB = 0;
    std::istringstream(line.substr(line.find(':') + 1)) >> kiB;
    sum += kiB;
    ++found;
  }
  if (found != 2) fail("no memory to see of process " + std::to_string(pid));
  return sum;
}

}  // namespace

double privateKiB(const std::vector<int>& pids) {
  double sum = 0;
  for (const int pid : pids) sum += privateKiBOf(pid);
  return sum / static_cast<double>(pids.size());
}

namespace {

double withFork() {
  os::raiseDescriptorLimit();
  struct Worker {
    Pipe there, back;
    std::unique_ptr<os::test::Child> process;
  };
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<int> pids;
  for (std::uint64_t i = 0; i < processes(); ++i) {
    Worker& worker = *workers.emplace_back(std::make_unique<Worker>());
    worker.process = std::make_unique<os::test::Child>([&]() -> int {
      for (;;) {
        Message message;
        worker.there.read(message);
        worker.back.write(message);
      }
    });
    Message message{}, answer;
    const std::uint64_t value = valueOf(i);
    std::memcpy(message.data(), &value, sizeof value);
    worker.there.write(message);
    worker.back.read(answer);
    if (answer != message) fail("another answer");
    pids.push_back(worker.process->pid());
  }
  return privateKiB(pids);
}

double withActors() {
  return inApp(
      [](App& app) { app.supervisor("workers").each<Echoer>("worker", {.restart = Restart::temporary}); },
      [](Self& self) -> Task<double> {
        auto workers = co_await self.findSupervisor("workers");
        std::vector<int> pids;
        for (std::uint64_t i = 0; i < processes(); ++i) {
          const StartedChild started = co_await workers.start("worker");
          co_await echo(started.ref<Sink>(), valueOf(i));
          pids.push_back(started.pid);
        }
        co_return privateKiB(pids);
      });
}

}  // namespace

void addMemory(Figures& figures) {
  figures.push_back({"idle process, private memory", "fork, two pipes", "KiB", withFork});
  figures.push_back({"idle process, private memory", "Troupe", "KiB", withActors});
}

}  // namespace troupe::bench
