// Dictionary<K, V> under kills: it equals a model, whoever is killed.
#include <troupe/dictionary.h>

#include <atomic>
#include <csignal>
#include <map>
#include <random>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Dictionary;
using Texts = Dictionary<capnp::Text, capnp::Text>;
using Numbers = Dictionary<capnp::Text, std::int64_t>;

constexpr unsigned kKills = 1000;
constexpr unsigned kWriters = 3;
constexpr unsigned kKeys = 20;

Board& board() { return Board::shared(); }

// What an entry is: the number that its value says; 0 for none.
struct Modelled {
  std::atomic<unsigned> asked;  // last
  std::atomic<unsigned> known;  // to be so, if it is not `asked`
};
// Of all processes.
struct Model {
  std::atomic<bool> enough;
  Modelled entries[kWriters][kKeys];
  std::atomic<unsigned> numbers[kWriters];
  std::atomic<std::int64_t> updatesBegun;
  std::atomic<std::int64_t> updatesDone;
  std::atomic<unsigned> pages;
  std::atomic<unsigned> changes;
};
Model& model() {
  static auto* const shared = sharedByAll<Model>();
  return *shared;
}

std::string keyFor(unsigned writer, unsigned key) {
  return std::to_string(writer) + "/" + std::to_string(key);
}

// "0/7 12 0/7": torn, its ends would differ.
std::string textFor(const std::string& key, unsigned number) {
  return key + " " + std::to_string(number) + " " + key;
}

unsigned numberIn(const Texts::Entry& entry) {
  if (!entry) return 0;
  const std::string text = entry->cStr();
  const unsigned number = static_cast<unsigned>(std::stoul(text.substr(text.find(' '))));
  EXPECT_EQ(text, textFor(entry.key(), number)) << "a torn entry";
  return number;
}

// Puts and removes entries of its own, and counts in one that is everybody's.
class Writer final : public troupe::Actor<Writer> {
 public:
  explicit Writer(unsigned index) : index_(index), random_(index) {}

  Task<> run() {
    const auto texts = (co_await find<Texts>("texts")).within(troupe::kForever);
    const auto numbers = (co_await find<Numbers>("numbers")).within(troupe::kForever);
    for (unsigned key = 0; key < kKeys; ++key) co_await settle(texts, key);
    while (!model().enough) {
      co_await change(texts, static_cast<unsigned>(random_() % kKeys));
      ++model().updatesBegun;
      co_await numbers.update("sum", [](std::optional<std::int64_t> old) { return old.value_or(0) + 1; });
      ++model().updatesDone;
    }
    board().note("ended " + name());
    co_await sleepFor(troupe::kForever);
  }

 private:
  // What the process before has asked for last has happened by now, or never will.
  Task<> settle(Texts texts, unsigned key) {
    Modelled& entry = model().entries[index_][key];
    const auto found = co_await texts.get(keyFor(index_, key));
    const unsigned number = numberIn(found);
    EXPECT_TRUE(number == entry.asked || number == entry.known) << number << " instead of " << entry.known;
    entry.known = number;
    entry.asked = number;
  }

  Task<> change(Texts texts, unsigned key) {
    Modelled& entry = model().entries[index_][key];
    const std::string name = keyFor(index_, key);
    const bool removes = random_() % 3 == 0;
    const unsigned next = removes ? 0 : ++model().numbers[index_];
    entry.asked = next;
    if (removes) {
      EXPECT_EQ(co_await texts.remove(name), entry.known != 0) << name;
    } else {
      co_await texts.put(name, textFor(name, next));
    }
    entry.known = next;
  }

  unsigned index_;
  std::mt19937 random_;
};

// Reads page after page.
class Reader final : public troupe::Actor<Reader> {
 public:
  Task<> run() {
    const auto texts = (co_await find<Texts>("texts")).within(troupe::kForever);
    for (;;) {
      std::string last;
      std::optional<std::string> from = "";
      while (from) {
        const auto page = co_await texts.page(*from, 7);
        for (const auto& entry : page) {
          EXPECT_GT(entry.key(), last);
          last = entry.key();
          if (last != "end") static_cast<void>(numberIn(entry));
        }
        from = page.next();
        ++model().pages;
      }
    }
  }
};

