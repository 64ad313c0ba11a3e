// Calls and casts to actors that get killed under load: what was promised of each message holds. Everything
// that is sent, handled and answered is written into ledgers, which the test compares at the end.
//
// TROUPE_CHAOS_SECONDS  how long (5)
// TROUPE_CHAOS_SEED     chooses whom to kill, and how
#include <gtest/gtest.h>

#include <csignal>
#include <iostream>
#include <map>
#include <set>

#include "tests/chaos/actors.h"
#include "tests/chaos/chaos_fixture.h"
#include "tests/chaos/ledger.h"

namespace tests {
namespace {

constexpr unsigned kCallers = 4;
constexpr unsigned kLanes = 8;  // calls of one caller at a time
constexpr unsigned kSenders = 4;
constexpr unsigned kBurst = 50;
const std::vector<std::string> kCallees{"/pool", "/single1", "/single2", "/single3"};

// How a call ended.
enum Outcome : std::uint64_t { replied = 1, crashed = 2, other = 3 };

class Callee final : public Member {
 public:
  explicit Callee(std::string ledger) : ledger_(ledger) {}

 protected:
  void handled(std::uint64_t number) override { ledger_.add({.number = number}); }

 private:
  Ledger ledger_;
};

// Makes calls, each with a number of its own, until it is told to finish.
class Caller final : public troupe::Actor<Caller, chaos::Driver> {
 public:
  Caller(unsigned id, std::string ledger) : next_(std::uint64_t{id} << 32), ledger_(ledger) {}

  troupe::Task<> run() {
    for (const std::string& path : kCallees) callees_.push_back(co_await find<chaos::Member>(path));
    running_ = kLanes;
    for (unsigned lane = 0; lane < kLanes; ++lane) spawn(callOn());
    co_await sleepFor(troupe::kForever);
  }

  troupe::Task<> finish(FinishParams, FinishResults out) {
    finishing_ = true;
    while (running_ > 0) co_await sleepFor(1ms);
    out.setLast(next_);
  }

 private:
  troupe::Task<> callOn() {
    while (!finishing_) {
      const std::uint64_t number = ++next_;
      ledger_.add({.kind = co_await outcomeOf(number), .number = number});
    }
    --running_;
  }

  troupe::Task<Outcome> outcomeOf(std::uint64_t number) {
    const auto& callee = callees_[number % callees_.size()];
    try {
      auto reply = co_await callee.within(5min).triple(number);
      if (reply->getTripled() == 3 * number) co_return Outcome::replied;
      unexpected("the reply to another call");
    } catch (const troupe::Error& error) {
      const auto& reason = error.exitReason();
      const bool explained = error.kind() == troupe::ErrorKind::crashed &&
                             reason.kind == troupe::ExitKind::signaled &&
                             (reason.code == SIGKILL || reason.code == SIGSEGV) &&
                             error.message().find("triple") != std::string::npos &&
                             error.message().find(troupe::signalName(reason.code)) != std::string::npos;
      if (explained) co_return Outcome::crashed;
      unexpected(error.what());
    }
    co_return Outcome::other;
  }

  std::uint64_t next_;
  Ledger ledger_;
  std::vector<troupe::Ref<chaos::Member>> callees_;
  unsigned running_ = 0;
  bool finishing_ = false;
};

class Receiver final : public troupe::Actor<Receiver, chaos::Recorder> {
 public:
  explicit Receiver(std::string ledger) : ledger_(ledger) {}
  void record(RecordParams in) { ledger_.add({.kind = in.getSender(), .number = in.getNumber()}); }

 private:
  Ledger ledger_;
};

// Casts numbers from 1, until it is told to finish.
class Sender final : public troupe::Actor<Sender, chaos::Driver> {
 public:
  explicit Sender(unsigned id) : id_(id) {}

  troupe::Task<> run() {
    auto receiver = co_await find<chaos::Recorder>("receiver");
    for (std::uint64_t number = 1; last_ == 0; ++number) {
      co_await receiver.record(id_, number);
      if (finishing_) last_ = number;
      if (number % kBurst == 0) co_await sleepFor(1ms);
    }
    co_await sleepFor(troupe::kForever);
  }

  troupe::Task<> finish(FinishParams, FinishResults out) {
    finishing_ = true;
    while (last_ == 0) co_await sleepFor(1ms);
    out.setLast(last_);
  }

 private:
  unsigned id_;
  bool finishing_ = false;
  std::uint64_t last_ = 0;
};

constexpr troupe::PoolSpec kPool{.size = 3, .maxRestarts = 1'000'000};

void describeCalls(troupe::App& app, const std::string& folder) {
  app.pool<Callee>("pool", kPool, folder + "/handled");
  for (std::size_t i = 1; i < kCallees.size(); ++i)
    app.child<Callee>(kCallees[i].substr(1), {}, folder + "/handled");
  for (unsigned i = 1; i <= kCallers; ++i)
    app.child<Caller>("driver" + std::to_string(i), {}, i, folder + "/ended");
}

void describeCasts(troupe::App& app, const std::string& folder) {
  app.child<Receiver>("receiver", {}, folder + "/handled");
  for (unsigned i = 1; i <= kSenders; ++i) app.child<Sender>("driver" + std::to_string(i), {}, i);
}

// Waits for a line, lets all drivers finish, and says the last number of each.
troupe::Task<> finishDrivers(troupe::Self& self, unsigned drivers) {
  Console console;
  std::cout << "started" << std::endl;
  co_await console.line();
  for (unsigned i = 1; i <= drivers; ++i) {
    auto driver = co_await self.find<chaos::Driver>("driver" + std::to_string(i));
    auto reply = co_await driver.within(5min).finish();
    std::cout << "last " << reply->getLast() << std::endl;
  }
  co_await console.line();
}

int runTheApp(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.supervise({.maxRestarts = 1'000'000});
  const bool calls = std::string(argv[1]) == "calls";
  calls ? describeCalls(app, argv[2]) : describeCasts(app, argv[2]);
  app.main([calls](troupe::Self& self) { return finishDrivers(self, calls ? kCallers : kSenders); });
  return app.run();
}

class CallsChaosTest : public ChaosTest {
 protected:
  unsigned kills = 0;

