// Foreign commands, while commands, the actors that keep them, supervisors and users are killed at random.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <random>

#include "tests/support/app_run.h"
#include "tests/support/commands.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::ExitReason;
using troupe::Finished;
using troupe::Program;
using troupe::ProgramSpec;
using troupe::Restart;
using troupe::StreamTo;
using troupe::SupervisorRef;

}  // namespace

class ProgramKillsTest : public CommandsTest {};

TEST_F(ProgramKillsTest, WhatACommandLeavesBehindIsKilled) {
  runApp(
      [](troupe::App& app) {
        app.add<Program>("family", running("sleep 1000 & setsid sleep 1000 & echo ready; read x"));
      },
      [](Self& self) -> Task<> {
        auto family = co_await self.find<Program>("family");
        EXPECT_EQ(co_await lineOf(family), "ready");
        co_await becomeMarked(self, 3);
        co_await family.write("x\n");
        EXPECT_EQ((co_await family.wait()).kind, ExitKind::normal);
        EXPECT_EQ(marked().size(), 0U);
      });
}

namespace {

Task<int> pidAt(std::string supervisor, std::string id) {
  const auto children = co_await childrenOf(SupervisorRef(supervisor));
  co_return children.at(id).pid;
}

// The one child of a process.
Task<int> onlyChildOf(Self& self, int parent) {
  const std::function<bool()> is = [parent] { return childrenOf(static_cast<pid_t>(parent)).size() == 1; };
  co_await until(self, "a child of " + std::to_string(parent), is);
  co_return childrenOf(static_cast<pid_t>(parent)).front();
}

enum class Victim { actor, guard, command };

// Kills one of them: nothing is left of the run, those who wait for it are told, and there is a next one.
void killOne(Victim victim) {
  runApp(
      [](troupe::App& app) {
        auto spec = running(kFamily);
        spec.child.restart = Restart::permanent;
        app.add<Program>("family", spec);
      },
      [victim](Self& self) -> Task<> {
        auto family = co_await self.find<Program>("family");
        EXPECT_EQ(co_await lineOf(family), "ready");
        co_await becomeMarked(self, 3);
        const auto before = marked();
        self.spawn(
            [](Program from) -> Task<> { Board::shared().note("read " + co_await lineOf(from)); }(family));
        const int actor = co_await pidAt("/", "family");
        const int guard = co_await onlyChildOf(self, actor);
        const int itself = co_await family.pid();
        kill(victim == Victim::actor ? actor : victim == Victim::guard ? guard : itself, SIGKILL);
        const ExitReason end = co_await family.within(5min).wait();
        EXPECT_EQ(end.kind, ExitKind::signaled) << end.toString();
        EXPECT_EQ(end.code, SIGKILL);
        const auto told = [] { return Board::shared().count("read (end)") == 1; };
        co_await until(self, "the reader is told", told);
        EXPECT_EQ((co_await errorOf(family.write("x"))).kind(), ErrorKind::gone);
        const std::function<bool()> gone = [before] {
          const auto now = marked();
          return std::ranges::none_of(before, [&](int pid) { return now.contains(pid); });
        };
        co_await until(self, "the end of all of them", gone);
        auto next = co_await self.find<Program>("family");
        EXPECT_EQ(co_await lineOf(next), "ready");
      });
  EXPECT_EQ(marked().size(), 0U);
}

}  // namespace

TEST_F(ProgramKillsTest, NothingIsLeftWhereTheActorIsKilled) { killOne(Victim::actor); }
TEST_F(ProgramKillsTest, NothingIsLeftWhereTheGuardIsKilled) { killOne(Victim::guard); }
TEST_F(ProgramKillsTest, NothingIsLeftWhereTheCommandIsKilled) { killOne(Victim::command); }

namespace {

// `victim` chooses what is killed.
void killAbove(const std::function<pid_t(const AppRun&)>& victim) {
  const auto describe = [](troupe::App& app) {
    auto spec = running(kFamily);
    spec.output = StreamTo::log;
    app.supervise({.maxRestarts = 0});
    app.supervisor("group").add<Program>("family", spec);
  };
  AppRun run(describe, [] { ::setpgid(0, 0); });
  ASSERT_TRUE(run.waitForOutput("group/family | ready"));
  ASSERT_TRUE(run.waitUntil("the family", [] { return marked().size() == 3; }));
  ::kill(victim(run), SIGKILL);
  EXPECT_TRUE(run.waitUntil("the end of the family", [] { return marked().empty(); }));
  run.wait();
}

}  // namespace

TEST_F(ProgramKillsTest, NothingIsLeftWhereTheRootIsKilled) {
  killAbove([](const AppRun& run) { return run.root(); });
}
TEST_F(ProgramKillsTest, NothingIsLeftWhereASupervisorIsKilled) {
  killAbove([](const AppRun& run) { return run.processes().at("/group"); });
}
TEST_F(ProgramKillsTest, NothingIsLeftWhereAllProcessesOfTheAppAreKilledAtOnce) {
  killAbove([](const AppRun& run) { return -run.root(); });
}

// --- Under kills ---

