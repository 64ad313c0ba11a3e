// References: in messages, across restarts, by names; and monitors.
#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Ref;
using troupe::Restart;
using troupe::SupervisorRef;

SupervisorRef root() { return SupervisorRef("/"); }

void twoPuppets(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  app.child<PuppetActor>("a").child<PuppetActor>("b");
}

Task<Error> errorOfFinding(Self& self, std::string name) {
  return errorOf([](Self& self, std::string name) -> Task<> { co_await self.find<Puppet>(name); }(
                                                      self, std::move(name)));
}

}  // namespace

class Refs : public AppTest {};

TEST_F(Refs, InResultsAndParametersLeadToTheirActor) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    auto a = co_await self.find<Puppet>("a");
    const auto reply = co_await a.lookUp("b");
    const Ref<Puppet> b = reply->getPuppet();
    EXPECT_EQ(b.path(), "/b");
    EXPECT_STREQ((co_await b.who())->getPath().cStr(), "/b");
    EXPECT_STREQ((co_await a.relay(b, "through a", 5000))->getText().cStr(), "through a");
  });
}

TEST_F(Refs, MayBeNullAndMayComeInLists) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    auto a = co_await self.find<Puppet>("a");
    auto b = co_await self.find<Puppet>("b");
    const auto nobody = co_await a.nobody();
    const Ref<Puppet> null = nobody->getPuppet();
    EXPECT_FALSE(null);
    EXPECT_EQ(null.path(), "nobody");
    const auto reply = co_await a.everyone([&](auto params) {
      auto list = params.initPuppets(4);
      list.set(0, a);
      list.set(1, null);
      list.set(2, b);
      list.set(3, b);
    });
    std::string paths;
    for (const auto path : reply->getPaths()) paths += std::string(path.cStr()) + " ";
    EXPECT_EQ(paths, "/a nobody /b /b ");
  });
}

TEST_F(Refs, StayGoodWhenTheirActorIsRestarted) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    int last = 0;
    for (std::uint32_t generation = 1; generation <= 10; ++generation) {
      const auto who = co_await a.who();
      EXPECT_EQ(who->getGeneration(), generation);
      EXPECT_NE(who->getPid(), last);
      last = who->getPid();
      kill(last, SIGKILL);
    }
  });
}

TEST_F(Refs, StayGoodWhenTheSupervisorsAboveAreKilled) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.supervisor("one").supervisor("two").child<PuppetActor>("deep");
      },
      [](Self& self) -> Task<> {
        auto deep = (co_await self.find<Puppet>("/one/two/deep")).within(5min);
        for (int round = 0; round < 3; ++round) {
          const int pid = (co_await deep.who())->getPid();
          const int one = (co_await pidsOf(root())).at("one");
          const int two = (co_await pidsOf(SupervisorRef("/one"))).at("two");
          // What is below dies with it.
          kill(round == 1 ? two : one, SIGKILL);
          co_await becomesDead(self, pid);
          co_await becomesDead(self, two);
          EXPECT_NE((co_await deep.who())->getPid(), pid);
          co_await becomesRunning(self, root(), "one");
          co_await becomesRunning(self, SupervisorRef("/one"), "two");
        }
      });
}

TEST_F(Refs, AreFoundInTheScopesFromWithinToWithout) {
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("a").child<PuppetActor>("outer");
        troupe::Group& group = app.supervisor("group");
        group.child<PuppetActor>("a").child<PuppetActor>("b", {.name = "bee"});
        group.supervisor("inner").child<PuppetActor>("c").child<PuppetActor>("d");
      },
      [](Self& self) -> Task<> {
        auto c = co_await self.find<Puppet>("/group/inner/c");
        const std::map<std::string, std::string> expected = {
            {"d", "/group/inner/d"}, {"a", "/group/a"},      {"outer", "/outer"}, {"/a", "/a"},
            {"bee", "/group/b"},     {"c", "/group/inner/c"}};
        for (const auto& [name, path] : expected) {
          const auto reply = co_await c.lookUp(name);
          EXPECT_EQ(Ref<Puppet>(reply->getPuppet()).path(), path) << name;
        }
        const Error below = co_await errorOf(c.lookUp("nowhere"));
        EXPECT_NE(below.message().find("\"nowhere\" for /group/inner/c"), std::string::npos)
            << below.message();
        const Error sibling = co_await errorOfFinding(self, "d");
        EXPECT_EQ(sibling.kind(), ErrorKind::gone)
            << "what lies below another supervisor is found by its path only";
        EXPECT_EQ((co_await self.find<Puppet>("bee")).path(), "/group/b");
      });
}

