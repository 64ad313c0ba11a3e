// Hot spares: processes that wait to become an actor whose process has died.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "tests/support/app_run.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"
#include "tests/support/scratch.h"

namespace tests {

namespace {

using troupe::ChildSpec;
using troupe::Launch;
using troupe::SupervisorRef;

SupervisorRef root() { return SupervisorRef("/"); }
Board& board() { return Board::shared(); }

// The processes of the app that are called that and sleep: a spare that sleeps waits to be called.
std::vector<pid_t> waiting(const std::string& path) {
  std::vector<pid_t> pids;
  for (const Process& process : processesBelow(::getppid())) {
    if (process.path() == path && process.state == 'S') pids.push_back(process.pid);
  }
  return pids;
}

Task<pid_t> spareOf(Self& self, std::string path, pid_t before = 0) {
  const std::string spare = path + ":spare";
  const std::function<bool()> waits = [spare, before] {
    const auto pids = waiting(spare);
    return pids.size() == 1 && pids[0] != before;
  };
  co_await until(self, "a process " + spare, waits);
  // Its word must arrive, too.
  co_await root().count();
  co_return waiting(spare)[0];
}

void one(troupe::App& app, ChildSpec spec) {
  app.supervise({.maxRestarts = 1000});
  spec.spares = 1;
  app.child<PuppetActor>("a", spec);
}

void oneByExec(troupe::App& app) { one(app, {.launch = Launch::exec}); }

// Kills it, and sees who it is then.
Task<pid_t> successorOf(Self& self, troupe::Ref<Puppet> puppet) {
  const pid_t before = static_cast<pid_t>((co_await puppet.who())->getPid());
  kill(before, SIGKILL);
  co_await becomesDead(self, before);
  co_return static_cast<pid_t>((co_await puppet.who())->getPid());
}

// Is ready once a process of the child "b" waits beside it.
class First final : public troupe::Actor<First> {
 public:
  Task<troupe::Start> init() {
    std::vector<pid_t> next;
    while ((next = waiting("/b:spare")).empty()) co_await sleepFor(1ms);
    EXPECT_EQ(board().count("init /b"), 0U);
    board().note("ahead " + std::to_string(next[0]));
    co_return troupe::Start{};
  }
};

}  // namespace

class Spares : public AppTest {};

TEST_F(Spares, OfTheChildThatIsStartedNextOneIsMadeWhileAnotherStarts) {
  runApp(
      [](troupe::App& app) {
        app.child<First>("a");
        app.child<PuppetActor>("b");
      },
      [](Self& self) -> Task<> {
        const auto puppet = co_await puppetAt(self, "b");
        const auto pid = (co_await puppet.who())->getPid();
        EXPECT_EQ(board().count("ahead " + std::to_string(pid)), 1U);
        EXPECT_EQ(pathOf(static_cast<pid_t>(pid)), "/b");
        EXPECT_EQ(board().count("init /b"), 1U);
      });
}

TEST_F(Spares, BecomeTheActorWhoseProcessHasDied) {
  runApp([](troupe::App& app) { one(app, {}); },
         [](Self& self) -> Task<> {
           const auto puppet = co_await puppetAt(self, "a");
           pid_t last = 0;
           for (int i = 0; i < 5; ++i) {
             const pid_t spare = co_await spareOf(self, "/a", last);
             const pid_t successor = co_await successorOf(self, puppet);
             EXPECT_EQ(successor, spare);
             EXPECT_EQ(pathOf(spare), "/a");
             EXPECT_EQ((co_await puppet.who())->getPath(), "/a");
             last = spare;
           }
         });
}

TEST_F(Spares, AreNotTheActorBeforeTheyAreNeeded) {
  runApp([](troupe::App& app) { one(app, {}); },
         [](Self& self) -> Task<> {
           const auto puppet = co_await puppetAt(self, "a");
           co_await spareOf(self, "/a");
           EXPECT_EQ(board().count("init /a"), 1U);
           co_await successorOf(self, puppet);
           EXPECT_EQ(board().count("init /a"), 2U);
         });
}

TEST_F(Spares, ThatDieAreReplacedAndThatIsNoRestart) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 0});
        app.child<PuppetActor>("a", {.spares = 1});
      },
      [](Self& self) -> Task<> {
        const auto puppet = co_await puppetAt(self, "a");
        const auto actor = (co_await puppet.who())->getPid();
        pid_t spare = 0;
        for (int i = 0; i < 3; ++i) {
          spare = co_await spareOf(self, "/a", spare);
          kill(spare, SIGKILL);
        }
        co_await spareOf(self, "/a", spare);
        EXPECT_EQ((co_await puppet.who())->getPid(), actor);
      });
}

