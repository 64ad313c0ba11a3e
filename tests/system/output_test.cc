// What actors write: whole lines, each with its actor's path, and nobody is held up who did not write.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::SupervisorRef;

// Writes what it is told, as it is; "!" before it means standard error.
class Writer final : public QuietPuppet<Writer> {
 public:
  void echo(EchoParams in, EchoResults) {
    const std::string text = in.getText().cStr();
    if (text.starts_with("!")) {
      std::fputs(text.c_str() + 1, stderr);
    } else {
      std::fputs(text.c_str(), stdout);
      std::fflush(stdout);
    }
  }
  // So many bytes in one line.
  void grow(GrowParams in, GrowResults) { std::puts(std::string(in.getBytes(), 'x').c_str()); }
  // So many lines.
  void nap(NapParams in, NapResults) {
    for (unsigned i = 0; i < in.getMilliseconds(); ++i)
      std::printf("line %u of %s, of some length\n", i, name().c_str());
  }
};

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void twoWriters(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  app.child<Writer>("a");
  app.supervisor("group", {.maxRestarts = 100}).child<Writer>("b");
}

Task<troupe::Ref<Puppet>> writer(Self& self, std::string path) {
  auto found = co_await self.find<Puppet>(path);
  co_return found.within(5min);
}

}  // namespace

class Outputs : public AppTest {};

TEST_F(Outputs, ArePrefixedLineByLineAndKeptApart) {
  const Ended ended = runApp(twoWriters, [](Self& self) -> Task<> {
    auto a = co_await writer(self, "a");
    auto b = co_await writer(self, "/group/b");
    co_await a.echo("one\ntwo\n");
    co_await b.echo("!three\n");
    co_await a.echo("fo");
    co_await b.echo("between\n");
    co_await a.echo("ur\n\nfive without an end");
    std::cout << "main itself" << std::endl;
  });
  const auto out = linesOf(ended.out);
  const std::vector<std::string> ofA = {"a | one", "a | two", "a | four", "a | ", "a | five without an end"};
  std::vector<std::string> seen;
  for (const auto& line : out) {
    if (line.starts_with("a | ")) seen.push_back(line);
  }
  EXPECT_EQ(seen, ofA);
  EXPECT_EQ(std::count(out.begin(), out.end(), "group/b | between"), 1);
  EXPECT_EQ(std::count(out.begin(), out.end(), "main itself"), 1) << "main's own output has no prefix";
  EXPECT_EQ(ended.err, "group/b | three\n");
}

TEST_F(Outputs, ThatWereWrittenBeforeACrashAreNotLost) {
  const Ended ended = runApp(twoWriters, [](Self& self) -> Task<> {
    auto b = co_await writer(self, "/group/b");
    for (int i = 0; i < 5; ++i) {
      co_await b.echo("last words " + std::to_string(i));
      static_cast<void>(co_await errorOf(b.crash("kill")));
    }
  });
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(ended.out.find("group/b | last words " + std::to_string(i) + "\n"), std::string::npos) << i;
  }
}

