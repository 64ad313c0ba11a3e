// KeptTable: what the next process of an actor inherits of it, killed at random and at each step; and its limits.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::KeptTable;
using troupe::OnCrash;
using troupe::Ref;

using Model = std::map<std::uint64_t, std::string>;

std::string contentFor(std::uint64_t number, std::size_t bytes) {
  return std::string(bytes, static_cast<char>('a' + (number + bytes) % 26));
}

std::string digestOf(const Model& model) {
  std::size_t hash = 0;
  for (const auto& [number, content] : model)
    hash = hash * 31 + number * 7 + std::hash<std::string>()(content);
  return std::to_string(model.size()) + " records, " + std::to_string(hash);
}

// "put <number> <bytes>" and "erase <number>".
class Table final : public QuietPuppet<Table> {
 public:
  explicit Table(std::size_t mostBytes) : table_(*this, mostBytes) {}

  void echo(EchoParams in, EchoResults out) {
    change(in.getText().cStr());
    out.setText(std::to_string(table_.size()));
  }
  // Changes, and dies before its turn has ended.
  void crash(CrashParams in, CrashResults) {
    change("put 1000 5000");
    change("erase 1");
    endAs(in.getHow().cStr());
  }
  void who(WhoParams, WhoResults out) {
    Model model;
    table_.forEach([&](std::uint64_t number, std::span<const std::byte> content) {
      model[number] = std::string(reinterpret_cast<const char*>(content.data()), content.size());
    });
    out.setPath(digestOf(model));
    out.setPid(self().pid());
    out.setGeneration(self().generation());
  }

 private:
  void change(const std::string& text) {
    std::istringstream words(text);
    std::string what;
    std::uint64_t number = 0;
    std::size_t bytes = 0;
    words >> what >> number >> bytes;
    if (what == "put") {
      const std::string content = contentFor(number, bytes);
      table_.put(number, std::as_bytes(std::span(content)));
    } else {
      table_.erase(number);
    }
  }

  KeptTable table_;
};

void describe(troupe::App& app, std::size_t mostBytes = KeptTable::kDefaultBytes) {
  app.supervise({.maxRestarts = 1'000'000});
  app.child<Table>("table", {.onCrash = OnCrash::retry(100)}, mostBytes);
}

Task<std::string> digestIn(Ref<Puppet> table) {
  const auto reply = co_await table.who();
  co_return reply->getPath().cStr();
}

Task<> change(Ref<Puppet> table, Model& model, std::mt19937& random) {
  const std::uint64_t number = random() % 40;
  if (random() % 3 == 0) {
    model.erase(number);
    co_await table.echo("erase " + std::to_string(number));
  } else {
    const std::size_t bytes = random() % 3000;
    model[number] = contentFor(number, bytes);
    co_await table.echo("put " + std::to_string(number) + " " + std::to_string(bytes));
  }
}

}  // namespace

class KeptTableTest : public AppTest {};

TEST_F(KeptTableTest, AgreesWithAModelHoweverOftenItsActorIsKilled) {
  runApp([](troupe::App& app) { describe(app); },
         [](Self& self) -> Task<> {
           auto table = co_await puppetAt(self, "table");
           std::mt19937 random(1);
           Model model;
           unsigned kills = 0;
           for (int i = 0; i < 1500; ++i) {
             if (random() % 10 == 0) {
               const auto who = co_await table.who();
               kill(who->getPid(), SIGKILL);
               ++kills;
             }
             co_await change(table, model, random);
             if (i % 50 != 0) continue;
             EXPECT_EQ(co_await digestIn(table), digestOf(model)) << "after " << i;
           }
           EXPECT_EQ(co_await digestIn(table), digestOf(model));
           EXPECT_GT(kills, 100U);
           EXPECT_GT((co_await table.who())->getGeneration(), 100U);
         });
}

TEST_F(KeptTableTest, WhatATurnChangesThatDiesIsNotThere) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Table>("table", {}, KeptTable::kDefaultBytes);
      },
      [](Self& self) -> Task<> {
        auto table = co_await puppetAt(self, "table");
        co_await table.echo("put 1 100");
        const std::string before = co_await digestIn(table);
        for (const char* how : {"kill", "throw", "segv"}) {
          const Error error = co_await errorOf(table.crash(how));
          EXPECT_EQ(error.kind(), ErrorKind::crashed);
          EXPECT_EQ(co_await digestIn(table), before) << how;
        }
      });
}

