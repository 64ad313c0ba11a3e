// Eight senders number their casts to one receiver, and processes are killed every few milliseconds: each number arrives once,
// in order, apart from messages that were in the hands of a receiver that drops them. Each of those is a dead letter, once, and
// no other message is.
//
// TROUPE_CHAOS_SECONDS  how long each test (2)
// TROUPE_CHAOS_SEED     chooses whom to kill, and when
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "os/file.h"
#include "tests/chaos/actors.h"
#include "tests/chaos/chaos_fixture.h"
#include "wire/flat_message.h"
#include "wire/letter.h"
#include "wire/message.h"

namespace tests {
namespace {

constexpr unsigned kSenders = 8;
constexpr unsigned kProcesses = kSenders + 4;  // with the receiver, both supervisors and main

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
      for (std::uint64_t gap = count.last + 1; gap < in.getNumber(); ++gap) miss(sender, gap);
      count.last = in.getNumber();
    }
  }

  void counted(CountedParams in, CountedResults out) {
    const Count& count = (*counts_)[in.getSender() % kSenders];
    out.setLast(count.last);
    out.setReceived(count.received);
    out.setAgain(count.again);
    const auto mine = [&](const Gap& gap) { return gap.sender == in.getSender() % kSenders; };
    const auto& all = gaps_->items;
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(gaps_->size);
    auto missing = out.initMissing(static_cast<unsigned>(std::count_if(all.begin(), end, mine)));
    unsigned at = 0;
    for (auto gap = all.begin(); gap != end; ++gap) {
      if (mine(*gap)) missing.set(at++, gap->number);
    }
  }

 private:
  struct Count {
    std::uint64_t last = 0;
    std::uint64_t received = 0;
    std::uint64_t again = 0;
  };
  struct Gap {
    std::uint32_t sender = 0;
    std::uint32_t number = 0;
  };
  // Of its own, since it is large, and seldom changed.
  struct Gaps {
    std::size_t size = 0;
    std::array<Gap, 8000> items;
  };

  void miss(unsigned sender, std::uint64_t number) {
    Gaps& gaps = gaps_.change();
    if (gaps.size == gaps.items.size()) return unexpected("more is missing than can be told");
    gaps.items[gaps.size++] = {sender, static_cast<std::uint32_t>(number)};
  }

  bool slow_;
  troupe::Kept<Gaps> gaps_{*this, "gaps"};
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
      ++number_;
      co_await receiver.record(id_, *number_);
      if (*number_ % 64 == 0) co_await sleepFor(1ms);
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
  auto receiver = (co_await self.find<chaos::Counter>("receiver")).within(5min);
  std::vector<troupe::Call<chaos::Driver::FinishResults>> finishing;
  for (unsigned i = 0; i < kSenders; ++i) {
    auto driver = co_await self.find<chaos::Driver>("driver" + std::to_string(i));
    finishing.push_back(driver.within(5min).finish());
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
                << counted->getAgain();
      for (const auto number : counted->getMissing()) std::cout << ' ' << number;
      std::cout << std::endl;
      break;
    }
  }
  co_await console.line();
}

