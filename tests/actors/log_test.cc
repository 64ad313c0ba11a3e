// Log: one order, whole lines, and what becomes of them when somebody dies, or there is no room.
//
// This program has a main of its own, for a child that is started by exec.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/support/app_run.h"
#include "tests/support/program.h"
#include "tests/support/quiet_puppet.h"
#include "tests/support/scratch.h"

namespace tests {

namespace {

using troupe::Level;
using troupe::Log;
using troupe::LogSpec;
using troupe::SupervisorRef;

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Without the time, the level and the path.
std::vector<std::string> textsIn(const std::string& path) {
  std::vector<std::string> texts;
  for (const auto& line : linesOf(contentOf(path))) texts.push_back(line.substr(line.find(": ") + 2));
  return texts;
}

std::size_t countOf(const std::vector<std::string>& lines, const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [&](const auto& line) { return line.find(text) != line.npos; }));
}

Task<> flush(Self& self) {
  auto log = co_await self.find<Log>("log");
  co_await log.within(5min).flush();
}

Task<int> pidOf(Self&, std::string id) {
  const auto children = co_await childrenOf(SupervisorRef("/"));
  co_return children.at(id).pid;
}

// Logs what it is told.
class Teller final : public QuietPuppet<Teller> {
 public:
  void echo(EchoParams in, EchoResults) { log().info(in.getText()); }
  // The turn is never over.
  void crash(CrashParams in, CrashResults) {
    log().error("last words of {}", name());
    endAs(in.getHow().cStr());
  }
  // So many lines.
  void nap(NapParams in, NapResults) {
    for (unsigned i = 0; i < in.getMilliseconds(); ++i) log().info("line {}", i);
  }
  void files(FilesParams, FilesResults) {
    for (const int fd : {0, 1, 2}) ::close(fd);
    log().info("without standard error");
  }
};

enum class Colour { red };
const char* toString(Colour) { return "red"; }

// Counts how often it is made a text of.
struct Costly {
  int* texts;
  std::string toString() const { return "text " + std::to_string(++*texts); }
};

class LogTest : public AppTest {
 protected:
  std::string path() const { return folder_ / "shop.log"; }
  LogSpec spec() const { return {.file = path(), .terminal = false}; }
  // A log with that spec, and two tellers.
  AppRun::Describe withLog(const LogSpec& spec) const {
    return [spec](troupe::App& app) {
      app.supervise({.maxRestarts = 1'000'000});
      app.add<Log>("log", spec);
      app.child<Teller>("a").child<Teller>("b");
    };
  }

  Scratch folder_;
};

// The app whose child "fresh" is started by exec.
constexpr const char* kFile = "TROUPE_TEST_LOG";
void withFresh(troupe::App& app) {
  app.add<Log>("log", {.file = std::getenv(kFile), .terminal = false, .level = Level::debug});
  app.child<Teller>("fresh", {.launch = troupe::Launch::exec});
}

}  // namespace

// --- What a line is ---

TEST_F(LogTest, LinesAreOnStandardErrorWhereThereIsNoSink) {
  const Ended ended = runApp([](troupe::App& app) { app.child<Teller>("a"); },
                             [](Self& self) -> Task<> {
                               self.log().info("{} and {:.2f} and {:>4}", "one", 1.0 / 3, 7);
                               self.log().debug("not wanted");
                               auto a = co_await puppetAt(self, "a");
                               co_await a.echo("100% {} of all");
                             });
  const std::regex expected(R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info /main: one and 0\.33 and    7\n)"
                            R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info /a: 100% \{\} of all\n)");
  EXPECT_TRUE(std::regex_match(ended.err, expected)) << ended.err;
}

TEST_F(LogTest, ValuesOfManyKindsCanBeWritten) {
  runApp(withLog(spec()), [](Self& self) -> Task<> {
    const char* const nothing = nullptr;
    self.log().info("{} {} {} {} {}", true, 'c', -7, 7U, nothing);
    self.log().info("{} {} {} {}", Colour::red, 1500ms, 2min, troupe::ExitReason{});
    self.log().info("{} {} {}", kj::StringPtr("text"), std::runtime_error("what"), std::string("string"));
    self.log().info("{1} {0} {{}} {2:x}", "first", "second", 255);
    self.log().info("{:d}", "no number");
    self.log().with("order", 7).with("who", "Ada L").with("paid", true).with("empty", "").info("done");
    co_await flush(self);
  });
  const auto texts = textsIn(path());
  ASSERT_EQ(texts.size(), 6U) << contentOf(path());
  EXPECT_EQ(texts[0], "true c -7 7 (null)");
  EXPECT_EQ(texts[1], "red 1500ms 2min ended normally");
  EXPECT_EQ(texts[2], "text what string");
  EXPECT_EQ(texts[3], "second first {} ff");
  EXPECT_EQ(texts[4].rfind("{:d} (not formatted: ", 0), 0U) << texts[4];
  EXPECT_EQ(texts[5], "done order=7 who=\"Ada L\" paid=true empty=\"\"");
}

