// What becomes of messages when a process dies: those in hand, those behind them, and what its turns had sent.
#include <unistd.h>

#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::OnCrash;
using troupe::Ref;
using troupe::Restart;
using troupe::SupervisorRef;
using Calls = std::vector<troupe::Call<Puppet::EchoResults>>;

Board& board() { return Board::shared(); }
SupervisorRef root() { return SupervisorRef("/"); }

// Notes each message before it handles it. "<how> <deaths> <name>" dies that way, until it has died so often.
class Frail final : public QuietPuppet<Frail> {
 public:
  void note(NoteParams in) { handle(in.getText().cStr()); }
  Task<> echo(EchoParams in, EchoResults out) {
    const std::string text = in.getText().cStr();
    if (text.starts_with("later ")) co_await sleepFor(1ms);
    handle(text);
    out.setText(text);
  }

 private:
  static void handle(const std::string& text) {
    board().note(text);
    const auto words = splitAt(text);
    if (board().count(text) <= words.second) endAs(words.first);
  }
  // "kill 3 x": kill, 3.
  static std::pair<std::string, std::size_t> splitAt(std::string text) {
    if (text.starts_with("later ")) text.erase(0, 6);
    const auto space = text.find(' ');
    if (space == std::string::npos) return {text, 0};
    return {text.substr(0, space), std::strtoul(text.c_str() + space, nullptr, 10)};
  }
};

void frail(troupe::App& app, OnCrash onCrash) {
  app.supervise({.maxRestarts = 1000});
  app.child<Frail>("a", {.onCrash = onCrash});
}

Task<Ref<Puppet>> puppet(Self& self, std::string path) {
  const auto found = co_await self.find<Puppet>(path);
  co_return found.within(30s);
}

Task<std::string> textOf(troupe::Call<Puppet::EchoResults> call) {
  const auto reply = co_await std::move(call);
  co_return reply->getText().cStr();
}

using Notes = std::vector<std::string>;

// The notes, of which `poison` comes `times` times, and the others once each.
Notes with(const std::string& poison, std::size_t times, const Notes& before, const Notes& behind) {
  Notes all = before;
  all.insert(all.end(), times, poison);
  all.insert(all.end(), behind.begin(), behind.end());
  return all;
}

}  // namespace

class OnCrashes : public AppTest {};

// --- The message in hand ---

TEST_F(OnCrashes, TheMessageInHandIsDroppedAndItsCallerToldAtOnce) {
  for (const char* how : {"kill", "segv", "throw", "abort"}) {
    board().clear();
    const std::string poison = std::string(how) + " 99";
    runApp([](troupe::App& app) { frail(app, OnCrash::drop()); },
           [poison](Self& self) -> Task<> {
             auto a = (co_await puppet(self, "a")).within(troupe::kForever);
             Calls calls;
             for (const std::string& text : {std::string("first"), poison, std::string("second")})
               calls.push_back(a.echo(text));
             const std::string first = co_await textOf(std::move(calls[0]));
             EXPECT_EQ(first, "first");
             const Error error = co_await errorOf(std::move(calls[1]));
             EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.what();
             const std::string second = co_await textOf(std::move(calls[2]));
             EXPECT_EQ(second, "second");
           });
    EXPECT_EQ(board().notes(), (Notes{"first", poison, "second"})) << how;
  }
}

TEST_F(OnCrashes, ACastInHandIsDroppedAndTold) {
  const Ended ended = runApp([](troupe::App& app) { frail(app, OnCrash::drop()); },
                             [](Self& self) -> Task<> {
                               auto a = co_await puppet(self, "a");
                               for (const char* text : {"first", "kill 99", "second"}) co_await a.note(text);
                               const std::string last = co_await textOf(a.echo("last"));
                               EXPECT_EQ(last, "last");
                             });
  EXPECT_EQ(board().notes(), (Notes{"first", "kill 99", "second", "last"}));
  EXPECT_NE(ended.err.find("/a died with 1 cast(s) in hand"), std::string::npos) << ended.err;
}

