// Processes that are one instance of a template after the other.
#include <sys/stat.h>
#include <troupe/program.h>

#include <filesystem>
#include <optional>
#include <random>
#include <set>

#include "greeter.actor.h"
#include "tests/system/guest.h"

namespace tests {

namespace {

using troupe::Launch;

Board& board() { return Board::shared(); }

// Uses the command /cat: says its pid, or how it ends.
class Reader final : public troupe::Actor<Reader, Greeter> {
 public:
  Task<> greet(GreetParams in, GreetResults out) {
    if (!program_) program_ = co_await find<troupe::Program>("/cat");
    auto program = *program_;
    if (in.getName() == "pid") {
      const int pid = co_await program.pid();
      out.setGreeting(std::to_string(pid).c_str());
    } else {
      const auto end = co_await program.wait();
      out.setGreeting(end.toString().c_str());
    }
  }
  void forget(ForgetParams) {}

 private:
  std::optional<troupe::Program> program_;
};

std::string ownProgram() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

Task<> tryToUpgrade(std::string id, std::string image) {
  try {
    co_await group().upgrade(id, image);
  } catch (const Error&) {}
}

Task<> stopIt(std::string id) { co_await group().stop(id); }

// The desk that a process has, by the file that it is.
ino_t deskOf(pid_t pid) {
  const std::filesystem::path descriptors = "/proc/" + std::to_string(pid) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(descriptors)) {
    struct stat about = {};
    if (std::filesystem::read_symlink(entry).string().starts_with("/memfd:troupe-desk") &&
        ::stat(entry.path().c_str(), &about) == 0)
      return about.st_ino;
  }
  return 0;
}

}  // namespace

class Instances : public AppTest {};

TEST_F(Instances, OfOneProcessFollowEachOtherWithArgumentsOfTheirOwn) {
  for (const Launch launch : {Launch::fork, Launch::exec}) {
    board().clear();
    runApp(with({.launch = launch, .instancesPerProcess = 4}), [launch](Self&) -> Task<> {
      std::vector<Visit> seen;
      for (int i = 0; i < 8; ++i) seen.push_back(co_await visit("guest " + std::to_string(i)));
      for (std::size_t i = 0; i < seen.size(); ++i) {
        EXPECT_EQ(seen[i].path, "/group/guest:" + std::to_string(i + 1));
        EXPECT_EQ(seen[i].pid, seen[i / 4 * 4].pid) << i;
      }
      // After the fourth its process has ended, and with it no destructor was run.
      EXPECT_NE(seen[4].pid, seen[0].pid);
      EXPECT_TRUE(launch == Launch::exec || board().notesAfter("gone guest ").size() == 6U);
    });
  }
}