TEST_F(LogTest, NoTextForgesALineAFieldOrACommandOfTheTerminal) {
  LogSpec json = spec();
  json.format = troupe::LogFormat::json;
  json.terminal = true;
  const std::string hostile =
      "a\n2026-11-22 03:16:40.123 info /b: forged\r\x1b[2J\xc2\x9b"
      "1m \x1f order\x1e"
      "8\x10 \"quoted\\\" \xff\x7f\t\xe2\x80\xa8.";
  const Ended ended = runApp(withLog(json), [hostile](Self& self) -> Task<> {
    self.log().with("k=\n", hostile).info(hostile);
    self.log().info(std::string("with a \0 in it", 14));
    co_await flush(self);
  });
  const auto lines = linesOf(contentOf(path()));
  ASSERT_EQ(lines.size(), 2U) << contentOf(path());
  EXPECT_NE(lines[0].find(R"("level":"info","actor":"/main","text":"a\n2026)"), std::string::npos)
      << lines[0];
  EXPECT_NE(
      lines[0].find(
          R"(forged\u000d\u001b[2J\u009b1m \u001f order\u001e8\u0010 \"quoted\\\" \ufffd\u007f\u0009\u2028.")"),
      std::string::npos)
      << lines[0];
  EXPECT_NE(lines[0].find(R"("fields":{"k=\n":"a\n2026)"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find(R"("with a \u0000 in it")"), std::string::npos) << lines[1];
  const auto shown = linesOf(ended.err);
  ASSERT_EQ(shown.size(), 2U) << ended.err;
  EXPECT_NE(
      shown[0].find(R"(a\n2026-11-22 03:16:40.123 info /b: forged\r\x1b[2J\u009b1m \x1f order\x1e8\x10 )"),
      std::string::npos)
      << shown[0];
  EXPECT_EQ(std::count_if(ended.err.begin(), ended.err.end(),
                          [](char c) { return c < ' ' && c != '\n' && c >= 0; }),
            0);
}

TEST_F(LogTest, WhatIsNotWantedIsNotMade) {
  LogSpec warnings = spec();
  warnings.level = Level::warn;
  runApp(withLog(warnings), [](Self& self) -> Task<> {
    int texts = 0;
    EXPECT_FALSE(self.log().info("{}", Costly{&texts}));
    EXPECT_FALSE(self.log().info(Costly{&texts}));
    EXPECT_FALSE(troupe::Logger::enabled(Level::info));
    EXPECT_EQ(texts, 0);
    EXPECT_TRUE(self.log().warn("{}", Costly{&texts}));
    EXPECT_EQ(texts, 1);
    co_await flush(self);
  });
  EXPECT_EQ(textsIn(path()), std::vector<std::string>{"text 1"});
}

TEST_F(LogTest, ALongTextComesInSeveralLines) {
  runApp(withLog(spec()), [](Self& self) -> Task<> {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "\xc3\xa4";
    self.log().with("order", 7).info("begin {} end", text);
    co_await flush(self);
  });
  const auto texts = textsIn(path());
  EXPECT_EQ(texts.size(), 3U);
  std::string all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string text = texts[i];
    ASSERT_TRUE(text.ends_with(" order=7")) << text;
    text.resize(text.size() - 8);
    if (i > 0) {
      ASSERT_TRUE(text.starts_with("... ")) << text;
      text.erase(0, 4);
    }
    if (i + 1 < texts.size()) {
      ASSERT_TRUE(text.ends_with(" ...")) << text;
      text.resize(text.size() - 4);
    }
    all += text;
  }
  EXPECT_EQ(all.size(), 6 + 10'000 + 4U) << "whole characters, none lost";
}

// --- Who dies ---

TEST_F(LogTest, TheLastWordsOfATurnThatIsTakenBackAreThere) {
  runApp(withLog(spec()), [](Self& self) -> Task<> {
    auto a = co_await puppetAt(self, "a");
    static_cast<void>(co_await errorOf(a.crash("kill")));
    co_await becomesRunning(self, SupervisorRef("/"), "a");
    co_await flush(self);
  });
  const auto texts = textsIn(path());
  ASSERT_EQ(countOf(texts, "last words of a"), 1U);
  EXPECT_EQ(countOf(texts, "\"a\" ended: killed by SIGKILL"), 1U)
      << "what the supervisor says of it is in the same log:\n"
      << contentOf(path());
}

TEST_F(LogTest, ABrokenStandardErrorDoesNotMatter) {
  runApp(withLog(spec()), [](Self& self) -> Task<> {
    auto a = co_await puppetAt(self, "a");
    co_await a.files();
    co_await flush(self);
  });
  EXPECT_EQ(textsIn(path()), std::vector<std::string>{"without standard error"});
}

TEST_F(LogTest, LinesThatAreWrittenWhileItIsDeadAreThereOnce) {
  runApp(withLog(spec()), [](Self& self) -> Task<> {
    for (int i = 0; i < 5; ++i) {
      const int pid = co_await pidOf(self, "log");
      kill(pid, SIGKILL);
      EXPECT_TRUE(self.log().info("while it is dead {}", i));
      co_await becomesRunning(self, SupervisorRef("/"), "log", pid);
    }
    co_await flush(self);
  });
  const auto texts = textsIn(path());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(countOf(texts, "while it is dead " + std::to_string(i)), 1U) << i;
}

TEST_F(LogTest, AFreshImageOfTheProgramWritesToItToo) {
  ::setenv(kFile, path().c_str(), 1);
  runApp(withFresh, [](Self& self) -> Task<> {
    auto fresh = co_await puppetAt(self, "fresh");
    co_await fresh.echo("from a fresh image");
    co_await flush(self);
  });
  EXPECT_EQ(textsIn(path()), std::vector<std::string>{"from a fresh image"});
}

TEST_F(LogTest, ANewerProgramIsNotLetInWhileTheLogRunsWhichGoesOn) {
  ::setenv(kFile, path().c_str(), 1);
  runApp(withFresh, [](Self& self) -> Task<> {
    const int pid = co_await pidOf(self, "log");
    const troupe::Error failed = co_await errorOf(self.supervisor().upgrade("log", ownPath()));
    EXPECT_NE(std::string(failed.what()).find("another process still is the log"), std::string::npos)
        << failed.what();
    EXPECT_EQ(co_await pidOf(self, "log"), pid);
    self.log().info("after it");
    co_await flush(self);
  });
  EXPECT_EQ(textsIn(path()).back(), "after it");
}

// --- Room ---

TEST_F(LogTest, AFullDiskIsToldOnceAndHowManyLinesWereLostIsWrittenWhenThereIsRoom) {
  const Ended ended = runApp(withLog(spec()), [](Self& self) -> Task<> {
    const int pid = co_await pidOf(self, "log");
    self.log().info("before");
    co_await flush(self);
    // For this one process the disk is full.
    rlimit limit = {};
    ::prlimit(pid, RLIMIT_FSIZE, nullptr, &limit);
    const rlimit full = {.rlim_cur = 100, .rlim_max = limit.rlim_max};
    ::prlimit(pid, RLIMIT_FSIZE, &full, nullptr);
    auto a = co_await puppetAt(self, "a");
    for (int i = 0; i < 3; ++i) {
      co_await a.nap(10);
      auto log = co_await self.find<Log>("log");
      const troupe::Error refused = co_await errorOf(log.flush());
      EXPECT_EQ(refused.kind(), troupe::ErrorKind::refused);
      EXPECT_NE(std::string(refused.what()).find("File too large"), std::string::npos) << refused.what();
    }
    ::prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
    self.log().info("after");
    co_await flush(self);
    EXPECT_EQ(co_await pidOf(self, "log"), pid) << "it has not died of it";
  });
  const auto texts = textsIn(path());
  ASSERT_GE(texts.size(), 3U);
  EXPECT_EQ(texts.front() + texts.back(), "beforeafter");
  const std::size_t written = countOf(texts, "line ");
  EXPECT_EQ(texts[texts.size() - 2],
            std::to_string(30 - written) + " lines were lost here: the file could not be written");
  const auto told = linesOf(ended.err);
  EXPECT_EQ(told.size(), 1U) << ended.err;
  EXPECT_EQ(countOf(told, "cannot write the file " + path() + ": File too large"), 1U) << ended.err;
}

TEST_F(LogTest, WhatFindsNoRoomInTimeIsLostAndCounted) {
  LogSpec impatient = spec();
  impatient.patience = 20ms;
  runApp(withLog(impatient), [](Self& self) -> Task<> {
    const int pid = co_await pidOf(self, "log");
    kill(pid, SIGSTOP);
    unsigned written = 0;
    while (self.log().info("line {} of many", written)) ++written;
    EXPECT_GT(written, 500U);
    for (int i = 0; i < 9; ++i) EXPECT_FALSE(self.log().info("this is one too many"));
    kill(pid, SIGCONT);
    co_await flush(self);
    EXPECT_TRUE(self.log().info("there is room again, after {}", written));
    co_await flush(self);
  });
  const auto texts = textsIn(path());
  EXPECT_EQ(countOf(texts, "10 lines were lost here: there was no room in the log"), 1U);
  EXPECT_EQ(countOf(texts, "one too many"), 0U);
  const std::size_t written = countOf(texts, " of many");
  EXPECT_EQ(texts.back(), "there is room again, after " + std::to_string(written));
}

TEST_F(LogTest, ATerminalThatTakesNothingHoldsNothingUp) {
  LogSpec both = spec();
  both.terminal = true;
  AppRun run([this, both](troupe::App& app) {
    withLog(both)(app);
    app.main([](Self& self) -> Task<> {
      auto a = co_await puppetAt(self, "a");
      for (int i = 0; i < 100; ++i) co_await a.nap(100);
      co_await flush(self);
      Board::shared().note("flushed");
      for (; Board::shared().count("seen") == 0; co_await self.sleepFor(10ms)) self.log().info("still there");
      self.log().info("the end");
    });
  });
  run.readOutput(false);
  run.waitUntil("all is in the file", [] { return Board::shared().count("flushed") == 1; });
  EXPECT_EQ(countOf(textsIn(path()), "line "), 10'000U);
  run.readOutput(true);
  run.waitForOutput("still there");
  Board::shared().note("seen");
  const Ended& ended = run.wait();
  EXPECT_EQ(countOf(linesOf(ended.err), "lines were dropped here: no room"), 1U);
  EXPECT_EQ(countOf(linesOf(ended.err), "the end"), 1U);
}

// --- The file ---

TEST_F(LogTest, AFileThatIsLargeEnoughMakesRoomForANewOne) {
  LogSpec small = spec();
  small.maxBytes = 2000;
  small.olderFiles = 3;
  runApp(withLog(small), [](Self& self) -> Task<> {
    for (int i = 0; i < 100; ++i) {
      self.log().info("line {:3} ----------------------------------------", i);
      co_await flush(self);
    }
  });
  std::string all;
  for (const char* suffix : {".3", ".2", ".1", ""}) {
    const std::string content = contentOf(path() + suffix);
    EXPECT_GT(content.size(), 0U) << suffix;
    EXPECT_LE(content.size(), 2000U) << suffix;
    all += content;
  }
  EXPECT_FALSE(std::ifstream(path() + ".4").good());
  int expected = 100 - static_cast<int>(linesOf(all).size());
  EXPECT_GT(expected, 0);
  for (const auto& line : linesOf(all)) {
    char number[8];
    std::snprintf(number, sizeof number, "%3d", expected++);
    EXPECT_NE(line.find(std::string("line ") + number), std::string::npos) << line;
  }
}

TEST_F(LogTest, AFileThatWasMovedAwayIsMadeAnewAndOneThatIsThereIsAddedTo) {
  std::ofstream(path()) << "a torn li";
  runApp(withLog(spec()), [path = path()](Self& self) -> Task<> {
    self.log().info("one");
    co_await flush(self);
    std::rename(path.c_str(), (path + ".moved").c_str());
    self.log().info("two");
    co_await flush(self);
  });
  const auto moved = linesOf(contentOf(path() + ".moved"));
  ASSERT_EQ(moved.size(), 2U);
  EXPECT_EQ(moved[0], "a torn li");
  EXPECT_TRUE(moved[1].ends_with("one")) << moved[1];
  EXPECT_EQ(textsIn(path()), std::vector<std::string>{"two"});
}

TEST_F(LogTest, WhatMakesNoSenseIsRefused) {
  const auto errorsOf = [](const AppRun::Describe& describe) {
    const Ended ended = runToEnd(describe, [](Self&) -> Task<> { co_return; });
    EXPECT_NE(ended.code, 0);
    return ended.err;
  };
  EXPECT_NE(errorsOf([](troupe::App& app) {
              app.add<Log>("log", {.terminal = false});
            }).find("the log \"log\": neither a file nor the terminal"),
            std::string::npos);
  EXPECT_NE(errorsOf([](troupe::App& app) {
              app.add<Log>("log").add<Log>("second");
            }).find("the log \"second\": an app has one log"),
            std::string::npos);
  const std::string nowhere = folder_ / "nowhere/shop.log";
  EXPECT_NE(errorsOf([&](troupe::App& app) {
              app.add<Log>("log", {.file = nowhere});
            }).find("cannot open the file " + nowhere + ": No such file or directory"),
            std::string::npos);
  // As another app has it.
  const int other = ::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_NE(errorsOf(withLog(spec())).find("another process writes the file " + path()), std::string::npos);
  ::close(other);
}

}  // namespace tests

int main(int argc, char** argv) { return tests::runTestsOrBecome(argc, argv, tests::withFresh); }