TEST_F(OnCrashes, TheNextProcessTriesItAgainFirstAndAnswersIt) {
  for (const std::string poison : {"kill 2 x", "later kill 2 x", "segv 2 x", "throw 1 x"}) {
    board().clear();
    runApp([](troupe::App& app) { frail(app, OnCrash::retry(2)); },
           [poison](Self& self) -> Task<> {
             auto a = co_await puppet(self, "a");
             Calls calls;
             for (const std::string& text : {std::string("before"), poison, std::string("behind")})
               calls.push_back(a.echo(text));
             for (auto& call : calls) co_await textOf(std::move(call));
           });
    const std::size_t deaths = poison.starts_with("throw") ? 1 : 2;
    EXPECT_EQ(board().notes(), with(poison, deaths + 1, {"before"}, {"behind"}));
  }
}

TEST_F(OnCrashes, AfterTheLastAttemptItIsDroppedAndTheCallerTold) {
  for (const unsigned retries : {1u, 3u, 20u}) {
    board().clear();
    runApp([retries](troupe::App& app) { frail(app, OnCrash::retry(retries)); },
           [](Self& self) -> Task<> {
             auto a = (co_await puppet(self, "a")).within(troupe::kForever);
             Calls calls;
             for (const char* text : {"before", "kill 99", "behind"}) calls.push_back(a.echo(text));
             co_await textOf(std::move(calls[0]));
             const Error error = co_await errorOf(std::move(calls[1]));
             EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.what();
             EXPECT_EQ(error.exitReason().code, SIGKILL);
             co_await textOf(std::move(calls[2]));
           });
    EXPECT_EQ(board().notes(), with("kill 99", retries + 1, {"before"}, {"behind"}));
  }
}

TEST_F(OnCrashes, EachMessageHasAttemptsOfItsOwn) {
  runApp([](troupe::App& app) { frail(app, OnCrash::retry(2)); },
         [](Self& self) -> Task<> {
           auto a = co_await puppet(self, "a");
           for (const char* text : {"kill 2 x", "kill 99 y", "kill 1 z", "kill 2 z"}) co_await a.note(text);
           co_await textOf(a.echo("last"));
         });
  Notes expected = with("kill 2 x", 3, {}, {});
  expected = with("kill 99 y", 3, expected, {});
  expected = with("kill 1 z", 2, expected, {});
  EXPECT_EQ(board().notes(), with("kill 2 z", 3, expected, {"last"}));
}

TEST_F(OnCrashes, AMessageInHandSurvivesTheSupervisor) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.supervisor("group", {.maxRestarts = 1000}).child<Frail>("a", {.onCrash = OnCrash::retry(2)});
      },
      [](Self& self) -> Task<> {
        auto a = co_await puppet(self, "/group/a");
        auto call = a.echo("hang 1");
        auto behind = a.echo("behind");
        co_await until(self, "the first attempt", [] { return board().count("hang 1") == 1; });
        const auto pids = co_await pidsOf(root());
        kill(pids.at("group"), SIGKILL);
        const std::string text = co_await textOf(std::move(call));
        EXPECT_EQ(text, "hang 1");
        co_await textOf(std::move(behind));
      });
  EXPECT_EQ(board().notes(), (Notes{"hang 1", "hang 1", "behind"}));
}

TEST_F(OnCrashes, AStopByHandDropsTheMessageInHandNoFurther) {
  // It is killed when its time is over, and the message is tried by the process that is started by hand.
  runApp(
      [](troupe::App& app) {
        app.child<Frail>("a", {.stop = troupe::Stop::brutalKill(), .onCrash = OnCrash::retry(1)});
      },
      [](Self& self) -> Task<> {
        auto a = co_await puppet(self, "a");
        auto call = a.echo("hang 1");
        co_await until(self, "the first attempt", [] { return board().count("hang 1") == 1; });
        co_await root().stop("a");
        co_await root().restart("a");
        const std::string text = co_await textOf(std::move(call));
        EXPECT_EQ(text, "hang 1");
      });
}

