// Dictionary<K, V>: entries, versions, pages, limits, and what becomes of them when somebody dies.
#include <troupe/dictionary.h>

#include <csignal>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Dictionary;
using troupe::Error;
using troupe::ErrorKind;
using troupe::SupervisorRef;
using Texts = Dictionary<capnp::Text, capnp::Text>;
using Journals = Dictionary<capnp::Text, kept::Journal>;
using Numbers = Dictionary<std::uint64_t, std::int64_t>;
using Shares = Dictionary<capnp::Data, double>;

void describe(troupe::App& app) {
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Texts>("texts", {.mostBytes = 4 << 20});
  app.add<Journals>("journals");
  app.add<Numbers>("numbers");
  app.add<Shares>("shares");
}

Task<std::string> textAt(Texts texts, std::string key) {
  const auto text = co_await texts.get(key);
  co_return text ? text->cStr() : "none";
}

Task<std::string> keysOf(Texts texts, std::uint32_t most) {
  std::string keys;
  std::optional<std::string> from = "";
  while (from) {
    const auto page = co_await texts.page(*from, most);
    EXPECT_LE(page.size(), most);
    for (const auto& entry : page) keys += entry.key() + "=" + entry->cStr() + " ";
    from = page.next();
  }
  co_return keys;
}

}  // namespace

class DictionaryTest : public AppTest {};

TEST_F(DictionaryTest, PutsGetsRemovesAndPops) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    EXPECT_FALSE(co_await texts.get("a"));
    const std::uint64_t first = co_await texts.put("a", "1");
    const std::uint64_t second = co_await texts.put("a", std::string("2"));
    EXPECT_GT(second, first);
    const auto entry = co_await texts.get("a");
    EXPECT_STREQ(entry->cStr(), "2");
    EXPECT_EQ(entry.version(), second);
    EXPECT_EQ(entry.key(), "a");
    EXPECT_EQ((co_await texts.size()).entries, 1U);
    EXPECT_TRUE(co_await texts.remove("a"));
    EXPECT_FALSE(co_await texts.remove("a"));
    co_await texts.put("b", "3");
    const auto popped = co_await texts.pop("b");
    EXPECT_STREQ(popped->cStr(), "3");
    EXPECT_FALSE(co_await texts.pop("b"));
    EXPECT_FALSE(co_await texts.get("b"));
    for (const char* key : {"c", "d"}) co_await texts.put(key, key);
    EXPECT_EQ(co_await texts.clear(), 2U);
    EXPECT_EQ((co_await texts.size()).entries, 0U);
  });
}

TEST_F(DictionaryTest, HoldsStructsAndNumbersByKeysOfAllKindsInTheirOrder) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto journals = co_await self.find<Journals>("journals");
    co_await journals.put("j", [](kept::Journal::Builder journal) {
      journal.setSum(7);
      journal.initLines(1).set(0, "line");
    });
    const auto journal = co_await journals.get("j");
    EXPECT_EQ(journal->getSum(), 7);
    EXPECT_STREQ(journal->getLines()[0].cStr(), "line");
    co_await journals.put("copy", *journal);
    EXPECT_EQ((co_await journals.get("copy"))->getSum(), 7);

    const auto numbers = co_await self.find<Numbers>("numbers");
    for (const std::uint64_t key :
         {std::uint64_t{70000}, std::uint64_t{2}, ~std::uint64_t{0}, std::uint64_t{300}})
      co_await numbers.put(key, -static_cast<std::int64_t>(key % 1000));
    std::vector<std::uint64_t> keys;
    const auto page = co_await numbers.page();
    for (const auto& entry : page) {
      keys.push_back(entry.key());
      EXPECT_EQ(*entry, -static_cast<std::int64_t>(entry.key() % 1000));
    }
    EXPECT_EQ(keys, (std::vector<std::uint64_t>{2, 300, 70000, ~std::uint64_t{0}}));

    const auto shares = co_await self.find<Shares>("shares");
    const std::vector<std::byte> key{std::byte{0}, std::byte{255}};
    co_await shares.put(key, 0.25);
    const auto share = co_await shares.get(key);
    EXPECT_EQ(*share, 0.25);
    EXPECT_EQ(share.key(), key);
  });
}

TEST_F(DictionaryTest, PutsAndRemovesOnlyWhatNobodyHasChangedSince) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    const std::uint64_t version = co_await texts.putIf("a", 0, "1");
    EXPECT_NE(version, 0U);
    EXPECT_EQ(co_await texts.putIf("a", 0, "2"), 0U) << "it is there by now";
    const std::uint64_t changed = co_await texts.putIf("a", version, "3");
    EXPECT_NE(changed, 0U);
    EXPECT_EQ(co_await texts.putIf("a", version, "4"), 0U) << "it is another one by now";
    EXPECT_EQ(co_await textAt(texts, "a"), "3");
    EXPECT_FALSE(co_await texts.removeIf("a", version));
    EXPECT_TRUE(co_await texts.removeIf("a", changed));
    co_await texts.put("a", "5");
    EXPECT_EQ(co_await texts.putIf("a", changed, "6"), 0U) << "it was removed, and is another one";
  });
}

