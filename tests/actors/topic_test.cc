// Topic<T>: one order for all, slow subscribers, and what becomes of it when somebody dies.
#include <csignal>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Slow;
using troupe::SupervisorRef;
using troupe::Topic;
using troupe::TopicStatus;
using Texts = Topic<capnp::Text>;

Board& board() { return Board::shared(); }

AppRun::Describe aTopic(troupe::TopicSpec spec) {
  return [spec](troupe::App& app) {
    app.supervise({.maxRestarts = 1'000'000});
    app.add<Texts>("topic", spec);
  };
}

Task<> becomes(Self& self, Texts topic, std::string what, bool (*holds)(const TopicStatus&)) {
  const std::function<Task<bool>()> is = [topic, holds]() -> Task<bool> {
    const TopicStatus status = co_await topic.status();
    co_return holds(status);
  };
  co_await until(self, what, is);
}

Task<> publishAll(Texts topic, std::vector<std::string> texts) {
  for (const std::string& text : texts) co_await topic.publish(text);
}

// So many messages, or up to the end.
Task<std::string> readAll(Texts::Subscription from, unsigned most = 1000) {
  std::string all;
  for (unsigned i = 0; i < most; ++i) {
    auto message = co_await from.next();
    if (!message) co_return all + ".";
    if (message.missed() > 0) all += "(" + std::to_string(message.missed()) + ")";
    all += message->cStr();
  }
  co_return all;
}

// Subscribes, and reads nothing.
class Sleeper final : public troupe::Actor<Sleeper> {
 public:
  Task<> run() {
    auto topic = co_await find<Texts>("topic");
    auto subscription = co_await topic.subscribe();
    board().note("sleeps");
    co_await sleepFor(troupe::kForever);
  }
};

}  // namespace

class TopicTest : public AppTest {};

TEST_F(TopicTest, AllSubscribersReadTheSameInTheSameOrder) {
  runApp(aTopic({}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    auto one = co_await topic.subscribe();
    auto other = co_await topic.subscribe();
    for (const char* name : {"a", "b", "c"}) {
      self.spawn([](Texts to, std::string text) -> Task<> {
        for (int i = 0; i < 100; ++i) co_await to.publish(text + std::to_string(i) + " ");
      }(topic, name));
    }
    co_await becomes(self, topic, "all is published",
                     [](const TopicStatus& status) { return status.last == 300; });
    co_await topic.close();
    const std::string first = co_await readAll(one);
    const std::string second = co_await readAll(other);
    EXPECT_EQ(first, second);
    EXPECT_EQ(std::count(first.begin(), first.end(), ' '), 300);
    EXPECT_EQ(first.back(), '.');
  });
}

TEST_F(TopicTest, WhoSubscribesGetsWhatComesFromThenOnAndTheHistory) {
  runApp(
      [](troupe::App& app) {
        app.add<Texts>("topic");
        app.add<Texts>("news", {.history = 2});
      },
      [](Self& self) -> Task<> {
        for (const char* name : {"topic", "news"}) {
          auto topic = co_await self.find<Texts>(name);
          const std::vector<std::string> before{"a", "b", "c"};
          co_await publishAll(topic, before);
          auto subscription = co_await topic.subscribe();
          const std::uint64_t number = co_await topic.publish("d");
          EXPECT_EQ(number, 4U);
          co_await topic.close();
          const std::string all = co_await readAll(subscription);
          EXPECT_EQ(all, std::string(name) == "news" ? "bcd." : "d.");
        }
      });
}

TEST_F(TopicTest, TheHistoryMakesRoomForWhatIsNew) {
  runApp(aTopic({.capacity = 2, .history = 2}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    const std::vector<std::string> texts{"a", "b", "c", "d"};
    co_await publishAll(topic, texts);
    auto subscription = co_await topic.subscribe();
    EXPECT_EQ(co_await readAll(subscription, 2), "cd");
    EXPECT_EQ((co_await errorOf(subscription.next(0s))).kind(), ErrorKind::timedOut);
    const std::vector<std::string> more{"e", "f"};
    co_await publishAll(topic, more);
    EXPECT_EQ(co_await readAll(subscription, 2), "ef");
  });
}

