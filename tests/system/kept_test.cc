// Kept<T>: what the next process of an actor inherits, however the one before has died, and what it does not.
//
// Children that are started by exec run main again: so this program has a main of its own.
#include <array>
#include <csignal>
#include <cstdlib>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Kept;
using troupe::Launch;
using troupe::Ref;
using troupe::SupervisorRef;

constexpr const char* kScenario = "TROUPE_TEST_SCENARIO";

Board& board() { return Board::shared(); }
SupervisorRef root() { return SupervisorRef("/"); }

struct Point {
  int x = 0;
  int y = 0;
};

// Keeps several values, and changes them all with each text it echoes.
class Keeper final : public QuietPuppet<Keeper> {
 public:
  void echo(EchoParams in, EchoResults out) {
    change(std::stoi(in.getText().cStr()));
    out.setText(state());
  }
  void who(WhoParams, WhoResults out) {
    out.setPath(state());
    out.setGeneration(self().generation());
    out.setPid(self().pid());
  }
  // Changes, and says no.
  void deny(DenyParams, DenyResults out) {
    change(1);
    out.refuse("changed all the same");
  }
  // Changes, casts, and dies.
  Task<> crash(CrashParams in, CrashResults) {
    auto other = co_await find<Puppet>("/other");
    change(1000);
    co_await other.note("leaked");
    endAs(in.getHow().cStr());
  }
  // The same in two parts.
  Task<> relay(RelayParams in, RelayResults) {
    change(1000);
    co_await sleepFor(1ms);
    change(1000);
    endAs(in.getText().cStr());
  }
  Task<> nap(NapParams in, NapResults) {
    change(static_cast<int>(in.getMilliseconds()));
    co_await sleepFor(1ms);
    change(static_cast<int>(in.getMilliseconds()));
  }

 private:
  void change(int by) {
    sum_ += by;
    ++times_;
    point_.change().x -= by;
    auto journal = journal_.change();
    journal.setSum(journal.getSum() + by);
    journal.initLines(1).set(0, std::to_string(by));
  }
  std::string state() {
    const auto journal = *journal_;
    std::string text = std::to_string(*sum_) + " " + std::to_string(*times_) + " " +
                       std::to_string(point_->x) + "," + std::to_string(point_->y) + " " +
                       std::to_string(journal.getSum());
    for (const auto line : journal.getLines()) text += std::string(" ") + line.cStr();
    return text;
  }

  Kept<std::int64_t> sum_{*this, "sum"};
  Kept<unsigned> times_{*this, "times", 0};
  Kept<Point> point_{*this, "point", {.x = 0, .y = 7}};
  Kept<kept::Journal, 1024> journal_{*this, "journal"};
};

Task<std::string> stateOf(Ref<Puppet> keeper) {
  const auto reply = co_await keeper.who();
  co_return reply->getPath().cStr();
}

Task<std::string> add(Ref<Puppet> keeper, int number) { return textOf(keeper.echo(std::to_string(number))); }

void forked(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  app.child<PuppetActor>("other");
  app.supervisor("group", {.maxRestarts = 1000}).child<Keeper>("keeper");
}

void fresh(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  app.child<PuppetActor>("other");
  app.supervisor("group", {.maxRestarts = 1000}).child<Keeper>("keeper", {.launch = Launch::exec});
}

Task<> survivesItAll(Self& self) {
  auto keeper = co_await puppetAt(self, "/group/keeper");
  int sum = 0;
  int times = 0;
  for (const char* how : {"kill", "segv", "throw", "exit 3", "abort"}) {
    for (const int by : {3, 4}) {
      co_await add(keeper, by);
      sum += by;
      ++times;
    }
    const std::string before = co_await stateOf(keeper);
    EXPECT_EQ(before, std::to_string(sum) + " " + std::to_string(times) + " " + std::to_string(-sum) + ",7 " +
                          std::to_string(sum) + " 4");
    const auto generation = (co_await keeper.who())->getGeneration();
    co_await errorOf(keeper.crash(how));
    const std::string after = co_await stateOf(keeper);
    EXPECT_EQ(after, before) << how;
    co_await errorOf(keeper.relay(Ref<Puppet>(), how, 0));
    const std::string later = co_await stateOf(keeper);
    EXPECT_EQ(later, before) << how << ", half way";
    EXPECT_EQ((co_await keeper.who())->getGeneration(), generation + 2);
  }
}

}  // namespace

