// List<T>: order, indexes, limits, and what becomes of it when somebody dies.
#include <troupe/list.h>

#include <atomic>
#include <csignal>
#include <random>
#include <sstream>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::List;
using troupe::SupervisorRef;
using Texts = List<capnp::Text>;
using Numbers = List<std::int64_t>;

Board& board() { return Board::shared(); }

void describeApp(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Texts>("texts", {.mostBytes = 4 << 20});
  app.add<Numbers>("numbers");
  app.add<List<kept::Journal>>("journals");
}

Task<std::string> allOf(Texts texts, std::uint32_t most = 100) {
  std::string all;
  std::optional<std::uint64_t> from = 0;
  while (from) {
    const auto page = co_await texts.page(*from, most);
    EXPECT_LE(page.size(), most);
    for (const auto& item : page) all += (all.empty() ? "" : " ") + std::string(item->cStr());
    from = page.next();
  }
  co_return all;
}

Task<std::string> textOf(Task<Texts::Item> task) {
  const auto item = co_await task;
  co_return item ? item->cStr() : "none";
}

Task<> expectRefused(Task<Texts::Item> task, std::string text) {
  const Error error = co_await errorOf(std::move(task));
  EXPECT_EQ(error.kind(), ErrorKind::refused);
  EXPECT_NE(error.message().find("/texts"), std::string::npos) << error.what();
  EXPECT_NE(error.message().find(text), std::string::npos) << error.what();
}

}  // namespace

class ListTest : public AppTest {};

TEST_F(ListTest, AppendsInsertsSetsAndRemoves) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    EXPECT_EQ(co_await allOf(texts), "");
    EXPECT_EQ(co_await texts.append("b"), 0U);
    EXPECT_EQ(co_await texts.append("d"), 1U);
    co_await texts.insert(0, "a");
    co_await texts.insert(2, "c");
    co_await texts.insert(4, "e");
    for (const unsigned most : {1U, 2U, 5U, 100U}) EXPECT_EQ(co_await allOf(texts, most), "a b c d e");
    EXPECT_EQ(co_await textOf(texts.get(3)), "d");
    co_await texts.set(3, "D");
    EXPECT_EQ(co_await textOf(texts.removeAt(1)), "b");
    EXPECT_EQ(co_await allOf(texts), "a c D e");
    EXPECT_EQ(co_await textOf(texts.popFront()), "a");
    EXPECT_EQ(co_await textOf(texts.popBack()), "e");
    EXPECT_EQ(co_await textOf(texts.tryPopBack()), "D");
    EXPECT_EQ(co_await textOf(texts.tryPopFront()), "c");
    EXPECT_EQ(co_await textOf(texts.tryPopFront()), "none");
    EXPECT_EQ(co_await textOf(texts.tryPopBack()), "none");
    co_await texts.append("again");
    EXPECT_EQ((co_await texts.size()).items, 1U);
    EXPECT_EQ(co_await texts.clear(), 1U);
    EXPECT_EQ((co_await texts.size()).items, 0U);
  });
}

TEST_F(ListTest, AnIndexThatIsNotThereIsRefusedWithItAndTheSize) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    co_await expectRefused(texts.popFront(), "removing index 0 of a list of 0 items");
    co_await expectRefused(texts.popBack(), "removing index 0 of a list of 0 items");
    for (const char* text : {"a", "b", "c"}) co_await texts.append(text);
    co_await expectRefused(texts.get(3), "getting index 3 of a list of 3 items");
    co_await expectRefused(texts.removeAt(7), "removing index 7 of a list of 3 items");
    const Error set = co_await errorOf(texts.set(4, "x"));
    EXPECT_NE(set.message().find("setting index 4 of a list of 3 items"), std::string::npos) << set.what();
    const Error inserted = co_await errorOf(texts.insert(4, "x"));
    EXPECT_NE(inserted.message().find("inserting at index 4 of a list of 3 items"), std::string::npos)
        << inserted.what();
    EXPECT_EQ((co_await texts.page(4)).size(), 0U);
    EXPECT_EQ(co_await allOf(texts), "a b c");
  });
}

TEST_F(ListTest, HoldsStructsAndNumbersAndRefusesOtherTypesAndTooMuch) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto journals = co_await self.find<List<kept::Journal>>("journals");
    co_await journals.append([](kept::Journal::Builder journal) { journal.setSum(7); });
    EXPECT_EQ((co_await journals.get(0))->getSum(), 7);
    const auto wrong = co_await self.find<Texts>("journals");
    EXPECT_EQ((co_await errorOf(wrong.get(0))).kind(), ErrorKind::refused);
    const auto texts = co_await self.find<Texts>("texts");
    const std::string large(3 << 20, 'x');
    co_await texts.append(large);
    const Error full = co_await errorOf(texts.append(large));
    EXPECT_EQ(full.kind(), ErrorKind::refused);
    EXPECT_NE(full.message().find("no room for 3145"), std::string::npos) << full.what();
    EXPECT_NE(full.message().find("of 4194304"), std::string::npos) << full.what();
    co_await texts.set(0, large);  // instead of the other
    co_await texts.insert(0, "small");
    EXPECT_EQ((co_await errorOf(texts.set(0, large))).kind(), ErrorKind::refused);
    EXPECT_EQ((co_await texts.page()).size(), 1U) << "two would be too much for a page";
    EXPECT_EQ((co_await texts.popBack())->size(), large.size());
  });
}

