// The C++ of docs/from-multiprocessing.md, which is taken from here (tests/docs/check.sh snippets), at work.
#include <array>
#include <filesystem>
#include <fstream>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"
#include "tests/support/scratch.h"

namespace tests {

namespace {

using namespace troupe::literals;

class Worker final : public QuietPuppet<Worker> {
 public:
  explicit Worker(int number = 0) : number_(number) {}
  Task<> run() {
    Board::shared().note("worked on " + std::to_string(number_));
    if (number_ == 0) co_await sleepFor(troupe::kForever);
  }

 private:
  int number_;
};

class Squarer final : public QuietPuppet<Squarer> {
 public:
  void echo(EchoParams in, EchoResults out) {
    const int x = std::stoi(in.getText().cStr());
    out.setText(std::to_string(x * x));
  }
};

class Booker final : public QuietPuppet<Booker> {
 public:
  Booker(troupe::Shared<std::array<int, 10>> seats, troupe::SharedBlock frame)
      : seats_(std::move(seats)), frame_(std::move(frame)) {}
  void echo(EchoParams, EchoResults out) {
    seats_.update([](std::array<int, 10>& seats) { ++seats[3]; });
    frame_.bytes()[0] = std::byte{255};
    out.setText(std::to_string(seats_.read()[3]).c_str());
  }

 private:
  troupe::Shared<std::array<int, 10>> seats_;
  troupe::SharedBlock frame_;
};

void sharing(troupe::App& app) {
  auto seats = app.shared<std::array<int, 10>>("seats");
  auto frame = app.sharedBlock("frame", 1'000'000);
  app.child<Booker>("booker", {}, seats, frame);
}

void declared(troupe::App& app) {
  app.queue<capnp::Text>("jobs", {.capacity = 8});
  app.add<troupe::Channel<capnp::Text, std::int64_t>>("line", {.capacity = 16});
  app.add<troupe::Mutex>("lock");
  app.add<troupe::Semaphore>("slots", {.permits = 3});
  app.add<troupe::Event>("ready");
  app.add<troupe::Condition>("changed");
  app.add<troupe::Barrier>("phase", {.parties = 1});
  app.add<troupe::Counter>("visits");
  app.add<troupe::Dictionary<capnp::Text, std::int64_t>>("prices");
  app.add<troupe::List<capnp::Text>>("names");
  app.add<troupe::Program>("sort", {.argv = {"sort"}, .child = {.restart = troupe::Restart::transient}});
  app.pool<Squarer>("workers", {.size = 4, .recycleAfter = 1000});
}

}  // namespace

class FromMultiprocessing : public AppTest {};

TEST_F(FromMultiprocessing, AProcessIsStartedJoinedAndKilled) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           const troupe::ChildSpec once{.restart = troupe::Restart::temporary};
           auto process = co_await self.supervisor().startChild<Worker>("worker", once, 7);
           auto monitor = self.monitor(process.ref<Puppet>());
           const troupe::Down end = co_await monitor.next();
           EXPECT_EQ(end.reason.toString(), "ended normally");
           co_await self.supervisor().startChild<Worker>("other", once, 0);
           co_await self.supervisor().stop("other");
           EXPECT_EQ(Board::shared().count("worked on 7"), 1U);
         });
}

TEST_F(FromMultiprocessing, AQueueIsFilledAndEmptied) {
  runApp(&declared, [](Self& self) -> Task<> {
    auto jobs = co_await self.find<troupe::Queue<capnp::Text>>("jobs");
    co_await jobs.put("a job");
    auto job = co_await jobs.within(5s).get();
    EXPECT_STREQ(job->cStr(), "a job");
    co_await job.done();
    co_await jobs.join();
  });
}

TEST_F(FromMultiprocessing, APipeHasTwoEndsAndAnEndOfItsStream) {
  runApp(&declared, [](Self& self) -> Task<> {
    auto line = co_await self.find<troupe::Channel<capnp::Text, std::int64_t>>("line");
    auto here = co_await line.first();
    auto there = co_await line.second();
    co_await here.send("how old?");
    const bool ready = co_await there.poll(5s);
    auto question = co_await there.receive();
    EXPECT_TRUE(ready);
    EXPECT_STREQ(question->cStr(), "how old?");
    co_await there.send(7);
    co_await there.finish();
    auto answer = co_await here.receive();
    auto nothing = co_await here.receive();
    EXPECT_EQ(*answer, 7);
    EXPECT_FALSE(nothing);
  });
}

