// An app as the system sees it: its signals, its processes and their titles, their descriptors, and what is left at its end.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::SupervisorRef;

Board& board() { return Board::shared(); }

// "/a", "/group" with "/group/x" and "/group/deep/y", "/b": and no main.
void tree(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  app.child<PuppetActor>("a");
  troupe::Group& group = app.supervisor("group", {.maxRestarts = 100});
  group.child<PuppetActor>("x");
  group.supervisor("deep", {.maxRestarts = 100}).child<PuppetActor>("y");
  app.child<PuppetActor>("b");
  app.ready([] { board().note("ready"); });
}

void becomesReady(AppRun& run) {
  run.waitUntil("the app to be ready", [] { return board().count("ready") == 1; });
}

const std::vector<std::string> kAll = {"/", "/a", "/b", "/group", "/group/deep", "/group/deep/y", "/group/x"};

// Starts programs that it does not care for, that don't die with it, and that start others.
class Careless final : public troupe::Actor<Careless> {
 public:
  void init() {
    for (int i = 0; i < 3; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::signal(SIGTERM, i == 2 ? SIG_IGN : SIG_DFL);
        ::execlp("sh", "sh", "-c", "tail -f /dev/null & tail -f /dev/null & tail -f /dev/null", nullptr);
        ::_exit(127);
      }
      board().note("stranger " + std::to_string(pid));
    }
  }
};

}  // namespace

class Processes : public AppTest {};

TEST_F(Processes, AreTheTreeAndCarryTheirPathsAsTitles) {
  AppRun run(tree);
  becomesReady(run);
  const auto all = run.processes();
  std::vector<std::string> paths;
  for (const auto& [path, pid] : all) paths.push_back(path);
  EXPECT_EQ(paths, kAll);
  const auto below = [&](const std::string& path) {
    const auto children = childrenOf(all.at(path));
    std::set<std::string> names;
    for (const pid_t pid : children) names.insert(pathOf(pid));
    return names;
  };
  EXPECT_EQ(below("/"), (std::set<std::string>{"/a", "/b", "/group"}));
  EXPECT_EQ(below("/group"), (std::set<std::string>{"/group/x", "/group/deep"}));
  EXPECT_EQ(below("/group/deep"), (std::set<std::string>{"/group/deep/y"}));
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().code, 0);
}

TEST_F(Processes, StopInReverseOrderOnSigtermAndSigint) {
  for (const int signal : {SIGTERM, SIGINT}) {
    board().clear();
    AppRun run(tree);
    becomesReady(run);
    run.signal(signal);
    EXPECT_EQ(run.wait().code, 0);
    EXPECT_EQ(board().notesAfter("stopped "),
              (std::vector<std::string>{"/b", "/group/deep/y", "/group/x", "/a"}));
    EXPECT_EQ(run.err(), "");
  }
}

TEST_F(Processes, IgnoreTheSigintThatATerminalSendsToAllOfThem) {
  AppRun run(tree);
  becomesReady(run);
  for (const auto& [path, pid] : run.processes()) {
    if (path != "/") kill(pid, SIGINT);
  }
  run.signal(SIGINT);
  EXPECT_EQ(run.wait().code, 0);
  EXPECT_EQ(board().notesAfter("stopped "),
            (std::vector<std::string>{"/b", "/group/deep/y", "/group/x", "/a"}));
}

TEST_F(Processes, AreKilledByASecondSignal) {
  AppRun run([](troupe::App& app) {
    app.child<PuppetActor>("a", {.stop = troupe::Stop::infinity()}, Script::parse("stop=hangs"));
    app.supervisor("group").child<PuppetActor>("b", {.stop = troupe::Stop::infinity()},
                                               Script::parse("stop=hangs"));
    app.ready([] { board().note("ready"); });
  });
  becomesReady(run);
  run.signal(SIGTERM);
  run.waitUntil("the stop to begin", [] { return board().count("stop /group/b") == 1; });
  // Signals close together are one wish: it may take more than one more.
  run.waitUntil("the end of all", [&] {
    run.signal(SIGTERM);
    return run.processes().size() == 1 || childrenOf(run.root()).empty();
  });
  EXPECT_EQ(run.wait().code, 128 + SIGTERM);
  EXPECT_NE(run.err().find("came again"), std::string::npos) << run.err();
}

