// Shared<T> and SharedBlock: one memory for several actors, whoever of them dies; and nothing left of it when all have.
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Launch;
using troupe::Shared;
using troupe::SharedBlock;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }

// Its parts agree: sum is that of the numbers, and each update leaves it.
struct Stats {
  std::int64_t done = 0;
  std::int64_t sum = 0;
  std::array<std::int64_t, 500> numbers = {};

  void step() {
    numbers[static_cast<std::size_t>(done) % numbers.size()] += 7;
    ++done;
    sum += 7;
  }
  bool agrees() const {
    return sum == 7 * done && std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0}) == sum;
  }
};

// Does with the memory what it is told: "step", "read", "die inside", "stop inside", "add"; and what a SharedBlock says.
class User final : public QuietPuppet<User> {
 public:
  explicit User(Shared<Stats> stats, Shared<std::int64_t> visits = {})
      : stats_(std::move(stats)), visits_(std::move(visits)) {}
  void echo(EchoParams in, EchoResults out) { out.setText(said(in.getText().cStr()).c_str()); }

 private:
  std::string said(const std::string& what) {
    if (what == "address") return stats_.address();
    if (what == "add") return std::to_string(visits_.add(1));
    if (what == "step" || what == "die inside" || what == "stop inside") {
      stats_.update([&](Stats& stats) {
        stats.sum = -1;
        if (what == "die inside") ::raise(SIGKILL);
        if (what == "stop inside") ::raise(SIGSTOP);
        stats.sum = 7 * stats.done;
        stats.step();
      });
    }
    const Stats stats = stats_.read();
    EXPECT_TRUE(stats.agrees());
    return std::to_string(stats.done);
  }

  Shared<Stats> stats_;
  Shared<std::int64_t> visits_;
};

class Opener final : public QuietPuppet<Opener> {
 public:
  explicit Opener(SharedBlock block = {}) : block_(std::move(block)) {}
  void echo(EchoParams in, EchoResults out) {
    const std::string what = in.getText().cStr();
    if (what.find('.') != std::string::npos) stats_ = Shared<Stats>::open(what);
    if (what == "write") block_.bytes()[0] = std::byte{1};
    if (what == "write anyway") const_cast<std::byte&>(block_.view()[0]) = std::byte{1};
    if (what == "writable") return out.setText(block_.writable() ? "yes" : "no");
    if (what == "first") return out.setText(std::to_string(std::to_integer<int>(block_.view()[0])).c_str());
    if (what == "drop") stats_ = {};
    if (what == "address") return out.setText(stats_.address().c_str());
    out.setText(stats_ ? std::to_string(stats_.read().done).c_str() : "");
  }

 private:
  SharedBlock block_;
  Shared<Stats> stats_;
};

Task<std::string> ask(Self& self, std::string actor, std::string what) {
  auto puppet = co_await puppetAt(self, actor);
  const auto reply = co_await puppet.echo(what);
  co_return reply->getText().cStr();
}

// How many descriptors and mappings all processes of this machine have of the memory of that name.
std::size_t usesOf(const std::string& name) {
  namespace fs = std::filesystem;
  const std::string file = "/memfd:troupe:" + name + " (deleted)";
  std::size_t uses = 0;
  std::error_code gone;
  for (const auto& process : fs::directory_iterator("/proc")) {
    for (fs::directory_iterator fd(process.path() / "fd", gone), end; !gone && fd != end;
         fd.increment(gone)) {
      if (fs::read_symlink(fd->path(), gone) == file) ++uses;
    }
    std::ifstream maps(process.path() / "maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.ends_with(file)) ++uses;
    }
  }
  return uses;
}

void several(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  auto stats = app.shared<Stats>("stats");
  auto visits = app.shared<std::int64_t>("visits", 40);
  app.child<User>("forked", {}, stats, visits)
      .child<User>("fresh", {.launch = Launch::exec}, stats, visits)
      .child<Opener>("opener")
      .each<User>("user");
  app.supervisor("below", {.maxRestarts = 1'000'000}).child<User>("deep", {}, stats, visits);
}

