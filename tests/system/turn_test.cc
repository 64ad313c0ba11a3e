// What a turn sends: casts leave with its end, calls at once; and what is committed arrives, whoever dies.
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
using Notes = std::vector<std::string>;

Board& board() { return Board::shared(); }
SupervisorRef root() { return SupervisorRef("/"); }

}  // namespace

class TurnsThatSend : public AppTest {};

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

TEST_F(TurnsThatSend, CastsOfATurnLeaveWithItsEndAndCallsAtOnce) {
  runApp([](troupe::App& app) { app.child<Slow>("other").child<Sender>("a"); },
         [](Self& self) -> Task<> {
           auto a = co_await puppetAt(self, "a");
           co_await textOf(a.echo("cast, then call"));
           co_await until(self, "the cast", [] { return board().count("cast") == 1; });
         });
  EXPECT_EQ(board().notes(), (Notes{"call", "turn ends", "cast"}));
}

TEST_F(TurnsThatSend, CastsOfATurnThatCrashesNeverLeaveAndItsCallsHaveHappened) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Slow>("other").child<Sender>("a", {.onCrash = OnCrash::retry(2)});
      },
      [](Self& self) -> Task<> {
        auto a = co_await puppetAt(self, "a");
        co_await errorOf(a.echo("cast, then die"));
        co_await textOf(a.echo("cast, then call"));
        co_await until(self, "the cast", [] { return board().count("cast") == 1; });
      });
  EXPECT_EQ(board().notes(), (Notes{"call", "call", "call", "call", "turn ends", "cast"}));
}

// What a turn has sent arrives, once and in order, though its receiver does not read and its sender dies.
class Committed : public AppTest {
 protected:
  static void run(const AppRun::Describe& describe, const std::string& sender,
                  std::function<Task<>(Self&, int pid)> death) {
    runApp(describe, [&](Self& self) -> Task<> {
      auto other = co_await puppetAt(self, "/other");
      auto nap = other.nap(0);
      co_await until(self, "it is busy", [] { return board().count("busy") == 1; });
      auto a = co_await puppetAt(self, sender);
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
  auto asker = (co_await puppetAt(self, "asker")).within(troupe::kForever);
  auto callee = co_await puppetAt(self, "callee");
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

TEST_F(TurnsThatSend, ATurnThatSendsTooMuchIsToldAndWhatFitsArrives) {
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

TEST_F(TurnsThatSend, ATurnThatSendsTooMuchIsToldAlsoWhereItHadToWaitForRoom) {
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

}  // namespace tests