TEST_F(Instances, AreGivenArgumentsThatNoChannelTakesAtOnce) {
  runApp(with({}), [](Self&) -> Task<> {
    const Visit first = co_await visit("small");
    const Visit second = co_await visit(std::string(500'000, 'x'));
    EXPECT_EQ(second.pid, first.pid);
  });
}

TEST_F(Instances, ThatEndByThemselvesAreFollowedToo) {
  runApp(with({}), [](Self& self) -> Task<> {
    std::set<pid_t> pids;
    for (int i = 0; i < 5; ++i) {
      const StartedChild started = co_await group().start("guest", "leaver", false);
      auto guest = started.ref<Puppet>();
      auto monitor = self.monitor(guest);
      guest.leave(static_cast<std::uint16_t>(ExitKind::normal), 0, "");
      const auto down = co_await monitor.next();
      EXPECT_EQ(down.reason.kind, ExitKind::normal) << down.reason.toString();
      pids.insert(started.pid);
    }
    EXPECT_EQ(pids.size(), 1U);
  });
}

TEST_F(Instances, AtTheSameTimeHaveAProcessEach) {
  runApp(with({}), [](Self& self) -> Task<> {
    std::set<pid_t> first, second;
    for (std::set<pid_t>* const pids : {&first, &second}) {
      std::vector<StartedChild> all;
      for (int i = 0; i < 10; ++i) all.push_back(co_await group().start("guest", "many", false));
      for (const StartedChild& each : all) pids->insert(each.pid);
      for (const StartedChild& each : all) co_await group().stop(each.id);
      EXPECT_EQ(pids->size(), 10U);
    }
    EXPECT_EQ(first, second);
    // They wait for some seconds only.
    co_await until(self, "the end of those that rest", [] { return restingNow().empty(); });
    for (const pid_t pid : first) co_await becomesDead(self, pid);
  });
}

TEST_F(Instances, ThatDoNotEndInOrderTakeTheirProcessAlong) {
  runApp(with({}), [](Self& self) -> Task<> {
    const std::string ends[] = {"segv", "exit 3", "term", "kill"};
    for (const std::string& end : ends) {
      const StartedChild started = co_await group().start("guest", end, false);
      auto guest = started.ref<Puppet>();
      auto monitor = self.monitor(guest);
      if (end == "term")
        kill(started.pid, SIGTERM);
      else
        guest.die(end);
      const auto down = co_await monitor.next();
      EXPECT_EQ(down.reason.clean(), end == "term") << down.reason.toString();
      co_await becomesDead(self, started.pid);
      const Visit after = co_await visit("after");
      EXPECT_NE(after.pid, started.pid);
    }
    const StartedChild failed = co_await group().start("guest", "fails", false);
    failed.ref<Puppet>().leave(static_cast<std::uint16_t>(ExitKind::exited), 3, "");
    co_await becomesDead(self, failed.pid);
  });
}

TEST_F(Instances, ThatLeaveAThreadOrAChildAreTheLastOfTheirProcess) {
  runApp(with({}), [](Self& self) -> Task<> {
    const std::string kinds[] = {"a thread", "a child"};
    for (const std::string& what : kinds) {
      const StartedChild started = co_await group().start("guest", what, false);
      co_await started.ref<Puppet>().echo(what);
      co_await group().stop(started.id);
      co_await becomesDead(self, started.pid);
      const Visit next = co_await visit("next");
      EXPECT_NE(next.pid, started.pid);
    }
  });
}

TEST_F(Instances, EndWithTheirSupervisorRestingOrNot) {
  runApp(with({}), [](Self& self) -> Task<> {
    const Visit rests = co_await visit("rests");
    const StartedChild runs = co_await group().start("guest", "runs", false);
    EXPECT_EQ(runs.pid, rests.pid);
    const StartedChild other = co_await group().start("guest", "other", false);
    co_await group().stop(other.id);
    co_await SupervisorRef("/").stop("group");
    co_await SupervisorRef("/").restart("group");
    co_await becomesDead(self, rests.pid);
    co_await becomesDead(self, other.pid);
    const Visit again = co_await visit("again");
    EXPECT_NE(again.pid, other.pid);
    const auto above = co_await pidsOf(SupervisorRef("/"));
    const pid_t supervisor = above.at("group");
    const Visit orphan = co_await visit("orphan");
    kill(supervisor, SIGKILL);
    co_await becomesDead(self, orphan.pid);
    co_await becomesRunning(self, SupervisorRef("/"), "group", supervisor);
    co_await visit("new");
  });
}

TEST_F(Instances, PrintUnderTheirOwnPathsAndInTheirOwnLines) {
  const Ended ended = runApp(with({}), [](Self&) -> Task<> {
    co_await visit("Ada", true);
    co_await visit("Bob", true);
  });
  for (const char* line : {"group/guest:1 | Ada is here\n", "group/guest:1 | Ada has not ended his line\n",
                           "group/guest:2 | Bob is here\n", "group/guest:2 | Bob has not ended his line\n"})
    EXPECT_NE(ended.out.find(line), std::string::npos) << ended.out;
}

TEST_F(Instances, ThatNobodyKnewLeaveTheirMailboxToTheNext) {
  for (const Launch launch : {Launch::fork, Launch::exec}) {
    runApp(with({.launch = launch}), [](Self&) -> Task<> {
      const pid_t pid = co_await passBy("nobody's");
      const ino_t desk = deskOf(pid);
      EXPECT_NE(desk, 0U);
      for (int i = 0; i < 3; ++i) {
        const pid_t next = co_await passBy("nobody's either");
        EXPECT_EQ(next, pid);
        EXPECT_EQ(deskOf(pid), desk);
      }
      // It can be called as any other.
      const Visit called = co_await visit("called");
      EXPECT_EQ(called.pid, pid);
      EXPECT_EQ(deskOf(pid), 0U) << "others have its mailbox";
      const Visit last = co_await visit("last");
      EXPECT_EQ(last.pid, pid);
    });
  }
}

TEST_F(Instances, ThatSomebodyKnewAreNotTakenForTheNext) {
  runApp(with({}), [](Self& self) -> Task<> {
    pid_t before = 0;
    for (int i = 1; i <= 10; ++i) {
      const StartedChild started = co_await group().start("guest", "found, and not called", false);
      EXPECT_NE(started.pid, before);
      before = started.pid;
      auto guest = co_await self.find<Puppet>("/group/" + started.id);
      co_await group().stop(started.id);
      const Error error = co_await errorOf(guest.who());
      EXPECT_EQ(error.kind(), ErrorKind::gone) << error.message();
      co_await becomesDead(self, started.pid);
    }
  });
}

// Whoever is cast to while it ends has handled it, or it is a dead letter: in whatever state its process was.
TEST_F(Instances, ThatEndLoseNoCast) {
  board().clear();
  const auto folder =
      std::filesystem::temp_directory_path() / ("troupe_instances." + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  const auto describe = [&](troupe::App& app) {
    app.deadLetters({.folder = folder});
    tree(app, {});
  };
  runApp(describe, [folder](Self& self) -> Task<> {
    constexpr unsigned kVisitors = 3, kRounds = 150;
    std::size_t sent = 0;
    unsigned left = kVisitors;
    const auto visitor = [&](unsigned number) -> Task<> {
      std::mt19937 random(number);
      for (unsigned i = 0; i < kRounds; ++i) {
        const StartedChild started = co_await group().start("guest", "cast to", false);
        // One that has sent nothing yet has an end all the same.
        auto guest = started.ref<Puppet>().within(5min);
        if (random() % 2 == 0) guest = co_await self.find<Puppet>("/group/" + started.id);
        self.spawn(stopIt(started.id));
        co_await self.sleepFor(std::chrono::microseconds(random() % 400));
        guest.note("cast");
        guest.note("cast");
        sent += 2;
      }
      --left;
    };
    for (unsigned i = 0; i < kVisitors; ++i) self.spawn(visitor(i));
    co_await until(self, "the end of the visits", [&left] { return left == 0; });
    const auto letters = [folder] {
      return static_cast<std::size_t>(
          std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
    };
    co_await until(self, "all casts", [&] { return board().count("cast") + letters() >= sent; });
    EXPECT_EQ(board().count("cast") + letters(), sent);
  });
  std::filesystem::remove_all(folder);
}

TEST_F(Instances, KilledWhileTheyRestCostNothing) {
  runApp(with({}), [](Self& self) -> Task<> {
    for (int i = 0; i < 20; ++i) {
      const Visit last = co_await visit("victim");
      if (i % 2 == 1) {
        const pid_t again = co_await passBy("victim");
        EXPECT_EQ(again, last.pid);
      }
      kill(last.pid, SIGKILL);
      co_await becomesDead(self, last.pid);
      const Visit next = co_await visit("next");
      EXPECT_NE(next.pid, last.pid);
      // From its call on it is the instance's process: whether it was dead by then, nobody can tell.
      kill(next.pid, SIGKILL);
      try {
        co_await visit("at once");
      } catch (const Error& error) {
        EXPECT_TRUE(error.kind() == ErrorKind::crashed || error.kind() == ErrorKind::gone) << error.message();
      }
    }
  });
}

TEST_F(Instances, EndInOrderWhateverBecomesOfTheirProcess) {
  runApp(with({.restart = Restart::transient}), [](Self& self) -> Task<> {
    for (const bool upgraded : {true, false}) {
      const StartedChild started = co_await group().start("guest", "upgraded", false);
      auto guest = started.ref<Puppet>().within(5min);
      if (upgraded) co_await group().upgrade(started.id, ownProgram());
      auto monitor = self.monitor(guest);
      if (!upgraded) self.spawn(tryToUpgrade(started.id, "/bin/cat"));
      guest.leave(static_cast<std::uint16_t>(ExitKind::normal), 0, "");
      const auto down = co_await monitor.next();
      EXPECT_EQ(down.reason.kind, ExitKind::normal) << down.reason.toString();
      const std::string id = started.id;
      const std::function<Task<bool>()> gone = [id]() -> Task<bool> {
        const auto children = co_await childrenOf(group());
        co_return !children.contains(id);
      };
      co_await until(self, "its end for good", gone);
    }
    const Visit after = co_await visit("after");
    EXPECT_NE(after.pid, 0);
  });
}

// Timers come before what lies in a lane: the one that asks for a sign of life finds that it rests.
TEST_F(Instances, RestWhileTheirSupervisorIsHeldUpAndWatchesThem) {
  runApp(with({.watchdog = 200ms}), [](Self& self) -> Task<> {
    const auto above = co_await pidsOf(SupervisorRef("/"));
    const pid_t supervisor = above.at("group");
    for (int i = 0; i < 4; ++i) {
      const StartedChild started = co_await group().start("guest", "watched", false);
      auto guest = started.ref<Puppet>().within(5min);
      co_await guest.who();
      auto nap = guest.nap(150);
      guest.leave(static_cast<std::uint16_t>(ExitKind::normal), 0, "");
      co_await self.sleepFor(125ms);  // so that a question lies there unread
      kill(supervisor, SIGSTOP);
      co_await self.sleepFor(180ms);
      kill(supervisor, SIGCONT);
      const Visit next = co_await visit("next");
      EXPECT_NE(next.pid, 0);
    }
    const auto now = co_await pidsOf(SupervisorRef("/"));
    EXPECT_EQ(now.at("group"), supervisor);
  });
}

TEST_F(Instances, RestAlsoWhereTheirSupervisorDoesNotReadForAWhile) {
  runApp(with({}), [](Self& self) -> Task<> {
    const auto above = co_await pidsOf(SupervisorRef("/"));
    const pid_t supervisor = above.at("group");
    for (unsigned asks = 265; asks < 290; ++asks) {
      const StartedChild started = co_await group().start("guest", "asks", false);
      auto guest = started.ref<Puppet>().within(5min);
      auto monitor = self.monitor(guest);
      co_await guest.who();
      kill(supervisor, SIGSTOP);
      auto call = guest.grow(asks);
      co_await self.sleepFor(15ms);
      kill(supervisor, SIGCONT);
      const auto down = co_await monitor.next();
      EXPECT_TRUE(down.reason.clean()) << down.reason.toString();
    }
  });
}

TEST_F(Instances, DoNotWaitForTheCommandsOfThoseBefore) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.add<troupe::Program>("cat", {.argv = {"cat"}});
        app.supervisor("group", {.maxRestarts = 1000})
            .each<Reader>("reader", {.restart = Restart::temporary, .instancesPerProcess = 100});
      },
      [](Self& self) -> Task<> {
        auto cat = co_await self.find<troupe::Program>("/cat");
        const int pid = co_await cat.pid();
        pid_t process = 0;
        std::optional<troupe::Ref<Greeter>> last;
        for (int i = 0; i < 2; ++i) {
          const StartedChild started = co_await group().start("reader");
          EXPECT_TRUE(process == 0 || process == started.pid);
          process = started.pid;
          last = started.ref<Greeter>().within(5min);
          const auto seen = co_await last->greet("pid");
          EXPECT_EQ(seen->getGreeting(), std::to_string(pid).c_str());
          if (i == 0) co_await group().stop(started.id);
        }
        kill(pid, SIGKILL);
        // Its successor only knows that the run is over: why, the one that watched it does.
        for (int now = pid; now == pid; co_await self.sleepFor(5ms)) {
          auto again = co_await self.find<troupe::Program>("/cat");
          now = co_await again.pid();
        }
        const auto end = co_await last->greet("end");
        EXPECT_NE(std::string(end->getGreeting().cStr()).find("SIGKILL"), std::string::npos)
            << end->getGreeting().cStr();
      });
}

}  // namespace tests

int main(int argc, char** argv) {
  return tests::runTestsOrBecome(argc, argv,
                                 tests::with({.launch = troupe::Launch::exec, .instancesPerProcess = 4}));
}