TEST_F(OnCrashes, AWorkerOfAPoolTriesAgainToo) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.pool<Frail>("pool", {.size = 2, .maxRestarts = 1000, .onCrash = OnCrash::retry(2)});
      },
      [](Self& self) -> Task<> {
        auto pool = (co_await puppet(self, "pool")).within(troupe::kForever);
        Calls calls;
        for (int i = 0; i < 10; ++i) calls.push_back(pool.echo("kill 2 " + std::to_string(i)));
        auto poison = pool.echo("kill 99");
        for (auto& call : calls) co_await textOf(std::move(call));
        const Error error = co_await errorOf(std::move(poison));
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
      });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(board().count("kill 2 " + std::to_string(i)), 3u);
  EXPECT_EQ(board().count("kill 99"), 3u);
}

namespace {

// Waits, in its first process.
class Both final : public QuietPuppet<Both> {
 public:
  static constexpr bool kReentrant = true;
  Task<> echo(EchoParams in, EchoResults out) {
    const std::string text = in.getText().cStr();
    board().note(text);
    while (self().generation() == 1) co_await sleepFor(1ms);
    out.setText(text);
  }
};

}  // namespace

TEST_F(OnCrashes, AReentrantActorTriesAllThatItHadInHand) {
  for (const unsigned retries : {0u, 1u}) {
    board().clear();
    runApp(
        [retries](troupe::App& app) {
          app.supervise({.maxRestarts = 1000});
          app.child<Both>("a", {.onCrash = OnCrash::retry(retries)});
        },
        [retries](Self& self) -> Task<> {
          auto a = co_await puppet(self, "a");
          const int pid = (co_await a.who())->getPid();
          Calls calls;
          for (int i = 0; i < 20; ++i) calls.push_back(a.echo(std::to_string(i)));
          co_await until(self, "all in hand", [] { return board().notes().size() == 20; });
          kill(pid, SIGKILL);
          for (int i = 0; i < 20; ++i) {
            if (retries > 0) {
              const std::string text = co_await textOf(std::move(calls[static_cast<std::size_t>(i)]));
              EXPECT_EQ(text, std::to_string(i));
            } else {
              co_await errorOf(std::move(calls[static_cast<std::size_t>(i)]));
            }
          }
        });
  }
}

// --- What a turn sends ---

namespace {

// Does what the text of an echo says, to /other.
class Sender final : public QuietPuppet<Sender> {
 public:
  Task<> echo(EchoParams in, EchoResults out) {
    auto other = (co_await find<Puppet>("/other")).within(30s);
    const std::string what = in.getText().cStr();
    if (what == "cast, then call") {
      co_await other.note("cast");
      co_await other.echo("call");
      board().note("turn ends");
    } else if (what == "cast, then die") {
      co_await other.note("cast");
      co_await other.echo("call");
      endAs("kill");
    } else {
      // Far more than its pipe takes.
      for (int i = 0; i < 5000; ++i) co_await other.note("number " + std::to_string(i));
    }
    out.setText(what);
  }
};

// Notes what it gets, but not before the test lets it.
class Slow final : public QuietPuppet<Slow> {
 public:
  void note(NoteParams in) { board().note(in.getText().cStr()); }
  void echo(EchoParams in, EchoResults) { board().note(in.getText().cStr()); }
  Task<> nap(NapParams, NapResults) {
    board().note("busy");
    while (board().count("go on") == 0) co_await sleepFor(1ms);
  }
};

Notes numbers(int count) {
  Notes all;
  for (int i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

}  // namespace

TEST_F(OnCrashes, CastsOfATurnLeaveWithItsEndAndCallsAtOnce) {
  runApp([](troupe::App& app) { app.child<Slow>("other").child<Sender>("a"); },
         [](Self& self) -> Task<> {
           auto a = co_await puppet(self, "a");
           co_await textOf(a.echo("cast, then call"));
           co_await until(self, "the cast", [] { return board().count("cast") == 1; });
         });
  EXPECT_EQ(board().notes(), (Notes{"call", "turn ends", "cast"}));
}

TEST_F(OnCrashes, CastsOfATurnThatCrashesNeverLeaveAndItsCallsHaveHappened) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Slow>("other").child<Sender>("a", {.onCrash = OnCrash::retry(2)});
      },
      [](Self& self) -> Task<> {
        auto a = co_await puppet(self, "a");
        co_await errorOf(a.echo("cast, then die"));
        co_await textOf(a.echo("cast, then call"));
        co_await until(self, "the cast", [] { return board().count("cast") == 1; });
      });
  EXPECT_EQ(board().notes(), (Notes{"call", "call", "call", "call", "turn ends", "cast"}));
}