class KeptValues : public AppTest {};

TEST_F(KeptValues, AreInheritedHoweverTheProcessDiesAndATurnThatCrashesChangesNothing) {
  runApp(forked, survivesItAll);
  EXPECT_EQ(board().count("leaked"), 0u) << "casts of a turn leave with its end";
}

TEST_F(KeptValues, AreInheritedByAFreshImage) {
  runApp(fresh, survivesItAll, [] { ::setenv(kScenario, "fresh", 1); });
}

TEST_F(KeptValues, SurviveTheirSupervisor) {
  runApp(forked, [](Self& self) -> Task<> {
    auto keeper = co_await puppetAt(self, "/group/keeper");
    for (int round = 1; round <= 5; ++round) {
      const std::string before = co_await add(keeper, round);
      const int keeperPid = (co_await keeper.who())->getPid();
      const int group = co_await pidOf(self, root(), "group");
      kill(group, SIGKILL);
      co_await becomesDead(self, keeperPid);
      const std::string after = co_await stateOf(keeper);
      EXPECT_EQ(after, before);
    }
  });
}

TEST_F(KeptValues, SurviveAStopAndARestartByHandButNoRemoval) {
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("other");
        app.supervisor("group");
      },
      [](Self& self) -> Task<> {
        const SupervisorRef group("/group");
        co_await group.startChild<Keeper>("keeper", {});
        auto keeper = co_await puppetAt(self, "/group/keeper");
        const std::string before = co_await add(keeper, 5);
        co_await group.stop("keeper");
        co_await group.restart("keeper");
        const std::string after = co_await stateOf(keeper);
        EXPECT_EQ(after, before);
        co_await group.stop("keeper");
        co_await group.remove("keeper");
        co_await group.startChild<Keeper>("keeper", {});
        auto another = co_await puppetAt(self, "/group/keeper");
        const std::string fresh = co_await stateOf(another);
        EXPECT_EQ(fresh, "0 0 0,7 0") << "another actor";
      });
}

TEST_F(KeptValues, AreKeptWithACallThatIsRefusedAndWithOneThatWaits) {
  runApp(forked, [](Self& self) -> Task<> {
    auto keeper = co_await puppetAt(self, "/group/keeper");
    const Error error = co_await errorOf(keeper.deny(""));
    EXPECT_EQ(error.kind(), ErrorKind::refused);
    co_await keeper.nap(10);
    co_await errorOf(keeper.crash("kill"));
    const std::string state = co_await stateOf(keeper);
    EXPECT_EQ(state, "21 3 -21,7 21 10");
  });
}

// --- Outside of handlers ---

// Counts in its constructor, in init(), in run() and in a timer's task.
class Counting final : public QuietPuppet<Counting> {
 public:
  Counting() { made_ += 1; }
  Task<> init() {
    inited_ += 1;
    co_await sleepFor(1ms);
    inited_ += 1;
    if (board().count("let init fail") > board().count("init has failed")) {
      board().note("init has failed");
      throw std::runtime_error("init fails");
    }
  }
  Task<> run() {
    ran_ += 1;
    co_await sleepFor(1ms);
    ran_ += 1;
    auto other = co_await find<Puppet>("other");
    ran_ += 1;
    // What was changed before counts with the cast, whatever comes then.
    co_await other.note("generation " + std::to_string(self().generation()));
    if (self().generation() == 1) endAs("kill");
    co_await sleepFor(24h);
  }
  void echo(EchoParams, EchoResults out) {
    out.setText(std::to_string(*made_) + " " + std::to_string(*inited_) + " " + std::to_string(*ran_));
  }

 private:
  Kept<int> made_{*this, "made"};
  Kept<int> inited_{*this, "inited"};
  Kept<int> ran_{*this, "ran"};
};

TEST_F(KeptValues, MayBeChangedOutsideOfHandlers) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<PuppetActor>("other").child<Counting>("a");
      },
      [](Self& self) -> Task<> {
        co_await until(self, "the second process", [] { return board().count("generation 2") == 1; });
        auto a = co_await puppetAt(self, "a");
        const auto reply = co_await a.echo("");
        EXPECT_STREQ(reply->getText().cStr(), "2 4 6");
      });
  EXPECT_EQ(board().notesAfter("generation "), (std::vector<std::string>{"1", "2"}));
}

