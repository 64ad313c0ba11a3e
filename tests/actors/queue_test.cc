// Queue<T>: order, bounds, ownership, and what becomes of it when somebody dies.
#include <atomic>
#include <csignal>
#include <sstream>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Queue;
using troupe::QueueSize;
using troupe::SupervisorRef;
using Texts = Queue<capnp::Text>;

Board& board() { return Board::shared(); }

void aQueue(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.queue<capnp::Text>("queue", {.capacity = 3});
}

Task<int> pidOf(Self&, std::string id) {
  const auto children = co_await childrenOf(SupervisorRef("/"));
  co_return children.at(id).pid;
}

Task<> becomes(Self& self, Texts queue, std::string what, bool (*holds)(const QueueSize&)) {
  const std::function<Task<bool>()> is = [queue, holds]() -> Task<bool> {
    const QueueSize size = co_await queue.size();
    co_return holds(size);
  };
  co_await until(self, what, is);
}

Task<std::string> taken(Texts queue) {
  auto item = co_await queue.take();
  co_return item ? item->cStr() : "closed";
}

// Gets an item, says so, and keeps it for ever.
class Holder final : public troupe::Actor<Holder> {
 public:
  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    auto item = co_await queue.get();
    board().note(std::string("holds ") + item->cStr());
    co_await sleepFor(troupe::kForever);
  }
};

}  // namespace

class QueueTest : public AppTest {};

TEST_F(QueueTest, GivesItemsInTheOrderInWhichTheyWerePut) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    for (const char* text : {"a", "b", "c"}) co_await queue.put(text);
    for (const char* text : {"a", "b", "c"}) {
      auto item = co_await queue.get();
      EXPECT_STREQ(item->cStr(), text);
      EXPECT_FALSE(item.again());
      co_await item.done();
    }
    const QueueSize size = co_await queue.size();
    EXPECT_TRUE(size.empty());
    EXPECT_EQ(size.taken, 0U);
  });
}

TEST_F(QueueTest, AFullOneMakesPutsWaitAndAnEmptyOneGets) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    EXPECT_FALSE(co_await queue.tryGet());
    for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(co_await queue.tryPut(text));
    EXPECT_FALSE(co_await queue.tryPut("d"));
    EXPECT_TRUE((co_await queue.size()).full());
    self.spawn([](Texts to) -> Task<> {
      co_await to.put("d");
      co_await to.put("e");
      board().note("put");
    }(queue));
    co_await becomes(self, queue, "the put waits", [](const QueueSize& size) { return size.putting == 1; });
    EXPECT_EQ(board().count("put"), 0U);
    for (const char* text : {"a", "b", "c", "d", "e"}) EXPECT_EQ(co_await taken(queue), text);
    co_await until(self, "both are put", [] { return board().count("put") == 1; });
    self.spawn([](Texts from) -> Task<> { board().note("got " + co_await taken(from)); }(queue));
    co_await becomes(self, queue, "the get waits", [](const QueueSize& size) { return size.getting == 1; });
    co_await queue.put("f");
    co_await until(self, "it is got", [] { return board().count("got f") == 1; });
  });
}

TEST_F(QueueTest, WaitsNoLongerThanItIsToldAndThenNothingHasHappened) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    const Error empty = co_await errorOf(queue.within(20ms).get());
    EXPECT_EQ(empty.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(empty.what()).find("/queue"), std::string::npos) << empty.what();
    EXPECT_NE(std::string(empty.what()).find("20 ms"), std::string::npos) << empty.what();
    for (const char* text : {"a", "b", "c"}) co_await queue.put(text);
    EXPECT_EQ((co_await errorOf(queue.within(20ms).put("d"))).kind(), ErrorKind::timedOut);
    EXPECT_EQ((co_await errorOf(queue.within(0s).put("d"))).kind(), ErrorKind::timedOut);
    EXPECT_EQ((co_await errorOf(queue.within(20ms).join())).kind(), ErrorKind::timedOut);
    for (const char* text : {"a", "b", "c"}) EXPECT_EQ(co_await taken(queue), text);
    EXPECT_FALSE(co_await queue.tryGet()) << "what was not put in time is not there";
    co_await queue.within(5min).join();
  });
}

