// Children that are started by exec: a fresh image of this program, which runs main again and becomes that child.
//
// So this program has a main of its own: where it was started as such a child, it builds the app of the scenario anew.
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Launch;
using troupe::Ref;
using troupe::SupervisorRef;

constexpr const char* kScenario = "TROUPE_TEST_SCENARIO";

// Set in a process whose main has found a ticket.
bool freshImage = false;

class Fresh final : public QuietPuppet<Fresh> {
 public:
  explicit Fresh(std::string text = "none", int number = 0) : text_(std::move(text)), number_(number) {}
  explicit Fresh(troupe::net::Listener listener) : listener_(std::move(listener)) {}
  void init() {
    if (text_ == "init throws") throw std::runtime_error("a fresh failure");
  }
  Task<> run() {
    if (!listener_) co_await sleepFor(24h);
    for (;;) {
      auto peer = co_await listener_.accept();
      co_await peer.writeAll(freshImage ? "fresh" : "forked");
    }
  }
  void who(WhoParams, WhoResults out) {
    out.setPid(self().pid());
    out.setGeneration(self().generation());
    out.setPath(path());
  }
  void echo(EchoParams, EchoResults out) {
    out.setText(kj::str(freshImage ? "fresh " : "forked ", text_.c_str(), " ", number_, " ",
                        std::getenv("TROUPE_TICKET") == nullptr ? "" : "the ticket is still there"));
  }
  void files(FilesParams, FilesResults out);

 private:
  std::string text_;
  int number_ = 0;
  troupe::net::Listener listener_;
};

class Greeting final : public troupe::Actor<Greeting> {
 public:
  Greeting(std::string text, troupe::net::Stream peer) : text_(std::move(text)), peer_(std::move(peer)) {}
  Task<> init() { co_await peer_.writeAll(text_); }

 private:
  std::string text_;
  troupe::net::Stream peer_;
};

void plain(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  app.child<Fresh>("a", {.launch = Launch::exec}, std::string("given"), 42)
      .child<Fresh>("b", {}, std::string("given"), 43);
}

void deep(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  troupe::Group& group = app.supervisor("group", {.maxRestarts = 100});
  group.child<Fresh>("a", {.launch = Launch::exec})
      .each<Greeting>("t", {.launch = Launch::exec})
      .each<Fresh>("f", {.launch = Launch::exec});
  app.pool<Fresh>("pool", {.size = 2, .maxRestarts = 100, .launch = Launch::exec}, std::string("worker"), 1);
}

// A Unix socket of the test's own.
std::string socketPath(const std::string& name) { return "unix:/tmp/troupe-exec-" + name + ".socket"; }

void listening(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  auto first = app.listen(socketPath("first"));
  auto second = app.listen(socketPath("second"));
  app.child<Fresh>("a", {.launch = Launch::exec}, second).child<Fresh>("b", {}, first);
}

void failing(troupe::App& app) {
  app.child<Fresh>("a", {.launch = Launch::exec}, std::string("init throws"), 1);
}

const std::map<std::string, void (*)(troupe::App&)> kScenarios = {
    {"plain", plain}, {"deep", deep}, {"listening", listening}, {"failing", failing}};

Task<std::string> readAll(std::string address) {
  auto stream = co_await troupe::net::connect(address);
  std::string text;
  std::array<std::byte, 64> buffer;
  while (auto bytes = co_await stream.readSome(buffer)) text += bytes.text();
  co_return text;
}

}  // namespace

void Fresh::files(FilesParams, FilesResults out) {
  std::vector<std::string> open;
  for (int fd = 0; fd < 256; ++fd) {
    std::array<char, 128> target{};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (::readlink(link.c_str(), target.data(), target.size() - 1) > 0) open.emplace_back(target.data());
  }
  auto list = out.initOpen(static_cast<unsigned>(open.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, open[i]);
}

class Exec : public AppTest {
 protected:
  static Ended run(const std::string& scenario, const AppRun::Main& main) {
    return runApp(kScenarios.at(scenario), main, [&] { ::setenv(kScenario, scenario.c_str(), 1); });
  }
};

TEST_F(Exec, GivesAChildAFreshImageAndItsArguments) {
  run("plain", [](Self& self) -> Task<> {
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    auto b = (co_await self.find<Puppet>("b")).within(5min);
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "fresh given 42 ");
    EXPECT_STREQ((co_await b.echo(""))->getText().cStr(), "forked given 43 ");
    const int before = (co_await a.who())->getPid();
    EXPECT_EQ(pathOf(before), "/a") << "its title";
    const Error error = co_await errorOf(a.crash("kill"));
    EXPECT_EQ(error.exitReason().code, SIGKILL);
    EXPECT_EQ((co_await a.who())->getGeneration(), 2u) << "the same actor, in its next process";
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "fresh given 42 ");
    const Error exit = co_await errorOf(a.crash("exit 9"));
    EXPECT_EQ(exit.exitReason().code, 9);
    const Error thrown = co_await errorOf(a.crash("throw"));
    EXPECT_EQ(thrown.exitReason().text, "as it was told");
    co_await SupervisorRef("/").stop("a");
    co_await SupervisorRef("/").restart("a");
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "fresh given 42 ");
  });
}

