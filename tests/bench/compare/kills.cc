// SIGKILL until the successor answers.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/in_app.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

std::uint64_t kills() { return effort(100); }
// Out of the blue: nothing has happened for so long, so cores sleep, caches hold other things, and a spare has been made.
constexpr std::chrono::milliseconds kQuiet{30};

struct Kills {
  std::size_t mebibytes = 0;  // held by the program besides
  bool outOfTheBlue = false;
};

// What the program holds besides; all of it is touched.
std::vector<char> ballast(std::size_t mebibytes) {
  if (mebibytes == 0) return {};
  return std::vector<char>(effort(mebibytes << 20), 1);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Who answers, and to what.
struct Sign {
  pid_t pid;
  std::uint64_t value;
};

Sign ask(const Pipe& there, const Pipe& back, std::uint64_t value) {
  Message message{};
  const Sign question{0, value};
  std::memcpy(message.data(), &question, sizeof question);
  there.write(message);
  back.read(message);
  Sign sign;
  std::memcpy(&sign, message.data(), sizeof sign);
  if (sign.value != value) fail("another answer");
  return sign;
}

// Waits outside of read(2), which may take a message off the pipe although the process is being killed.
[[noreturn]] void serve(const Pipe& there, const Pipe& back) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    pollfd one = {there.ends[0], POLLIN, 0};
    ::poll(&one, 1, -1);
    Message message;
    there.read(message);
    Sign sign;
    std::memcpy(&sign, message.data(), sizeof sign);
    sign.pid = ::getpid();
    std::memcpy(message.data(), &sign, sizeof sign);
    back.write(message);
  }
}

double withFork(Kills how) {
  Pipe there, back;
  os::test::Child supervisor([&]() -> int {
    const std::vector<char> held = ballast(how.mebibytes);
    for (;;) {
      const pid_t worker = ::fork();
      if (worker < 0) failOfSystem("no fork");
      if (worker == 0) serve(there, back);
      int status = 0;
      ::waitpid(worker, &status, 0);
    }
  });
  pid_t worker = ask(there, back, 1).pid;
  std::vector<double> took;
  for (std::uint64_t i = 0; i < kills(); ++i) {
    if (how.outOfTheBlue) std::this_thread::sleep_for(kQuiet);
    const double before = now();
    ::kill(worker, SIGKILL);
    const pid_t successor = ask(there, back, valueOf(i)).pid;
    took.push_back(now() - before);
    if (successor == worker) fail("the process that was killed has answered");
    worker = successor;
  }
  return median(took) / 1000;
}

class Worker final : public Actor<Worker, Mortal> {
 public:
  void sign(SignParams in, SignResults out) {
    out.setPid(static_cast<std::uint32_t>(::getpid()));
    out.setValue(in.getValue());
  }
};

Task<pid_t> signOf(Ref<Mortal> worker, std::uint64_t value) {
  const auto sign = co_await worker.sign(value);
  if (sign->getValue() != value) fail("another answer");
  co_return static_cast<pid_t>(sign->getPid());
}

// Of this process's siblings, a hot spare that has nothing to do any more but wait.
bool spareWaits() {
  const std::string supervisor = std::to_string(::getppid());
  std::ifstream children("/proc/" + supervisor + "/task/" + supervisor + "/children");
  for (pid_t pid = 0; children >> pid;) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    if (std::getline(file, stat) && stat.find(":spare) S ") != std::string::npos) return true;
  }
  return false;
}

Task<> untilSpareWaits(Self& self) {
  while (!spareWaits()) co_await self.sleepFor(std::chrono::milliseconds(1));
  // What it has said of it lies before this question.
  co_await SupervisorRef("/").count();
}

double withActors(Kills how, unsigned spares) {
  const std::vector<char> held = ballast(how.mebibytes);
  return inApp(
      [spares](App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.child<Worker>("worker", {.spares = spares});
      },
      [how, spares](Self& self) -> Task<double> {
        auto ref = co_await self.find<Mortal>("worker");
        pid_t worker = co_await signOf(ref, 1);
        std::vector<double> took;
        for (std::uint64_t i = 0; i < kills(); ++i) {
          if (spares > 0) co_await untilSpareWaits(self);
          if (how.outOfTheBlue) co_await self.sleepFor(kQuiet);
          const double before = now();
          ::kill(worker, SIGKILL);
          const pid_t successor = co_await signOf(ref, valueOf(i));
          took.push_back(now() - before);
          if (successor == worker) fail("the process that was killed has answered");
          worker = successor;
        }
        co_return median(took) / 1000;
      });
}

}  // namespace

void addKills(Figures& figures) {
  for (const bool outOfTheBlue : {false, true}) {
    for (const std::size_t held : {0, 256}) {
      const Kills how{held, outOfTheBlue};
      const std::string workload =
          std::string(outOfTheBlue ? "SIGKILL out of the blue" : "SIGKILL to answer") +
          (held == 0 ? "" : ", " + std::to_string(held) + " MiB held");
      figures.push_back({workload, "fork loop, pipes", "us", [how] { return withFork(how); }});
      figures.push_back({workload, "Troupe", "us", [how] { return withActors(how, 0); }});
      if (outOfTheBlue)
        figures.push_back({workload, "Troupe, with a hot spare", "us", [how] { return withActors(how, 1); }});
    }
  }
}

}  // namespace troupe::bench
