// Channel<A, B> under kills of random parties, the channel itself included.
#include <atomic>
#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/killing.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Channel;
using troupe::Error;
using troupe::ErrorKind;
using troupe::OnDeath;

Board& board() { return Board::shared(); }

constexpr unsigned kKills = 1000;
constexpr unsigned kMostMessages = 1'000'000;
using Pair = Channel<std::int64_t, std::int64_t>;

// Of all processes; for each way.
struct Way {
  std::atomic<unsigned> tried;
  std::atomic<bool> acknowledged[kMostMessages];
  std::atomic<std::uint8_t> received[kMostMessages];  // not again
  std::atomic<std::uint8_t> again[kMostMessages];
  std::atomic<std::int64_t> last;
  std::atomic<unsigned> faults;
};
struct Ledger {
  std::atomic<bool> enough;
  Way ways[2];
};
Ledger& ledger() {
  static auto* const shared = sharedByAll<Ledger>();
  return *shared;
}

// Sends numbers, each once, to `way`; what a process before was about to send when it died it leaves alone.
Task<> sendNumbers(Pair::First end, Way& way) {
  while (!ledger().enough && way.tried + 1 < kMostMessages) {
    const unsigned number = way.tried++;
    co_await end.send(static_cast<std::int64_t>(number));
    way.acknowledged[number] = true;
  }
  board().note("sent all");
  co_await end.finish();
}

Task<> receiveNumbers(Pair::First end, Way& way) {
  for (;;) {
    const auto message = co_await end.receive();
    if (!message) break;
    const bool follows = message.again() ? *message >= way.last : *message > way.last;
    if (!follows) ++way.faults;
    ++(message.again() ? way.again : way.received)[static_cast<unsigned>(*message)];
    way.last = *message;
  }
  board().note("received all");
}

class Party final : public troupe::Actor<Party> {
 public:
  explicit Party(unsigned index) : index_(index) {}

  Task<> run() {
    auto pair = co_await find<Pair>("pair");
    auto end = index_ == 0 ? pair.first() : pair.second();
    auto mine = co_await end;
    spawn(sendNumbers(mine, ledger().ways[index_]));
    co_await receiveNumbers(mine, ledger().ways[1 - index_]);
    co_await sleepFor(troupe::kForever);
  }

 private:
  unsigned index_;
};

void checkWay(const Way& way) {
  unsigned acknowledged = 0;
  unsigned twice = 0;
  for (unsigned number = 0; number < way.tried; ++number) {
    const unsigned received = way.received[number];
    const unsigned again = way.again[number];
    EXPECT_LE(received, 1U) << "message " << number;
    twice += received + again > 1 ? 1 : 0;
    if (!way.acknowledged[number]) continue;
    ++acknowledged;
    EXPECT_GE(received + again, 1U) << "message " << number << " was sent and not received";
  }
  EXPECT_GT(acknowledged, 0U) << "there was no load";
  EXPECT_LE(twice, kKills) << "at each death of who receives one may be received again";
  EXPECT_EQ(way.faults, 0U) << "messages that came out of their order";
}

}  // namespace

class ChannelKillsTest : public AppTest {};

// Both parties and the channel itself are killed at random, and go on. Each message is received once; at most one, marked, again at each death.
TEST_F(ChannelKillsTest, WhatWasSentIsReceivedOnceInOrderWhoeverIsKilled) {
  for (Way& way : ledger().ways) way.last = -1;  // the ledger must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Pair>(
            "pair",
            {.capacity = 10, .onDeath = OnDeath::wait, .child = {.onCrash = troupe::OnCrash::retry(100)}});
        app.child<Party>("one", {}, 0U);
        app.child<Party>("two", {}, 1U);
      },
      [](Self& self) -> Task<> {
        auto pair = co_await self.find<Pair>("pair");
        const std::size_t descriptors = descriptorsOf(rootPid());
        const std::vector<std::string> victims{"pair", "one", "two"};
        const auto any = [](const std::string&) { return true; };
        co_await killAtRandom(self, victims, kKills, any);
        ledger().enough = true;
        co_await until(self, "all is received", [] { return board().count("received all") >= 2; });
        for (const Way& way : ledger().ways) checkWay(way);
        EXPECT_LE(descriptorsOf(rootPid()), descriptors + 8);
      });
}

namespace {

std::atomic<unsigned>& answered() {
  static auto* const shared = sharedByAll<std::atomic<unsigned>>();
  return *shared;
}

// Asks 0, 1, 2 and so on, and awaits each back, in one conversation after the other.
class Asker final : public troupe::Actor<Asker> {
 public:
  Task<> run() {
    auto pair = co_await find<Pair>("pair");
    for (;;) co_await converse(co_await pair.first());
  }

 private:
  static Task<> converse(Pair::First end) {
    for (std::int64_t number = 0;; ++number) {
      if (!co_await sent(end, number)) co_return;
      const auto answer = co_await end.receive();
      if (!answer) co_return;
      if (*answer != number || answer.again()) board().note("a wrong answer");
      ++answered();
    }
  }
  static Task<bool> sent(Pair::First end, std::int64_t number) {
    try {
      co_await end.send(number);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::refused) throw;
      co_return false;
    }
    co_return true;
  }
  friend class Answerer;
};

class Answerer final : public troupe::Actor<Answerer> {
 public:
  Task<> run() {
    auto pair = co_await find<Pair>("pair");
    for (;;) co_await converse(co_await pair.second());
  }

 private:
  static Task<> converse(Pair::Second end) {
    for (std::int64_t number = 0;; ++number) {
      const auto question = co_await end.receive();
      if (!question) co_return;
      if (*question != number || question.again()) board().note("a wrong question");
      if (!co_await Asker::sent(end, number)) co_return;
    }
  }
};

}  // namespace

// The same, where a death ends the conversation: the next one begins with both, and has nothing of the one before.
TEST_F(ChannelKillsTest, ConversationsDoNotMixWhoeverIsKilled) {
  answered() = 0;  // it must be there before the processes are
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1'000'000});
        app.add<Pair>("pair", {.child = {.onCrash = troupe::OnCrash::retry(100)}});
        app.child<Asker>("asker");
        app.child<Answerer>("answerer");
      },
      [](Self& self) -> Task<> {
        const std::vector<std::string> victims{"pair", "asker", "answerer"};
        const auto any = [](const std::string&) { return true; };
        co_await killAtRandom(self, victims, kKills, any);
        const unsigned before = answered();
        co_await until(self, "they go on", [before] { return answered() > before + 100; });
        EXPECT_EQ(board().notes().size(), 0U) << board().notes().front();
      });
}

}  // namespace tests