namespace {

constexpr unsigned kKills = 1000;

struct Tally {
  std::atomic<bool> enough;
  std::atomic<unsigned> echoed;
  std::atomic<unsigned> runsOver;
  std::atomic<unsigned> wrong;
  std::atomic<unsigned> counted;
  std::atomic<unsigned> resting;
};
Tally& tally() {
  static auto* const shared = sharedByAll<Tally>();
  return *shared;
}

ProgramSpec service(std::vector<std::string> argv, StreamTo output) {
  return {.argv = std::move(argv), .environment = theMark(), .output = output, .stopWithin = 100ms};
}

// Sends lines through one run of `cat` after the other: each comes back, in order, or the run is over.
class Sender final : public troupe::Actor<Sender> {
 public:
  Task<> run() {
    while (!tally().enough) {
      auto cat = co_await find<Program>("cat");
      const bool over = co_await useUp(cat);
      if (over) ++tally().runsOver;
    }
    ++tally().resting;
    co_await sleepFor(troupe::kForever);
  }

 private:
  // True where the run is over. What an earlier process of this actor has sent, and not read, comes first.
  Task<bool> useUp(Program cat) {
    const std::string mine = std::to_string(self().pid()) + " ";
    for (unsigned i = 0; !tally().enough; ++i) {
      const std::string text = mine + std::to_string(i);
      try {
        co_await cat.write(text + "\n");
      } catch (const Error& error) {
        const bool isEnd = error.kind() == ErrorKind::gone || error.systemError() == EPIPE;
        if (!isEnd) throw;
        co_return true;
      }
      auto line = co_await cat.readLine();
      while (line && !line->starts_with(mine)) line = co_await cat.readLine();
      if (!line) co_return true;
      ++(*line == text ? tally().echoed : tally().wrong);
      co_await sleepFor(100us);
    }
    co_return false;
  }
};

// Runs commands, one after the other.
class Runner final : public troupe::Actor<Runner> {
 public:
  Task<> run() {
    const troupe::CommandSpec count{.argv = {"/bin/sh", "-c", "sleep 0.01 & wc -l"},
                                    .environment = theMark()};
    while (!tally().enough) {
      const Finished done = co_await troupe::communicate(self(), count, "1\n2\n3\n");
      if (!done.ok()) continue;
      ++(done.output == "3\n" ? tally().counted : tally().wrong);
    }
    ++tally().resting;
    co_await sleepFor(troupe::kForever);
  }
};

// All below the root but main, supervisors at the top excepted, and the guards.
std::vector<Process> victims() {
  std::vector<Process> all = processesBelow(rootPid());
  std::erase_if(all, [](const Process& process) {
    return process.pid == rootPid() || process.path() == "/main" || process.title.ends_with(":guard") ||
           process.title.starts_with('(') || process.state == 'Z';
  });
  return all;
}

// Those of commands that do not live below the supervisor any more.
std::set<int> strays() {
  std::set<int> left = marked();
  for (const Process& process : processesBelow(rootPid())) {
    if (process.path() != "/group") continue;
    for (const Process& below : processesBelow(process.pid)) left.erase(below.pid);
  }
  return left;
}

void describeGroup(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  auto& group = app.supervisor("group", {.maxRestarts = 1'000'000});
  group.add<Program>("cat", service({"cat"}, StreamTo::reader));
  group.add<Program>("family",
                     service({"/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"}, StreamTo::nowhere));
  group.child<Sender>("sender");
  group.child<Runner>("runner");
}

}  // namespace

TEST_F(ProgramKillsTest, NothingIsLeftNothingHangsAndNoLineIsWrongWhoeverIsKilled) {
  tally().enough = false;
  runApp(&describeGroup, [](Self& self) -> Task<> {
    const auto running = [] { return tally().echoed > 0 && tally().counted > 0; };
    co_await until(self, "lines and counts", running);
    const std::size_t descriptors = descriptorsOf(rootPid());
    const unsigned most = mostKills(kKills);
    std::mt19937 random(11);
    // On, and not so fast that nothing ever runs, until one who used a command has seen its end.
    for (unsigned kills = 0; kills < most || tally().runsOver == 0;) {
      const auto all = victims();
      if (!all.empty()) {
        kill(all[random() % all.size()].pid, SIGKILL);
        ++kills;
      }
      co_await self.sleepFor(std::chrono::microseconds(random() % (kills < most ? 3'000 : 100'000)));
    }
    const unsigned echoed = tally().echoed;
    const unsigned counted = tally().counted;
    const std::function<bool()> goOn = [=] { return tally().echoed > echoed && tally().counted > counted; };
    co_await until(self, "it goes on", goOn);
    tally().enough = true;
    const auto rest = [] { return tally().resting >= 2; };
    co_await until(self, "they rest", rest);
    co_await until(self, "nothing is left of earlier runs", [] { return strays().empty(); });
    EXPECT_EQ(tally().wrong, 0U);
    const std::function<bool()> few = [=] { return descriptorsOf(rootPid()) <= descriptors + 8; };
    co_await until(self, "no more descriptors than before", few);
  });
  EXPECT_TRUE(marked().empty());
}

}  // namespace tests