TEST_F(ListTest, ASpecThatMakesNoSenseIsRefused) {
  const Ended ended = runToEnd([](troupe::App& app) { app.add<Texts>("texts", {.mostBytes = 0}); },
                               [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("the list \"texts\": room for 0 bytes"), std::string::npos) << ended.err;
}

// Insertions at one place use up the numbers between two items, again and again; the list is killed now and then.
TEST_F(ListTest, EqualsAModelWhereverItemsAreInsertedAlsoAfterACrash) {
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto numbers = (co_await self.find<Numbers>("numbers")).within(troupe::kForever);
    std::vector<std::int64_t> model;
    std::mt19937 random(7);
    std::int64_t next = 0;
    const auto insert = [&](std::size_t at) {
      model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), ++next);
      return numbers.insert(at, next);
    };
    for (int i = 0; i < 20; ++i) co_await insert(model.size());
    for (int i = 0; i < 200; ++i) co_await insert(1);
    for (int i = 0; i < 200; ++i) co_await insert(model.size() - 1);
    for (int i = 0; i < 500; ++i) co_await insert(150);
    for (int i = 0; i < 500; ++i) co_await insert(700 + i % 2);
    for (int i = 0; i < 500; ++i) {
      const auto pids = co_await pidsOf(SupervisorRef("/"));
      if (i % 100 == 50 && pids.contains("numbers")) kill(pids.at("numbers"), SIGKILL);
      const std::size_t at = random() % model.size();
      const auto removed = co_await numbers.removeAt(at);
      EXPECT_EQ(*removed, model[at]);
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
      co_await insert(random() % (model.size() + 1));
    }
    std::vector<std::int64_t> items;
    std::optional<std::uint64_t> from = 0;
    while (from) {
      const auto page = co_await numbers.page(*from);
      for (const auto& item : page) items.push_back(*item);
      from = page.next();
    }
    EXPECT_EQ(items, model);
  });
}

// --- Under kills ---

namespace {

constexpr unsigned kKills = 1000;
constexpr unsigned kProducers = 2;
constexpr unsigned kMostItems = 2'000'000;

// Of all processes.
struct Ledger {
  std::atomic<bool> enough;
  std::atomic<unsigned> begun[kProducers];
  std::atomic<std::uint8_t> acknowledged[kProducers][kMostItems];
  std::atomic<std::uint8_t> popped[kProducers][kMostItems];
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

// Appends numbers, each at most once: one of which it does not know whether it was appended it does not append again.
class Producer final : public troupe::Actor<Producer> {
 public:
  explicit Producer(unsigned index) : index_(index) {}

  Task<> run() {
    const auto texts = (co_await find<Texts>("texts")).within(troupe::kForever);
    while (!ledger().enough && ledger().begun[index_] < kMostItems) {
      const unsigned number = ledger().begun[index_]++;
      const std::string text = std::to_string(index_) + " " + std::to_string(number);
      if (number % 3 == 0) {
        co_await texts.insert(0, text);
      } else {
        co_await texts.append(text);
      }
      ++ledger().acknowledged[index_][number];
    }
    board().note("ended " + name());
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
};

class Consumer final : public troupe::Actor<Consumer> {
 public:
  Task<> run() {
    const auto texts = (co_await find<Texts>("texts")).within(troupe::kForever);
    for (unsigned turn = 0;; ++turn) {
      auto task = popped(texts, turn % 2 == 0);
      const auto item = co_await task;
      if (!item) {
        co_await sleepFor(1ms);
        continue;
      }
      unsigned producer = 0;
      unsigned number = 0;
      std::istringstream(item->cStr()) >> producer >> number;
      ++ledger().popped[producer][number];
    }
  }

 private:
  static Task<Texts::Item> popped(const Texts& texts, bool atFront) {
    return atFront ? texts.tryPopFront() : texts.tryPopBack();
  }
};

}  // namespace

// All of them, the list itself included, are killed at random. Nothing is popped twice. What was appended is popped, but for one at
// each death of a consumer that had just got it.
TEST_F(ListTest, NeitherLosesNorDoublesWhoeverIsKilled) {
  ledger().enough = false;  // the ledger must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Texts>("texts", {.child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < kProducers; ++i) app.child<Producer>("p" + std::to_string(i), {}, i);
        for (const char* id : {"c0", "c1", "c2"}) app.child<Consumer>(id);
      },
      [](Self& self) -> Task<> {
        const auto texts = (co_await self.find<Texts>("texts")).within(troupe::kForever);
        const std::vector<std::string> victims{"texts", "texts", "p0", "p1", "c0", "c1", "c2"};
        const auto isConsumer = [](const std::string& id) { return id[0] == 'c'; };
        const unsigned killsOfConsumers = co_await killAtRandom(self, victims, kKills, isConsumer);
        ledger().enough = true;
        for (const char* id : {"ended p0", "ended p1"}) {
          const std::string ended = id;
          const std::function<bool()> has = [ended] { return board().count(ended) > 0; };
          co_await until(self, ended, has);
        }
        const std::function<Task<bool>()> isEmpty = [texts]() -> Task<bool> {
          const auto size = co_await texts.size();
          co_return size.items == 0;
        };
        co_await until(self, "all is popped", isEmpty);
        unsigned missing = 0;
        unsigned items = 0;
        for (unsigned producer = 0; producer < kProducers; ++producer) {
          for (unsigned number = 0; number < ledger().begun[producer]; ++number) {
            const unsigned popped = ledger().popped[producer][number];
            EXPECT_LE(popped, 1U) << "item " << number << " of " << producer;
            missing += popped == 0 && ledger().acknowledged[producer][number] > 0 ? 1 : 0;
            items += popped;
          }
        }
        EXPECT_GT(items, 0U) << "there was no load";
        EXPECT_LE(missing, killsOfConsumers);
      });
}

}  // namespace tests
