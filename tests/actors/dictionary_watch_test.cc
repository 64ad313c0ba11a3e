// Dictionary<K, V>::Watch: what is told of changes, to whom, and when somebody dies.
#include <troupe/dictionary.h>

#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Dictionary;
using troupe::Error;
using troupe::ErrorKind;
using troupe::SupervisorRef;
using Texts = Dictionary<capnp::Text, capnp::Text>;

Board& board() { return Board::shared(); }

void describe(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Texts>("texts", {.mostRemovals = 3});
}

Task<Texts> patientTexts(Self& self) {
  const auto texts = co_await self.find<Texts>("texts");
  co_return texts.within(troupe::kForever);
}

// "a", "-a" where it was removed, "anew", "gone".
std::string named(const Texts::Change& change) {
  if (!change) return "gone";
  if (change.anew()) return "anew";
  return (change.removed() ? "-" : "") + change.key();
}

Task<std::string> told(Texts::Watch watch, unsigned changes) {
  std::string text;
  for (unsigned i = 0; i < changes; ++i) {
    const auto change = co_await watch.next(60s);
    text += (i == 0 ? "" : " ") + named(change);
  }
  co_return text;
}

Task<> tellBoard(Texts::Watch watch, std::string name) {
  for (;;) {
    const auto change = co_await watch.next();
    board().note(name + " " + named(change));
    if (!change) co_return;
  }
}

Task<> becomesNoted(Self& self, std::string note) {
  const std::function<bool()> is = [note] { return board().count(note) > 0; };
  co_await until(self, note, is);
}

}  // namespace

class DictionaryWatchTest : public AppTest {};

TEST_F(DictionaryWatchTest, TellsOfWhatChangesAfterItBegan) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    co_await texts.put("before", "1");
    auto all = co_await texts.watch();
    auto one = co_await texts.watch("b");
    co_await texts.put("a", "1");
    const std::uint64_t version = co_await texts.put("b", "1");
    EXPECT_EQ(co_await told(all, 2), "a b");
    const auto change = co_await one.next();
    EXPECT_EQ(change.key(), "b");
    EXPECT_EQ(change.version(), version);
    EXPECT_FALSE(change.removed());
    co_await texts.remove("a");
    co_await texts.pop("b");
    EXPECT_EQ(co_await told(all, 2), "-a -b");
    EXPECT_EQ(co_await told(one, 1), "-b");
    EXPECT_EQ((co_await errorOf(one.next(20ms))).kind(), ErrorKind::timedOut);
  });
}

TEST_F(DictionaryWatchTest, WakesThoseWhoWait) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    for (int i = 0; i < 40; ++i) {
      const auto watch = co_await texts.watch();
      self.spawn(tellBoard(watch, "all " + std::to_string(i)));
    }
    const auto one = co_await texts.watch("b");
    self.spawn(tellBoard(one, "one"));
    co_await texts.put("a", "1");
    co_await texts.put("b", "1");
    for (int i = 0; i < 40; ++i) co_await becomesNoted(self, "all " + std::to_string(i) + " b");
    co_await becomesNoted(self, "one b");
    EXPECT_EQ(board().count("one a"), 0U);
  });
}

TEST_F(DictionaryWatchTest, ASlowOneIsToldOfTheLatestStateOfEachKey) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    auto watch = co_await texts.watch();
    for (int i = 0; i < 1000; ++i) {
      for (const char* key : {"c", "a", "b"}) co_await texts.put(key, std::to_string(i));
    }
    co_await texts.remove("a");
    EXPECT_EQ(co_await told(watch, 3), "c b -a");
    EXPECT_EQ((co_await errorOf(watch.next(20ms))).kind(), ErrorKind::timedOut) << "and no more";
  });
}