TEST_F(Spares, CanBeSeveral) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<PuppetActor>("a", {.spares = 3});
      },
      [](Self& self) -> Task<> {
        const auto puppet = co_await puppetAt(self, "a");
        co_await until(self, "three spares", [] { return waiting("/a:spare").size() == 3; });
        co_await root().count();
        const auto spares = waiting("/a:spare");
        for (int i = 0; i < 2; ++i) {
          const pid_t successor = co_await successorOf(self, puppet);
          EXPECT_TRUE(std::ranges::find(spares, successor) != spares.end());
        }
        co_await until(self, "three spares again", [] { return waiting("/a:spare").size() == 3; });
      });
}

TEST_F(Spares, OfAPoolBecomeAnyOfItsWorkers) {
  runApp(
      [](troupe::App& app) { app.pool<PuppetActor>("pool", {.size = 2, .spares = 1, .maxRestarts = 1000}); },
      [](Self& self) -> Task<> {
        const SupervisorRef pool("/pool");
        for (const std::string worker : {"1", "2", "1"}) {
          const pid_t spare = co_await spareOf(self, "/pool/*");
          const int before = (co_await pidsOf(pool))[worker];
          kill(before, SIGKILL);
          EXPECT_EQ(co_await becomesRunning(self, pool, worker, before), spare);
          EXPECT_EQ(pathOf(spare), "/pool/" + worker);
        }
        auto puppet = (co_await self.find<Puppet>("pool")).within(5min);
        EXPECT_EQ(co_await textOf(puppet.echo("hello")), "hello");
      });
}

TEST_F(Spares, AreFreshImagesWhereTheChildIsOne) {
  runApp(oneByExec, [](Self& self) -> Task<> {
    const auto puppet = co_await puppetAt(self, "a");
    for (int i = 0; i < 2; ++i) {
      const pid_t spare = co_await spareOf(self, "/a");
      EXPECT_EQ(co_await successorOf(self, puppet), spare);
    }
  });
}

TEST_F(Spares, StartWithinTheTimeThatCountsFromTheirCall) {
  // The second start naps for ever: it is the spare's.
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        const Script script{.init = [](unsigned attempt) { return attempt == 2 ? Does::hangs : Does::fine; }};
        app.child<PuppetActor>("a", {.readyWithin = 3s, .spares = 1}, script);
      },
      [](Self& self) -> Task<> {
        const auto puppet = co_await puppetAt(self, "a");
        const pid_t spare = co_await spareOf(self, "/a");
        // It waits longer than an actor might take to start, and is not killed for it.
        co_await self.sleepFor(3200ms);
        EXPECT_TRUE(isAlive(spare));
        EXPECT_NE(co_await successorOf(self, puppet), spare) << "that one was killed, as it was not ready";
        EXPECT_EQ(board().count("init /a"), 3U);
      });
}

TEST_F(Spares, DieWithTheirSupervisor) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.supervisor("group").child<PuppetActor>("a", {.spares = 1});
      },
      [](Self& self) -> Task<> {
        const pid_t spare = co_await spareOf(self, "/group/a");
        const int group = (co_await pidsOf(root()))["group"];
        kill(group, SIGKILL);
        co_await becomesDead(self, spare);
        co_await spareOf(self, "/group/a", spare);
      });
}

TEST_F(Spares, GoWithTheChild) {
  runApp([](troupe::App& app) { app.supervise({.maxRestarts = 1000}); },
         [](Self& self) -> Task<> {
           co_await root().startChild<PuppetActor>("a", {.spares = 1}, std::string());
           const pid_t spare = co_await spareOf(self, "/a");
           co_await root().stop("a");
           EXPECT_TRUE(isAlive(spare)) << "it may be started again";
           co_await root().restart("a");
           co_await root().stop("a");
           co_await root().remove("a");
           co_await until(self, "nobody called so", [] {
             for (const Process& process : processesBelow(::getppid()))
               if (process.path().starts_with("/a")) return false;
             return true;
           });
         });
}