TEST_F(DictionaryTest, UpdatesOfManyDoNotLoseOneAnother) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto numbers = co_await self.find<Numbers>("numbers");
    const auto journals = co_await self.find<Journals>("journals");
    for (int i = 0; i < 4; ++i) {
      self.spawn([](Numbers to, Journals into) -> Task<> {
        for (int turn = 0; turn < 50; ++turn) {
          co_await to.update(std::uint64_t{1},
                             [](std::optional<std::int64_t> old) { return old.value_or(0) + 1; });
          co_await into.update("j", [](std::optional<kept::Journal::Reader> old, kept::Journal::Builder now) {
            now.setSum(old ? old->getSum() + 2 : 2);
          });
        }
        Board::shared().note("updated");
      }(numbers, journals));
    }
    co_await until(self, "all are done", [] { return Board::shared().count("updated") == 4; });
    EXPECT_EQ(*co_await numbers.get(1), 200);
    EXPECT_EQ((co_await journals.get("j"))->getSum(), 400);
  });
}

TEST_F(DictionaryTest, PagesAreInOrderAndGoOnThroughChanges) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    EXPECT_EQ(co_await keysOf(texts, 2), "");
    for (const char* key : {"d", "b", "a", "e", "c"}) co_await texts.put(key, key);
    EXPECT_EQ(co_await keysOf(texts, 1), "a=a b=b c=c d=d e=e ");
    EXPECT_EQ(co_await keysOf(texts, 2), "a=a b=b c=c d=d e=e ");
    EXPECT_EQ(co_await keysOf(texts, 5), "a=a b=b c=c d=d e=e ");
    const auto first = co_await texts.page("", 2);
    EXPECT_EQ(first.next(), "c");
    co_await texts.remove("c");
    co_await texts.put("a", "changed");
    const auto second = co_await texts.page(*first.next(), 2);
    EXPECT_EQ(second[0].key(), "d");
    EXPECT_STREQ(first[0]->cStr(), "a") << "what was read stays as it was";
  });
}

TEST_F(DictionaryTest, LargeValuesComeInPagesOfTheirOwn) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    const std::string large(1 << 20, 'x');
    for (const char* key : {"a", "b", "c"}) co_await texts.put(key, large);
    const auto page = co_await texts.page();
    EXPECT_EQ(page.size(), 1U);
    EXPECT_EQ(page[0]->size(), large.size());
    EXPECT_EQ(page.next(), "b");
  });
}

TEST_F(DictionaryTest, MoreThanThereIsRoomForIsRefusedAndChangesNothing) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = co_await self.find<Texts>("texts");
    const std::string large(3 << 20, 'x');
    co_await texts.put("a", large);
    const Error full = co_await errorOf(texts.put("b", large));
    EXPECT_EQ(full.kind(), ErrorKind::refused);
    EXPECT_NE(full.message().find("/texts"), std::string::npos) << full.what();
    EXPECT_NE(full.message().find("no room for 3145"), std::string::npos) << full.what();
    EXPECT_NE(full.message().find("of 4194304"), std::string::npos) << full.what();
    EXPECT_EQ((co_await texts.get("a"))->size(), large.size());
    co_await texts.put("a", large);  // instead of the other
    EXPECT_TRUE(co_await texts.remove("a"));
    co_await texts.put("b", large);
  });
}

TEST_F(DictionaryTest, WhatIsRememberedOfRemovalsMakesRoom) {
  runApp(
      [](troupe::App& app) { app.add<Texts>("texts", {.mostBytes = 64 << 10, .mostRemovals = 1'000'000}); },
      [](Self& self) -> Task<> {
        const auto texts = co_await self.find<Texts>("texts");
        for (int i = 0; i < 3000; ++i) {
          const std::string key = std::to_string(i);
          co_await texts.put(key, key);
          co_await texts.remove(key);
        }
        const std::string large(60 << 10, 'x');
        co_await texts.put("large", large);
        EXPECT_EQ((co_await texts.size()).entries, 1U);
      });
}

TEST_F(DictionaryTest, OtherTypesAndKeysThatAreTooLongAreRefused) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto wrong = co_await self.find<Journals>("texts");
    EXPECT_EQ((co_await errorOf(wrong.get("a"))).kind(), ErrorKind::refused);
    const auto alsoWrong = co_await self.find<Dictionary<capnp::Data, capnp::Text>>("texts");
    EXPECT_EQ((co_await errorOf(alsoWrong.page())).kind(), ErrorKind::refused);
    const auto texts = co_await self.find<Texts>("texts");
    const Error error = co_await errorOf(texts.put(std::string(4097, 'k'), "a"));
    EXPECT_EQ(error.kind(), ErrorKind::refused);
    EXPECT_NE(error.message().find("a key of 4097 bytes, and it has at most 4096"), std::string::npos)
        << error.what();
    co_await texts.put(std::string(4096, 'k'), "a");
    EXPECT_EQ((co_await errorOf(self.find<Texts>("nobody"))).kind(), ErrorKind::gone);
  });
}

TEST_F(DictionaryTest, ASpecThatMakesNoSenseIsRefused) {
  const Ended ended = runToEnd([](troupe::App& app) { app.add<Texts>("texts", {.mostBytes = 0}); },
                               [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("the dictionary \"texts\": room for 0 bytes"), std::string::npos) << ended.err;
}

TEST_F(DictionaryTest, OutlivesItsOwnProcess) {
  runApp(&describe, [](Self& self) -> Task<> {
    const auto texts = (co_await self.find<Texts>("texts")).within(troupe::kForever);
    for (const char* key : {"a", "b", "c"}) co_await texts.put(key, "old");
    const std::uint64_t version = co_await texts.put("b", "new");
    co_await texts.remove("c");
    const auto pids = co_await pidsOf(SupervisorRef("/"));
    kill(pids.at("texts"), SIGKILL);
    EXPECT_EQ(co_await keysOf(texts, 10), "a=old b=new ");
    EXPECT_EQ((co_await texts.get("b")).version(), version);
    EXPECT_GT(co_await texts.putIf("b", version, "newer"), version);
  });
}

}  // namespace tests