void withABlock(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  auto frame = app.sharedBlock("frame", 100'000);
  EXPECT_EQ(frame.size(), 100'000U);
  app.child<Opener>("camera", {}, frame)
      .child<Opener>("viewer", {}, frame.readOnly())
      .child<Opener>("fresh", {.launch = Launch::exec}, frame.readOnly())
      .each<Opener>("late");
}

void leaving(troupe::App& app) {
  auto stats = app.shared<Stats>("left");
  app.child<User>("a", {}, stats).child<User>("b", {.launch = Launch::exec}, stats);
  app.ready([] { board().note("ready"); });
}

// In a fresh image, as a newer program: it means something else by that name.
void changed(troupe::App& app) {
  if (std::getenv("TROUPE_TEST_FRESH") == nullptr) {
    auto stats = app.shared<Stats>("stats");
    app.child<User>("fresh", {.launch = Launch::exec}, stats);
  } else {
    auto stats = app.shared<std::array<int, 3>>("stats");
    app.child<Opener>("fresh", {.launch = Launch::exec});
  }
}

// It kept what it should not have.
Shared<std::int64_t> stolen;
class Thief final : public QuietPuppet<Thief> {
 public:
  void echo(EchoParams, EchoResults out) {
    try {
      out.setText(std::to_string(stolen.read()).c_str());
    } catch (const Error& error) {
      out.setText(error.what());
    }
  }
};
void stealing(troupe::App& app) {
  stolen = app.shared<std::int64_t>("kept", 5);
  app.child<Thief>("forked").child<Thief>("fresh", {.launch = Launch::exec});
}

constexpr const char* kScenario = "TROUPE_TEST_SCENARIO";
const std::map<std::string, void (*)(troupe::App&)> kScenarios = {{"several", several},
                                                                  {"withABlock", withABlock},
                                                                  {"leaving", leaving},
                                                                  {"changed", changed},
                                                                  {"stealing", stealing}};

// So that a fresh image knows.
std::function<void()> noting(const std::string& scenario) {
  return [scenario] { ::setenv(kScenario, scenario.c_str(), 1); };
}
void runAs(const std::string& scenario, const AppRun::Main& main) {
  runApp(kScenarios.at(scenario), main, noting(scenario));
}

}  // namespace

class SharedTest : public AppTest {};

// --- What it is ---

TEST_F(SharedTest, AllThatWereGivenItHaveOneValue) {
  runAs("several", [](Self& self) -> Task<> {
    std::int64_t done = 0;
    for (const char* user : {"forked", "fresh", "/below/deep", "forked", "fresh"}) {
      EXPECT_EQ(co_await ask(self, user, "step"), std::to_string(++done)) << user;
      EXPECT_EQ(co_await ask(self, user, "add"), std::to_string(40 + done)) << user;
    }
  });
}

TEST_F(SharedTest, TheNextProcessOfAChildFindsItAsItWas) {
  runAs("several", [](Self& self) -> Task<> {
    std::int64_t done = 0;
    for (const char* user : {"forked", "fresh", "/below/deep"}) {
      EXPECT_EQ(co_await ask(self, user, "step"), std::to_string(++done));
      const Error error = co_await errorOf(ask(self, user, "die inside"));
      EXPECT_EQ(error.kind(), ErrorKind::crashed);
      EXPECT_EQ(co_await ask(self, user, "read"), std::to_string(done)) << "nothing of it has happened";
      EXPECT_EQ(co_await ask(self, user, "step"), std::to_string(++done)) << "and the lock is free";
    }
    const int supervisor = (co_await pidsOf(SupervisorRef("/"))).at("below");
    kill(supervisor, SIGKILL);
    co_await becomesRunning(self, SupervisorRef("/"), "below", supervisor);
    EXPECT_EQ(co_await ask(self, "/below/deep", "step"), std::to_string(++done));
    co_await SupervisorRef("/").upgrade("forked", std::filesystem::read_symlink("/proc/self/exe").string());
    EXPECT_EQ(co_await ask(self, "forked", "step"), std::to_string(++done)) << "as a newer program";
  });
}

TEST_F(SharedTest, MainHasItToo) {
  AppRun run([](troupe::App& app) {
    auto stats = app.shared<Stats>("stats");
    stats.update([](Stats& before) { before.step(); });
    app.child<User>("user", {}, stats);
    app.main([stats](Self& self) -> Task<> {
      EXPECT_EQ(stats.read().done, 1) << "what was done before all began";
      EXPECT_EQ(co_await ask(self, "user", "step"), "2");
      EXPECT_EQ(stats.read().done, 2);
    });
  });
  EXPECT_EQ(run.wait().code, 0) << run.err();
}

TEST_F(SharedTest, AnUpdateThatThrowsChangesNothing) {
  const auto stats = Shared<Stats>::make("stats");
  EXPECT_THROW(stats.update([](Stats& value) {
    value.step();
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(stats.read().done, 0);
  const std::int64_t done = stats.update([](Stats& value) {
    value.step();
    return value.done;
  });
  EXPECT_EQ(done, 1);
  stats.write({});
  EXPECT_EQ(stats.read().done, 0);
}

TEST_F(SharedTest, NumbersAreChangedInOneStep) {
  const auto number = Shared<std::int32_t>::make("number", 5);
  EXPECT_EQ(number.add(-7), -2);
  EXPECT_EQ(number.exchange(9), -2);
  std::int32_t expected = 8;
  EXPECT_FALSE(number.compareExchange(expected, 1));
  EXPECT_EQ(expected, 9);
  EXPECT_TRUE(number.compareExchange(expected, std::numeric_limits<std::int32_t>::max()));
  EXPECT_EQ(number.add(1), std::numeric_limits<std::int32_t>::min()) << "around";
  EXPECT_EQ(number.update([](std::int32_t& value) { value /= 2; }),
            std::numeric_limits<std::int32_t>::min() / 2);
  const auto real = Shared<double>::make("real", 0.5);
  EXPECT_EQ(real.add(0.25), 0.75);
  const auto flag = Shared<bool>::make("flag");
  flag.write(true);
  EXPECT_TRUE(flag.read());
}

// --- What goes wrong ---

TEST_F(SharedTest, WhoWaitsForAStoppedProcessIsToldWhich) {
  runAs("several", [](Self& self) -> Task<> {
    auto forked = co_await puppetAt(self, "forked");
    const auto stats = Shared<Stats>::open(co_await ask(self, "forked", "address"));
    const int pid = (co_await pidsOf(SupervisorRef("/"))).at("forked");
    auto call = forked.echo("stop inside");
    co_await until(self, "it to be stopped", [pid] { return stateOf(pid) == 'T'; });
    try {
      stats.within(20ms).update([](Stats& value) { value.step(); });
      ADD_FAILURE() << "it was inside";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::timedOut);
      EXPECT_EQ(error.message(), "updating the shared memory \"stats\": process " + std::to_string(pid) +
                                     " was inside an update of it for 20 ms");
    }
    EXPECT_EQ(stats.read().done, 0) << "reading waits for nobody";
    kill(pid, SIGCONT);
    EXPECT_STREQ((co_await call)->getText().cStr(), "1");
    EXPECT_EQ(co_await ask(self, "fresh", "step"), "2");
  });
}

TEST_F(SharedTest, MisuseIsToldInWords) {
  const auto told = [](const std::function<void()>& misuse) -> std::string {
    try {
      misuse();
    } catch (const Error& error) {
      return std::string(toString(error.kind())) + ": " + error.message();
    }
    return "nothing";
  };
  const auto stats = Shared<Stats>::make("stats");
  EXPECT_EQ(told([&] { stats.update([&](Stats&) { stats.write({}); }); }),
            "invalid: updating the shared memory \"stats\" inside an update of it");
  stats.write({});
  EXPECT_EQ(told([] { Shared<Stats>().read(); }),
            "invalid: this Shared or SharedBlock is empty: it was given no memory");
  EXPECT_EQ(told([] { Shared<Stats>::make(""); }),
            "invalid: making the shared memory \"\": a name has 1 to 63 bytes, none of them zero");
  EXPECT_EQ(
      told([&] { Shared<std::array<int, 3>>::open(stats.address()); }),
      "invalid: taking the shared memory \"stats\": it was made as tests::(anonymous namespace)::Stats of 4016 "
      "bytes, and is to be taken as std::array<int, 3ul> of 12 bytes of another layout");
  EXPECT_NE(told([&] { SharedBlock::open(stats.address()); }).find("as a block of 4016 bytes"),
            std::string::npos);
  EXPECT_EQ(told([] { SharedBlock::open("w.1.x.2"); }),
            "invalid: opening shared memory: \"w.1.x.2\" is no address of any");
  EXPECT_EQ(told([] { SharedBlock::open("w.1.2.3.4"); }),
            "invalid: opening shared memory: \"w.1.2.3.4\" is no address of any");
  std::string address = stats.address();
  address.back() = address.back() == '1' ? '2' : '1';
  EXPECT_EQ(told([&] { Shared<Stats>::open(address); }),
            "gone: opening shared memory by its address: process " + std::to_string(::getpid()) +
                " has ended, or has it no more");
  EXPECT_NE(told([] {
              SharedBlock::make("all", std::size_t{1} << 60);
            }).find("system: cannot make the shared memory \"all\" of 1152921504606846976 bytes: "),
            std::string::npos);
  EXPECT_EQ(told([] { SharedBlock::make("none", 0); }),
            "invalid: making the shared memory \"none\": it would have no bytes");
}

TEST_F(SharedTest, WhoWasNotGivenItIsToldSo) {
  runAs("stealing", [](Self& self) -> Task<> {
    for (const char* thief : {"forked", "fresh"}) {
      EXPECT_EQ(co_await ask(self, thief, "read"), "this process was not given the shared memory \"kept\"");
    }
  });
}

TEST_F(SharedTest, AProgramThatMeansSomethingElseByItIsRefused) {
  const Ended ended = runToEnd(&changed, [](Self&) -> Task<> { co_return; }, noting("changed"));
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("error: taking the shared memory \"stats\": it was made as "), std::string::npos)
      << ended.err;
}

// --- At run time ---

TEST_F(SharedTest, OneThatIsMadeAtRunTimeIsGivenToChildrenThatAreStarted) {
  runAs("several", [](Self& self) -> Task<> {
    {
      auto stats = Shared<Stats>::make("late");
      stats.update([](Stats& value) { value.step(); });
      co_await SupervisorRef("/").start("user", stats);
    }
    EXPECT_EQ(co_await ask(self, "user:1", "step"), "2") << "though its maker has let go of it";
    const Error error = co_await errorOf(ask(self, "user:1", "die inside"));
    EXPECT_EQ(error.kind(), ErrorKind::crashed);
    EXPECT_EQ(co_await ask(self, "user:1", "step"), "3");
    EXPECT_GT(usesOf("late"), 0U);
    co_await SupervisorRef("/").stop("user:1");
    co_await until(self, "the memory to be given back", [] { return usesOf("late") == 0; });
  });
}

TEST_F(SharedTest, AnAddressIsGoodAsLongAsItsProcessHasTheMemory) {
  runAs("several", [](Self& self) -> Task<> {
    auto stats = std::make_unique<Shared<Stats>>(Shared<Stats>::make("sent"));
    stats->update([](Stats& value) { value.step(); });
    const std::string mine = stats->address();
    EXPECT_EQ(co_await ask(self, "opener", mine), "1");
    stats.reset();
    const Error gone = co_await errorOf(ask(self, "opener", mine));
    EXPECT_EQ(gone.exitReason().kind, troupe::ExitKind::exception) << "nobody can open it by that any more";
    // Nor has the next process of the opener it.
    EXPECT_EQ(co_await ask(self, "opener", "read"), "");
    EXPECT_EQ(usesOf("sent"), 0U);
  });
}

TEST_F(SharedTest, WhoOpenedItKeepsItWhenItsMakerHasGone) {
  runAs("several", [](Self& self) -> Task<> {
    auto stats = std::make_unique<Shared<Stats>>(Shared<Stats>::make("sent"));
    EXPECT_EQ(co_await ask(self, "opener", stats->address()), "0");
    stats.reset();
    const auto again = Shared<Stats>::open(co_await ask(self, "opener", "address"));
    EXPECT_EQ(again.update([](Stats& value) {
      value.step();
      return value.done;
    }),
              1);
  });
}

// --- Blocks ---

TEST_F(SharedTest, ABlockIsReadByOneAndWrittenByAnother) {
  runAs("withABlock", [](Self& self) -> Task<> {
    EXPECT_EQ(co_await ask(self, "viewer", "first"), "0");
    co_await ask(self, "camera", "write");
    for (const char* reader : {"viewer", "fresh"}) {
      EXPECT_EQ(co_await ask(self, reader, "first"), "1");
      EXPECT_EQ(co_await ask(self, reader, "writable"), "no");
      const Error error = co_await errorOf(ask(self, reader, "write"));
      EXPECT_NE(error.exitReason().text.find("it was given to this process to be read only"),
                std::string::npos)
          << error.what();
    }
    const auto block = SharedBlock::make("block", 10);
    block.bytes()[0] = std::byte{3};
    co_await SupervisorRef("/").start("late", block.readOnly());
    EXPECT_EQ(co_await ask(self, "late:1", "first"), "3");
    EXPECT_EQ(co_await ask(self, "late:1", "writable"), "no");
    const auto opened = SharedBlock::open(block.readOnly().address());
    EXPECT_EQ(opened.view()[0], std::byte{3});
    EXPECT_FALSE(opened.writable());
    const Error error = co_await errorOf(ask(self, "late:1", "write anyway"));
    EXPECT_EQ(error.kind(), ErrorKind::crashed);
    EXPECT_EQ(block.view()[0], std::byte{3});
  });
}

// --- Gone with the last ---

TEST_F(SharedTest, NothingIsLeftOfItHoweverAllEnd) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    AppRun run(&leaving, noting("leaving"));
    ASSERT_TRUE(run.waitUntil("all to be there", [] { return board().count("ready") > 0; }));
    EXPECT_GT(usesOf("left"), 0U);
    run.signal(signal);
    run.wait();
    EXPECT_EQ(usesOf("left"), 0U) << signal;
    board().clear();
  }
}

}  // namespace tests

int main(int argc, char** argv) {
  const char* const scenario = std::getenv(tests::kScenario);
  if (scenario != nullptr) ::setenv("TROUPE_TEST_FRESH", "yes", 1);
  return tests::runTestsOrBecome(argc, argv, [&](troupe::App& app) { tests::kScenarios.at(scenario)(app); });
}
