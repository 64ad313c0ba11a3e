// The app as a program: what it returns, what ends it, and what main() may do.
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::AutoShutdown;
using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Restart;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }

void nothing(troupe::App&) {}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

class Apps : public AppTest {};

TEST_F(Apps, ReturnWhatTheirMainEndsWith) {
  EXPECT_EQ(runToEnd(nothing, [](Self&) -> Task<> { co_return; }).code, 0);
  EXPECT_EQ(runToEnd(nothing,
                     [](Self& self) -> Task<> {
                       self.stop({.kind = ExitKind::exited, .code = 5});
                       co_await self.sleepFor(24h);
                     })
                .code,
            5);
  EXPECT_EQ(runToEnd(nothing,
                     [](Self&) -> Task<> {
                       endAs("exit 9");
                       co_return;
                     })
                .code,
            9);
  EXPECT_EQ(runToEnd(nothing,
                     [](Self&) -> Task<> {
                       endAs("kill");
                       co_return;
                     })
                .code,
            128 + SIGKILL);
  const Ended thrown = runToEnd(nothing, [](Self&) -> Task<> {
    throw Error(ErrorKind::refused, "main gives up");
    co_return;
  });
  EXPECT_EQ(thrown.code, 1);
  EXPECT_TRUE(contains(thrown.err, "main gives up")) << thrown.err;
}

TEST_F(Apps, StopTheRestWhenMainEnds) {
  runApp([](troupe::App& app) { app.child<PuppetActor>("a").child<PuppetActor>("b"); },
         [](Self&) -> Task<> { co_return; });
  EXPECT_EQ(board().notes(), (std::vector<std::string>{"init /a", "init /b", "stop /b", "stopped /b",
                                                       "stop /a", "stopped /a"}));
}

TEST_F(Apps, EndWithOneWhereTheTopSupervisorGivesUp) {
  const Ended ended = runToEnd(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1, .within = 1h});
        app.child<PuppetActor>("a").child<PuppetActor>("b");
      },
      [](Self& self) -> Task<> {
        auto a = co_await self.find<Puppet>("a");
        for (int i = 0; i < 2; ++i) co_await a.die("kill");
        co_await self.sleepFor(24h);
      });
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "gave up after \"a\"")) << ended.err;
  EXPECT_EQ(board().count("stopped /b"), 1u);
}

TEST_F(Apps, EndInOrderWhenSignificantChildrenHave) {
  AppRun run([](troupe::App& app) {
    app.stopWhen(AutoShutdown::allSignificant);
    app.child<PuppetActor>("a", {.restart = Restart::transient, .significant = true});
    app.child<PuppetActor>("b", {.restart = Restart::temporary, .significant = true});
    app.child<PuppetActor>("c");
    app.ready([] { board().note("ready"); });
  });
  run.waitUntil("the app to be ready", [] { return board().count("ready") == 1; });
  kill(run.processes().at("/b"), SIGKILL);
  run.waitUntil("the end of b", [&] { return !run.processes().contains("/b"); });
  kill(run.processes().at("/a"), SIGTERM);
  EXPECT_EQ(run.wait().code, 0);
  EXPECT_EQ(board().count("stopped /c"), 1u);
}

TEST_F(Apps, TellWhenAllIsReadyOnceAndAfterTheStarts) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 10});
        app.child<PuppetActor>("a", {}, Script::parse("init=naps"));
        app.supervisor("group").child<PuppetActor>("b", {}, Script::parse("init=naps"));
        app.ready([] { board().note("ready"); });
      },
      [](Self& self) -> Task<> {
        co_await until(self, "ready", [] { return board().count("ready") == 1; });
        const int before = (co_await pidsOf(SupervisorRef("/"))).at("a");
        kill(before, SIGKILL);
        co_await becomesRunning(self, SupervisorRef("/"), "a", before);
      });
  EXPECT_EQ(board().count("ready"), 1u);
  const auto notes = board().notes();
  EXPECT_EQ((std::vector<std::string>(notes.begin(), notes.begin() + 3)),
            (std::vector<std::string>{"init /a", "init /group/b", "ready"}));
}

TEST_F(Apps, WithoutAMainRunUntilTheyAreStopped) {
  AppRun run([](troupe::App& app) { app.ready([] { board().note("ready"); }); });
  run.waitUntil("the app to be ready", [] { return board().count("ready") == 1; });
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().code, 0);
}

TEST_F(Apps, GiveMainTheirStandardInput) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "typed\n", 6), 6);
  const Ended ended = runApp([](troupe::App& app) { app.child<PuppetActor>("a"); },
                             [](Self& self) -> Task<> {
                               char text[16] = {};
                               EXPECT_EQ(::read(STDIN_FILENO, text, sizeof text), 6);
                               EXPECT_STREQ(text, "typed\n");
                               auto a = co_await self.find<Puppet>("a");
                               const auto reply = co_await a.files();
                               EXPECT_STREQ(reply->getOpen()[0].cStr(), "0 /dev/null");
                             },
                             [&] { ::dup2(ends[0], STDIN_FILENO); });
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(Apps, ThatAreDescribedWronglyEndWithAClearError) {
  struct Wrong {
    AppRun::Describe describe;
    const char* words;
  };
  const std::vector<Wrong> all = {
      {[](troupe::App& app) { app.child<PuppetActor>("a").child<PuppetActor>("a"); },
       "there is already a child of this id"},
      {[](troupe::App& app) { app.child<PuppetActor>("main"); }, "main"},
      {[](troupe::App& app) {
         app.child<PuppetActor>("a");
         app.supervise({});
       },
       "App::supervise must be called before"},
      {[](troupe::App& app) {
         app.main([](Self&) -> Task<> { co_return; });
         app.main([](Self&) -> Task<> { co_return; });
       },
       "called twice"},
      {[](troupe::App& app) { app.supervise({.within = -1s}); }, "within"},
      {[](troupe::App&) { std::thread([] { endAs("hang"); }).detach(); }, "2 threads"},
  };
  for (const Wrong& wrong : all) {
    AppRun run([&](troupe::App& app) {
      wrong.describe(app);
      if (std::string(wrong.words) == "main") app.main([](Self&) -> Task<> { co_return; });
    });
    const Ended& ended = run.wait();
    EXPECT_EQ(ended.code, 2) << wrong.words << ": " << ended.err;
    EXPECT_TRUE(contains(ended.err, "error: ")) << ended.err;
    EXPECT_TRUE(contains(ended.err, wrong.words)) << wrong.words << ": " << ended.err;
  }
}

TEST_F(Apps, ManageThemselvesAtTheTop) {
  runApp([](troupe::App& app) { app.child<PuppetActor>("a"); },
         [](Self& self) -> Task<> {
           const auto top = co_await self.findSupervisor("/");
           EXPECT_EQ(top.path(), "/");
           EXPECT_EQ(self.supervisor().path(), "/");
           EXPECT_EQ(co_await orderOf(top), "a main");
           const Error self1 = co_await errorOf(top.stop("main"));
           EXPECT_EQ(self1.kind(), ErrorKind::invalid) << "main would wait for its own end";
         });
}

}  // namespace tests
