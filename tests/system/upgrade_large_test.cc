// Actors are replaced by processes of a newer program with large messages under way: none is lost, none comes twice, and nothing
// of them stays in memory. See tests/support/stations.h.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "actor/actor_process.h"
#include "stations.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/arenas.h"
#include "tests/support/puppet.h"
#include "tests/support/stations.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::Ref;
using troupe::SupervisorRef;

class UpgradeOfLargeMessages : public testing::TestWithParam<std::string_view> {
 protected:
  // A copy of this program under another name.
  static std::string copy(const std::string& name) {
    std::filesystem::create_directories(folder());
    const auto file = folder() / name;
    if (!std::filesystem::exists(file)) std::filesystem::copy_file("/proc/self/exe", file);
    return file;
  }
  static std::filesystem::path folder() {
    return std::filesystem::temp_directory_path() / ("troupe-upgrade-large-" + std::to_string(::getpid()));
  }
  ~UpgradeOfLargeMessages() override { std::filesystem::remove_all(folder()); }
};

constexpr std::size_t kBodyBytes = 100'000;
// More than the outbox takes for one destination.
constexpr std::uint32_t kCasts = 800;

std::string textFor(std::uint32_t number) {
  return std::string(kBodyBytes, static_cast<char>('a' + number % 26));
}

// Reads nothing until it may.
class Well final : public troupe::Actor<Well, Station> {
 public:
  Task<> pass(PassParams in) {
    co_await until(self(), "it may read", [] { return Board::shared().count("read") > 0; });
    const bool right = textFor(in.getNumber()) == in.getText().cStr();
    Board::shared().note((right ? "right " : "wrong ") + std::to_string(in.getNumber()));
  }
  void ask(AskParams in, AskResults out) {
    out.setReached(textFor(in.getNumber()) == in.getText().cStr());
    out.setText(in.getText());
  }
  void seen(SeenParams, SeenResults) {}
};

// Casts from run(), until there is no room and one waits; a call lies behind them.
class Pump final : public troupe::Actor<Pump, Station> {
 public:
  Task<> init() {
    if (imageName() == "init-throws") throw std::runtime_error("a newer failure");
    well_ = (co_await find<Station>("/well")).within(5min);
  }
  Task<> run() {
    spawn(call());
    for (std::uint32_t number = 1; number <= kCasts; ++number) {
      const std::string text = textFor(number);
      const auto& outbox = troupe::actor::ActorProcess::current().outbox();
      if (outbox.waitingPackets() >= troupe::mailbox::Outbox::kMaxWaitingPackets)
        Board::shared().note("waiting " + std::to_string(number));
      co_await well_.pass(number, text);
      if (number == 4) Board::shared().note("call");
    }
    co_await sleepFor(24h);
  }
  void pass(PassParams) {}
  void ask(AskParams, AskResults) {}
  void seen(SeenParams, SeenResults) {}

 private:
  Task<> call() {
    co_await until(self(), "the mailbox is full", [] { return Board::shared().count("call") > 0; });
    const std::string text = textFor(99);
    const auto reply = co_await well_.ask(99, text);
    Board::shared().note(reply->getReached() && text == reply->getText().cStr() ? "answered"
                                                                                : "wrong answer");
  }
  Ref<Station> well_;
};

void pumpTree(troupe::App& app) {
  app.child<Well>("well", {.mailboxBytes = 4096})
      .child<Pump>("pump", {.readyWithin = 60s, .maxMessageBytes = 64 << 20});
}

}  // namespace

TEST_F(UpgradeOfLargeMessages, OfSenderAndReceiverLosesNone) {
  for (const unsigned retries : {0U, 5U}) {
    live({.retries = retries,
          .size = Size::large,
          .images = {copy("first"), copy("second"), copy("init-throws"), copy("third")}});
  }
}

TEST_F(UpgradeOfLargeMessages, OfAMebibyteLosesNone) {
  live({.messages = 60,
        .size = Size::mebibyte,
        .images = {copy("first"), copy("init-throws"), copy("second")}});
}

TEST_F(UpgradeOfLargeMessages, ThatFailsLosesNothingOfWhatWaitsInItsSender) {
  const std::string image = copy("init-throws");
  runApp(pumpTree, [&](Self& self) -> Task<> {
    // One packet is read, one fills the pipe; the others wait in the sender.
    co_await until(self, "one has no room", [] { return !Board::shared().notesAfter("waiting ").empty(); });
    const Error error = co_await errorOf(SupervisorRef("/").upgrade("pump", image));
    EXPECT_NE(std::string(error.what()).find("init-throws"), std::string::npos) << error.what();
    Board::shared().note("read");
    co_await until(self, "all have come", [] {
      return Board::shared().notesAfter("right ").size() + Board::shared().notesAfter("wrong ").size() >=
                 kCasts &&
             Board::shared().count("answered") > 0;
    });
    std::vector<std::string> expected;
    for (std::uint32_t number = 1; number <= kCasts; ++number) expected.push_back(std::to_string(number));
    EXPECT_EQ(Board::shared().notesAfter("right "), expected);
    co_await becomesEmpty(self);
  });
}

TEST_F(UpgradeOfLargeMessages, ThatSucceedsFreesWhatWaitsInTheOlderProcess) {
  const std::string image = copy("first");
  runApp(pumpTree, [&](Self& self) -> Task<> {
    co_await until(self, "one has no room", [] { return !Board::shared().notesAfter("waiting ").empty(); });
    co_await SupervisorRef("/").upgrade("pump", image);
    Board::shared().note("read");
    co_await becomesEmpty(self);
    EXPECT_EQ(Board::shared().notesAfter("wrong ").size(), 0U);
  });
}

// Killed there the older process, or the newer one.
TEST_P(UpgradeOfLargeMessages, KilledThereLosesNothingButWhatIsInHand) {
#ifndef TROUPE_KILL_POINTS
  GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  const std::string point(GetParam());
  // It has something to take back where the newer process fails.
  const std::vector<std::string> images = {copy(point == "tookBack" ? "init-throws" : "first"),
                                           copy("second")};
  for (const char* path : {"/middle", "/sink"}) {
    for (const unsigned retries : {0U, 5U})
      live({.kills = point + "@" + path, .retries = retries, .size = Size::large, .images = images});
  }
}

INSTANTIATE_TEST_SUITE_P(All, UpgradeOfLargeMessages,
                         testing::ValuesIn(killPointsOf(troupe::os::KillPart::upgrade)),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace tests

int main(int argc, char** argv) {
  int code = 0;
  if (tests::runAsImage(argc, argv, code)) return code;
  return tests::runTestsOrBecome(argc, argv, tests::pumpTree);
}
