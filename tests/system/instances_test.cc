// Processes that are one instance of a template after the other.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "tests/support/app_run.h"
#include "tests/support/kill_points.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::ChildSpec;
using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Launch;
using troupe::Output;
using troupe::Restart;
using troupe::StartedChild;
using troupe::Stop;
using troupe::SupervisorRef;

SupervisorRef group() { return SupervisorRef("/group"); }
Board& board() { return Board::shared(); }

// Those that leave something behind in their process, as no actor should.
struct Leftovers {
  std::optional<std::thread> thread;
  pid_t child = 0;
};
Leftovers& leftovers() {
  static Leftovers all;
  return all;
}

// Notes its destructor.
class Guest final : public troupe::Actor<Guest, Puppet> {
 public:
  explicit Guest(std::string name = "nobody", bool shouts = false) : name_(std::move(name)) {
    if (shouts) std::printf("%s is here\n%s has not ended his line", name_.c_str(), name_.c_str());
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() override { board().note("gone " + name_); }

  void who(WhoParams, WhoResults out) {
    out.setPid(::getpid());
    out.setPath(path().c_str());
    out.setHandled(++handled_);
  }
  void echo(EchoParams in, EchoResults out) {
    if (in.getText() == "a thread") leftovers().thread.emplace([] { std::this_thread::sleep_for(1h); });
    if (in.getText() == "a child") leftovers().child = ::fork();
    if (in.getText() == "a child" && leftovers().child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) ::pause();
    }
    out.setText(name_.c_str());
  }
  void leave(LeaveParams in) {
    stop({.kind = static_cast<ExitKind>(in.getKind()), .code = in.getCode(), .text = in.getText().cStr()});
  }
  void die(DieParams in) { endAs(in.getHow().cStr()); }
  // What this test has no use for.
  void note(NoteParams) {}
  void crash(CrashParams, CrashResults) {}
  void nap(NapParams, NapResults) {}
  void hang(HangParams, HangResults) {}
  void deny(DenyParams, DenyResults) {}
  void relay(RelayParams, RelayResults) {}
  void lookUp(LookUpParams, LookUpResults) {}
  void grow(GrowParams, GrowResults) {}
  void files(FilesParams, FilesResults) {}
  void nobody(NobodyParams, NobodyResults) {}
  void callSelf(CallSelfParams, CallSelfResults) {}
  void everyone(EveryoneParams, EveryoneResults) {}

 private:
  std::string name_;
  unsigned handled_ = 0;
};

void tree(troupe::App& app, ChildSpec spec) {
  app.supervise({.maxRestarts = 1000});
  if (spec.restart == Restart::permanent) spec.restart = Restart::temporary;
  if (spec.instancesPerProcess == 1) spec.instancesPerProcess = 100;
  app.supervisor("group", {.maxRestarts = 1000}).each<Guest>("guest", spec);
}

AppRun::Describe with(ChildSpec spec) {
  return [spec](troupe::App& app) { tree(app, spec); };
}

struct Visit {
  pid_t pid = 0;
  std::string path;
  std::string name;
};

// Starts one, asks who it is, and stops it.
Task<Visit> visit(std::string name, bool shouts = false) {
  const StartedChild started = co_await group().start("guest", name, shouts);
  auto guest = started.ref<Puppet>().within(60s);
  const auto who = co_await guest.who();
  // An instance is new, whoever its process was.
  EXPECT_EQ(who->getHandled(), 1U);
  const std::string said = co_await textOf(guest.echo("name"));
  const Visit seen{who->getPid(), who->getPath().cStr(), said};
  EXPECT_EQ(seen.pid, started.pid);
  EXPECT_EQ(seen.name, name);
  co_await group().stop(started.id);
  const Error error = co_await errorOf(guest.who());
  EXPECT_EQ(error.kind(), ErrorKind::gone) << error.message();
  co_return seen;
}

