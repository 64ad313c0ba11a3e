// The life of an actor: init(), run(), stopping(), timers, background tasks, handlers that wait.
#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Ref;
using troupe::Restart;
using troupe::Start;
using troupe::Stop;
using troupe::SupervisorRef;

SupervisorRef root() { return SupervisorRef("/"); }
Board& board() { return Board::shared(); }

Task<bool> onlyMain() {
  const std::string order = co_await orderOf(root());
  co_return order == "main";
}

template <class A>
void only(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  app.child<A>("a", {.restart = Restart::transient});
}

}  // namespace

class ActorLife : public AppTest {};

class Plain final : public troupe::Actor<Plain> {
 public:
  void init() { board().note("init"); }
  void run() { board().note("run"); }
  void stopping() { board().note("stopping"); }
};
class Waiting final : public troupe::Actor<Waiting> {
 public:
  Task<> init() {
    co_await sleepFor(1ms);
    board().note("init");
  }
  Task<> run() {
    co_await sleepFor(1ms);
    board().note("run");
  }
  Task<> stopping() {
    co_await sleepFor(1ms);
    board().note("stopping");
  }
};
class Told final : public troupe::Actor<Told> {
 public:
  explicit Told(bool ignores = false) : ignores_(ignores) {}
  Start init() { return ignores_ ? Start::ignore() : Start::with("told"); }

 private:
  bool ignores_;
};
class ToldLater final : public troupe::Actor<ToldLater> {
 public:
  Task<Start> init() {
    co_await sleepFor(1ms);
    co_return Start::with("later");
  }
};

TEST_F(ActorLife, HasInitRunAndStoppingInOrderPlainOrAwaiting) {
  for (const bool waiting : {false, true}) {
    board().clear();
    runApp(waiting ? &only<Waiting> : &only<Plain>, [](Self& self) -> Task<> {
      co_await until(self, "its end", [] { return board().notes().size() == 3; });
    });
    EXPECT_EQ(board().notes(), (std::vector<std::string>{"init", "run", "stopping"}));
  }
}

TEST_F(ActorLife, EndsNormallyWhenRunEnds) {
  runApp([](troupe::App& app) { app.child<Waiting>("a", {.restart = Restart::transient}); },
         [](Self& self) -> Task<> { co_await becomesState(self, root(), "a", troupe::ChildState::stopped); });
}

TEST_F(ActorLife, InitMaySayMore) {
  runApp([](troupe::App&) {},
         [](Self&) -> Task<> {
           EXPECT_EQ((co_await root().startChild<Told>("a", {})).info, "told");
           EXPECT_EQ((co_await root().startChild<ToldLater>("b", {})).info, "later");
           EXPECT_TRUE((co_await root().startChild<Told>("c", {}, true)).ignored);
         });
}

TEST_F(ActorLife, InitMayCallSiblingsThatWereStartedBefore) {
  class Second final : public troupe::Actor<Second> {
   public:
    Task<> init() {
      auto first = co_await find<Puppet>("first");
      co_await first.note("called from init");
      co_await first.who();
    }
  };
  runApp([](troupe::App& app) { app.child<PuppetActor>("first").child<Second>("second"); },
         [](Self&) -> Task<> { co_return; });
  EXPECT_EQ(board().count("called from init"), 1u);
}

TEST_F(ActorLife, InitThatLooksForALaterSiblingFails) {
  class First final : public troupe::Actor<First> {
   public:
    Task<> init() { co_await find<Puppet>("second"); }
  };
  const Ended ended =
      runToEnd([](troupe::App& app) { app.child<First>("first").child<PuppetActor>("second"); },
               [](Self&) -> Task<> { co_return; });
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("finding \"second\" for /first"), std::string::npos) << ended.err;
}

TEST_F(ActorLife, KnowsItself) {
  class Known final : public QuietPuppet<Known> {
   public:
    void who(WhoParams, WhoResults out) {
      EXPECT_EQ(path(), "/group/known");
      EXPECT_EQ(name(), "known");
      EXPECT_EQ(self().supervisor().path(), "/group");
      EXPECT_EQ(self().id(), ref().id());
      out.setGeneration(self().generation());
    }
  };
  runApp([](troupe::App& app) { app.supervisor("group").child<Known>("known"); },
         [](Self& self) -> Task<> {
           auto known = (co_await self.find<Puppet>("/group/known")).within(5min);
           EXPECT_EQ((co_await known.who())->getGeneration(), 1u);
           co_await known.die("kill");
           EXPECT_EQ((co_await known.who())->getGeneration(), 2u);
         });
}