TEST_F(FromMultiprocessing, LocksAreHeldAndGivenBack) {
  runApp(&declared, [](Self& self) -> Task<> {
    auto lock = co_await self.find<troupe::Mutex>("lock");
    {
      auto held = co_await lock.lock();
      EXPECT_FALSE(held.abandoned());
    }
    auto slots = co_await self.find<troupe::Semaphore>("slots");
    auto permit = co_await slots.acquire();
    co_await permit.release();
    auto ready = co_await self.find<troupe::Event>("ready");
    co_await ready.set();
    co_await ready.wait();
    auto changed = co_await self.find<troupe::Condition>("changed");
    auto inside = co_await changed.lock();
    co_await inside.notifyAll();
    co_await inside.unlock();
    auto phase = co_await self.find<troupe::Barrier>("phase");
    co_await phase.wait();
  });
}

TEST_F(FromMultiprocessing, StateIsSharedAndChangedInOneStep) {
  runApp(&declared, [](Self& self) -> Task<> {
    auto visits = co_await self.find<troupe::Counter>("visits");
    const std::int64_t after = co_await visits.add(1);
    EXPECT_EQ(after, 1);
    auto prices = co_await self.find<troupe::Dictionary<capnp::Text, std::int64_t>>("prices");
    co_await prices.put("apple", 70);
    co_await prices.update("apple", [](std::optional<std::int64_t> old) { return old.value_or(0) + 5; });
    auto price = co_await prices.get("apple");
    EXPECT_EQ(*price, 75);
    auto names = co_await self.find<troupe::List<capnp::Text>>("names");
    co_await names.append("Ada");
    auto name = co_await names.get(0);
    EXPECT_STREQ(name->cStr(), "Ada");
  });
}

TEST_F(FromMultiprocessing, MemoryIsSharedByThoseThatWereGivenIt) {
  runApp(&sharing, [](Self& self) -> Task<> {
    auto booker = co_await self.find<Puppet>("booker");
    for (const char* taken : {"1", "2"}) {
      const auto reply = co_await booker.echo("");
      EXPECT_STREQ(reply->getText().cStr(), taken);
    }
  });
}

TEST_F(FromMultiprocessing, APoolIsMappedOver) {
  runApp(&declared, [](Self& self) -> Task<> {
    auto workers = co_await self.find<Puppet>("workers");
    const std::vector<std::string> inputs{"1", "2", "3"};
    const auto square = [&](const std::string& x) { return workers.echo(x); };
    auto results = troupe::map(inputs, square, {.ordered = true});
    std::string all;
    while (auto result = co_await results.next()) {
      if (result->ok()) all += (*result)->getText().cStr();
    }
    EXPECT_EQ(all, "149");
    auto call = workers.echo("5");
    auto answer = co_await call;
    EXPECT_STREQ(answer->getText().cStr(), "25");
  });
}

TEST_F(FromMultiprocessing, ACommandIsRunToItsEndOrSpokenWith) {
  runApp(&declared, [](Self& self) -> Task<> {
    const troupe::CommandSpec count{.argv = {"wc", "-l"}, .within = 10s};
    const troupe::Finished done = co_await troupe::communicate(self, count, "one\ntwo\n");
    EXPECT_EQ(std::stoi(done.output), 2);
    auto sort = co_await self.find<troupe::Program>("sort");
    co_await sort.write("b\na\n");
    co_await sort.closeInput();
    const auto first = co_await sort.readLine();
    EXPECT_EQ(first.value_or("(end)"), "a");
    const troupe::ExitReason end = co_await sort.wait();
    EXPECT_EQ(end.kind, troupe::ExitKind::normal);
  });
}

TEST_F(FromMultiprocessing, LogsInOneOrder) {
  const Scratch folder;
  runApp(
      [](troupe::App& app) {
        // In the folder that the app is started in.
        app.add<troupe::Log>("log", {.file = "shop.log"});
      },
      [](Self& self) -> Task<> {
        self.log().info("{} has paid {}", "Ada", 7);
        self.log().with("order", 7).info("paid");
        co_return;
      },
      [&] { std::filesystem::current_path(folder.path()); });
  std::ifstream file(folder / "shop.log");
  std::string line;
  EXPECT_TRUE(std::getline(file, line) && line.ends_with(" info /main: Ada has paid 7")) << line;
  EXPECT_TRUE(std::getline(file, line) && line.ends_with(" info /main: paid order=7")) << line;
}

}  // namespace tests