TEST_F(Processes, StopInOrderEvenWhileTheyStart) {
  AppRun run([](troupe::App& app) {
    app.child<PuppetActor>("a").child<PuppetActor>("b", {.stop = troupe::Stop::within(200ms)},
                                                   Script::parse("init=hangs"));
  });
  run.waitUntil("the start of b", [] { return board().count("init /b") == 1; });
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().code, 0);
  EXPECT_EQ(board().count("stopped /a"), 1u);
}

TEST_F(Processes, AllDieWithTheRoot) {
  AppRun run(tree);
  becomesReady(run);
  run.signal(SIGKILL);
  EXPECT_EQ(run.wait().code, 128 + SIGKILL);
}

TEST_F(Processes, BelowASupervisorDieWithItAndAreRebuilt) {
  AppRun run(tree);
  becomesReady(run);
  for (const char* path : {"/group", "/group/deep", "/group"}) {
    const auto before = run.processes();
    kill(before.at(path), SIGKILL);
    std::map<std::string, pid_t> after;
    // One that is killed before it was ready takes its supervisor with it: so more than what is below may be new.
    run.waitUntil("all to be there again", [&] {
      after = run.processes();
      return std::all_of(kAll.begin(), kAll.end(), [&](const std::string& each) {
        return after.contains(each) && !(each.starts_with(path) && after[each] == before.at(each));
      });
    });
    EXPECT_EQ(after.at("/a"), before.at("/a"));
    for (const auto& [below, pid] : before) {
      if (!below.starts_with(path)) continue;
      run.waitUntil("the end of the old " + below, [pid = pid] { return stateOf(pid) == 0; });
    }
  }
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().code, 0);
}

TEST_F(Processes, ThatActorsStartedBesidesAreEndedWithTheApp) {
  for (const bool crash : {false, true}) {
    board().clear();
    runApp(
        [](troupe::App& app) {
          app.supervise({.maxRestarts = 10});
          app.supervisor("group", {.maxRestarts = 10}).child<Careless>("a");
        },
        [crash](Self& self) -> Task<> {
          if (!crash) co_return;
          const SupervisorRef group("/group");
          const int before = (co_await pidsOf(group)).at("a");
          kill(before, SIGKILL);
          co_await becomesRunning(self, group, "a", before);
        });
    EXPECT_EQ(board().notesAfter("stranger ").size(), crash ? 6u : 3u);
    for (const auto& pid : board().notesAfter("stranger ")) EXPECT_EQ(stateOf(std::stoi(pid)), 0) << pid;
  }
}

TEST_F(Processes, HaveOnlyTheDescriptorsThatAreTheirOwn) {
  const int mine = ::open("/dev/zero", O_RDONLY);  // of whoever ran main, without close-on-exec
  runApp(
      [](troupe::App& app) {
        auto listener = app.listen("127.0.0.1:0");
        for (int i = 0; i < 20; ++i) app.child<PuppetActor>("p" + std::to_string(i));
        app.supervisor("group").child<PuppetActor>("x");
      },
      [](Self& self) -> Task<> {
        for (const char* path : {"/p0", "/p19", "/group/x"}) {
          auto puppet = co_await self.find<Puppet>(path);
          const auto reply = co_await puppet.files();
          std::map<std::string, int> kinds;
          std::string all;
          for (const auto file : reply->getOpen()) {
            const std::string text = file.cStr();
            const std::string target = text.substr(text.find(' ') + 1);
            ++kinds[target.substr(0, target.find_first_of(":(["))];
            all += text + "\n";
          }
          EXPECT_EQ(kinds["socket"], 1) << "the control lane\n" << all;
          EXPECT_EQ(kinds["/memfd"], 3) << "the desk, the arena, and the log's\n" << all;
          EXPECT_EQ(kinds["/dev/null"], 1) << "standard input\n" << all;
          EXPECT_EQ(kinds["/dev/zero"], 0) << all;
          // Standard output and error, mailbox and reply lane, main's reply lane, the log; two pairs of the event loop's library.
          EXPECT_LE(kinds["pipe"], 10) << all;
          EXPECT_LE(reply->getOpen().size(), 18u) << all;
        }
      });
  ::close(mine);
}