TEST_F(ActorLife, ItsNextMessageWaitsWhileAHandlerDoesAndItsTimersGoOn) {
  class Busy final : public QuietPuppet<Busy> {
   public:
    Task<> run() {
      for (;;) {
        co_await sleepFor(5ms);
        ++ticks_;
      }
    }
    Task<> nap(NapParams, NapResults out) {
      const int before = ticks_;
      while (ticks_ < before + 5) co_await sleepFor(5ms);
      EXPECT_EQ(handled_, 0) << "the next message waits";
      out.setHandled(1);
    }
    void echo(EchoParams, EchoResults) { ++handled_; }

   private:
    int ticks_ = 0;
    int handled_ = 0;
  };
  runApp(only<Busy>, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    auto nap = a.nap(0);
    auto echo = a.echo("");
    co_await nap;
    co_await echo;
  });
}

class Both final : public QuietPuppet<Both> {
 public:
  static constexpr bool kReentrant = true;
  Task<> nap(NapParams, NapResults out) {
    while (!told_) co_await sleepFor(2ms);
    out.setHandled(7);
  }
  void note(NoteParams) { told_ = true; }

 private:
  bool told_ = false;
};

TEST_F(ActorLife, OneThatIsReentrantHandlesMessagesMeanwhile) {
  runApp(only<Both>, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    std::vector<troupe::Call<Puppet::NapResults>> naps;
    for (int i = 0; i < 300; ++i) naps.push_back(a.nap(0));
    co_await a.note("go on");
    for (auto& nap : naps) EXPECT_EQ((co_await nap)->getHandled(), 7u);
  });
}

TEST_F(ActorLife, WhatWasSpawnedIsCancelledByTheStop) {
  struct Guard {
    ~Guard() { board().note("cancelled"); }
  };
  class Spawning final : public troupe::Actor<Spawning> {
   public:
    Task<> run() {
      spawn(forEver(*this));
      spawn(forEver(*this));
      co_await forEver(*this);
    }
    void stopping() { board().note("stopping"); }

   private:
    static Task<> forEver(Spawning& actor) {
      const Guard guard;
      co_await actor.sleepFor(24h);
    }
  };
  runApp(only<Spawning>, [](Self&) -> Task<> { co_await root().stop("a"); });
  EXPECT_EQ(board().notes(), (std::vector<std::string>{"cancelled", "cancelled", "cancelled", "stopping"}));
}

TEST_F(ActorLife, AnExceptionInAnyOfItsFunctionsIsACrashWithItsText) {
  class Throwing final : public troupe::Actor<Throwing> {
   public:
    explicit Throwing(std::string where) : where_(std::move(where)) {}
    Task<> run() {
      if (where_ == "run") throw std::runtime_error("thrown in run");
      if (where_ == "spawned") spawn(later(*this));
      co_await sleepFor(24h);
    }
    void stopping() { throw std::runtime_error("thrown in stopping"); }

   private:
    static Task<> later(Throwing& actor) {
      co_await actor.sleepFor(1ms);
      throw std::runtime_error("thrown in spawned");
    }
    std::string where_;
  };
  const Ended ended =
      runApp([](troupe::App&) {},
             [](Self& self) -> Task<> {
               co_await root().startChild<Throwing>("a", {.restart = Restart::temporary}, "run");
               co_await root().startChild<Throwing>("b", {.restart = Restart::temporary}, "spawned");
               co_await root().startChild<Throwing>("c", {.restart = Restart::temporary}, "nowhere");
               co_await root().stop("c");
               co_await until(self, "their ends", std::function<Task<bool>()>(onlyMain));
             });
  for (const char* text :
       {"\"a\" ended: exception: thrown in run", "\"b\" ended: exception: thrown in spawned",
        "\"c\" did not stop in order: exception: thrown in stopping"}) {
    EXPECT_NE(ended.err.find(text), std::string::npos) << text << " is not in " << ended.err;
  }
}

