// Eight senders number their casts to one receiver, and processes are killed every few milliseconds: each number arrives once,
// in order, apart from messages that were in the hands of a receiver that drops them.
//
// TROUPE_CHAOS_SECONDS  how long each test (2)
// TROUPE_CHAOS_SEED     chooses whom to kill, and when
#include <gtest/gtest.h>

#include <csignal>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

#include "tests/chaos/actors.h"
#include "tests/support/program.h"

namespace tests {
namespace {

constexpr unsigned kSenders = 8;

// What has come from each sender is kept: a message counts with the turn that handled it.
class Receiver final : public troupe::Actor<Receiver, chaos::Counter> {
 public:
  explicit Receiver(bool slow) : slow_(slow) {}

  troupe::Task<> record(RecordParams in) {
    const unsigned sender = in.getSender() % kSenders;
    // Nothing is waited for between the look and the change.
    if (slow_ && in.getNumber() % 16 == 0) co_await sleepFor(1ms);
    Count& count = counts_.change()[sender];
    ++count.received;
    if (in.getNumber() <= count.last) {
      ++count.again;
      unexpected("after " + std::to_string(count.last) + " came " + std::to_string(in.getNumber()) + " of " +
                 std::to_string(sender));
    } else {
      count.missing += in.getNumber() - count.last - 1;
      count.last = in.getNumber();
    }
  }

  void counted(CountedParams in, CountedResults out) {
    const Count& count = (*counts_)[in.getSender() % kSenders];
    out.setLast(count.last);
    out.setReceived(count.received);
    out.setMissing(count.missing);
    out.setAgain(count.again);
  }

 private:
  struct Count {
    std::uint64_t last = 0;
    std::uint64_t received = 0;
    std::uint64_t missing = 0;
    std::uint64_t again = 0;
  };
  bool slow_;
  troupe::Kept<std::array<Count, kSenders>> counts_{*this, "counts"};
};

// Casts from run(), and knows the last number as long as its process lives.
class Plain final : public troupe::Actor<Plain, chaos::Driver> {
 public:
  explicit Plain(unsigned id) : id_(id) {}

  troupe::Task<> run() {
    auto receiver = co_await find<chaos::Recorder>("receiver");
    while (!finishing_) {
      co_await receiver.record(id_, ++number_);
      if (number_ % 64 == 0) co_await sleepFor(1ms);
    }
    ended_ = true;
    co_await sleepFor(troupe::kForever);
  }
  troupe::Task<> finish(FinishParams, FinishResults out) {
    finishing_ = true;
    while (!ended_) co_await sleepFor(1ms);
    out.setLast(number_);
  }

 private:
  unsigned id_;
  std::uint64_t number_ = 0;
  bool finishing_ = false;
  bool ended_ = false;
};

// Casts from run(), outside of any turn: the number is kept with the cast.
class Keeping final : public troupe::Actor<Keeping, chaos::Driver> {
 public:
  explicit Keeping(unsigned id) : id_(id) {}

  troupe::Task<> run() {
    auto receiver = co_await find<chaos::Recorder>("receiver");
    while (!finishing_) {
      // Not awaited: what was changed would be kept while it waits for room.
      ++number_;
      bool room = true;
      try {
        receiver.record(id_, *number_);
      } catch (const troupe::Error& error) {
        if (error.kind() != troupe::ErrorKind::overloaded) throw;
        --number_;
        room = false;
      }
      if (!room || *number_ % 64 == 0) co_await sleepFor(1ms);
    }
    co_await sleepFor(troupe::kForever);
  }
  void finish(FinishParams, FinishResults out) {
    finishing_ = true;
    out.setLast(*number_);
  }

 private:
  unsigned id_;
  troupe::Kept<std::uint64_t> number_{*this, "number"};
  bool finishing_ = false;
};

// Casts from a handler, which goes on by a cast to itself: number, cast and cast to itself are committed together.
class Chained final : public troupe::Actor<Chained, chaos::Chain> {
 public:
  explicit Chained(unsigned id) : id_(id) {}