  // Kills those that `isVictim` names, one after the other, while the drivers make load; then lets these
  // finish, and gives the last number of each.
  std::vector<std::uint64_t> run(Program& app, unsigned drivers,
                                 const std::function<bool(const std::string& path)>& isVictim,
                                 unsigned everyMost) {
    EXPECT_TRUE(app.waitForLine("started")) << app.errors();
    strikeFor(5, everyMost, app, [&] {
      std::vector<pid_t> victims;
      for (const Process& process : app.processes()) {
        if (isVictim(process.path())) victims.push_back(process.pid);
      }
      if (victims.empty()) return;
      ::kill(victims[below(static_cast<unsigned>(victims.size()))], below(2) == 0 ? SIGKILL : SIGSEGV);
      ++kills;
    });
    app.send("finish\n");
    std::vector<std::uint64_t> last;
    for (unsigned i = 0; i < drivers; ++i) {
      const auto line = app.waitForLine("last ");
      EXPECT_TRUE(line) << app.errors();
      if (!line) return {};
      last.push_back(std::stoull(line->substr(5)));
    }
    return last;
  }

  static void end(Program& app) {
    expectOrderlyEnd(app);
    EXPECT_EQ(describe(app.orphans()), "");
  }
};

TEST_F(CallsChaosTest, EachCallEndsOnceWithItsReplyOrTheTrueCauseOfDeath) {
  Program app(ownPath(), {"calls", folder.path()});
  const auto isCallee = [](const std::string& path) {
    return path.starts_with("/pool/") || path.starts_with("/single");
  };
  const auto last = run(app, kCallers, isCallee, 15);
  end(app);

  std::map<std::uint64_t, unsigned> handled;
  for (const Note& note : Ledger::read(folder / "handled")) ++handled[note.number];
  std::map<std::uint64_t, std::vector<std::uint64_t>> ended;
  for (const Note& note : Ledger::read(folder / "ended")) ended[note.number].push_back(note.kind);

  std::size_t sent = 0, died = 0, twice = 0, lost = 0, again = 0, unhandled = 0;
  for (const std::uint64_t highest : last) {
    for (std::uint64_t number = (highest >> 32 << 32) + 1; number <= highest; ++number) {
      ++sent;
      const auto outcome = ended.find(number);
      if (outcome == ended.end()) {
        ++lost;
        continue;
      }
      if (outcome->second.size() > 1) ++again;
      if (outcome->second.front() == Outcome::crashed) ++died;
      if (outcome->second.front() == Outcome::replied && !handled.contains(number)) ++unhandled;
    }
  }
  for (const auto& [number, times] : handled) twice += times > 1 ? 1 : 0;
  std::printf("%zu calls, %u kills, %zu calls crashed; lost %zu, ended twice %zu, handled twice %zu\n", sent,
              kills, died, lost, again, twice);
  EXPECT_GT(sent, 0u);
  EXPECT_GT(kills, 0u);
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(again, 0u);
  EXPECT_EQ(twice, 0u);
  EXPECT_EQ(unhandled, 0u) << "replied to, and never handled";
  EXPECT_EQ(ended.size(), sent);
}

TEST_F(CallsChaosTest, CastsComeInOrderAndOnceAndOnlyThoseInHandAreLost) {
  Program app(ownPath(), {"casts", folder.path()});
  const auto last = run(app, kSenders, [](const std::string& path) { return path == "/receiver"; }, 30);
  // All that was sent lies before the last number of each sender, and nothing is killed any more.
  const auto allHandled = [&] {
    std::set<std::uint64_t> complete;
    for (const Note& note : Ledger::read(folder / "handled")) {
      if (note.kind >= 1 && note.kind <= last.size() && note.number == last[note.kind - 1])
        complete.insert(note.kind);
    }
    return complete.size() == kSenders;
  };
  EXPECT_TRUE(app.waitUntil(allHandled));
  end(app);

  std::map<std::uint64_t, std::uint64_t> seen;  // the highest number of each sender
  std::size_t handled = 0, missing = 0, outOfOrder = 0;
  for (const Note& note : Ledger::read(folder / "handled")) {
    ++handled;
    auto& highest = seen[note.kind];
    if (note.number <= highest) {
      ++outOfOrder;
      continue;
    }
    missing += note.number - highest - 1;
    highest = note.number;
  }
  std::printf("%zu casts handled, %u kills, %zu lost in hand; %zu out of order or twice\n", handled, kills,
              missing, outOfOrder);
  EXPECT_GT(handled, 0u);
  EXPECT_GT(kills, 0u);
  EXPECT_EQ(outOfOrder, 0u);
  EXPECT_LE(missing, kills) << "more than one message for each kill";
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc == 3) return tests::runTheApp(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