TEST_F(TopicTest, ASlowSubscriberMakesPublishersWaitAndThenNothingIsMissed) {
  runApp(aTopic({.capacity = 3}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    auto subscription = co_await topic.subscribe();
    const std::vector<std::string> texts{"a", "b", "c"};
    co_await publishAll(topic, texts);
    const Error full = co_await errorOf(topic.within(20ms).publish("x"));
    EXPECT_EQ(full.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(full.what()).find("/topic"), std::string::npos) << full.what();
    EXPECT_NE(std::string(full.what()).find("20 ms"), std::string::npos) << full.what();
    EXPECT_EQ((co_await errorOf(topic.within(0s).publish("x"))).kind(), ErrorKind::timedOut);
    self.spawn([](Texts to) -> Task<> {
      const std::vector<std::string> more{"d", "e", "f", "g"};
      co_await publishAll(to, more);
      board().note("published");
    }(topic));
    co_await becomes(self, topic, "it waits",
                     [](const TopicStatus& status) { return status.publishing == 1; });
    const std::string read = co_await readAll(subscription, 7);
    EXPECT_EQ(read, "abcdefg");
    co_await until(self, "all is published", [] { return board().count("published") == 1; });
  });
}

TEST_F(TopicTest, ASlowSubscriberMissesTheOldestAndIsToldHowMany) {
  runApp(aTopic({.capacity = 3, .slow = Slow::dropOldest}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    auto subscription = co_await topic.subscribe();
    const std::vector<std::string> texts{"a", "b", "c", "d", "e"};
    co_await publishAll(topic, texts);
    EXPECT_EQ(co_await readAll(subscription, 2), "(2)cd");
    // What it was given it has.
    const std::vector<std::string> more{"f", "g", "h", "i"};
    co_await publishAll(topic, more);
    EXPECT_EQ(co_await readAll(subscription, 4), "e(1)ghi");
  });
}

TEST_F(TopicTest, ASubscriptionThatIsTooSlowEndsWithAnError) {
  runApp(aTopic({.capacity = 3, .slow = Slow::disconnect}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    auto slow = co_await topic.subscribe();
    auto fast = co_await topic.subscribe();
    for (const char* text : {"a", "b", "c", "d", "e"}) {
      co_await topic.publish(text);
      EXPECT_EQ(co_await readAll(fast, 1), text);
    }
    const Error behind = co_await errorOf(slow.next());
    EXPECT_EQ(behind.kind(), ErrorKind::overloaded);
    EXPECT_NE(std::string(behind.what()).find("missed 2 messages"), std::string::npos) << behind.what();
    EXPECT_EQ((co_await errorOf(slow.next())).kind(), ErrorKind::refused);
    co_await becomes(self, topic, "it has ended",
                     [](const TopicStatus& status) { return status.subscribers == 1; });
  });
}

TEST_F(TopicTest, WhoWasTooSlowSubscribesAnewAndKeepsThat) {
  runApp(aTopic({.capacity = 3, .slow = Slow::disconnect}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    const auto process = (co_await childrenOf(troupe::SupervisorRef("/"))).at("topic").pid;
    auto lines = co_await topic.subscribe();
    for (const char* text : {"a", "b", "c", "d"}) co_await topic.publish(text);
    EXPECT_EQ((co_await errorOf(lines.next())).kind(), ErrorKind::overloaded);
    EXPECT_EQ((co_await errorOf(lines.next())).kind(), ErrorKind::refused);
    lines = co_await topic.subscribe();
    co_await topic.publish("e");
    EXPECT_EQ(co_await readAll(lines, 1), "e");
    EXPECT_EQ((co_await childrenOf(troupe::SupervisorRef("/"))).at("topic").pid, process);
  });
}