TEST_F(Processes, DoNotGatherDescriptors) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 10'000});
        app.child<PuppetActor>("a").each<PuppetActor>("t", {.restart = troupe::Restart::temporary}, Script{});
      },
      [](Self& self) -> Task<> {
        const auto count = [](pid_t pid) {
          std::size_t open = 0;
          for (int fd = 0; fd < 4096; ++fd)
            open +=
                ::access(("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd)).c_str(), F_OK) == 0;
          return open;
        };
        auto a = (co_await self.find<Puppet>("a")).within(5min);
        const auto round = [](Self& self, troupe::Ref<Puppet> a) -> Task<> {
          static_cast<void>(self);
          static_cast<void>(co_await errorOf(a.crash("kill")));
          const auto started = co_await SupervisorRef("/").start("t");
          co_await started.ref<Puppet>().who();
          auto monitor = self.monitor(started.ref<Puppet>());
          co_await SupervisorRef("/").stop(started.id);
          static_cast<void>(co_await monitor.next());
        };
        for (int i = 0; i < 5; ++i) co_await round(self, a);
        co_await a.who();
        const std::size_t root = count(::getppid());
        const std::size_t own = count(::getpid());
        for (int i = 0; i < 50; ++i) co_await round(self, a);
        co_await a.who();
        co_await until(self, "the root to have no more than before",
                       [root, count] { return count(::getppid()) <= root; });
        co_await until(self, "main to have no more than before",
                       [own, count] { return count(::getpid()) <= own; });
      });
}

TEST_F(Processes, AreReapedAlsoWhenTheRootIsProcessNumberOne) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may make a PID namespace";
  std::fflush(stdout);
  const pid_t outer = ::fork();
  if (outer == 0) {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) ::_exit(77);
    const pid_t init = ::fork();
    if (init == 0) {
      // The /proc of the new namespace.
      if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
          ::mount("proc", "/proc", "proc", 0, nullptr) < 0)
        ::_exit(77);
      const int code = [&]() noexcept {
        troupe::App app(argumentCount(), arguments());
        app.supervise({.maxRestarts = 100});
        app.supervisor("group", {.maxRestarts = 10}).child<Careless>("a");
        app.child<PuppetActor>("b");
        app.main([](Self& self) -> Task<> {
          EXPECT_EQ(::getppid(), 1);
          auto b = (co_await self.find<Puppet>("b")).within(5min);
          static_cast<void>(co_await errorOf(b.crash("kill")));
          const int group = (co_await pidsOf(SupervisorRef("/"))).at("group");
          kill(group, SIGKILL);
          co_await becomesRunning(self, SupervisorRef("/"), "group", group);
          EXPECT_EQ((co_await b.who())->getGeneration(), 2u);
          // What was orphaned came to the root; nothing of it may stay as a zombie.
          for (const auto& pid : board().notesAfter("stranger ")) kill(std::stoi(pid), SIGKILL);
          co_await until(self, "no zombies", [] {
            const auto children = childrenOf(1);
            return std::none_of(children.begin(), children.end(),
                                [](pid_t pid) { return stateOf(pid) == 'Z'; });
          });
          if (testing::Test::HasFailure()) throw std::runtime_error("an expectation failed");
        });
        return app.run();
      }();
      ::_exit(code);
    }
    int status = 0;
    ::waitpid(init, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  int status = 0;
  ::waitpid(outer, &status, 0);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this system does not let a PID namespace be made";
  EXPECT_EQ(status, 0);
}

}  // namespace tests