  troupe::Task<> run() {
    if (!*begun_) {
      begun_ = true;
      ref().next();
    }
    co_await sleepFor(troupe::kForever);
  }
  troupe::Task<> next(NextParams) {
    if (finishing_) co_return;
    auto receiver = co_await find<chaos::Recorder>("receiver");
    for (int i = 0; i < 40; ++i) co_await receiver.record(id_, ++number_.change());
    co_await sleepFor(1ms);
    ref().next();
  }
  void finish(FinishParams, FinishResults out) {
    finishing_ = true;
    out.setLast(*number_);
  }

 private:
  unsigned id_;
  troupe::Kept<std::uint64_t> number_{*this, "number"};
  troupe::Kept<bool> begun_{*this, "begun"};
  bool finishing_ = false;
};

// What each sender has sent, and what has come of it, once it is all there.
troupe::Task<> report(troupe::Self& self) {
  Console console;
  std::cout << "started" << std::endl;
  co_await console.line();
  auto receiver = (co_await self.find<chaos::Counter>("receiver")).within(60s);
  std::vector<troupe::Call<chaos::Driver::FinishResults>> finishing;
  for (unsigned i = 0; i < kSenders; ++i) {
    auto driver = co_await self.find<chaos::Driver>("driver" + std::to_string(i));
    finishing.push_back(driver.within(60s).finish());
  }
  for (unsigned i = 0; i < kSenders; ++i) {
    const auto last = (co_await finishing[i])->getLast();
    const auto limit = std::chrono::steady_clock::now() + 20s;
    for (;;) {
      const auto counted = co_await receiver.counted(i);
      if (counted->getLast() < last && std::chrono::steady_clock::now() < limit) {
        co_await self.sleepFor(2ms);
        continue;
      }
      std::cout << "sender " << last << ' ' << counted->getLast() << ' ' << counted->getReceived() << ' '
                << counted->getMissing() << ' ' << counted->getAgain() << std::endl;
      break;
    }
  }
  co_await console.line();
}

// A word each: drop; slow; killed (the senders are).
int runTheApp(int argc, char** argv) {
  const std::string words = argv[2];
  const auto is = [&](const char* word) { return words.find(word) != std::string::npos; };
  troupe::App app(argc, argv);
  const troupe::SupervisorSpec lasting{.maxRestarts = 1'000'000};
  app.supervise(lasting);
  const auto onCrash = is("drop") ? troupe::OnCrash::drop() : troupe::OnCrash::retry(100);
  app.supervisor("receiving", lasting)
      .child<Receiver>("receiver",
                       {.onCrash = onCrash, .name = "receiver", .mailboxBytes = is("slow") ? 4096u : 0u},
                       is("slow"));
  auto& sending = app.supervisor("sending", lasting);
  for (unsigned i = 0; i < kSenders; ++i) {
    const std::string name = "driver" + std::to_string(i);
    const troupe::ChildSpec spec{.onCrash = troupe::OnCrash::retry(100), .name = name};
    if (!is("killed"))
      sending.child<Plain>(name, spec, i);
    else if (i % 2 == 0)
      sending.child<Keeping>(name, spec, i);
    else
      sending.child<Chained>(name, spec, i);
  }
  app.main(report);
  return app.run();
}

class SequenceTest : public testing::Test {
 protected:
  std::mt19937 random;
  unsigned kills = 0;
  unsigned receiversKilled = 0;  // at most
  std::uint64_t sent = 0, received = 0, missing = 0;

  void SetUp() override {
    const unsigned seed = fromEnvironment("TROUPE_CHAOS_SEED", std::random_device{}());
    std::printf("TROUPE_CHAOS_SEED=%u\n", seed);
    random.seed(seed);
  }

  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random); }

