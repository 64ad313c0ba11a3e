// Somebody is killed at each step of the start of an actor: its supervisor, or the process that is to become it. The actor comes
// up all the same, there is one process of each, and no message is lost.
//
// main -> /group/counter
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "chaos.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"
#include "tests/support/stations.h"

namespace tests {

namespace {

using troupe::ErrorKind;
using troupe::Launch;
using troupe::OnCrash;

constexpr std::uint64_t kMessages = 30;

struct Count {
  std::uint64_t last = 0;
  std::uint64_t received = 0;
  std::uint64_t again = 0;
};

class CounterActor final : public troupe::Actor<CounterActor, chaos::Counter> {
 public:
  void record(RecordParams in) {
    Count& count = count_.change();
    if (in.getNumber() <= count.last) ++count.again;
    count.last = std::max(count.last, in.getNumber());
    ++count.received;
  }
  void counted(CountedParams, CountedResults out) {
    out.setLast(count_->last);
    out.setReceived(count_->received);
    out.setAgain(count_->again);
  }

 private:
  troupe::Kept<Count> count_{*this, "count"};
};

bool byExec() { return std::getenv("TROUPE_TEST_EXEC") != nullptr; }
bool hasSpare() { return std::getenv("TROUPE_TEST_SPARE") != nullptr; }

void tree(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  auto& group = app.supervisor("group", {.maxRestarts = 1000});
  group.child<CounterActor>("counter", {.onCrash = OnCrash::retry(10),
                                        .launch = byExec() ? Launch::exec : Launch::fork,
                                        .spares = hasSpare() ? 1U : 0U});
}

// Every process has its place, and each place one process.
bool isWhole(pid_t root) {
  std::vector<std::string> paths;
  for (const Process& process : processesBelow(root)) {
    if (process.pid != root) paths.push_back(process.path());
  }
  std::ranges::sort(paths);
  std::vector<std::string> places{"/group", "/group/counter", "/main"};
  if (hasSpare()) places.insert(places.begin() + 2, "/group/counter:spare");
  return paths == places;
}

// One that sleeps has said that it waits.
bool spareWaits(pid_t root) {
  return std::ranges::any_of(processesBelow(root), [](const Process& process) {
    return process.path() == "/group/counter:spare" && process.state == 'S';
  });
}

Task<> count(Self& self, std::string ticket, unsigned deaths) {
  auto counter = (co_await self.find<chaos::Counter>("/group/counter")).within(5min);
  const auto over = [&] {
    for (unsigned i = 0; i < deaths; ++i) {
      if (std::filesystem::exists(ticket + "." + std::to_string(i))) return false;
    }
    return true;
  };
  const pid_t root = ::getppid();
  std::uint64_t sent = 0;
  const auto spareIsThere = [root] { return !hasSpare() || spareWaits(root); };
  while (sent < kMessages || !over()) {
    // For the next death to need.
    co_await until(self, "a spare that waits", spareIsThere);
    co_await counter.record(1, ++sent);
    // Not faster than they are handled: so there is one in hand for each death.
    if (sent % 3 == 0 || hasSpare()) co_await counter.counted(1);
  }
  const auto counted = co_await counter.counted(1);
  EXPECT_EQ(counted->getReceived(), sent);
  EXPECT_EQ(counted->getLast(), sent);
  EXPECT_EQ(counted->getAgain(), 0U);
  co_await until(self, "one process at each place", [root] { return isWhole(root); });
}

}  // namespace

class StartKillPoints : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
#ifndef TROUPE_KILL_POINTS
    GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  }
  // The deaths that are named.
  static void live(const std::vector<std::string>& kills, bool exec, bool spare = false) {
    const std::string ticket =
        std::filesystem::temp_directory_path() / ("troupe_start_kills." + std::to_string(::getpid()));
    std::string all;
    for (std::size_t i = 0; i < kills.size(); ++i) {
      all += (i == 0 ? "" : ", ") + kills[i];
      std::ofstream(ticket + "." + std::to_string(i)) << i;
    }
    SCOPED_TRACE(all);
    runApp(
        tree, [&](Self& self) { return count(self, ticket, static_cast<unsigned>(kills.size())); },
        [&] {
          ::setenv("TROUPE_KILL_AT", all.c_str(), 1);
          ::setenv("TROUPE_KILL_TICKET", ticket.c_str(), 1);
          if (exec) ::setenv("TROUPE_TEST_EXEC", "1", 1);
          if (spare) ::setenv("TROUPE_TEST_SPARE", "1", 1);
        });
    for (std::size_t i = 0; i < kills.size(); ++i)
      EXPECT_FALSE(std::filesystem::remove(ticket + "." + std::to_string(i)))
          << "no such death: " << kills[i];
  }
};

// The first start must succeed: so it is the one after a crash.
TEST_P(StartKillPoints, KilledThereASupervisorLeavesNoOrphanAndItsActorComesUp) {
  const std::string point(GetParam());
  const std::string crash = "begun:3@/group/counter";
  if (point == "settled" || point == "execing") {
    live({crash, point + "@/group/counter"}, true);
    if (point == "settled") live({crash, "forked@/group", "settled@/group"}, false);
    return;
  }
  live({crash, point + "@/group"}, false);
  live({crash, point + "@/group"}, true);
  std::vector<std::string> again = {crash, point + "@/group", "begun:2@/group/counter", point + "@/group"};
  // Nobody has ended before it begins anew.
  if (point != "childEnded") again.push_back(point + "@/group");
  live(again, false);
}

INSTANTIATE_TEST_SUITE_P(All, StartKillPoints, testing::ValuesIn(killPointsOf(troupe::os::KillPart::start)),
                         [](const auto& info) { return std::string(info.param); });

class SpareKillPoints : public StartKillPoints {};

TEST_P(SpareKillPoints, KilledThereTheActorComesUpAndHasASpareAgain) {
  const std::string point(GetParam());
  const std::string where = point == "prepared" ? "/group/counter:spare"
                            : point == "became" ? "/group/counter"
                                                : "/group";
  const std::string crash = "begun@/group/counter";
  for (const bool exec : {false, true}) {
    live({crash, point + "@" + where}, exec, true);
    live({crash, point + "@" + where, "begun:6@/group/counter", point + "@" + where}, exec, true);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SpareKillPoints, testing::ValuesIn(killPointsOf(troupe::os::KillPart::spare)),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace tests

int main(int argc, char** argv) { return tests::runTestsOrBecome(argc, argv, tests::tree); }
