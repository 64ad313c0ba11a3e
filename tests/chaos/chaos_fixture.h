// What the chaos tests share: chance, a timetable of kills, and the end of an app that has been through it.
//
// TROUPE_CHAOS_SEED     chooses whom to kill, and when
// TROUPE_CHAOS_SECONDS  how long
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <random>
#include <set>

#include "tests/support/program.h"
#include "tests/support/scratch.h"

namespace tests {

class ChaosTest : public testing::Test {
 protected:
  void SetUp() override {
    const unsigned seed = fromEnvironment("TROUPE_CHAOS_SEED", std::random_device{}());
    std::printf("TROUPE_CHAOS_SEED=%u\n", seed);
    random.seed(seed);
  }

  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random); }

  // Again and again, each time after 1 to `everyMost` ms; for so long, where the environment does not say.
  void strikeFor(unsigned seconds, unsigned everyMost, Program& app, const std::function<void()>& strike) {
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::seconds(fromEnvironment("TROUPE_CHAOS_SECONDS", seconds));
    while (std::chrono::steady_clock::now() < end) {
      app.readFor(std::chrono::milliseconds(1 + below(everyMost)));
      strike();
    }
  }

  // With SIGKILL. False where it has ended by itself.
  bool killed(const Process& process) {
    if (::kill(process.pid, SIGKILL) != 0) return false;
    struck_.insert(process.pid);
    return true;
  }
  // Nobody is left who is going to die. Who is, may live on for a while where the machine is busy, and those below a supervisor that
  // has died longer than it: if they are asked to finish, and say yes, those who follow them don't know of it. Nor do those of a
  // supervisor which is about to stop all of them, as one was killed at its start: so all are there, `processes` below the root.
  bool isCalm(const Program& app, std::size_t processes) const {
    const auto all = app.processes();
    std::set<std::string> paths;
    for (const Process& process : all) paths.insert(process.path());
    std::erase_if(paths, [](const std::string& path) { return path.empty() || path.ends_with(":spare"); });
    return paths.size() == processes && std::ranges::all_of(all, [&](const Process& process) {
             const std::string path = process.path();
             if (struck_.contains(process.pid)) return false;
             const std::string above = path.substr(0, path.rfind('/'));
             if (above.empty()) return true;
             return std::ranges::any_of(all, [&](const Process& supervisor) {
               return supervisor.pid == process.parent && supervisor.path() == above &&
                      supervisor.state != 'Z';
             });
           });
  }

  // It ends in an orderly way, nothing is left of it, and none of its processes has said that something is wrong.
  static void expectOrderlyEnd(Program& app) {
    app.send("end\n");
    const auto end = app.waitForEnd();
    EXPECT_TRUE(end && !end->signaled && end->code == 0) << app.errors().substr(0, 10'000);
    EXPECT_EQ(describe(app.leftovers()), "");
    const auto at = app.errors().find("UNEXPECTED");
    if (at != std::string::npos) ADD_FAILURE() << app.errors().substr(at, app.errors().find('\n', at) - at);
  }

  std::mt19937 random;
  Scratch folder;

 private:
  std::set<pid_t> struck_;
};

}  // namespace tests
