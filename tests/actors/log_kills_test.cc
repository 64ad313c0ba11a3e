// Log under kills: whoever is killed, each line is whole, in its writer's order, and in the file once.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"
#include "tests/support/scratch.h"

namespace tests {

namespace {

using troupe::Log;
using troupe::SupervisorRef;

constexpr unsigned kKills = 1000;
constexpr unsigned kWriters = 8;
constexpr unsigned kMostLines = 200'000;
constexpr unsigned kOlderFiles = 5000;

// Of all processes.
struct Ledger {
  std::atomic<bool> enough;
  std::atomic<unsigned> begun[kWriters];
  std::atomic<std::uint8_t> logged[kWriters][kMostLines];  // log() has returned true
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

unsigned checksumOf(unsigned writer, unsigned number) {
  return (writer * 2'654'435'761U) ^ (number * 40'503U);
}
// Of a length of its own.
std::string paddingOf(unsigned number) { return std::string(number * 7 % 300, 'x'); }

class Writer final : public troupe::Actor<Writer> {
 public:
  explicit Writer(unsigned index) : index_(index) {}

  Task<> run() {
    while (!ledger().enough) {
      for (unsigned i = 0; i < 5; ++i) writeOne();
      co_await sleepFor(1ms);
    }
    Board::shared().note("done");
    co_await sleepFor(troupe::kForever);
  }

 private:
  void writeOne() {
    const unsigned number = ledger().begun[index_]++;
    if (number >= kMostLines) return;
    const bool logged =
        log().info("|{}|{}|{}|{}|", index_, number, checksumOf(index_, number), paddingOf(number));
    if (logged) ledger().logged[index_][number] = 1;
  }