TEST_F(DictionaryWatchTest, OneThatIsBehindByTooManyRemovalsIsToldAllAnew) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    const std::vector<std::string> keys{"a", "b", "c", "d", "e"};
    for (const auto& key : keys) co_await texts.put(key, "1");
    auto all = co_await texts.watch();
    auto one = co_await texts.watch("a");
    for (const auto& key : keys) co_await texts.put(key, "2");
    for (const char* key : {"a", "b", "c", "d"}) co_await texts.remove(key);
    EXPECT_EQ(co_await told(all, 2), "anew e") << "three removals are remembered, and there were four";
    EXPECT_EQ(co_await told(one, 1), "-a") << "of one key nothing is missed";
    co_await texts.put("f", "1");
    co_await texts.remove("e");
    EXPECT_EQ(co_await told(all, 2), "f -e");
  });
}

TEST_F(DictionaryWatchTest, APutThatIsRefusedForgetsNoRemoval) {
  runApp([](troupe::App& app) { app.add<Texts>("texts", {.mostBytes = 64 << 10}); },
         [](Self& self) -> Task<> {
           const auto texts = co_await patientTexts(self);
           const std::string half(40 << 10, 'x');
           co_await texts.put("half", half);
           co_await texts.put("a", "1");
           auto all = co_await texts.watch();
           co_await texts.remove("a");
           EXPECT_EQ((co_await errorOf(texts.put("b", half))).kind(), ErrorKind::refused);
           co_await texts.put("c", "1");
           EXPECT_EQ(co_await told(all, 2), "-a c");
         });
}

TEST_F(DictionaryWatchTest, ADictionaryThatIsClearedBeginsAnewAlsoWhereManyFollow) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    co_await texts.put("a", "1");
    auto all = co_await texts.watch();
    auto one = co_await texts.watch("a");
    co_await texts.clear();
    EXPECT_EQ(co_await told(all, 1), "anew");
    EXPECT_EQ(co_await told(one, 1), "-a");
    co_await texts.clear();
    std::set<std::string> there;
    for (int i = 0; i < 300; ++i) {
      const std::string key = "key" + std::to_string(i);
      co_await texts.put(key, "1");
      there.insert(key);
    }
    EXPECT_EQ(co_await told(all, 1), "anew");
    while (!there.empty()) {
      const auto change = co_await all.next(60s);
      EXPECT_EQ(there.erase(change.key()), 1U) << named(change);
    }
    EXPECT_EQ((co_await errorOf(all.next(20ms))).kind(), ErrorKind::timedOut);
  });
}

TEST_F(DictionaryWatchTest, NothingIsLostWhereNobodyWaits) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    auto watch = co_await texts.watch();
    {
      auto task = watch.next();
      task.resume();
      const Error second = co_await errorOf(watch.next());
      EXPECT_EQ(second.kind(), ErrorKind::invalid) << "one at a time";
      EXPECT_NE(second.message().find("/texts"), std::string::npos) << second.what();
    }
    co_await texts.put("a", "1");
    EXPECT_EQ(co_await told(watch, 1), "a");
  });
}

TEST_F(DictionaryWatchTest, OutlivesTheDictionarysProcess) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await patientTexts(self);
    const auto waiting = co_await texts.watch();
    self.spawn(tellBoard(waiting, "all"));
    auto slow = co_await texts.watch();
    co_await texts.put("a", "1");
    co_await becomesNoted(self, "all a");
    for (int i = 0; i < 3; ++i) {
      const auto pids = co_await pidsOf(SupervisorRef("/"));
      kill(pids.at("texts"), SIGKILL);
      const std::string key = "b" + std::to_string(i);
      co_await texts.put(key, "1");
      co_await becomesNoted(self, "all " + key);
    }
    EXPECT_EQ(co_await told(slow, 4), "a b0 b1 b2");
  });
}

TEST_F(DictionaryWatchTest, EndsWhenTheDictionaryGoesForGood) {
  runApp(
      [](troupe::App& app) { app.add<Texts>("texts", {.child = {.restart = troupe::Restart::temporary}}); },
      [](Self& self) -> Task<> {
        const auto texts = co_await patientTexts(self);
        const auto watch = co_await texts.watch();
        self.spawn(tellBoard(watch, "all"));
        co_await texts.put("a", "1");
        co_await becomesNoted(self, "all a");
        const auto pids = co_await pidsOf(SupervisorRef("/"));
        kill(pids.at("texts"), SIGKILL);
        co_await becomesNoted(self, "all gone");
      });
}

}  // namespace tests