// A word each: drop; slow; killed (the senders are).
int runTheApp(int argc, char** argv) {
  const std::string words = argv[2], letters = argv[3];
  const auto is = [&](const char* word) { return words.find(word) != std::string::npos; };
  troupe::App app(argc, argv);
  app.deadLetters({.folder = letters});
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

// Whose message it was, and which: "3 1412", or what is wrong with it.
std::string nameOf(const troupe::wire::Letter& letter) {
  const auto words = troupe::wire::wordsOf(letter.message);
  const troupe::wire::IncomingMessage message({words.begin(), words.size()});
  const auto record = message.checkedBody().getAs<chaos::Recorder::RecordParams>();
  const std::string sender = std::to_string(record.getSender()), number = std::to_string(record.getNumber());
  const bool killed = letter.reason.kind == troupe::ExitKind::signaled && letter.reason.code == SIGKILL;
  const bool right = letter.path == "/receiving/receiver" &&
                     letter.senderPath == "/sending/driver" + sender &&
                     letter.methodName == "chaos::Recorder.record" && !letter.call && letter.attempts == 1 &&
                     (killed || letter.reason.kind == troupe::ExitKind::supervisorDied);
  const std::string what = sender + ' ' + number;
  if (right) return what;
  return what + ": " + letter.senderPath + " to " + letter.path + ", " + letter.methodName + ", " +
         letter.reason.toString() + ", attempts: " + std::to_string(letter.attempts);
}

class SequenceTest : public ChaosTest {
 protected:
  unsigned kills = 0;
  unsigned receiversKilled = 0;  // at most
  std::uint64_t sent = 0, received = 0;
  std::set<std::string> missing;

  void strike(const Program& app, const std::string& path) {
    for (const Process& process : app.processes()) {
      if (process.path() != path || !killed(process)) continue;
      ++kills;
      if (path.starts_with("/receiving")) ++receiversKilled;
    }
  }

  void run(const std::string& words, const std::function<std::string()>& victim, unsigned everyMost = 8) {
    Program app(ownPath(), {"app", words, folder.path()});
    ASSERT_TRUE(app.waitForLine("started")) << app.errors();
    strikeFor(2, everyMost, app, [&] { strike(app, victim()); });
    ASSERT_TRUE(app.waitUntil([&] { return isCalm(app, kProcesses); })) << describe(app.processes());
    app.send("finish\n");
    for (unsigned i = 0; i < kSenders; ++i) {
      const auto line = app.waitForLine("sender ");
      ASSERT_TRUE(line) << app.errors().substr(0, 10'000);
      compare(i, line->substr(7));
    }
    finish(app, words);
    lookForTheMissing();
  }

  void compare(unsigned sender, const std::string& numbers) {
    std::istringstream from(numbers);
    std::uint64_t last = 0, seen = 0, count = 0, again = 0, gaps = 0, gap = 0;
    from >> last >> seen >> count >> again;
    for (; from >> gap; ++gaps) missing.insert(std::to_string(sender) + ' ' + std::to_string(gap));
    // Its last messages may have been in hand, and nothing came after them.
    for (gap = seen + 1; gap <= last; ++gap, ++gaps)
      missing.insert(std::to_string(sender) + ' ' + std::to_string(gap));
    EXPECT_EQ(again, 0u) << "came twice, or too late, of sender " << sender;
    EXPECT_EQ(count + gaps, last) << sender;
    EXPECT_GT(count, 0u) << sender;
    sent += last;
    received += count;
  }

  // Each is a dead letter, once; and none is one that was handled.
  void lookForTheMissing() {
    std::multiset<std::string> found;
    for (const auto& file : std::filesystem::directory_iterator(folder.path()))
      found.insert(nameOf(troupe::wire::decodeLetter(troupe::os::readWholeFile(file.path(), 65'536))));
    for (const std::string& message : found) {
      EXPECT_EQ(found.count(message), 1u) << "is a letter so often: " << message;
      EXPECT_TRUE(missing.contains(message)) << "was handled, and is a letter: " << message;
    }
    for (const std::string& message : missing)
      EXPECT_TRUE(found.contains(message)) << "was not handled, and is no letter: " << message;
  }

  void finish(Program& app, const std::string& words) {
    expectOrderlyEnd(app);
    EXPECT_EQ(app.errors().find("exception"), std::string::npos) << app.errors().substr(0, 10'000);
    if (words.find("killed") == std::string::npos) {
      EXPECT_EQ(app.errors().find("restarting \"driver"), std::string::npos) << "a sender has died";
    }
    std::printf("%u kills; %llu messages sent, %llu received, %zu missing\n", kills,
                static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received),
                missing.size());
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
  EXPECT_LE(missing.size(), receiversKilled) << "more than one message for each kill";
}

TEST_F(SequenceTest, OfAReceiverThatIsMostlyKilledWithAMessageInHand) {
  run("drop slow", [] { return "/receiving/receiver"; });
  EXPECT_LE(missing.size(), receiversKilled) << "more than one message for each kill";
  EXPECT_GT(missing.size(), 0u);
}

TEST_F(SequenceTest, OfSendersThatAreKilledTooWhereTheReceiverDrops) {
  run("drop slow killed", [this] { return anybody(); });
  EXPECT_GT(missing.size(), 0u);
}

TEST_F(SequenceTest, OfAReceiverThatTriesAgainWhatItHasInHand) {
  run("retry", [] { return "/receiving/receiver"; });
  EXPECT_EQ(missing.size(), 0u);
}

TEST_F(SequenceTest, OfAFullMailboxWhoseSendersSeeOnlyDelay) {
  run("retry slow", [this] { return below(10) == 0 ? "/receiving" : "/receiving/receiver"; }, 30);
  EXPECT_EQ(missing.size(), 0u);
}

TEST_F(SequenceTest, OfSendersAndSupervisorsThatAreKilledToo) {
  run("retry killed", [this] { return anybody(); });
  EXPECT_EQ(missing.size(), 0u);
}

TEST_F(SequenceTest, OfSendersThatAreKilledWhileTheMailboxIsFull) {
  run("retry killed slow", [this] { return anybody(); }, 20);
  EXPECT_EQ(missing.size(), 0u);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "app") return tests::runTheApp(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