  unsigned index_;
};

// What was found of each writer.
struct Found {
  std::map<std::pair<unsigned, unsigned>, unsigned> times;
  std::map<unsigned, unsigned> last;
  unsigned lines = 0;
};

void check(const std::string& line, Found& found) {
  const auto at = line.find(": |");
  if (at == line.npos) {
    EXPECT_NE(line.find(" warn /"), line.npos) << "neither a writer's line nor a supervisor's: " << line;
    return;
  }
  unsigned writer = 0;
  unsigned number = 0;
  unsigned checksum = 0;
  char end = 0;
  int read = 0;
  const int fields =
      std::sscanf(line.c_str() + at, ": |%u|%u|%u%c%n", &writer, &number, &checksum, &end, &read);
  ASSERT_EQ(fields, 4) << line;
  EXPECT_EQ(checksum, checksumOf(writer, number)) << line;
  EXPECT_EQ(line.substr(at + static_cast<std::size_t>(read)), paddingOf(number) + "|") << line;
  EXPECT_EQ(line.find(" info /"), 23U) << line;
  ++found.times[{writer, number}];
  ++found.lines;
  const auto before = found.last.find(writer);
  EXPECT_TRUE(before == found.last.end() || before->second < number) << "out of order: " << line;
  found.last[writer] = number;
}

Found readAll(const std::string& path) {
  Found found;
  for (unsigned age = kOlderFiles + 1; age-- > 0;) {
    std::ifstream file(age == 0 ? path : path + "." + std::to_string(age));
    for (std::string line; std::getline(file, line);) check(line, found);
  }
  return found;
}

void checkCounts(const Found& found) {
  unsigned logged = 0;
  for (unsigned writer = 0; writer < kWriters; ++writer) {
    const unsigned begun = std::min<unsigned>(ledger().begun[writer], kMostLines);
    for (unsigned number = 0; number < begun; ++number) {
      const auto at = found.times.find({writer, number});
      const unsigned times = at == found.times.end() ? 0 : at->second;
      const unsigned least = ledger().logged[writer][number];
      logged += least;
      EXPECT_LE(times, 1U) << "line " << number << " of " << writer;
      EXPECT_GE(times, least) << "line " << number << " of " << writer;
    }
  }
  EXPECT_GT(logged, 0U) << "there was no load";
  EXPECT_GE(found.lines, logged);
}

class LogKillsTest : public AppTest {};

}  // namespace

TEST_F(LogKillsTest, EachLineIsInTheFileOnceWhoeverIsKilled) {
  ledger().enough = false;  // the ledger must be there before the processes are
  const Scratch folder;
  const std::string path = folder / "shop.log";
  runApp(
      [&path](troupe::App& app) {
        const troupe::SupervisorSpec often{.maxRestarts = 1'000'000};
        app.supervise(often);
        app.supervisor("logs", often)
            .add<Log>("log",
                      {.file = path, .terminal = false, .maxBytes = 100'000, .olderFiles = kOlderFiles});
        troupe::Group& group = app.supervisor("group", often);
        for (unsigned i = 0; i < kWriters; ++i)
          (i % 2 == 0 ? group : app).child<Writer>("w" + std::to_string(i), {}, i);
      },
      [](Self& self) -> Task<> {
        const std::size_t descriptors = descriptorsOf(rootPid());
        const std::vector<std::string> anybody{"logs", "group", "w1", "w3", "w5", "w7"};
        const std::vector<std::string> theLog{"log"};
        const auto none = [](const std::string&) { return false; };
        for (unsigned round = 0; round < 5; ++round) {
          co_await killAtRandom(self, anybody, mostKills(kKills) / 10, none);
          co_await becomesRunning(self, SupervisorRef("/"), "logs");
          co_await becomesRunning(self, SupervisorRef("/logs"), "log");
          co_await killAtRandom(self, theLog, mostKills(kKills) / 10, none, "/logs");
        }
        ledger().enough = true;
        co_await until(self, "all are done", [] { return Board::shared().count("done") >= kWriters; });
        auto log = co_await self.find<Log>("/logs/log");
        co_await log.within(5min).flush();
        EXPECT_LE(descriptorsOf(rootPid()), descriptors + 8);
      });
  checkCounts(readAll(path));
}

// Before and behind each other process's lines, none is torn.
TEST_F(LogKillsTest, AHundredAtOnceTearNoLine) {
  struct Hasty final : troupe::Actor<Hasty> {
    explicit Hasty(unsigned index) : index_(index) {}
    void run() {
      const std::string text(index_ * 20 % 1500, static_cast<char>('a' + index_ % 26));
      for (unsigned i = 0; i < 100; ++i) EXPECT_TRUE(log().info("<{} {} {}>", index_, i, text));
    }
    unsigned index_;
  };
  const Scratch folder;
  const std::string path = folder / "shop.log";
  runApp(
      [&path](troupe::App& app) {
        app.supervise({.autoShutdown = troupe::AutoShutdown::allSignificant});
        // Nothing may be lost here, however slow the machine is.
        app.add<Log>("log", {.file = path, .terminal = false, .patience = 60s});
        for (unsigned i = 0; i < 100; ++i) {
          app.child<Hasty>("h" + std::to_string(i),
                           {.restart = troupe::Restart::transient, .significant = true}, i);
        }
      },
      [](Self& self) -> Task<> { co_await self.sleepFor(troupe::kForever); });
  std::map<unsigned, unsigned> next;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    unsigned writer = 0;
    unsigned number = 0;
    const auto at = line.find('<');
    ASSERT_EQ(std::sscanf(line.c_str() + std::min(at, line.size()), "<%u %u", &writer, &number), 2) << line;
    const std::string text(writer * 20 % 1500, static_cast<char>('a' + writer % 26));
    EXPECT_TRUE(line.ends_with(" " + text + ">")) << line;
    EXPECT_EQ(number, next[writer]++) << line;
  }
  EXPECT_EQ(next.size(), 100U);
  for (const auto& [writer, lines] : next) EXPECT_EQ(lines, 100U) << writer;
}

}  // namespace tests