TEST_F(KeptTableTest, MoreThanItMayHoldIsAnErrorThatSaysSo) {
  const Ended ended = runToEnd(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Table>("table", {}, std::size_t{10'000});
      },
      [](Self& self) -> Task<> {
        auto table = co_await puppetAt(self, "table");
        co_await table.echo("put 1 6000");
        const Error error = co_await errorOf(table.echo("put 2 6000"));
        EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.what();
        EXPECT_NE(
            std::string(error.what()).find("the kept table of /table: no room for a record of 6000 bytes"),
            std::string::npos)
            << error.what();
        EXPECT_EQ((co_await table.echo("put 3 100"))->getText(), "2");
      });
  EXPECT_EQ(ended.code, 0) << ended.err;
}

// May hold more from its second process on, and less from its third.
class Changing final : public QuietPuppet<Changing> {
 public:
  void echo(EchoParams in, EchoResults out) {
    const std::string content(200'000, in.getText()[0]);
    table_.put(*table_.next(0) + table_.size(), std::as_bytes(std::span(content)));
    out.setText(std::to_string(table_.size()));
  }
  void init() {
    if (table_.size() == 0) table_.put(1, {});
  }
  void who(WhoParams, WhoResults out) {
    out.setPid(self().pid());
    out.setHandled(static_cast<std::uint32_t>(table_.size()));
  }

 private:
  static std::size_t mostOf(unsigned generation) { return generation == 2 ? 10'000'000 : 500'000; }
  KeptTable table_{*this, mostOf(self().generation())};
};

TEST_F(KeptTableTest, TheNextProcessMayAllowItMoreOrLess) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Changing>("table");
      },
      [](Self& self) -> Task<> {
        auto table = co_await puppetAt(self, "table");
        co_await table.echo("a");
        auto who = co_await table.who();
        kill(who->getPid(), SIGKILL);
        for (int i = 0; i < 20; ++i) co_await table.echo("b");
        who = co_await table.who();
        EXPECT_EQ(who->getHandled(), 22U);
        kill(who->getPid(), SIGKILL);
        who = co_await table.who();
        EXPECT_EQ(who->getHandled(), 22U);
        EXPECT_EQ((co_await errorOf(table.echo("c"))).kind(), ErrorKind::crashed) << "no more is allowed";
        EXPECT_EQ((co_await table.who())->getHandled(), 22U);
      });
}

class Two final : public QuietPuppet<Two> {
  KeptTable one_{*this};
  KeptTable other_{*this};
};

TEST_F(KeptTableTest, ASecondOneIsRefused) {
  const Ended ended =
      runToEnd([](troupe::App& app) { app.child<Two>("two"); }, [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.err.find("troupe.table"), std::string::npos) << ended.err;
  EXPECT_NE(ended.code, 0);
}

class KeptTableKillPoints : public testing::TestWithParam<const char*> {};

TEST_P(KeptTableKillPoints, KilledThereItAgreesWithTheModel) {
#ifndef TROUPE_KILL_POINTS
  GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  const std::string plan = GetParam();
  const auto tickets =
      std::filesystem::temp_directory_path() / ("troupe_kept_table." + std::to_string(::getpid()));
  std::vector<std::string> deaths;
  for (std::ptrdiff_t i = 0; i < std::ranges::count(plan, '@'); ++i)
    deaths.push_back(tickets.string() + "." + std::to_string(i));
  for (const std::string& path : deaths) std::ofstream(path) << path;
  runApp([](troupe::App& app) { describe(app); },
         [](Self& self) -> Task<> {
           auto table = co_await puppetAt(self, "table");
           std::mt19937 random(3);
           Model model;
           for (int i = 0; i < 600; ++i) {
             co_await change(table, model, random);
             EXPECT_EQ(co_await digestIn(table), digestOf(model)) << "after " << i;
           }
         },
         [&] {
           ::setenv("TROUPE_KILL_AT", plan.c_str(), 1);
           ::setenv("TROUPE_KILL_TICKET", tickets.c_str(), 1);
         });
  for (const std::string& path : deaths)
    EXPECT_FALSE(std::filesystem::remove(path)) << "it has not come to that death: " << path;
}

INSTANTIATE_TEST_SUITE_P(
    All, KeptTableKillPoints,
    testing::Values("recordWritten@/table", "recordWritten:77@/table, recordWritten@/table",
                    "recordMoved@/table, recordMoved:5@/table", "recordMoved:30@/table, recordsMoved@/table",
                    "recordsMoved:2@/table, halfDropped@/table", "halfDropped:2@/table",
                    "recordsMoved@/table, recordsMoved@/table, halfDropped@/table, recordWritten:9@/table"));

}  // namespace tests
