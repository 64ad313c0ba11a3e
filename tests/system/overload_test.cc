// Actors that send more than there is room for.
#include <fstream>
#include <iterator>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Ref;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }

}  // namespace

class Overload : public AppTest {};

namespace {

// Casts until it is told that it is too much; in its turn, awaiting each or not.
class Eager final : public QuietPuppet<Eager> {
 public:
  Task<> echo(EchoParams in, EchoResults out) {
    auto other = co_await find<Puppet>("/other");
    const bool awaits = std::string("awaited") == in.getText().cStr();
    int placed = 0;
    std::string error;
    while (error.empty() && placed < 1'000'000) {
      try {
        if (awaits) {
          co_await other.note(std::string(1000, 'x'));
        } else {
          other.note(std::string(1000, 'x'));
        }
        ++placed;
      } catch (const Error& caught) {
        EXPECT_EQ(caught.kind(), ErrorKind::overloaded);
        error = caught.what();
      }
    }
    out.setText(std::to_string(placed) + " " + error);
  }
};

class Sum final : public QuietPuppet<Sum> {
 public:
  void note(NoteParams) { ++handled_; }
  void nap(NapParams, NapResults out) { out.setHandled(handled_); }

 private:
  std::uint32_t handled_ = 0;
};

Task<> untilHandled(Self& self, Ref<Puppet> listener, std::uint32_t count) {
  std::uint32_t handled = 0;
  while (handled < count) {
    handled = (co_await listener.nap(0))->getHandled();
    co_await self.sleepFor(2ms);
  }
  EXPECT_EQ(handled, count);
}

}  // namespace

TEST_F(Overload, ATurnThatSendsTooMuchIsToldAndWhatFitsArrives) {
  runApp([](troupe::App& app) { app.child<Sum>("other").child<Eager>("a"); },
         [](Self& self) -> Task<> {
           auto a = co_await puppetAt(self, "a");
           auto other = co_await puppetAt(self, "other");
           std::uint32_t sum = 0;
           for (const char* how : {"awaited", "not awaited", "awaited"}) {
             const std::string told = co_await textOf(a.echo(how));
             const auto placed = static_cast<std::uint32_t>(std::stoul(told));
             EXPECT_GT(placed, 500u) << told;
             EXPECT_LT(placed, 2000u) << told;
             EXPECT_NE(told.find("this turn holds back"), std::string::npos) << told;
             sum += placed;
             co_await untilHandled(self, other, sum);
           }
         });
}

// Fills the mailbox of one that is busy; then a turn that has sent too much waits for room there.
class Waiting final : public QuietPuppet<Waiting> {
 public:
  Task<> run() {
    busy_ = co_await find<Puppet>("/busy");
    try {
      for (;;) busy_.note(std::string(1000, 'x'));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::overloaded);
    }
    board().note("full");
    co_await sleepFor(24h);
  }
  Task<> echo(EchoParams, EchoResults out) {
    auto other = co_await find<Puppet>("/other");
    try {
      for (;;) co_await other.note("x");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::overloaded);
    }
    board().note("go on");
    std::string text;
    try {
      co_await busy_.note(std::string(1000, 'x'));
    } catch (const Error& error) {
      text = error.what();
    }
    out.setText(text);
  }

 private:
  Ref<Puppet> busy_;
};

TEST_F(Overload, ATurnThatSendsTooMuchIsToldAlsoWhereItHadToWaitForRoom) {
  runApp([](troupe::App& app) { app.child<Slow>("busy").child<Sum>("other").child<Waiting>("a"); },
         [](Self& self) -> Task<> {
           auto busy = co_await puppetAt(self, "busy");
           auto nap = busy.nap(0);
           co_await until(self, "a full mailbox", [] { return board().count("full") == 1; });
           const std::string told = co_await textOf((co_await puppetAt(self, "a")).echo(""));
           EXPECT_NE(told.find("this turn holds back"), std::string::npos) << told;
           EXPECT_EQ((co_await (co_await puppetAt(self, "a")).who())->getGeneration(), 0u);
           co_await std::move(nap);
         });
}