TEST_F(QueueTest, AnItemThatIsNotDoneGoesBackToTheHead) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    for (const char* text : {"a", "b"}) co_await queue.put(text);
    {
      auto item = co_await queue.get();
      EXPECT_STREQ(item->cStr(), "a");
    }
    co_await becomes(self, queue, "it is back", [](const QueueSize& size) { return size.queued == 2; });
    auto again = co_await queue.get();
    EXPECT_STREQ(again->cStr(), "a");
    EXPECT_TRUE(again.again());
    co_await again.done();
    const Error twice = co_await errorOf(again.done());
    EXPECT_EQ(twice.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(twice.what()).find("done already"), std::string::npos) << twice.what();
  });
}

TEST_F(QueueTest, OneWhoseHolderDiesIsHandedOutAgainAndJoinWaitsForIt) {
  runApp(
      [](troupe::App& app) {
        aQueue(app);
        app.child<Holder>("holder", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto queue = co_await self.find<Texts>("queue");
        co_await queue.put("a");
        co_await until(self, "it is held", [] { return board().count("holds a") == 1; });
        EXPECT_EQ((co_await errorOf(queue.within(20ms).join())).kind(), ErrorKind::timedOut);
        kill(co_await pidOf(self, "holder"), SIGKILL);
        auto item = co_await queue.get();
        EXPECT_STREQ(item->cStr(), "a");
        EXPECT_TRUE(item.again());
        co_await item.done();
        co_await queue.join();
      });
}

TEST_F(QueueTest, AGetThatIsGivenUpTakesNothing) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    {
      auto task = queue.get();
      task.resume();
      co_await becomes(self, queue, "it waits", [](const QueueSize& size) { return size.getting == 1; });
    }
    co_await queue.put("a");
    EXPECT_EQ(co_await taken(queue), "a");
  });
}

TEST_F(QueueTest, AClosedOneTakesNothingAndTellsWhenAllIsOver) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    co_await queue.put("a");
    co_await queue.close();
    const Error refused = co_await errorOf(queue.put("b"));
    EXPECT_EQ(refused.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(refused.what()).find("closed"), std::string::npos);
    auto item = co_await queue.get();
    EXPECT_TRUE(item);
    self.spawn([](Texts from) -> Task<> {
      const auto last = co_await from.get();
      board().note(last ? "got one" : "got none");
    }(queue));
    co_await becomes(self, queue, "the get waits", [](const QueueSize& size) { return size.getting == 1; });
    EXPECT_EQ(board().notes().size(), 0U) << "the item may come back";
    co_await item.done();
    co_await until(self, "it is told", [] { return board().count("got none") == 1; });
  });
}

TEST_F(QueueTest, HoldsStructsNumbersAndLargeDataAndRefusesOtherTypesAndTooMuch) {
  runApp(
      [](troupe::App& app) {
        app.queue<kept::Journal>("journals");
        app.queue<std::int64_t>("numbers");
        app.queue<capnp::Data>("data", {.mostBytes = 4 << 20});
      },
      [](Self& self) -> Task<> {
        auto journals = co_await self.find<Queue<kept::Journal>>("journals");
        co_await journals.put([](kept::Journal::Builder journal) {
          journal.setSum(7);
          journal.initLines(1).set(0, "line");
        });
        const auto journal = co_await journals.take();
        EXPECT_EQ(journal->getSum(), 7);
        EXPECT_STREQ(journal->getLines()[0].cStr(), "line");
        auto wrong = co_await self.find<Texts>("journals");
        EXPECT_EQ((co_await errorOf(wrong.put("text"))).kind(), ErrorKind::refused);
        auto numbers = co_await self.find<Queue<std::int64_t>>("numbers");
        co_await numbers.put(-7);
        const auto number = co_await numbers.take();
        EXPECT_EQ(*number, -7);
        auto data = co_await self.find<Queue<capnp::Data>>("data");
        const std::string large(3 << 20, 'x');
        co_await data.put(large);
        const Error full = co_await errorOf(data.put(large));
        EXPECT_EQ(full.kind(), ErrorKind::refused);
        EXPECT_NE(std::string(full.what()).find("no room for 3145"), std::string::npos) << full.what();
        const auto got = co_await data.take();
        EXPECT_EQ(got->size(), large.size());
      });
}