TEST_F(Refs, OfTheWrongKindAreRefused) {
  runApp(
      [](troupe::App& app) {
        twoPuppets(app);
        app.supervisor("group");
      },
      [](Self& self) -> Task<> {
        const Error stranger =
            co_await errorOf([](Self& self) -> Task<> { co_await self.find<Stranger>("a"); }(self));
        EXPECT_EQ(stranger.kind(), ErrorKind::invalid);
        EXPECT_NE(stranger.message().find("/a does not serve Stranger"), std::string::npos)
            << stranger.message();
        for (const char* name : {"/group", "", "/", "a/", "/nowhere"}) {
          const Error error = co_await errorOfFinding(self, name);
          EXPECT_TRUE(error.kind() == ErrorKind::invalid || error.kind() == ErrorKind::gone) << name;
          EXPECT_NE(error.message().find(name), std::string::npos);
        }
      });
}

TEST_F(Refs, WhoseActorIsReplacedByAnotherOfTheSamePathDoNotLeadToIt) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    co_await root().startChild<PuppetActor>("c", {});
    auto first = co_await self.find<Puppet>("c");
    auto a = co_await self.find<Puppet>("a");
    co_await a.relay(first, "introduced", 5000);
    co_await root().stop("c");
    co_await root().remove("c");
    co_await root().startChild<PuppetActor>("c", {});
    EXPECT_NE(co_await self.find<Puppet>("c"), first);
    const Error error = co_await errorOf(first.who());
    EXPECT_EQ(error.kind(), ErrorKind::gone);
  });
}

class Monitors : public AppTest {};

TEST_F(Monitors, TellEachEndWithItsReason) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    auto monitor = self.monitor(a);
    co_await a.die("kill");
    const auto first = co_await monitor.next();
    EXPECT_EQ(first.path, "/a");
    EXPECT_EQ(first.generation, 1u);
    EXPECT_EQ(first.reason.kind, ExitKind::signaled);
    EXPECT_EQ(first.reason.code, SIGKILL);
    EXPECT_FALSE(first.final);
    co_await a.die("throw");
    const auto second = co_await monitor.next();
    EXPECT_EQ(second.generation, 2u);
    EXPECT_EQ(second.reason.text, "as it was told");
    co_await a.leave(0, 0, "");
    const auto third = co_await monitor.next();
    EXPECT_EQ(third.reason.kind, ExitKind::normal);
  });
}

TEST_F(Monitors, LoseNoneBetweenTwoQuestions) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    auto monitor = self.monitor(a);
    for (int i = 0; i < 5; ++i) static_cast<void>(co_await errorOf(a.crash("kill")));
    for (std::uint32_t i = 1; i <= 5; ++i) EXPECT_EQ((co_await monitor.next()).generation, i);
  });
}

TEST_F(Monitors, TellTheLastEndAsFinal) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    co_await root().startChild<PuppetActor>("short", {.restart = Restart::temporary});
    auto gone = co_await self.find<Puppet>("short");
    auto monitor = self.monitor(gone);
    auto another = self.monitor(gone);
    // Until the watch has got there.
    co_await gone.who();
    co_await gone.die("exit 3");
    for (auto* each : {&monitor, &another}) {
      const auto down = co_await each->next();
      EXPECT_EQ(down.reason.kind, ExitKind::exited);
      const auto last = co_await each->next();
      EXPECT_TRUE(last.final);
      EXPECT_EQ(last.reason.code, 3);
      const Error error =
          co_await errorOf([](troupe::Monitor& each) -> Task<> { co_await each.next(); }(*each));
      EXPECT_EQ(error.kind(), ErrorKind::gone);
    }
    auto late = self.monitor(gone);
    const auto already = co_await late.next();
    EXPECT_TRUE(already.final);
    EXPECT_EQ(already.reason.kind, ExitKind::exited) << "it had gone already: told at once, with the reason";
    EXPECT_THROW(self.monitor(Ref<Puppet>()), Error);
  });
}

TEST_F(Monitors, TellWhatHappensWhenASupervisorAboveIsKilled) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.supervisor("group").child<PuppetActor>("a");
      },
      [](Self& self) -> Task<> {
        auto a = (co_await self.find<Puppet>("/group/a")).within(5min);
        auto monitor = self.monitor(a);
        co_await a.who();
        kill((co_await pidsOf(root())).at("group"), SIGKILL);
        const auto down = co_await monitor.next();
        EXPECT_EQ(down.reason.kind, ExitKind::supervisorDied);
        EXPECT_FALSE(down.final);
        EXPECT_EQ((co_await a.who())->getGeneration(), 2u);
      });
}

TEST_F(Monitors, ThatAreDroppedAreWithdrawn) {
  runApp(twoPuppets, [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    for (int i = 0; i < 100; ++i) {
      auto monitor = self.monitor(a);
      static_cast<void>(monitor);
    }
    co_await a.die("kill");
    auto monitor = self.monitor(a);
    EXPECT_EQ((co_await a.who())->getGeneration(), 2u);
    co_await a.die("kill");
    const auto down = co_await monitor.next();
    EXPECT_LE(down.generation, 2u);
  });
}

}  // namespace tests