// Watches all keys and one, and waits for either.
class Watcher final : public troupe::Actor<Watcher> {
 public:
  Task<> run() {
    const auto texts = (co_await find<Texts>("texts")).within(troupe::kForever);
    const auto one = co_await texts.watch(keyFor(0, 0));
    spawn(follow(one));
    const auto all = co_await texts.watch();
    co_await follow(all);
  }

 private:
  static Task<> follow(Texts::Watch watch) {
    std::uint64_t last = 0;
    for (;;) {
      const auto change = co_await watch.next();
      // What is told anew is told from the oldest on.
      EXPECT_TRUE(change.anew() || change.version() > last) << change.version() << " after " << last;
      last = change.anew() ? 0 : change.version();
      ++model().changes;
    }
  }
};

// Follows all changes, and says at the end whether it has what there is.
class Mirror final : public troupe::Actor<Mirror> {
 public:
  Task<> run() {
    const auto texts = (co_await find<Texts>("texts")).within(troupe::kForever);
    auto watch = co_await texts.watch();
    std::map<std::string, std::uint64_t> seen;
    while (!seen.contains("end")) {
      const auto change = co_await watch.next();
      if (change.anew()) {
        seen.clear();
      } else if (change.removed()) {
        seen.erase(change.key());
      } else {
        seen[change.key()] = change.version();
      }
    }
    std::map<std::string, std::uint64_t> there;
    const auto page = co_await texts.page();
    for (const auto& entry : page) there[entry.key()] = entry.version();
    EXPECT_EQ(seen, there);
    board().note("mirrored");
    co_await sleepFor(troupe::kForever);
  }
};

void describeApp(troupe::App& app) {
  const troupe::ChildSpec child{.onCrash = troupe::OnCrash::retry(100)};
  app.supervise({.maxRestarts = 1'000'000});
  app.add<Texts>("texts", {.mostRemovals = 10, .child = child});
  app.add<Numbers>("numbers", {.child = child});
  app.child<Mirror>("mirror");
  for (unsigned i = 0; i < kWriters; ++i) app.child<Writer>("w" + std::to_string(i), {}, i);
  app.child<Reader>("reader");
  app.child<Watcher>("watcher");
}

}  // namespace

class DictionaryKillsTest : public AppTest {};

// Writers, a reader, one who watches and the dictionaries themselves are killed at random.
TEST_F(DictionaryKillsTest, EqualsAModelWhoeverIsKilled) {
  model().enough = false;  // the model must be there before the processes are
  runApp(&describeApp, [](Self& self) -> Task<> {
    const auto texts = (co_await self.find<Texts>("texts")).within(troupe::kForever);
    const auto numbers = (co_await self.find<Numbers>("numbers")).within(troupe::kForever);
    const std::vector<std::string> victims{"texts", "numbers", "texts",  "w0",
                                           "w1",    "w2",      "reader", "watcher"};
    const auto isWriter = [](const std::string& id) { return id.size() == 2; };
    const unsigned killsOfWriters = co_await killAtRandom(self, victims, kKills, isWriter);
    model().enough = true;
    for (const char* id : {"ended w0", "ended w1", "ended w2"}) {
      const std::string ended = id;
      const std::function<bool()> has = [ended] { return board().count(ended) > 0; };
      co_await until(self, ended, has);
    }
    unsigned entries = 0;
    for (unsigned writer = 0; writer < kWriters; ++writer) {
      for (unsigned key = 0; key < kKeys; ++key) {
        const unsigned known = model().entries[writer][key].known;
        const auto found = co_await texts.get(keyFor(writer, key));
        EXPECT_EQ(numberIn(found), known) << keyFor(writer, key);
        entries += known == 0 ? 0 : 1;
      }
    }
    EXPECT_EQ((co_await texts.size()).entries, entries);
    const std::int64_t sum = *co_await numbers.get("sum");
    EXPECT_GE(sum, model().updatesDone);
    EXPECT_LE(sum, model().updatesBegun);
    EXPECT_LE(sum - model().updatesDone, killsOfWriters);
    EXPECT_GT(sum, 0U) << "there was no load";
    EXPECT_GT(model().pages, 0U) << "there was no load";
    EXPECT_GT(model().changes, 0U) << "there was no load";
    co_await texts.put("end", "");
    co_await until(self, "the mirror has all", [] { return board().count("mirrored") > 0; });
  });
}

}  // namespace tests