TEST_F(Spares, OfAnOlderProgramAreThrownAway) {
  const Scratch folder;
  const std::string newer = folder / "newer";
  std::filesystem::copy_file("/proc/self/exe", newer);
  runApp([](troupe::App& app) { one(app, {}); },
         [newer](Self& self) -> Task<> {
           const auto puppet = co_await puppetAt(self, "a");
           const pid_t spare = co_await spareOf(self, "/a");
           co_await root().upgrade("a", newer);
           co_await becomesDead(self, spare);
           const pid_t successor = co_await successorOf(self, puppet);
           EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(successor) + "/exe"), newer);
           EXPECT_TRUE(waiting("/a:spare").empty());
         });
}

// --- Whom they serve ---

TEST_F(Spares, OfAChildWhoseSpecNoLongerAsksForThemEnd) {
  runApp([](troupe::App& app) { one(app, {}); },
         [](Self& self) -> Task<> {
           const auto puppet = co_await puppetAt(self, "a");
           const pid_t spare = co_await spareOf(self, "/a");
           const std::vector<troupe::NamedChildSpec> specs{{"a", ChildSpec{.spares = 0}}};
           co_await root().change(specs);
           EXPECT_NE(co_await successorOf(self, puppet), spare);
           co_await becomesDead(self, spare);
         });
}

TEST_F(Spares, WithAnotherOutputThanTheChildNowHasAreMadeAnew) {
  runApp([](troupe::App& app) { one(app, {}); },
         [](Self& self) -> Task<> {
           const auto puppet = co_await puppetAt(self, "a");
           const pid_t old = co_await spareOf(self, "/a");
           const std::vector<troupe::NamedChildSpec> specs{
               {"a", ChildSpec{.output = troupe::Output::inherited, .spares = 1}}};
           co_await root().change(specs);
           EXPECT_NE(co_await successorOf(self, puppet), old);
           const pid_t fresh = co_await spareOf(self, "/a", old);
           EXPECT_EQ(co_await successorOf(self, puppet), fresh);
         });
}

TEST_F(Spares, OfAPoolServeItsWorkersAndNobodyElseBelowIt) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.pool<PuppetActor>("pool", {.size = 1, .spares = 1, .maxRestarts = 1000});
      },
      [](Self& self) -> Task<> {
        co_await spareOf(self, "/pool/*");
        const SupervisorRef pool("/pool");
        const ChildSpec spec{.spares = 1};
        co_await pool.startChild<PuppetActor>("other", spec);
        const pid_t spare = co_await spareOf(self, "/pool/other");
        const auto other = co_await puppetAt(self, "pool/other");
        EXPECT_EQ(co_await successorOf(self, other), spare);
      });
}

TEST_F(Spares, OfAPoolAreMadeAlsoWhenTheLastOfItsWorkersIsRemoved) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.pool<PuppetActor>("pool", {.size = 2, .spares = 1, .maxRestarts = 1000});
      },
      [](Self& self) -> Task<> {
        const pid_t spare = co_await spareOf(self, "/pool/*");
        const SupervisorRef pool("/pool");
        co_await pool.stop("2");
        co_await pool.remove("2");
        kill(spare, SIGKILL);
        co_await spareOf(self, "/pool/*", spare);
      });
}

TEST_F(Spares, AreRefusedForASupervisor) {
  runApp([](troupe::App& app) { app.supervisor("group").child<PuppetActor>("b"); },
         [](Self&) -> Task<> {
           const std::vector<troupe::NamedChildSpec> specs{{"group", ChildSpec{.spares = 1}}};
           try {
             co_await root().change(specs);
             ADD_FAILURE() << "it must be refused";
           } catch (const troupe::Error& error) {
             EXPECT_EQ(error.kind(), troupe::ErrorKind::invalid);
             EXPECT_NE(error.message().find("spares"), std::string::npos) << error.message();
           }
         });
}

TEST_F(Spares, ThatCanNotTakeTheirPlaceSayWhy) {
  const Ended ended = runToEnd([](troupe::App& app) { one(app, {}); },
                               [](Self& self) -> Task<> {
                                 const auto puppet = co_await puppetAt(self, "a");
                                 const pid_t spare = co_await spareOf(self, "/a");
                                 const rlimit none{.rlim_cur = 5, .rlim_max = 5};
                                 EXPECT_EQ(::prlimit(spare, RLIMIT_NOFILE, &none, nullptr), 0);
                                 EXPECT_NE(co_await successorOf(self, puppet), spare);
                               });
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err.find("SIGABRT"), std::string::npos) << ended.err;
}

}  // namespace tests

int main(int argc, char** argv) { return tests::runTestsOrBecome(argc, argv, tests::oneByExec); }
