// A child is replaced by a process of a newer program, under load, and nobody notices.
//
// The newer programs are copies of this one under other names: its main looks at the name of its file.
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/app_run.h"
#include "tests/support/load_client.h"
#include "tests/support/processes.h"
#include "tests/support/quiet_puppet.h"
#include "tests/support/scratch.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Kept;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }
SupervisorRef root() { return SupervisorRef("/"); }

// The file of this process's program.
std::string programFile() {
  char file[PATH_MAX] = {};
  const ssize_t size = ::readlink("/proc/self/exe", file, sizeof file - 1);
  const std::string name(file, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return name.substr(0, name.find(" (deleted)"));
}
// "upgrade", or the name of the copy that this process was made from.
std::string version() {
  const std::string file = programFile();
  return file.substr(file.rfind('/') + 1);
}

// A newer program has a board of its own, so these are files beside it.
void mark(const std::string& program, const std::string& what) {
  std::ofstream(program + "." + what) << what;
}
bool isMarked(const std::string& program, const std::string& what) {
  return std::filesystem::exists(program + "." + what);
}

struct Flat {
  std::int64_t value = 7;
};
struct Deep {
  std::int64_t value = 0;
  std::int64_t added = 0;
};

// What programs whose names end in "migrates" keep, the others can't read.
class Versioned final : public QuietPuppet<Versioned> {
 public:
  Versioned() {
    if (version().ends_with("migrates"))
      deep_ = std::make_unique<Kept<Deep>>(
          *this, "layout", Deep{}, +[](const Flat& old) { return Deep{old.value, 100}; });
    else
      flat_ = std::make_unique<Kept<Flat>>(*this, "layout");
  }
  Task<> init() {
    if (version() == "init-throws") throw std::runtime_error("a newer failure");
    if (!version().starts_with("waits")) co_return;
    mark(programFile(), "waiting");
    co_await until(self(), "the word to start", [] { return isMarked(programFile(), "start"); });
  }
  void who(WhoParams, WhoResults out) {
    out.setPid(self().pid());
    out.setGeneration(self().generation());
  }
  void echo(EchoParams, EchoResults out) {
    ++count_;
    out.setText(version());
  }
  void note(NoteParams) {
    ++count_;
    if (version().starts_with("waits")) mark(programFile(), "noted");
  }
  Task<> hang(HangParams, HangResults) {
    board().note("hanging");
    co_await until(self(), "the word to go on", [] { return board().count("go on") == 1; });
  }
  Task<> nap(NapParams in, NapResults out) {
    board().note("napping");
    co_await sleepFor(std::chrono::milliseconds(in.getMilliseconds()));
    out.setHandled(static_cast<std::uint32_t>(*count_));
  }

 private:
  Kept<std::int64_t> count_{*this, "count"};
  std::unique_ptr<Kept<Flat>> flat_;
  std::unique_ptr<Kept<Deep>> deep_;
};

class Echo final : public troupe::Actor<Echo> {
 public:
  explicit Echo(troupe::net::Listener listener) : listener_(std::move(listener)) {}
  Task<> run() {
    co_await listener_.serve([](troupe::net::Stream peer) { return echo(std::move(peer)); });
  }

 private:
  static Task<> echo(troupe::net::Stream peer) {
    std::array<std::byte, 16 * 1024> buffer;
    while (auto bytes = co_await peer.readSome(buffer)) co_await peer.writeAll(bytes);
  }
  troupe::net::Listener listener_;
};

unsigned echoPort = 0;

void tree(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  auto listener = app.listen("127.0.0.1:0");
  echoPort = listener.port();
  app.child<Versioned>("a", {.readyWithin = std::chrono::seconds(60)})
      .child<Echo>("echo", {.stop = troupe::Stop::within(std::chrono::seconds(30))}, listener);
  app.supervisor("group", {.maxRestarts = 100})
      .child<Versioned>("b")
      .child<Versioned>("hurried", {.readyWithin = std::chrono::seconds(5)});
}

Task<> upgradeAndNote(SupervisorRef supervisor, std::string child, std::string image) {
  try {
    co_await supervisor.upgrade(child, image);
    board().note("upgraded " + child);
  } catch (const Error& error) {
    board().note("failed " + child);
  }
  board().note("over");
}

Task<> noteEnds(troupe::Monitor monitor) {
  for (;;) board().note("ended: " + (co_await monitor.next()).reason.toString());
}

// The process of this path and parent, other than `notThis`; 0 where there is none that waits for something to come.
pid_t idle(const std::string& path, pid_t parent, pid_t notThis = 0) {
  for (const Process& process : processesBelow(parent)) {
    if (process.path() == path && process.pid != notThis && process.state == 'S') return process.pid;
  }
  return 0;
}
Task<> becomesIdle(Self& self, std::string path, pid_t parent, pid_t notThis = 0) {
  return until(self, path + " to be idle", [=] { return idle(path, parent, notThis) != 0; });
}

// /group/b has let go of what it had, and while the root does not get round to giving that to its successor, one of the two is
// killed.
Task<> killWhileNobodyHasIt(Self& self, std::string image, bool killTheOlder) {
  auto b = (co_await self.find<Puppet>("/group/b")).within(5min);
  const pid_t root = ::getppid(), older = (co_await b.who())->getPid();
  self.spawn(noteEnds(self.monitor(b)));
  auto hang = b.hang();
  co_await until(self, "its turn", [] { return board().count("hanging") == 1; });
  const auto group = (co_await childrenOf(SupervisorRef("/"))).at("group").pid;
  self.spawn(upgradeAndNote(SupervisorRef("/group"), "b", image));
  // Whoever has been sent something is not idle before it has dealt with it. So each of these has heard of the one before.
  co_await becomesIdle(self, "/group/b", group, older);
  const pid_t newer = idle("/group/b", group, older);
  co_await becomesIdle(self, "/group", group);
  co_await becomesIdle(self, "/group/b", group, newer);
  EXPECT_TRUE(freeze(root));
  board().note("go on");
  co_await hang;
  co_await becomesIdle(self, "/group/b", group, newer);
  co_await becomesIdle(self, "/group", group);
  const pid_t victim = killTheOlder ? older : newer;
  kill(victim, SIGKILL);
  co_await becomesDead(self, victim);
  kill(root, SIGCONT);
  co_await until(self, "the upgrade", [] { return board().count("over") == 1; });
  EXPECT_EQ(board().count("failed b"), 1u);
  const auto pid = (co_await b.who())->getPid();
  EXPECT_EQ(pid == older, !killTheOlder);
  EXPECT_NE(pid, newer);
}

// Its next process has answered, after the death of that one.
Task<> killAndBecomesRunning(Self& self, pid_t pid) {
  kill(pid, SIGKILL);
  co_await becomesRunning(self, root(), "group", pid);
}

class Upgrade : public AppTest {
 protected:
  // A copy of this program under another name.
  std::string copy(const std::string& name) const {
    const std::string file = folder_ / name;
    if (!std::filesystem::exists(file)) std::filesystem::copy_file("/proc/self/exe", file);
    return file;
  }

 private:
  Scratch folder_;
};

}  // namespace