// Counts what it casts, until it has no room.
class Pouring final : public QuietPuppet<Pouring> {
 public:
  Task<> run() {
    auto sink = co_await find<Puppet>("sink");
    co_await until(self(), "the sink to be stuck", [] { return board().count("stuck") == 1; });
    while (self().generation() == 1) {
      ++poured_;
      co_await sink.note("");
    }
    co_await sleepFor(24h);
  }
  void echo(EchoParams, EchoResults out) { out.setText(std::to_string(*poured_)); }

 private:
  Kept<int> poured_{*this, "poured"};
};

class Sink final : public QuietPuppet<Sink> {
 public:
  void note(NoteParams) { ++handled_; }
  Task<> hang(HangParams, HangResults) {
    board().note("stuck");
    co_await until(self(), "the word to go on", [] { return board().count("go on") == 1; });
  }
  void echo(EchoParams, EchoResults out) { out.setText(std::to_string(handled_)); }

 private:
  int handled_ = 0;
};

TEST_F(KeptValues, CountTogetherWithACastThatWaitsForRoom) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Sink>("sink", {.mailboxBytes = 4096}).child<Pouring>("a");
      },
      [](Self& self) -> Task<> {
        auto sink = co_await puppetAt(self, "sink");
        auto a = co_await puppetAt(self, "a");
        auto hang = sink.hang();
        std::string poured = "0", before;
        while (poured == "0" || poured != before) {
          before = poured;
          co_await self.sleepFor(5ms);
          poured = co_await textOf(a.echo(""));
        }
        co_await errorOf(a.crash("kill"));
        poured = co_await textOf(a.echo(""));
        board().note("go on");
        co_await hang;
        std::string handled;
        const auto limit = std::chrono::steady_clock::now() + 20s;
        while (handled != poured && std::chrono::steady_clock::now() < limit) {
          co_await self.sleepFor(1ms);
          handled = co_await textOf(sink.echo(""));
        }
        EXPECT_EQ(handled, poured);
      });
}

TEST_F(KeptValues, AreNotChangedByAStartThatFails) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<PuppetActor>("other");
      },
      [](Self& self) -> Task<> {
        co_await root().startChild<Counting>("a", {});
        auto a = co_await puppetAt(self, "a");
        co_await until(self, "the second process", [] { return board().count("generation 2") == 1; });
        co_await root().stop("a");
        board().note("let init fail");
        const Error error = co_await errorOf([]() -> Task<> { co_await root().restart("a"); }());
        EXPECT_NE(error.message().find("init fails"), std::string::npos) << error.message();
        co_await root().restart("a");
        co_await until(self, "a third process", [] { return board().notesAfter("generation ").size() == 3; });
        const auto reply = co_await a.echo("");
        EXPECT_STREQ(reply->getText().cStr(), "3 6 9");
      });
}

// --- Reentrant actors ---

class Sharing final : public QuietPuppet<Sharing> {
 public:
  static constexpr bool kReentrant = true;
  Task<> nap(NapParams, NapResults) {
    sum_ += 1;
    board().note("napping");
    co_await sleepFor(24h);
  }
  void echo(EchoParams in, EchoResults out) {
    sum_ += std::stoi(in.getText().cStr());
    out.setText(std::to_string(*sum_));
  }
  void deny(DenyParams, DenyResults) {
    sum_ += 1000;
    endAs("kill");
  }

 private:
  Kept<int> sum_{*this, "sum"};
};

TEST_F(KeptValues, OfAReentrantActorAreSharedByItsTurns) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Sharing>("a");
      },
      [](Self& self) -> Task<> {
        auto a = co_await puppetAt(self, "a");
        auto nap = a.nap(0);
        co_await until(self, "the nap", [] { return board().count("napping") == 1; });
        const std::string first = co_await add(a, 10);
        EXPECT_EQ(first, "11") << "what an open turn has changed is seen";
        auto death = a.deny("");
        co_await errorOf(std::move(death));
        co_await errorOf(std::move(nap));
        const std::string second = co_await add(a, 0);
        EXPECT_EQ(second, "11") << "and was kept with the turn that ended";
      });
}

}  // namespace tests

int main(int argc, char** argv) {
  if (std::getenv("TROUPE_TICKET") != nullptr && std::getenv(tests::kScenario) != nullptr) {
    troupe::App app(argc, argv);
    tests::fresh(app);
    return app.run();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