TEST_F(Outputs, OfGreatLengthComeInPiecesThatAreWhole) {
  const Ended ended = runApp(twoWriters, [](Self& self) -> Task<> {
    auto a = co_await writer(self, "a");
    co_await a.grow(100'000);
    co_await a.grow(3500);
    co_await a.echo("after\n");
  });
  std::size_t bytes = 0;
  for (const auto& line : linesOf(ended.out)) {
    EXPECT_TRUE(line.starts_with("a | ")) << line.substr(0, 20);
    EXPECT_LE(line.size(), 4u + 3500u);
    bytes += line.size() - 4;
  }
  EXPECT_EQ(bytes, 100'000u + 3500u + 5u);
}

TEST_F(Outputs, OfManyAtOnceAreNotTornOrMixed) {
  const Ended ended = runApp(
      [](troupe::App& app) {
        for (const char* id : {"a", "b", "c", "d"}) app.child<Writer>(id);
        app.supervisor("group").child<Writer>("e").child<Writer>("f");
      },
      [](Self& self) -> Task<> {
        std::vector<troupe::Call<Puppet::NapResults>> all;
        for (const char* path : {"/a", "/b", "/c", "/d", "/group/e", "/group/f"}) {
          auto each = co_await writer(self, path);
          all.push_back(each.nap(3000));
        }
        for (auto& each : all) co_await each;
      });
  std::map<std::string, unsigned> next;
  for (const auto& line : linesOf(ended.out)) {
    const std::string path = line.substr(0, line.find(' '));
    const std::string name = path.substr(path.rfind('/') + 1);
    std::string expected =
        path + " | line " + std::to_string(next[path]++) + " of " + name + ", of some length";
    if (line == expected) continue;
    ADD_FAILURE() << "torn, or out of order: " << line;
    break;
  }
  for (const auto& [path, lines] : next) EXPECT_EQ(lines, 3000u) << path;
  EXPECT_EQ(next.size(), 6u);
}

TEST_F(Outputs, ThatNobodyReadsHoldUpTheWritersOnly) {
  AppRun run([](troupe::App& app) {
    twoWriters(app);
    app.child<PuppetActor>("quiet");
    app.main([](Self& self) -> Task<> {
      auto a = co_await writer(self, "a");
      auto b = co_await writer(self, "/group/b");
      auto first = a.nap(50'000);
      auto second = b.nap(50'000);
      co_await self.sleepFor(200ms);
      EXPECT_TRUE(Board::shared().notes().size() == 1) << "the init of quiet";
      // Supervisors serve all the same.
      auto quiet = co_await writer(self, "quiet");
      static_cast<void>(co_await errorOf(quiet.crash("kill")));
      EXPECT_EQ((co_await quiet.who())->getGeneration(), 2u);
      const auto started = co_await SupervisorRef("/group").startChild<PuppetActor>("late", {});
      EXPECT_GT(started.pid, 0);
      co_await SupervisorRef("/group").stop("late");
      Board::shared().note("served");
      co_await first;
      co_await second;
    });
  });
  run.readOutput(false);
  run.waitUntil("the supervisors to serve", [] { return Board::shared().count("served") == 1; });
  run.readOutput(true);
  const Ended& ended = run.wait();
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(linesOf(ended.out).size(), 100'000u) << "nothing was lost meanwhile";
}

TEST_F(Outputs, ThatAreClosedHarmNobody) {
  const Ended ended = runApp(
      twoWriters,
      [](Self& self) -> Task<> {
        auto a = co_await writer(self, "a");
        auto b = co_await writer(self, "/group/b");
        co_await a.nap(5000);
        co_await b.nap(5000);
        co_await b.echo("!to nobody\n");
        static_cast<void>(co_await errorOf(b.crash("kill")));
        EXPECT_EQ((co_await b.who())->getPid() > 0, true);
      },
      [] {
        ::close(STDOUT_FILENO);
        ::close(STDERR_FILENO);
      });
  EXPECT_EQ(ended.out + ended.err, "");
}

TEST_F(Outputs, WhoseReaderHasGoneHarmNobody) {
  runApp(
      twoWriters,
      [](Self& self) -> Task<> {
        auto a = co_await writer(self, "a");
        auto b = co_await writer(self, "/group/b");
        co_await a.nap(20'000);
        co_await b.nap(20'000);
        EXPECT_GT((co_await a.who())->getPid(), 0);
      },
      [] {
        int ends[2];
        if (::pipe(ends) < 0) std::abort();
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
      });
}

TEST_F(Outputs, ThatAreInheritedAreUntouched) {
  const Ended ended =
      runApp([](troupe::App& app) { app.child<Writer>("a", {.output = troupe::Output::inherited}); },
             [](Self& self) -> Task<> {
               auto a = co_await writer(self, "a");
               co_await a.echo("as it is");
             });
  EXPECT_EQ(ended.out, "as it is");
}

}  // namespace tests