TEST_F(TopicTest, WhoGoesOnWhereMessagesAreGoneIsToldAndNotTooSlow) {
  runApp(aTopic({.capacity = 3, .history = 3, .slow = Slow::disconnect}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    for (const char* text : {"a", "b", "c", "d", "e"}) co_await topic.publish(text);
    auto lines = co_await topic.subscribeAfter(1);
    EXPECT_EQ(co_await readAll(lines, 3), "(1)cde");
  });
}

TEST_F(TopicTest, WaitsNoLongerThanItIsToldAndThenNothingIsLost) {
  runApp(aTopic({}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    auto subscription = co_await topic.subscribe();
    const Error none = co_await errorOf(subscription.next(20ms));
    EXPECT_EQ(none.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(none.what()).find("the topic /topic: no message came within 20 ms"),
              std::string::npos)
        << none.what();
    {
      auto given = subscription.next();
      given.resume();
      co_await becomes(self, topic, "it waits",
                       [](const TopicStatus& status) { return status.reading == 1; });
      EXPECT_EQ((co_await errorOf(subscription.next())).kind(), ErrorKind::invalid);
    }
    co_await topic.publish("a");
    EXPECT_EQ(co_await readAll(subscription, 1), "a") << "given to a next() that nobody awaits any more";
  });
}