TEST_F(Exec, WorksBelowSupervisorsAndForTemplatesAndPools) {
  run("deep", [](Self& self) -> Task<> {
    const SupervisorRef group("/group");
    auto a = (co_await self.find<Puppet>("/group/a")).within(5min);
    EXPECT_STREQ((co_await a.echo(""))->getText().cStr(), "fresh none 0 ");
    auto listener = troupe::net::listen("127.0.0.1:0");
    auto near = co_await troupe::net::connect(listener.address());
    auto far = co_await listener.accept();
    const auto started = co_await group.start("t", "over the wire", std::move(far));
    EXPECT_EQ(started.path, "/group/t:1");
    std::array<std::byte, 64> buffer;
    EXPECT_EQ((co_await near.readSome(buffer)).text(), "over the wire");
    kill(started.pid, SIGKILL);
    EXPECT_EQ((co_await near.readSome(buffer)).text(), "over the wire")
        << "its next process has the connection, too";
    const auto other = co_await group.start("f", "text", 5);
    EXPECT_STREQ((co_await other.ref<Puppet>().echo(""))->getText().cStr(), "fresh text 5 ");

    auto pool = (co_await self.find<Puppet>("pool")).within(5min);
    EXPECT_STREQ((co_await pool.echo(""))->getText().cStr(), "fresh worker 1 ");
    const Error error = co_await errorOf(pool.crash("kill"));
    EXPECT_EQ(error.kind(), ErrorKind::crashed);
    EXPECT_STREQ((co_await pool.echo(""))->getText().cStr(), "fresh worker 1 ");
  });
}

TEST_F(Exec, WorksForChildrenThatAreAddedAtRunTime) {
  run("plain", [](Self& self) -> Task<> {
    static_cast<void>(self);
    const auto started =
        co_await SupervisorRef("/").startChild<Fresh>("added", {.launch = Launch::exec}, "late", -7);
    EXPECT_STREQ((co_await started.ref<Puppet>().echo(""))->getText().cStr(), "fresh late -7 ");
    const Error error = co_await errorOf(
        SupervisorRef("/").startChild<Fresh>("bad", {.launch = Launch::exec}, "init throws", 1));
    EXPECT_EQ(error.exitReason().kind, ExitKind::exception);
    EXPECT_EQ(error.exitReason().text, "a fresh failure");
  });
}

TEST_F(Exec, GivesEachListenerToWhomItWasGiven) {
  run("listening", [](Self& self) -> Task<> {
    EXPECT_EQ(co_await readAll(socketPath("first")), "forked");
    EXPECT_EQ(co_await readAll(socketPath("second")), "fresh");
    auto a = (co_await self.find<Puppet>("a")).within(5min);
    co_await a.die("kill");
    EXPECT_EQ(co_await readAll(socketPath("second")), "fresh") << "it stays open meanwhile";
  });
}

TEST_F(Exec, LeavesAChildOnlyWhatIsItsOwn) {
  run("listening", [](Self& self) -> Task<> {
    auto a = co_await self.find<Puppet>("a");
    std::map<std::string, int> kinds;
    const auto reply = co_await a.files();
    for (const auto file : reply->getOpen()) {
      const std::string text = file.cStr();
      ++kinds[text.substr(0, text.find_first_of("[:", text.starts_with("anon_inode:") ? 11 : 0))];
    }
    // The control lane and one listener.
    EXPECT_EQ(kinds["socket"], 2);
  });
}

TEST_F(Exec, TellsWhyAStartFails) {
  const Ended ended = runToEnd(
      kScenarios.at("failing"), [](Self&) -> Task<> { co_return; },
      [] { ::setenv(kScenario, "failing", 1); });
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("a fresh failure"), std::string::npos) << ended.err;
}

TEST_F(Exec, TellsWhenMainDoesNotDeclareTheChildThisTime) {
  const Ended ended = runToEnd(
      kScenarios.at("plain"), [](Self&) -> Task<> { co_return; },
      [] { ::setenv(kScenario, "failing-not", 1); });
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("becoming /a: main has declared no such child this time"), std::string::npos)
      << ended.err;
}

TEST_F(Exec, RefusesATicketThatMakesNoSense) {
  for (const char* value : {"", "abc", "-1", "2", "99999", "7x"}) {
    const Ended ended =
        runToEnd(plain, [](Self&) -> Task<> { co_return; }, [value] { ::setenv("TROUPE_TICKET", value, 1); });
    EXPECT_EQ(ended.code, 2) << value;
    EXPECT_NE(ended.err.find("error: the environment variable TROUPE_TICKET"), std::string::npos)
        << value << ": " << ended.err;
  }
  // A descriptor that is no ticket.
  const Ended ended = runToEnd(
      plain, [](Self&) -> Task<> { co_return; },
      [] {
        int ends[2];
        if (::pipe(ends) == 0) ::setenv("TROUPE_TICKET", std::to_string(ends[0]).c_str(), 1);
      });
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("TROUPE_TICKET"), std::string::npos) << ended.err;
}

}  // namespace tests

int main(int argc, char** argv) {
  const char* const scenario = std::getenv(tests::kScenario);
  if (std::getenv("TROUPE_TICKET") != nullptr && scenario != nullptr) {
    tests::freshImage = true;
    troupe::App app(argc, argv);
    if (const auto found = tests::kScenarios.find(scenario); found != tests::kScenarios.end())
      found->second(app);
    return app.run();
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
