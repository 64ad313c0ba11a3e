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
    auto other = (co_await find<Puppet>("/other")).within(5min);
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
    auto first = callee.nap(1);
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
  // Until so many have asked.
  Task<> nap(NapParams in, NapResults) {
    board().note("busy");
    while (board().count("asked") < in.getMilliseconds()) co_await sleepFor(1ms);
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

// Many callers that do not read: their answers must not fill the log of the callee, which would end it.
class Deaf final : public QuietPuppet<Deaf> {
 public:
  Task<> run() {
    auto callee = (co_await find<Puppet>("/callee")).within(troupe::kForever);
    while (board().count("busy") == 0) co_await sleepFor(1ms);
    std::vector<troupe::Call<Puppet::GrowResults>> calls;
    for (int i = 0; i < 300; ++i) calls.push_back(callee.grow(3900));
    co_await sleepFor(1ms);
    board().note("asked");
    std::raise(SIGSTOP);
    co_await sleepFor(24h);
  }
};

TEST_F(Committed, AnswersThatNobodyReadsDoNotEndTheirSender) {
  constexpr int kCallers = 12;
  runApp(
      [](troupe::App& app) {
        app.child<Callee>("callee", {.mailboxBytes = 1 << 20});
        for (int i = 0; i < kCallers; ++i) app.child<Deaf>("deaf" + std::to_string(i));
      },
      [](Self& self) -> Task<> {
        auto callee = (co_await puppetAt(self, "callee")).within(troupe::kForever);
        co_await callee.nap(kCallers);
        // Behind what they have asked for.
        co_await callee.who();
        EXPECT_GT(board().count("grown"), kCallers * 250u);
        const auto children = co_await childrenOf(root());
        for (const auto& [id, child] : children) {
          if (id.starts_with("deaf")) kill(child.pid, SIGCONT);
        }
      });
}

}  // namespace tests