TEST_F(QueueTest, ATaskMayOutliveTheQueueObjectThatMadeIt) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    auto put = queue.within(5min).put("a");
    auto get = queue.within(5min).take();
    co_await put;
    auto item = co_await get;
    EXPECT_STREQ(item->cStr(), "a");
  });
}

TEST_F(QueueTest, ThousandsWhoWaitAreToldOfItsEnd) {
  runApp(&aQueue, [](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    for (int i = 0; i < 9000; ++i) {
      self.spawn([](Texts from) -> Task<> {
        const auto item = co_await from.get();
        if (!item) board().note("closed");
      }(queue));
    }
    co_await becomes(self, queue, "all wait", [](const QueueSize& size) { return size.getting == 9000; });
    co_await queue.close();
    co_await until(self, "all are told", [] { return board().count("closed") == 9000; });
  });
}

TEST_F(QueueTest, ASpecThatMakesNoSenseIsRefused) {
  const Ended ended = runToEnd([](troupe::App& app) { app.queue<capnp::Text>("queue", {.capacity = 0}); },
                               [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("the queue \"queue\": a capacity of 0 items"), std::string::npos) << ended.err;
}

// --- Under kills ---

namespace {

constexpr unsigned kKills = 1000;
constexpr unsigned kProducers = 3;
constexpr unsigned kMostItems = 2'000'000;

// Of all processes.
struct Ledger {
  std::atomic<bool> enough;
  std::atomic<unsigned> put[kProducers];
  std::atomic<std::uint8_t> done[kProducers][kMostItems];
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

// Puts numbers, each once.
class Producer final : public troupe::Actor<Producer> {
 public:
  explicit Producer(unsigned index) : index_(index) {}

  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    auto& put = ledger().put[index_];
    while (!ledger().enough && put < kMostItems) {
      co_await queue.put(std::to_string(index_) + " " + std::to_string(put));
      ++put;
    }
    board().note("put all");
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
};

class Consumer final : public troupe::Actor<Consumer> {
 public:
  Task<> run() {
    auto queue = co_await find<Texts>("queue");
    for (;;) {
      auto item = co_await queue.get();
      unsigned producer = 0;
      unsigned number = 0;
      std::istringstream(item->cStr()) >> producer >> number;
      co_await item.done();
      ++ledger().done[producer][number];
    }
  }
};

}  // namespace

// Consumers and the queue itself are killed at random. Each item is done once: noted once, but for one at each death of a consumer
// between the answer to its done() and the note.
TEST_F(QueueTest, EachItemIsDoneOnceWhoeverIsKilled) {
  ledger().enough = false;  // the ledger must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.queue<capnp::Text>("queue", {.capacity = 20, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < kProducers; ++i) app.child<Producer>("p" + std::to_string(i), {}, i);
        for (const char* id : {"c1", "c2", "c3", "c4"}) app.child<Consumer>(id);
      },
      [](Self& self) -> Task<> {
        auto queue = co_await self.find<Texts>("queue");
        const std::vector<std::string> victims{"queue", "c1", "c2", "c3", "c4"};
        const auto isConsumer = [](const std::string& id) { return id != "queue"; };
        const unsigned killsOfConsumers = co_await killAtRandom(self, victims, kKills, isConsumer);
        ledger().enough = true;
        co_await until(self, "all is put", [] { return board().count("put all") == kProducers; });
        co_await queue.join();
        co_await becomes(self, queue, "the last is noted",
                         [](const QueueSize& size) { return size.queued + size.taken == 0; });
        unsigned missing = 0;
        unsigned items = 0;
        for (unsigned producer = 0; producer < kProducers; ++producer) {
          items += ledger().put[producer];
          for (unsigned number = 0; number < ledger().put[producer]; ++number) {
            const unsigned done = ledger().done[producer][number];
            EXPECT_LE(done, 1U) << "item " << number << " of " << producer;
            missing += done == 0 ? 1 : 0;
          }
        }
        EXPECT_GT(items, 0U) << "there was no load";
        EXPECT_LE(missing, killsOfConsumers);
      });
}

}  // namespace tests
