// Ready-made actors that are replaced by a process of a newer program, while others wait for them.
//
// The newer program is a copy of this one.
#include <filesystem>

#include "tests/support/app_run.h"
#include "tests/support/puppet.h"
#include "tests/support/scratch.h"

namespace tests {

namespace {

using troupe::SupervisorRef;
using Texts = troupe::Queue<capnp::Text>;
using Lobby = troupe::Topic<capnp::Text>;
using Line = troupe::Channel<capnp::Text, capnp::Text>;

Board& board() { return Board::shared(); }

// An older process that does not end by itself is waited for without a limit.
void patient(troupe::App& app) {
  const troupe::ChildSpec child{.stop = troupe::Stop::infinity(), .onCrash = troupe::OnCrash::retry(3)};
  app.queue<capnp::Text>("queue", {.child = child});
  app.add<troupe::Semaphore>("permits", {.permits = 1, .child = child});
  app.add<Lobby>("lobby", {.child = child});
  app.add<Line>("line", {.child = child});
}

Task<> takeOne(Texts from) {
  auto item = co_await from.within(1h).take();
  board().note(std::string("took ") + item->cStr());
}

Task<> acquireOne(troupe::Semaphore permits) {
  auto permit = co_await permits.within(1h).acquire();
  board().note("acquired");
}

Task<> readOne(Lobby::Subscription from) {
  auto message = co_await from.next(1h);
  board().note(std::string("read ") + message->cStr());
}

Task<> receiveOne(Line::Second from) {
  auto message = co_await from.within(1h).receive();
  board().note(std::string("received ") + message->cStr());
}

Task<> upgraded(Self& self, std::string id, std::string image) {
  const auto pids = co_await pidsOf(SupervisorRef("/"));
  co_await SupervisorRef("/").upgrade(id, image);
  co_await becomesDead(self, pids.at(id));
}

Task<> publishNumbers(Lobby lobby) {
  for (int number = 1; board().count("enough") == 0; ++number) co_await lobby.publish(std::to_string(number));
  co_await lobby.close();
}

Task<> readNumbers(Lobby::Subscription from) {
  for (int number = 1;; ++number) {
    auto message = co_await from.next();
    if (!message) break;
    if (message->cStr() != std::to_string(number)) board().note("a wrong number");
  }
  board().note("read all");
}

class UpgradeOfParts : public AppTest {
 protected:
  std::string newer() const {
    const std::string file = folder_ / "newer";
    std::filesystem::copy_file("/proc/self/exe", file);
    return file;
  }

 private:
  Scratch folder_;
};

}  // namespace

TEST_F(UpgradeOfParts, IsNotHeldUpByThoseWhoWaitAndTheyAreAnswered) {
  const std::string image = newer();
  runApp(patient, [image](Self& self) -> Task<> {
    auto queue = co_await self.find<Texts>("queue");
    auto permits = co_await self.find<troupe::Semaphore>("permits");
    auto lobby = co_await self.find<Lobby>("lobby");
    auto line = co_await self.find<Line>("line");
    auto permit = co_await permits.acquire();
    auto lines = co_await lobby.subscribe();
    auto here = co_await line.first();
    auto there = co_await line.second();
    self.spawn(takeOne(queue));
    self.spawn(acquireOne(permits));
    self.spawn(readOne(lines));
    self.spawn(receiveOne(there));
    for (const char* id : {"queue", "permits", "lobby", "line"}) co_await upgraded(self, id, image);
    co_await queue.put("a");
    co_await permit.release();
    co_await lobby.publish("a");
    co_await here.send("a");
    for (const char* what : {"took a", "acquired", "read a", "received a"}) {
      const std::string note = what;
      const std::function<bool()> told = [note] { return board().count(note) == 1; };
      co_await until(self, note, told);
    }
  });
}

// There are so many subscribers that they are told outside of turns too, as an older process is no more able to.
TEST_F(UpgradeOfParts, UnderLoadLosesNothing) {
  const std::string image = newer();
  const Ended ended = runApp(patient, [image](Self& self) -> Task<> {
    auto lobby = co_await self.find<Lobby>("lobby");
    for (int i = 0; i < 200; ++i) {
      auto subscription = co_await lobby.subscribe();
      self.spawn(readNumbers(subscription));
    }
    self.spawn(publishNumbers(lobby));
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t before = (co_await lobby.status()).last;
      const std::function<Task<bool>()> goesOn = [lobby, before]() -> Task<bool> {
        const auto status = co_await lobby.status();
        co_return status.last > before + 10;
      };
      co_await until(self, "it is published in", goesOn);
      co_await upgraded(self, "lobby", image);
    }
    board().note("enough");
    co_await until(self, "all is read", [] { return board().count("read all") == 200; });
    EXPECT_EQ(board().count("a wrong number"), 0U);
  });
  EXPECT_EQ(ended.err, "") << "an older process has not ended in order";
}

}  // namespace tests

int main(int argc, char** argv) { return tests::runTestsOrBecome(argc, argv, tests::patient); }