// What a turn has sent arrives, once and in order, though its receiver does not read and its sender dies.
class Committed : public OnCrashes {
 protected:
  static void run(const AppRun::Describe& describe, const std::string& sender,
                  std::function<Task<>(Self&, int pid)> death) {
    runApp(describe, [&](Self& self) -> Task<> {
      auto other = co_await puppet(self, "/other");
      auto nap = other.nap(0);
      co_await until(self, "it is busy", [] { return board().count("busy") == 1; });
      auto a = co_await puppet(self, sender);
      const int pid = (co_await a.who())->getPid();
      co_await textOf(a.echo("many"));
      auto dies = death(self, pid);
      co_await std::move(dies);
      board().note("go on");
      co_await std::move(nap);
      co_await until(self, "all", [] { return board().count("number 4999") == 1; });
      co_await other.echo("last");
    });
    EXPECT_EQ(board().notesAfter("number "), numbers(5000));
  }
  static Task<> killed(Self& self, int pid) {
    kill(pid, SIGKILL);
    co_await becomesDead(self, pid);
  }
};

TEST_F(Committed, CastsAreSentByTheSuccessor) {
  run(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Slow>("other").child<Sender>("a");
      },
      "/a", killed);
}

TEST_F(Committed, CastsOfOneThatHasGoneForGoodArrive) {
  run([](troupe::App& app) { app.child<Slow>("other").child<Sender>("a", {.restart = Restart::temporary}); },
      "/a", killed);
}

TEST_F(Committed, CastsOfOneThatIsStoppedAndRemovedArrive) {
  run([](troupe::App& app) { app.child<Slow>("other").child<Sender>("a"); }, "/a",
      [](Self&, int) -> Task<> {
        co_await root().stop("a");
        co_await root().remove("a");
      });
}

TEST_F(Committed, CastsSurviveTheSupervisor) {
  run(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Slow>("other").supervisor("group", {.maxRestarts = 1000}).child<Sender>("a");
      },
      "/group/a",
      [](Self& self, int pid) -> Task<> {
        const auto pids = co_await pidsOf(root());
        kill(pids.at("group"), SIGKILL);
        co_await becomesDead(self, pid);
      });
}

TEST_F(Committed, CastsArriveWhenTheSupervisorHasGoneForGood) {
  for (int round = 0; round < 3; ++round) {
    board().clear();
    run(
        [](troupe::App& app) {
          app.child<Slow>("other").supervisor("group", {.restart = Restart::temporary}).child<Sender>("a");
        },
        "/group/a",
        [](Self& self, int pid) -> Task<> {
          const auto pids = co_await pidsOf(root());
          kill(pids.at("group"), SIGKILL);
          co_await becomesDead(self, pid);
        });
  }
}

// --- Answers ---