// Counts; and is busy with its first nap until the test says so.
class Listener final : public QuietPuppet<Listener> {
 public:
  void note(NoteParams) { ++handled_; }
  Task<> nap(NapParams, NapResults out) {
    while (board().count("go on") == 0) co_await sleepFor(1ms);
    out.setHandled(handled_);
  }

 private:
  std::uint32_t handled_ = 0;
};

// Has many turns open at once, and each sends as much as it may.
class Crowd final : public QuietPuppet<Crowd> {
 public:
  static constexpr bool kReentrant = true;
  Task<> echo(EchoParams, EchoResults out) {
    auto other = co_await find<Puppet>("/other");
    int placed = 0;
    try {
      for (; placed < 800; ++placed) other.note(std::string(1000, 'x'));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::overloaded);
    }
    board().note("sent");
    while (board().count("end") == 0) co_await sleepFor(1ms);
    out.setText(std::to_string(placed));
  }
};

TEST_F(Overload, TurnsThatAreOpenAtOnceHoldBackNoMoreThanOne) {
  runApp([](troupe::App& app) { app.child<Listener>("other").child<Crowd>("a"); },
         [](Self& self) -> Task<> {
           constexpr unsigned kTurns = 12;
           auto a = co_await puppetAt(self, "a");
           auto other = co_await puppetAt(self, "other");
           auto nap = other.nap(0);
           std::vector<troupe::Call<Puppet::EchoResults>> turns;
           for (unsigned i = 0; i < kTurns; ++i) turns.push_back(a.echo(""));
           co_await until(self, "all turns", [] { return board().count("sent") == kTurns; });
           board().note("end");
           std::uint32_t sum = 0;
           for (auto& turn : turns) {
             const std::string placed = co_await textOf(std::move(turn));
             sum += static_cast<std::uint32_t>(std::stoul(placed));
           }
           EXPECT_GT(sum, 500u);
           EXPECT_LT(sum, 2000u);
           board().note("go on");
           co_await std::move(nap);
           co_await untilHandled(self, other, sum);
         });
}

// Casts to all of many that are busy, to each as fast as it can.
class Broadcaster final : public QuietPuppet<Broadcaster> {
 public:
  Task<> run() {
    for (int i = 0; i < 60; ++i) {
      auto busy = co_await find<Puppet>("/busy" + std::to_string(i));
      spawn(castTo(busy));
    }
    co_await sleepFor(24h);
  }

 private:
  static Task<> castTo(Ref<Puppet> to) {
    for (int i = 0; i < 3000; ++i) co_await to.note("x");
  }
};

// Its processor time in ticks.
std::string ticksOf(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::vector<std::string> words(std::istream_iterator<std::string>(file), {});
  return words.size() < 15 ? "" : words[13] + " " + words[14];
}

TEST_F(Overload, AFullLogIsWaitedForWithoutWork) {
  static constexpr int kBusy = 60;
  runApp(
      [](troupe::App& app) {
        for (int i = 0; i < kBusy; ++i)
          app.child<Listener>("busy" + std::to_string(i), {.mailboxBytes = 4096});
        app.supervisor("later");
      },
      [](Self& self) -> Task<> {
        std::vector<Ref<Puppet>> all;
        std::vector<troupe::Call<Puppet::NapResults>> naps;
        for (int i = 0; i < kBusy; ++i) all.push_back(co_await puppetAt(self, "/busy" + std::to_string(i)));
        for (const auto& each : all) naps.push_back(each.nap(0));
        const SupervisorRef later("/later");
        const int pid = (co_await later.startChild<Broadcaster>("a", {})).pid;
        std::string before;
        for (int still = 0; still < 20;) {
          co_await self.sleepFor(20ms);
          const std::string now = ticksOf(pid);
          still = now == before ? still + 1 : 0;
          before = now;
        }
        board().note("go on");
        for (auto& nap : naps) co_await std::move(nap);
        for (const auto& each : all) {
          while ((co_await each.nap(0))->getHandled() < 3000) co_await self.sleepFor(2ms);
        }
      });
}

}  // namespace tests