TEST_F(Upgrade, KeepsStateMailboxAndAddress) {
  const std::string newer = copy("newer");
  runApp(tree, [&](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    for (int i = 0; i < 10; ++i) co_await a.note("");
    const auto before = (co_await a.who())->getPid();
    const auto started = co_await root().upgrade("a", newer);
    EXPECT_NE(started.pid, before);
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "newer");
    EXPECT_EQ((co_await a.nap(0))->getHandled(), 11u);
    co_await errorOf(a.crash("kill"));
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "newer") << "restarts use the newer program";
  });
}

TEST_F(Upgrade, WaitsForTheTurnAtHand) {
  const std::string newer = copy("newer");
  runApp(tree, [&](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    auto nap = a.nap(300);
    co_await until(self, "its turn", [] { return board().count("napping") == 1; });
    co_await root().upgrade("a", newer);
    EXPECT_EQ((co_await nap)->getHandled(), 0u) << "the older process answered";
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "newer");
  });
}

TEST_F(Upgrade, OfOneWhoseTurnOutlastsTheTimeToBeReadySaysThatTheOlderProcessWasLate) {
  const std::string newer = copy("newer");
  runApp(tree, [&](Self& self) -> Task<> {
    auto hurried = (co_await self.find<Puppet>("/group/hurried")).within(5min);
    const auto pid = (co_await hurried.who())->getPid();
    auto hang = hurried.hang();
    co_await until(self, "its turn", [] { return board().count("hanging") == 1; });
    const Error error = co_await errorOf(SupervisorRef("/group").upgrade("hurried", newer));
    EXPECT_EQ(error.kind(), ErrorKind::crashed);
    EXPECT_NE(std::string(error.what()).find("the older process has not ended its turn in time"),
              std::string::npos)
        << error.what();
    board().note("go on");
    co_await hang;
    EXPECT_EQ((co_await hurried.who())->getPid(), pid);
  });
}

