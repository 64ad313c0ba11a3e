// What becomes of the message in hand when a process dies, and of those behind it.
#include <unistd.h>

#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::OnCrash;
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
             auto a = (co_await puppetAt(self, "a")).within(troupe::kForever);
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
                               auto a = co_await puppetAt(self, "a");
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
             auto a = co_await puppetAt(self, "a");
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
             auto a = (co_await puppetAt(self, "a")).within(troupe::kForever);
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
           auto a = co_await puppetAt(self, "a");
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
        auto a = co_await puppetAt(self, "/group/a");
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
        auto a = co_await puppetAt(self, "a");
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
        auto pool = (co_await puppetAt(self, "pool")).within(troupe::kForever);
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
          auto a = co_await puppetAt(self, "a");
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

}  // namespace tests