namespace {

constexpr int kAnswers = 100;

// Asks for more than its reply pipe takes, and stops reading.
class Asker final : public QuietPuppet<Asker> {
 public:
  Task<> echo(EchoParams, EchoResults out) {
    auto callee = (co_await find<Puppet>("/callee")).within(troupe::kForever);
    auto first = callee.nap(0);
    std::vector<troupe::Call<Puppet::GrowResults>> calls;
    for (int i = 0; i < kAnswers; ++i) calls.push_back(callee.grow(3000));
    co_await sleepFor(1ms);
    board().note("asked");
    std::raise(SIGSTOP);
    co_await std::move(first);
    int answered = 0;
    std::string failure;
    for (auto& call : calls) {
      try {
        const auto reply = co_await std::move(call);
        answered += reply->getText().size() == 3000 ? 1 : 0;
      } catch (const Error& error) {
        failure = error.what();
      }
    }
    out.setText(std::to_string(answered) + failure);
  }
};

class Callee final : public QuietPuppet<Callee> {
 public:
  Task<> nap(NapParams, NapResults) {
    while (board().count("asked") == 0) co_await sleepFor(1ms);
  }
  void grow(GrowParams in, GrowResults out) {
    board().note("grown");
    out.setText(std::string(in.getBytes(), 'x'));
  }
};

Task<> answersArrive(Self& self, bool stays) {
  auto asker = (co_await puppet(self, "asker")).within(troupe::kForever);
  auto callee = co_await puppet(self, "callee");
  const int askerPid = (co_await asker.who())->getPid();
  const int pid = (co_await callee.who())->getPid();
  auto asked = asker.echo("");
  co_await until(self, "the asker has stopped",
                 [askerPid] { return board().count("asked") == 1 && stateOf(askerPid) == 'T'; });
  co_await until(self, "all answers", [] { return board().count("grown") == kAnswers; });
  // Behind all of them: so they are committed.
  co_await callee.who();
  kill(pid, SIGKILL);
  co_await becomesDead(self, pid);
  if (stays) co_await callee.who();
  kill(askerPid, SIGCONT);
  const std::string answered = co_await textOf(std::move(asked));
  EXPECT_EQ(answered, std::to_string(kAnswers));
  EXPECT_EQ(board().count("grown"), static_cast<std::size_t>(kAnswers)) << "each was asked for once";
}

}  // namespace

TEST_F(Committed, AnswersAreSentByTheSuccessor) {
  runApp([](troupe::App& app) { app.child<Callee>("callee").child<Asker>("asker"); },
         [](Self& self) { return answersArrive(self, true); });
}

TEST_F(Committed, AnswersOfOneThatHasGoneForGoodArrive) {
  runApp(
      [](troupe::App& app) {
        app.child<Callee>("callee", {.restart = Restart::temporary}).child<Asker>("asker");
      },
      [](Self& self) { return answersArrive(self, false); });
}

// --- Too much ---

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

}  // namespace

TEST_F(OnCrashes, ATurnThatSendsTooMuchIsToldAndWhatFitsArrives) {
  runApp([](troupe::App& app) { app.child<Sum>("other").child<Eager>("a"); },
         [](Self& self) -> Task<> {
           auto a = co_await puppet(self, "a");
           auto other = co_await puppet(self, "other");
           std::uint32_t sum = 0;
           for (const char* how : {"awaited", "not awaited", "awaited"}) {
             const std::string told = co_await textOf(a.echo(how));
             const auto placed = static_cast<std::uint32_t>(std::stoul(told));
             EXPECT_GT(placed, 500u) << told;
             EXPECT_LT(placed, 2000u) << told;
             EXPECT_NE(told.find("this turn holds back"), std::string::npos) << told;
             sum += placed;
             std::uint32_t handled = 0;
             while (handled < sum) {
               handled = (co_await other.nap(0))->getHandled();
               co_await self.sleepFor(2ms);
             }
             EXPECT_EQ(handled, sum);
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

TEST_F(OnCrashes, ATurnThatSendsTooMuchIsToldAlsoWhereItHadToWaitForRoom) {
  runApp([](troupe::App& app) { app.child<Slow>("busy").child<Sum>("other").child<Waiting>("a"); },
         [](Self& self) -> Task<> {
           auto busy = co_await puppet(self, "busy");
           auto nap = busy.nap(0);
           co_await until(self, "a full mailbox", [] { return board().count("full") == 1; });
           const std::string told = co_await textOf((co_await puppet(self, "a")).echo(""));
           EXPECT_NE(told.find("this turn holds back"), std::string::npos) << told;
           EXPECT_EQ((co_await (co_await puppet(self, "a")).who())->getGeneration(), 0u);
           co_await std::move(nap);
         });
}

}  // namespace tests