TEST_F(Upgrade, ThatFailsLeavesTheOlderProcessAtWork) {
  const std::string throws = copy("init-throws"), dies = copy("main-dies");
  runApp(tree, [&](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    co_await a.echo("");
    const auto pid = (co_await a.who())->getPid();
    for (const std::string& image : {throws, dies, std::string("/no/such/program")}) {
      const Error error = co_await errorOf(root().upgrade("a", image));
      EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.what();
      EXPECT_NE(std::string(error.what()).find(image), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("process exception"), std::string::npos) << error.what();
      EXPECT_EQ((co_await a.who())->getPid(), pid) << image;
      co_await a.echo("");
    }
    EXPECT_EQ((co_await a.nap(0))->getHandled(), 4u);
    co_await root().upgrade("a", copy("newer"));
    EXPECT_EQ((co_await a.nap(0))->getHandled(), 4u);
  });
}

TEST_F(Upgrade, ThatDiesOnceTheOlderOneHasLetGoIsNoEndOfTheActor) {
  const std::string newer = copy("newer");
  runApp(tree, [&](Self& self) -> Task<> {
    co_await killWhileNobodyHasIt(self, newer, false);
    auto b = (co_await self.find<Puppet>("/group/b")).within(5min);
    co_await errorOf(b.crash("kill"));
    co_await until(self, "its end", [] { return board().count("ended: killed by SIGKILL") == 1; });
    EXPECT_EQ((co_await b.echo(""))->getText().cStr(), version()) << "it was not upgraded";
    for (const std::string& note : board().notes())
      EXPECT_TRUE(!note.starts_with("ended") || note == "ended: killed by SIGKILL") << note;
  });
}

TEST_F(Upgrade, WhoseOlderProcessDiesOnceItHasLetGoTellsOfThatEndOnce) {
  const std::string newer = copy("newer");
  runApp(tree, [&](Self& self) -> Task<> {
    co_await killWhileNobodyHasIt(self, newer, true);
    auto b = (co_await self.find<Puppet>("/group/b")).within(5min);
    EXPECT_EQ(board().count("ended: killed by SIGKILL"), 1u);
    co_await errorOf(b.crash("kill"));
    co_await until(self, "its end", [] { return board().count("ended: killed by SIGKILL") == 2; });
    for (const std::string& note : board().notes())
      EXPECT_TRUE(!note.starts_with("ended") || note == "ended: killed by SIGKILL") << note;
  });
}

TEST_F(Upgrade, OutlivesItsSupervisor) {
  const std::string first = copy("migrates"), second = copy("second-migrates");
  runApp(tree, [&](Self& self) -> Task<> {
    auto b = (co_await self.find<Puppet>("/group/b")).within(5min);
    std::uint32_t handled = 0;
    for (const std::string& image : {first, second}) {
      co_await b.note("");
      co_await SupervisorRef("/group").upgrade("b", image);
      for (int i = 0; i < 2; ++i) {
        const auto group = (co_await childrenOf(root())).at("group").pid;
        co_await killAndBecomesRunning(self, group);
        EXPECT_EQ((co_await b.echo(""))->getText().cStr(), image.substr(image.rfind('/') + 1));
      }
      handled += 3;
      EXPECT_EQ((co_await b.nap(0))->getHandled(), handled);
    }
  });
}

TEST_F(Upgrade, HasHappenedOnceTheNewerProcessIsReadyWhoeverHasHeardOfThat) {
  const std::string newer = copy("waits-migrates");
  runApp(tree, [&](Self& self) -> Task<> {
    auto b = (co_await self.find<Puppet>("/group/b")).within(5min);
    co_await b.note("");
    const auto group = (co_await childrenOf(root())).at("group").pid;
    self.spawn(upgradeAndNote(SupervisorRef("/group"), "b", newer));
    co_await until(self, "its init()", [&] { return isMarked(newer, "waiting"); });
    EXPECT_TRUE(freeze(group));
    mark(newer, "start");
    // Whom it is to answer it would learn through its supervisor. When the next message is there, the answer is committed.
    auto echo = b.echo("");
    co_await b.note("");
    co_await until(self, "a message to the newer process", [&] { return isMarked(newer, "noted"); });
    co_await killAndBecomesRunning(self, group);
    EXPECT_STREQ((co_await echo)->getText().cStr(), "waits-migrates");
    EXPECT_STREQ((co_await b.echo(""))->getText().cStr(), "waits-migrates");
    EXPECT_GE((co_await b.nap(0))->getHandled(), 3u);
  });
}

