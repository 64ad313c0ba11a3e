// Topic<T> under kills of random parties, the topic itself included.
#include <atomic>
#include <csignal>
#include <sstream>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Slow;
using troupe::Topic;
using Texts = Topic<capnp::Text>;

Board& board() { return Board::shared(); }

constexpr unsigned kKills = 1000;
constexpr unsigned kPublishers = 2;
constexpr unsigned kMostMessages = 1'000'000;

// Of all processes.
struct Ledger {
  std::atomic<bool> enough;
  std::atomic<unsigned> tried[kPublishers];
  // By the publisher's own numbers: the number that publish() was answered with; how often main has read it.
  std::atomic<std::uint32_t> published[kPublishers][kMostMessages];
  std::atomic<std::uint8_t> read[kPublishers][kMostMessages];
  // By the topic's numbers: what it is, as all must see it.
  std::atomic<std::uint32_t> contents[2 * kMostMessages];
  std::atomic<unsigned> faults;
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

// Publishes numbers, each once; what a process before it was about to publish when it died it leaves alone.
class Publisher final : public troupe::Actor<Publisher> {
 public:
  explicit Publisher(unsigned index) : index_(index) {}

  Task<> run() {
    auto topic = co_await find<Texts>("topic");
    auto& tried = ledger().tried[index_];
    while (!ledger().enough && tried + 1 < kMostMessages) {
      const unsigned mine = tried++;
      const std::uint64_t number =
          co_await topic.publish(std::to_string(index_) + " " + std::to_string(mine));
      ledger().published[index_][mine] = static_cast<std::uint32_t>(number);
    }
    board().note("published all");
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
};

// Reads all that comes, and compares it with what others have read. Its own messages are noted where `notes`.
Task<> follow(Texts::Subscription from, bool notes) {
  std::uint64_t last = 0;
  for (;;) {
    auto message = co_await from.next();
    if (!message) break;
    unsigned publisher = 0;
    unsigned mine = 0;
    std::istringstream(message->cStr()) >> publisher >> mine;
    const std::uint32_t content = publisher * kMostMessages + mine + 1;
    const bool follows = last == 0 ? message.missed() == 0 : message.number() == last + 1 + message.missed();
    std::uint32_t seen = 0;
    const bool same =
        ledger().contents[message.number()].compare_exchange_strong(seen, content) || seen == content;
    if (!follows || !same) ++ledger().faults;
    if (notes) ++ledger().read[publisher][mine];
    last = message.number();
  }
  board().note("read all");
}

class Follower final : public troupe::Actor<Follower> {
 public:
  Task<> run() {
    auto topic = co_await find<Texts>("topic");
    auto subscription = co_await topic.subscribe();
    co_await follow(subscription, false);
    co_await sleepFor(troupe::kForever);
  }
};

// Of what was published behind that number.
void checkLedger(std::uint64_t before) {
  unsigned acknowledged = 0;
  for (unsigned publisher = 0; publisher < kPublishers; ++publisher) {
    unsigned number = 0;
    for (unsigned mine = 0; mine < ledger().tried[publisher]; ++mine) {
      const unsigned read = ledger().read[publisher][mine];
      const unsigned published = ledger().published[publisher][mine];
      EXPECT_LE(read, 1U) << "message " << mine << " of " << publisher;
      if (published <= before) continue;
      ++acknowledged;
      EXPECT_EQ(read, 1U) << "message " << mine << " of " << publisher << " was published and not read";
      EXPECT_GT(published, number) << "each publisher's messages come in order";
      EXPECT_EQ(ledger().contents[published], publisher * kMostMessages + mine + 1);
      number = published;
    }
  }
  EXPECT_GT(acknowledged, 0U) << "there was no load";
  EXPECT_EQ(ledger().faults, 0U)
      << "messages that did not follow the one before, or that others have read otherwise";
}

}  // namespace

class TopicKillsTest : public AppTest {};

// Publishers, subscribers and the topic itself are killed at random. Whoever lives reads each message once, in the order of all.
TEST_F(TopicKillsTest, WhatWasPublishedIsReadOnceByAllInOneOrderWhoeverIsKilled) {
  ledger().enough = false;  // the ledger must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Texts>("topic", {.capacity = 50, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (unsigned i = 0; i < kPublishers; ++i) app.child<Publisher>("p" + std::to_string(i), {}, i);
        for (const char* id : {"f1", "f2", "f3"}) app.child<Follower>(id);
      },
      [](Self& self) -> Task<> {
        auto topic = co_await self.find<Texts>("topic");
        auto subscription = co_await topic.subscribe();
        const std::uint64_t before = (co_await topic.status()).last;
        self.spawn(follow(subscription, true));
        const std::size_t descriptors = descriptorsOf(rootPid());
        const std::vector<std::string> victims{"topic", "p0", "p1", "f1", "f2", "f3"};
        const auto any = [](const std::string&) { return true; };
        co_await killAtRandom(self, victims, kKills, any);
        ledger().enough = true;
        co_await until(self, "all is published",
                       [] { return board().count("published all") == kPublishers; });
        co_await topic.close();
        co_await until(self, "all is read", [] { return board().count("read all") >= 4; });
        checkLedger(before);
        EXPECT_LE(descriptorsOf(rootPid()), descriptors + 8);
      });
}

namespace {

// Of all processes.
struct Slowly {
  std::atomic<unsigned> read;
  std::atomic<std::uint64_t> missed;
};
Slowly& slowly() {
  static auto* const shared = sharedByAll<Slowly>();
  return *shared;
}

class Talker final : public troupe::Actor<Talker> {
 public:
  Task<> run() {
    auto topic = co_await find<Texts>("topic");
    for (;;) co_await topic.publish("a");
  }
};

// Pauses now and then, and counts what it has missed meanwhile.
class Dreamer final : public troupe::Actor<Dreamer> {
 public:
  Task<> run() {
    auto topic = co_await find<Texts>("topic");
    auto subscription = co_await topic.subscribe();
    std::uint64_t last = 0;
    for (;;) {
      auto message = co_await subscription.next();
      if (last != 0 && message.number() != last + 1 + message.missed()) board().note("not told of all");
      last = message.number();
      ++slowly().read;
      slowly().missed += message.missed();
      if (last % 100 == 0) co_await sleepFor(1ms);
    }
  }
};

}  // namespace

// Subscribers that are too slow, and the topic, are killed. Who misses something is told of all that it misses, and nothing is read twice.
TEST_F(TopicKillsTest, WhoIsTooSlowIsToldOfAllThatItMissesWhoeverIsKilled) {
  slowly().read = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Texts>(
            "topic",
            {.capacity = 20, .slow = Slow::dropOldest, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        for (const char* id : {"t1", "t2"}) app.child<Talker>(id);
        for (const char* id : {"d1", "d2"}) app.child<Dreamer>(id);
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"topic", "t1", "d1", "d2"};
        const auto any = [](const std::string&) { return true; };
        co_await killAtRandom(self, victims, kKills, any);
        const unsigned before = slowly().read;
        co_await until(self, "they go on",
                       [before] { return slowly().read > before + 1000 && slowly().missed > 0; });
        EXPECT_EQ(board().notes().size(), 0U) << "missed messages that nobody has spoken of";
      });
}

}  // namespace tests