  void strike(const Program& app, const std::string& path) {
    for (const Process& process : app.processes()) {
      if (process.path() != path || ::kill(process.pid, SIGKILL) != 0) continue;
      ++kills;
      if (path.starts_with("/receiving")) ++receiversKilled;
    }
  }

  void run(const std::string& words, const std::function<std::string()>& victim, unsigned everyMost = 8) {
    Program app(ownPath(), {"app", words});
    ASSERT_TRUE(app.waitForLine("started")) << app.errors();
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(fromEnvironment("TROUPE_CHAOS_SECONDS", 2));
    while (std::chrono::steady_clock::now() < end) {
      app.readFor(std::chrono::milliseconds(1 + below(everyMost)));
      strike(app, victim());
    }
    app.send("finish\n");
    for (unsigned i = 0; i < kSenders; ++i) {
      const auto line = app.waitForLine("sender ");
      ASSERT_TRUE(line) << app.errors().substr(0, 10'000);
      std::istringstream numbers(line->substr(7));
      std::uint64_t last = 0, seen = 0, count = 0, gaps = 0, again = 0;
      numbers >> last >> seen >> count >> gaps >> again;
      EXPECT_EQ(seen, last) << "the last number that was sent, and came, of sender " << i;
      EXPECT_EQ(again, 0u) << "came twice, or too late, of sender " << i;
      EXPECT_EQ(count + gaps, seen) << i;
      EXPECT_GT(count, 0u) << i;
      sent += last;
      received += count;
      missing += gaps;
    }
    finish(app, words);
  }

  void finish(Program& app, const std::string& words) {
    app.send("end\n");
    const auto end = app.waitForEnd();
    EXPECT_TRUE(end && !end->signaled && end->code == 0) << app.errors().substr(0, 10'000);
    EXPECT_EQ(describe(app.leftovers()), "");
    for (const char* bad : {"UNEXPECTED", "exception"}) {
      const auto at = app.errors().find(bad);
      if (at != std::string::npos) ADD_FAILURE() << app.errors().substr(at, app.errors().find('\n', at) - at);
    }
    if (words.find("killed") == std::string::npos) {
      EXPECT_EQ(app.errors().find("restarting \"driver"), std::string::npos) << "a sender has died";
    }
    std::printf("%u kills; %llu messages sent, %llu received, %llu missing\n", kills,
                static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received),
                static_cast<unsigned long long>(missing));
    EXPECT_GT(kills, 0u);
  }

  std::string anybody() {
    const unsigned kind = below(100);
    if (kind < 50) return "/receiving/receiver";
    if (kind < 90) return "/sending/driver" + std::to_string(below(kSenders));
    return kind < 95 ? "/receiving" : "/sending";
  }
};

TEST_F(SequenceTest, OfAReceiverThatDropsWhatItHasInHand) {
  run("drop", [] { return "/receiving/receiver"; });
  EXPECT_LE(missing, receiversKilled) << "more than one message for each kill";
}

TEST_F(SequenceTest, OfAReceiverThatTriesAgainWhatItHasInHand) {
  run("retry", [] { return "/receiving/receiver"; });
  EXPECT_EQ(missing, 0u);
}

TEST_F(SequenceTest, OfAFullMailboxWhoseSendersSeeOnlyDelay) {
  run("retry slow", [this] { return below(10) == 0 ? "/receiving" : "/receiving/receiver"; }, 30);
  EXPECT_EQ(missing, 0u);
}

TEST_F(SequenceTest, OfSendersAndSupervisorsThatAreKilledToo) {
  run("retry killed", [this] { return anybody(); });
  EXPECT_EQ(missing, 0u);
}

TEST_F(SequenceTest, OfSendersThatAreKilledWhileTheMailboxIsFull) {
  run("retry killed slow", [this] { return anybody(); }, 20);
  EXPECT_EQ(missing, 0u);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "app") return tests::runTheApp(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