TEST_F(Upgrade, HasNotHappenedBeforeTheNewerProcessIsReady) {
  const std::string newer = copy("waits-migrates");
  runApp(tree, [&](Self& self) -> Task<> {
    auto b = (co_await self.find<Puppet>("/group/b")).within(5min);
    co_await b.note("");
    const auto group = (co_await childrenOf(root())).at("group").pid;
    self.spawn(upgradeAndNote(SupervisorRef("/group"), "b", newer));
    co_await until(self, "its init()", [&] { return isMarked(newer, "waiting"); });
    co_await killAndBecomesRunning(self, group);
    EXPECT_NE(std::string((co_await b.echo(""))->getText().cStr()), "waits-migrates");
    EXPECT_EQ((co_await b.nap(0))->getHandled(), 2u);
    co_await until(self, "the upgrade", [] { return board().count("failed b") == 1; });
  });
}

TEST_F(Upgrade, NeedsTheFileNoMoreOnceItHasHappened) {
  const std::string newer = copy("newer");
  runApp(tree, [&](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    co_await root().upgrade("a", newer);
    std::filesystem::remove(newer);
    std::ofstream(newer) << "no program";
    for (int i = 0; i < 2; ++i) {
      co_await errorOf(a.crash("kill"));
      EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "newer");
    }
    EXPECT_EQ((co_await a.nap(0))->getHandled(), 2u);
  });
}

TEST_F(Upgrade, OfWhatIsNotThereIsAnError) {
  runApp(
      [](troupe::App& app) {
        tree(app);
        app.supervisor("empty");
      },
      [](Self&) -> Task<> {
        EXPECT_EQ((co_await errorOf(root().upgrade("nobody", "/bin/true"))).kind(), ErrorKind::gone);
        EXPECT_EQ((co_await errorOf(root().upgrade("empty", "/bin/true"))).kind(), ErrorKind::invalid);
        EXPECT_EQ((co_await errorOf(root().upgrade("a", ""))).kind(), ErrorKind::invalid);
      });
}

// Ten times, once by a program that fails to start; a loop of calls and clients of an echo server see no error.
TEST_F(Upgrade, UnderLoadIsNoticedByNobody) {
  std::vector<std::string> images;
  for (int i = 0; i < 10; ++i) images.push_back(copy(i == 5 ? "main-dies" : "version-" + std::to_string(i)));
  AppRun run([&](troupe::App& app) {
    tree(app);
    board().note("port " + std::to_string(echoPort));
    app.main([&](Self& self) -> Task<> {
      auto a = (co_await self.find<Puppet>("a")).within(5min);
      std::int64_t calls = 0;
      for (const std::string& image : images) {
        for (const char* child : {"a", "echo"}) {
          const auto over = board().count("over");
          self.spawn(upgradeAndNote(root(), child, image));
          while (board().count("over") == over) {
            co_await a.echo("");
            ++calls;
          }
        }
      }
      EXPECT_EQ((co_await a.nap(0))->getHandled(), calls);
      EXPECT_GT(calls, 20);
      board().note("done");
      co_await until(self, "the clients", [] { return board().count("clients done") == 1; });
    });
  });
  run.waitUntil("the port", [] { return !board().notes().empty(); });
  const std::string port = board().notes().front();
  {
    LoadClients clients({.port = static_cast<unsigned>(std::stoul(port.substr(5))),
                         .clients = 20,
                         .requestsPerConnection = 20,
                         .maxBytes = 500});
    run.waitUntil("the upgrades", [&] {
      clients.runFor(std::chrono::milliseconds(20));
      return board().count("done") == 1;
    });
    EXPECT_TRUE(clients.drain());
    EXPECT_EQ(clients.ledger().errors, 0u)
        << (clients.ledger().texts.empty() ? "" : clients.ledger().texts[0]);
    EXPECT_GT(clients.ledger().replies, 100u);
  }
  board().note("clients done");
  EXPECT_EQ(run.wait().code, 0) << run.wait().err;
  EXPECT_EQ(board().count("upgraded a"), 9u);
  EXPECT_EQ(board().count("upgraded echo"), 9u);
  EXPECT_EQ(board().count("failed a"), 1u);
}

}  // namespace tests

int main(int argc, char** argv) {
  if (std::getenv("TROUPE_TICKET") != nullptr && tests::version() == "main-dies") return 3;
  return tests::runTestsOrBecome(argc, argv, tests::tree);
}