TEST_F(ActorLife, AStopWaitsForTheTurnAtHand) {
  class Napping final : public QuietPuppet<Napping> {
   public:
    Task<> nap(NapParams in, NapResults out) {
      board().note("napping");
      co_await sleepFor(std::chrono::milliseconds(in.getMilliseconds()));
      out.setHandled(1);
    }
  };
  runApp(only<Napping>, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    auto nap = a.nap(100);
    co_await until(self, "its turn", [] { return board().count("napping") == 1; });
    co_await root().stop("a");
    EXPECT_EQ((co_await nap)->getHandled(), 1u) << "the call in hand was answered";
  });
}

TEST_F(ActorLife, OneThatStopsItselfAnswersTheCallInHandFirst) {
  class Leaving final : public QuietPuppet<Leaving> {
   public:
    Task<> nap(NapParams, NapResults out) {
      stop({.kind = ExitKind::normal});
      co_await sleepFor(20ms);
      out.setHandled(3);
    }
  };
  runApp(only<Leaving>, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    EXPECT_EQ((co_await a.nap(0))->getHandled(), 3u);
    co_await becomesState(self, root(), "a", troupe::ChildState::stopped);
  });
}

TEST_F(ActorLife, MessagesThatComeDuringAStopWaitForTheNextProcess) {
  runApp(only<PuppetActor>, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    co_await a.who();
    co_await root().stop("a");
    for (int i = 0; i < 100; ++i) co_await a.note("kept");
    auto call = a.who();
    co_await root().restart("a");
    EXPECT_EQ((co_await call)->getGeneration(), 2u);
    EXPECT_EQ(board().count("kept"), 100u);
  });
}

TEST_F(ActorLife, SigtermStopsItInOrder) {
  runApp(only<PuppetActor>, [](Self& self) -> Task<> {
    auto a = co_await self.find<Puppet>("a");
    auto monitor = self.monitor(a);
    kill((co_await a.who())->getPid(), SIGTERM);
    const auto down = co_await monitor.next();
    EXPECT_EQ(down.reason.kind, ExitKind::shutdown);
    EXPECT_EQ(board().count("stopped /a"), 1u);
  });
}

TEST_F(ActorLife, OneThatHangsIsKilledByItsWatchdog) {
  const Ended ended = runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 10});
        app.child<PuppetActor>("a", {.watchdog = 3s}).child<PuppetActor>("b", {.watchdog = 5s});
      },
      [](Self& self) -> Task<> {
        auto a = (co_await self.find<Puppet>("a")).within(5min);
        auto b = (co_await self.find<Puppet>("b")).within(5min);
        const Error error = co_await errorOf(a.hang());
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
        EXPECT_EQ(error.exitReason().kind, ExitKind::hung);
        EXPECT_EQ((co_await a.who())->getGeneration(), 2u);
        co_await b.nap(6000);
        EXPECT_EQ((co_await b.who())->getGeneration(), 1u) << "one that only waits is well";
      });
  EXPECT_NE(ended.err.find("\"a\" ended: "), std::string::npos);
}

// Works for so long on each message that a few dozen of them take longer than its watchdog waits.
class Plodder final : public QuietPuppet<Plodder> {
 public:
  void note(NoteParams in) {
    const auto until = std::chrono::steady_clock::now() + 45ms;
    while (std::chrono::steady_clock::now() < until) {}
    Board::shared().note(in.getText().cStr());
  }
};

TEST_F(ActorLife, OneThatWorksOnManyMessagesAnswersItsWatchdogBetweenThem) {
  // They take longer than the watchdog gives; a machine that stands still for half of that, does not.
  static constexpr unsigned kNotes = 120;
  runApp([](troupe::App& app) { app.child<Plodder>("a", {.watchdog = 4s}); },
         [](Self& self) -> Task<> {
           auto a = (co_await self.find<Puppet>("a")).within(5min);
           const auto before = (co_await a.who())->getPid();
           for (unsigned i = 0; i < kNotes; ++i) co_await a.note("done");
           EXPECT_EQ((co_await a.who())->getPid(), before);
           EXPECT_EQ(board().count("done"), kNotes);
         });
}

}  // namespace tests
