// An actor is killed at each step of what the framework does with casts that are made in their place: those that go to one
// actor in a row, outside of any turn. What was said before it died arrives once and in its order.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <troupe/actor_class.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "chaos.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/board.h"
#include "tests/support/puppet.h"

namespace tests {
namespace {

using troupe::Ref;
using troupe::Self;
using troupe::Task;

constexpr unsigned kMostLives = 8;
constexpr std::uint64_t kLast = 2000;  // at least, of the life that is not killed

// For all processes of the test.
struct Ledger {
  std::atomic<unsigned> lives;
  std::atomic<std::uint64_t> said[kMostLives];  // by each life
};
Ledger& ledger() {
  static auto* const shared = static_cast<Ledger*>(
      ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return *shared;
}

class Reader final : public troupe::Actor<Reader, chaos::Counter> {
 public:
  void record(RecordParams in) {
    ++received_[in.getSender()];
    if (in.getNumber() != last_[in.getSender()] + 1) ++again_[in.getSender()];
    last_[in.getSender()] = in.getNumber();
  }
  void counted(CountedParams in, CountedResults out) {
    out.setLast(last_[in.getSender()]);
    out.setReceived(received_[in.getSender()]);
    out.setAgain(again_[in.getSender()]);
  }

 private:
  std::uint64_t last_[kMostLives] = {};
  std::uint64_t received_[kMostLives] = {};
  std::uint64_t again_[kMostLives] = {};  // not the next one
};

class Writer final : public troupe::Actor<Writer> {
 public:
  explicit Writer(std::vector<std::string> tickets) : tickets_(std::move(tickets)) {}

  Task<> init() { reader_ = co_await find<chaos::Counter>("/reader"); }

  Task<> run() {
    const unsigned life = ledger().lives++;
    for (std::uint64_t number = 1; number % 64 != 0 || number <= kLast || isToDie(); ++number) {
      co_await reader_.record(life, number);
      ledger().said[life] = number;
    }
    Board::shared().note("said all");
    co_await sleepFor(troupe::kForever);
  }

 private:
  bool isToDie() const {
    return std::ranges::any_of(tickets_,
                               [](const std::string& path) { return std::filesystem::exists(path); });
  }

  std::vector<std::string> tickets_;  // one for each death that has not come
  Ref<chaos::Counter> reader_;
};

Task<> check(Self& self) {
  auto reader = co_await self.find<chaos::Counter>("/reader");
  co_await until(self, "all is said", [] { return Board::shared().count("said all") > 0; });
  for (unsigned life = 0; life < ledger().lives; ++life) {
    const std::uint64_t said = ledger().said[life];
    // What was being said when it died may have counted already.
    std::uint64_t received = 0;
    while (received < said) {
      const auto counted = co_await reader.within(std::chrono::seconds(60)).counted(life);
      received = counted->getReceived();
      EXPECT_EQ(counted->getAgain(), 0U) << "life " << life;
      EXPECT_EQ(counted->getLast(), received) << "life " << life;
    }
    EXPECT_LE(received, said + 1) << "life " << life;
  }
}

class PlaceKillPoints : public testing::TestWithParam<const char*> {};

TEST_P(PlaceKillPoints, KilledThereAllThatWasSaidArrivesOnceAndInOrder) {
#ifndef TROUPE_KILL_POINTS
  GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  const std::string plan = GetParam();
  ledger().lives = 0;
  for (auto& said : ledger().said) said = 0;
  Board::shared().clear();
  const auto tickets =
      std::filesystem::temp_directory_path() / ("troupe_place_kill_points." + std::to_string(::getpid()));
  std::vector<std::string> deaths;
  for (std::ptrdiff_t i = 0; i < std::ranges::count(plan, '@'); ++i)
    deaths.push_back(tickets.string() + "." + std::to_string(i));
  for (const std::string& path : deaths) std::ofstream(path) << path;
  runApp(
      [&](troupe::App& app) {
        app.supervise({.maxRestarts = 100});
        app.child<Reader>("reader", {.mailboxBytes = 4096});
        app.child<Writer>("writer", {}, deaths);
      },
      [](Self& self) { return check(self); },
      [&] {
        ::setenv("TROUPE_KILL_AT", plan.c_str(), 1);
        ::setenv("TROUPE_KILL_TICKET", tickets.c_str(), 1);
      });
  EXPECT_GT(ledger().lives, 1U);
  for (const std::string& path : deaths)
    EXPECT_FALSE(std::filesystem::remove(path)) << "it has not come to that death: " << path;
}

INSTANTIATE_TEST_SUITE_P(
    All, PlaceKillPoints,
    testing::Values("growing:40@/writer", "growing:333@/writer", "numbering:5@/writer", "numbered:5@/writer",
                    "numberTakenBack:3@/writer", "written:5@/writer", "released:5@/writer",
                    "numbered:5@/writer, resending@/writer", "numbered:7@/writer, written@/writer",
                    "written:5@/writer, resending:20@/writer, numbered@/writer, growing:99@/writer",
                    "growing:70@/writer, numberTakenBack@/writer, growing:1000@/writer"));

}  // namespace
}  // namespace tests
