// Shared<T> while those who use it are killed at random.
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>

#include "tests/support/app_run.h"
#include "tests/support/kill_points.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::Shared;

constexpr unsigned kKills = 1000;
constexpr unsigned kUsers = 4;
constexpr unsigned kUpdatesAtOnce = 50;

// Money that is moved, and never made: the sum stays.
struct Bank {
  std::array<std::int64_t, 400> accounts = {};
  std::int64_t transfers = 0;

  bool agrees() const { return std::accumulate(accounts.begin(), accounts.end(), std::int64_t{0}) == 0; }
  void transfer(std::size_t number) {
    accounts[number % accounts.size()] -= 5;
    accounts[number * 7 % accounts.size()] += 5;
    ++transfers;
  }
};

// Of all processes.
struct Ledger {
  std::atomic<bool> enough;
  std::atomic<std::int64_t> begun;
  std::atomic<std::int64_t> done;
  std::atomic<std::int64_t> visited;
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

class User final : public troupe::Actor<User> {
 public:
  User(unsigned index, Shared<Bank> bank, Shared<std::int64_t> visits)
      : index_(index), bank_(std::move(bank)), visits_(std::move(visits)) {}

  Task<> run() {
    const auto bank = bank_.within(5min);
    std::int64_t last = 0;
    for (std::size_t number = index_; !ledger().enough; number += kUsers) {
      ++ledger().begun;
      const std::int64_t transfers = bank.update([&](Bank& value) {
        EXPECT_TRUE(value.agrees());
        value.transfer(number);
        return value.transfers;
      });
      ++ledger().done;
      visits_.add(1);
      ++ledger().visited;
      const Bank seen = bank.read();
      EXPECT_TRUE(seen.agrees());
      EXPECT_GT(transfers, last);
      EXPECT_GE(seen.transfers, transfers) << "its own update is forgotten";
      last = seen.transfers;
      if (number % kUpdatesAtOnce == 0) co_await sleepFor(std::chrono::microseconds(1));
    }
    Board::shared().note("ended " + name());
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
  Shared<Bank> bank_;
  Shared<std::int64_t> visits_;
};

}  // namespace

// --- At each step of an update ---

namespace {

class Stepper final : public QuietPuppet<Stepper> {
 public:
  explicit Stepper(Shared<Bank> bank) : bank_(std::move(bank)) {}
  void echo(EchoParams, EchoResults out) {
    bank_.update([](Bank& bank) { bank.transfer(3); });
    EXPECT_TRUE(bank_.read().agrees());
    out.setText(std::to_string(bank_.read().transfers).c_str());
  }

 private:
  Shared<Bank> bank_;
};

void twoSteppers(troupe::App& app) {
  auto bank = app.shared<Bank>("bank");
  app.child<Stepper>("victim", {}, bank).child<Stepper>("other", {}, bank);
}

Task<std::string> step(Self& self, std::string stepper) {
  auto puppet = co_await puppetAt(self, stepper);
  auto call = puppet.echo("");
  co_return co_await textOf(std::move(call));
}

}  // namespace

class SharedKillPoints : public testing::TestWithParam<std::string_view> {};

TEST_P(SharedKillPoints, KilledThereAnUpdateHasHappenedOrNot) {
#ifndef TROUPE_KILL_POINTS
  GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  const std::string point(GetParam());
  const auto ticket =
      std::filesystem::temp_directory_path() / ("troupe_shared." + std::to_string(::getpid()));
  const std::string death = ticket.string() + ".0";
  std::ofstream(death) << point;
  runApp(
      &twoSteppers,
      [point](Self& self) -> Task<> {
        for (int i = 1; i < 5; ++i) EXPECT_EQ(co_await step(self, "victim"), std::to_string(i));
        const Error error = co_await errorOf(step(self, "victim"));
        EXPECT_EQ(error.kind(), troupe::ErrorKind::crashed);
        const int before = point == "sharedCounted" ? 5 : 4;
        EXPECT_EQ(co_await step(self, "other"), std::to_string(before + 1));
        EXPECT_EQ(co_await step(self, "victim"), std::to_string(before + 2));
      },
      [&] {
        ::setenv("TROUPE_KILL_AT", (point + ":5@/victim").c_str(), 1);
        ::setenv("TROUPE_KILL_TICKET", ticket.c_str(), 1);
      });
  EXPECT_FALSE(std::filesystem::remove(death)) << "it has not come to that death";
}

INSTANTIATE_TEST_SUITE_P(All, SharedKillPoints, testing::ValuesIn(killPointsOf(troupe::os::KillPart::shared)),
                         KillPoints::nameOf);

// --- At random ---

class SharedKillsTest : public AppTest {};

// Each update that returned has happened; of those that were in hand at a death, at most that one.
TEST_F(SharedKillsTest, IsConsistentAndFreeWhoeverIsKilled) {
  ledger().enough = false;  // the ledger must be there before the processes are
  AppRun run([](troupe::App& app) {
    app.supervise({.maxRestarts = 1'000'000});
    auto bank = app.shared<Bank>("bank");
    auto visits = app.shared<std::int64_t>("visits");
    for (unsigned i = 0; i < kUsers; ++i) app.child<User>("u" + std::to_string(i), {}, i, bank, visits);
    app.main([bank, visits](Self& self) -> Task<> {
      const std::size_t descriptors = descriptorsOf(rootPid());
      const std::vector<std::string> victims{"u0", "u1", "u2", "u3"};
      const auto all = [](const std::string&) { return true; };
      const unsigned kills = co_await killAtRandom(self, victims, kKills, all);
      ledger().enough = true;
      for (const char* id : {"ended u0", "ended u1", "ended u2", "ended u3"}) {
        const std::string ended = id;
        const std::function<bool()> has = [ended] { return Board::shared().count(ended) > 0; };
        co_await until(self, ended, has);
      }
      const Bank left = bank.read();
      EXPECT_TRUE(left.agrees());
      EXPECT_GE(left.transfers, ledger().done);
      EXPECT_LE(left.transfers, ledger().begun);
      EXPECT_LE(left.transfers - ledger().done, kills);
      EXPECT_GE(visits.read(), ledger().visited);
      EXPECT_LE(visits.read() - ledger().visited, kills);
      EXPECT_GT(left.transfers, kills) << "there was no load";
      EXPECT_LE(descriptorsOf(rootPid()), descriptors + 8);
    });
  });
  EXPECT_EQ(run.wait().code, 0) << run.err();
}

}  // namespace tests