TEST_F(TopicTest, ASubscriptionEndsWithItsProcessOrItsLastCopyAndThenHoldsNobodyUp) {
  runApp(
      [](troupe::App& app) {
        aTopic({.capacity = 2})(app);
        app.child<Sleeper>("sleeper", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto topic = co_await self.find<Texts>("topic");
        co_await until(self, "it sleeps", [] { return board().count("sleeps") == 1; });
        std::optional<Texts::Subscription> own = co_await topic.subscribe();
        const std::vector<std::string> texts{"a", "b"};
        co_await publishAll(topic, texts);
        own.reset();
        co_await becomes(self, topic, "one is left",
                         [](const TopicStatus& status) { return status.subscribers == 1; });
        EXPECT_EQ((co_await errorOf(topic.within(20ms).publish("c"))).kind(), ErrorKind::timedOut);
        const auto pids = co_await pidsOf(SupervisorRef("/"));
        kill(pids.at("sleeper"), SIGKILL);
        co_await topic.publish("c");
        const TopicStatus status = co_await topic.status();
        EXPECT_EQ(status.subscribers, 0U);
        EXPECT_EQ(status.messages, 0U);
      });
}

TEST_F(TopicTest, WhoGoesOnForAnotherMissesNothingThatIsStillThere) {
  runApp(aTopic({.capacity = 10, .history = 3}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    const std::vector<std::string> texts{"a", "b", "c", "d", "e"};
    co_await publishAll(topic, texts);
    auto late = co_await topic.subscribeAfter(3);
    auto later = co_await topic.subscribeAfter(1);
    co_await topic.close();
    EXPECT_EQ(co_await readAll(late), "de.");
    EXPECT_EQ(co_await readAll(later), "(1)cde.");
  });
}

TEST_F(TopicTest, AClosedOneTakesNothingMoreAndTellsAllWhenTheyHaveReadIt) {
  runApp(aTopic({}), [](Self& self) -> Task<> {
    auto topic = co_await self.find<Texts>("topic");
    for (int i = 0; i < 3000; ++i) {
      auto subscription = co_await topic.subscribe();
      self.spawn([](Texts::Subscription from) -> Task<> {
        const std::string all = co_await readAll(from);
        board().note(all);
      }(subscription));
    }
    co_await becomes(self, topic, "all wait",
                     [](const TopicStatus& status) { return status.reading == 3000; });
    co_await topic.publish("a");
    co_await topic.close();
    const Error closed = co_await errorOf(topic.publish("b"));
    EXPECT_EQ(closed.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(closed.what()).find("closed"), std::string::npos) << closed.what();
    co_await until(self, "all are told", [] { return board().count("a.") == 3000; });
  });
}

TEST_F(TopicTest, HoldsStructsAndNumbersAndRefusesOtherTypesAndTooMuch) {
  runApp(
      [](troupe::App& app) {
        app.add<Topic<kept::Journal>>("journals");
        app.add<Topic<std::int64_t>>("numbers");
        app.add<Texts>("small", {.mostBytes = 100});
      },
      [](Self& self) -> Task<> {
        auto journals = co_await self.find<Topic<kept::Journal>>("journals");
        auto subscription = co_await journals.subscribe();
        co_await journals.publish([](kept::Journal::Builder journal) {
          journal.setSum(7);
          journal.initLines(1).set(0, "line");
        });
        const auto journal = co_await subscription.next();
        EXPECT_EQ(journal->getSum(), 7);
        EXPECT_STREQ(journal->getLines()[0].cStr(), "line");
        auto wrong = co_await self.find<Texts>("journals");
        EXPECT_EQ((co_await errorOf(wrong.publish("text"))).kind(), ErrorKind::refused);
        auto subscribing = wrong.subscribe();
        EXPECT_EQ((co_await errorOf(std::move(subscribing))).kind(), ErrorKind::refused);
        auto numbers = co_await self.find<Topic<std::int64_t>>("numbers");
        auto values = co_await numbers.subscribe();
        co_await numbers.publish(-7);
        const auto value = co_await values.next();
        EXPECT_EQ(*value, -7);
        auto small = co_await self.find<Texts>("small");
        const Error large = co_await errorOf(small.publish(std::string(100, 'x')));
        EXPECT_EQ(large.kind(), ErrorKind::refused);
        EXPECT_NE(std::string(large.what()).find("no room for 120 bytes"), std::string::npos) << large.what();
        co_await small.publish("x");
      });
}

namespace {

using Blobs = Topic<capnp::Data>;

// Holds what it reads until as many have read as there is memory for, and the topic has had time to come to the next one.
Task<> holdLarge(Self& self, Blobs topic, Blobs::Subscription from) {
  auto message = co_await from.next();
  board().note("got " + std::to_string(message->size()));
  co_await until(self, "others have it too", [] { return board().notes().size() >= 8; });
  for (int i = 0; i < 5; ++i) co_await topic.status();
}

}  // namespace

// More than there is memory for at a time: each is told when others have read theirs.
TEST_F(TopicTest, LargeMessagesReachMoreThanThereIsMemoryFor) {
  runApp(
      [](troupe::App& app) {
        app.add<Blobs>("data", {.mostBytes = 8 << 20, .child = {.maxMessageBytes = 9 << 20}});
      },
      [](Self& self) -> Task<> {
        auto topic = co_await self.find<Blobs>("data");
        for (int i = 0; i < 12; ++i) {
          auto subscription = co_await topic.subscribe();
          self.spawn(holdLarge(self, topic, subscription));
        }
        const std::string large((8 << 20) - (64 << 10), 'x');
        co_await topic.publish(large);
        co_await until(self, "all have it", [] { return board().count("got 8323072") == 12; });
      });
}

TEST_F(TopicTest, ASpecThatMakesNoSenseIsRefused) {
  const std::vector<std::pair<troupe::TopicSpec, std::string>> cases{
      {{.capacity = 0}, "the topic \"topic\": a capacity of 0 messages"},
      {{.capacity = 2, .history = 3}, "a history of 3 messages, and its capacity is 2"},
      {{.mostBytes = 0}, "room for 0 bytes"}};
  for (const auto& [spec, text] : cases) {
    const Ended ended = runToEnd(aTopic(spec), [](Self&) -> Task<> { co_return; });
    EXPECT_NE(ended.code, 0);
    EXPECT_NE(ended.err.find(text), std::string::npos) << ended.err;
  }
}

}  // namespace tests