std::vector<pid_t> restingNow() {
  std::vector<pid_t> pids;
  for (const Process& process : processesBelow(::getppid())) {
    if (process.path().ends_with(":resting")) pids.push_back(process.pid);
  }
  return pids;
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

TEST_F(Instances, KilledWhileTheyRestCostNothing) {
  runApp(with({}), [](Self& self) -> Task<> {
    for (int i = 0; i < 20; ++i) {
      const Visit last = co_await visit("victim");
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

// Each start answers or fails, and says which; whoever was killed is nobody's loss but its own.
TEST_F(Instances, AreKilledAtRandomAndNothingIsLeft) {
  runApp(with({}), [](Self& self) -> Task<> {
    constexpr int kVisitors = 4;
    const unsigned kills = mostKills(150);
    unsigned done = 0, served = 0, died = 0;
    int left = kVisitors;
    const auto visitor = [&](int number) -> Task<> {
      while (done < kills) {
        try {
          const std::string name = "visitor " + std::to_string(number);
          const StartedChild started = co_await group().start("guest", name, false);
          auto guest = started.ref<Puppet>().within(60s);
          const std::string said = co_await textOf(guest.echo("name"));
          EXPECT_EQ(said, name);
          guest.leave(static_cast<std::uint16_t>(ExitKind::normal), 0, "");
          ++served;
        } catch (const Error& error) {
          EXPECT_TRUE(error.kind() == ErrorKind::crashed || error.kind() == ErrorKind::gone)
              << error.message();
          ++died;
        }
      }
      --left;
    };
    for (int i = 0; i < kVisitors; ++i) self.spawn(visitor(i));
    std::mt19937 random(1);
    while (done < kills) {
      co_await self.sleepFor(std::chrono::milliseconds(1 + random() % 8));
      std::vector<pid_t> guests;
      for (const Process& process : processesBelow(::getppid())) {
        if (process.path().starts_with("/group/guest:")) guests.push_back(process.pid);
      }
      if (guests.empty()) continue;
      kill(guests[random() % guests.size()], SIGKILL);
      ++done;
    }
    co_await until(self, "the end of the visits", [&left] { return left == 0; });
    EXPECT_GT(served, 0U);
    std::printf("%u kills, %u served, %u not\n", done, served, died);
    const auto children = co_await childrenOf(group());
    EXPECT_LE(children.size(), 1U);  // the template
    co_await until(self, "the end of those that rest", [] { return restingNow().empty(); });
  });
}

// At each point, of the process and of its supervisor.
class InstanceKillPoints : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
#ifndef TROUPE_KILL_POINTS
    GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  }
};

TEST_P(InstanceKillPoints, KilledThereTheNextIsStartedAllTheSame) {
  const std::string point(GetParam());
  const bool ofTheProcess = point == "resting" || point == "rests";
  const std::string ticket =
      std::filesystem::temp_directory_path() / ("troupe_instance_kills." + std::to_string(::getpid()));
  std::ofstream(ticket + ".0") << 0;
  runApp(
      with({}),
      [](Self&) -> Task<> {
        unsigned met = 0, failed = 0;
        while (met < 10 && failed < 1000) {
          try {
            co_await visit("guest");
            ++met;
          } catch (const Error&) {
            ++failed;
          }
        }
        EXPECT_EQ(met, 10U);
      },
      [&] {
        ::setenv("TROUPE_KILL_AT", (point + (ofTheProcess ? "@/group/guest:1" : ":2@/group")).c_str(), 1);
        ::setenv("TROUPE_KILL_TICKET", ticket.c_str(), 1);
      });
  EXPECT_FALSE(std::filesystem::remove(ticket + ".0")) << "no such death";
}

INSTANTIATE_TEST_SUITE_P(All, InstanceKillPoints,
                         testing::ValuesIn(killPointsOf(troupe::os::KillPart::instance)),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace tests

int main(int argc, char** argv) {
  return tests::runTestsOrBecome(argc, argv,
                                 tests::with({.launch = troupe::Launch::exec, .instancesPerProcess = 4}));
}
