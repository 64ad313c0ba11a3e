// Processes that are one instance of a template after the other, and are killed: at random, and at each point on the way from one to
// the next.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/kill_points.h"
#include "tests/support/killing.h"
#include "tests/system/guest.h"

namespace tests {

class InstanceKills : public AppTest {};

// Each start answers or fails, and says which; whoever was killed is nobody's loss but its own.
TEST_F(InstanceKills, AreKilledAtRandomAndNothingIsLeft) {
  runApp(with({}), [](Self& self) -> Task<> {
    constexpr int kVisitors = 4;
    co_await visit("first");
    co_await until(self, "the end of the one that rests", [] { return restingNow().empty(); });
    Footprint before = footprintOf(rootPid());
    // The root remembers some thousands of those that have gone.
    before.rootKiB += 1024;
    const unsigned kills = mostKills(150);
    unsigned done = 0, served = 0, died = 0;
    int left = kVisitors;
    const auto visitor = [&](int number) -> Task<> {
      while (done < kills) {
        try {
          const std::string name = "visitor " + std::to_string(number);
          if (number % 2 == 1) {
            co_await passBy(name);
            ++served;
            continue;
          }
          const StartedChild started = co_await group().start("guest", name, false);
          auto guest = started.ref<Puppet>().within(5min);
          const std::string said = co_await textOf(guest.echo("name"));
          EXPECT_EQ(said, name);
          guest.leave(static_cast<std::uint16_t>(ExitKind::normal), 0, "");
          ++served;
        } catch (const Error& error) {
          EXPECT_TRUE(error.kind() == ErrorKind::crashed || error.kind() == ErrorKind::gone)
              << error.message();
          ++died;
        }
      }
      --left;
    };
    for (int i = 0; i < kVisitors; ++i) self.spawn(visitor(i));
    std::mt19937 random(1);
    while (done < kills) {
      co_await self.sleepFor(std::chrono::milliseconds(1 + random() % 8));
      std::vector<pid_t> guests;
      for (const Process& process : processesBelow(::getppid())) {
        if (process.path().starts_with("/group/guest:")) guests.push_back(process.pid);
      }
      if (guests.empty()) continue;
      kill(guests[random() % guests.size()], SIGKILL);
      ++done;
    }
    co_await until(self, "the end of the visits", [&left] { return left == 0; });
    EXPECT_GT(served, 0U);
    std::printf("%u kills, %u served, %u not\n", done, served, died);
    const std::function<Task<bool>()> onlyTheTemplate = []() -> Task<bool> {
      const auto children = co_await childrenOf(group());
      co_return children.size() <= 1;
    };
    co_await until(self, "the end of those that were told to leave", onlyTheTemplate);
    co_await until(self, "the end of those that rest", [] { return restingNow().empty(); });
    co_await expectNoLeak(self, before);
  });
}

// At each point, of the process and of its supervisor.
class InstanceKillPoints : public testing::TestWithParam<std::tuple<std::string_view, bool>> {
 protected:
  void SetUp() override {
#ifndef TROUPE_KILL_POINTS
    GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  }
};

TEST_P(InstanceKillPoints, KilledThereTheNextIsStartedAllTheSame) {
  const auto [name, known] = GetParam();
  const std::string point(name);
  const bool ofTheProcess = point == "resting" || point == "rests";
  const std::string ticket =
      std::filesystem::temp_directory_path() / ("troupe_instance_kills." + std::to_string(::getpid()));
  std::ofstream(ticket + ".0") << 0;
  runApp(
      with({}),
      [known = known](Self&) -> Task<> {
        unsigned met = 0, failed = 0;
        while (met < 10 && failed < 1000) {
          try {
            if (known) {
              co_await visit("guest");
            } else {
              co_await passBy("guest");
            }
            ++met;
          } catch (const Error&) {
            ++failed;
          }
        }
        EXPECT_EQ(met, 10U);
      },
      [&] {
        ::setenv("TROUPE_KILL_AT", (point + (ofTheProcess ? "@/group/guest:1" : ":2@/group")).c_str(), 1);
        ::setenv("TROUPE_KILL_TICKET", ticket.c_str(), 1);
      });
  EXPECT_FALSE(std::filesystem::remove(ticket + ".0")) << "no such death";
}

INSTANTIATE_TEST_SUITE_P(All, InstanceKillPoints,
                         testing::Combine(testing::ValuesIn(killPointsOf(troupe::os::KillPart::instance)),
                                          testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) ? "Known" : "Unknown");
                         });

}  // namespace tests
