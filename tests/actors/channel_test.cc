// Channel<A, B>: both ways, the end of the stream, and what becomes of it when somebody dies.
#include <csignal>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Channel;
using troupe::ChannelStatus;
using troupe::Error;
using troupe::ErrorKind;
using troupe::OnDeath;
using troupe::SupervisorRef;
// The first end sends texts, the second numbers.
using Line = Channel<capnp::Text, std::int64_t>;

Board& board() { return Board::shared(); }

AppRun::Describe aLine(troupe::ChannelSpec spec) {
  return [spec](troupe::App& app) {
    app.supervise({.maxRestarts = 1'000'000});
    app.add<Line>("line", spec);
  };
}

Task<> becomes(Self& self, Line line, std::string what, bool (*holds)(const ChannelStatus&)) {
  const std::function<Task<bool>()> is = [line, holds]() -> Task<bool> {
    const ChannelStatus status = co_await line.status();
    co_return holds(status);
  };
  co_await until(self, what, is);
}

Task<> killed(Self&, std::string id) {
  const auto pids = co_await pidsOf(SupervisorRef("/"));
  kill(pids.at(id), SIGKILL);
}

Task<std::string> received(Line::Second end) {
  auto message = co_await end.receive();
  co_return message ? std::string(message->cStr()) + (message.again() ? " again" : "") : "the end";
}

// Claims the second end, receives once, says so, and keeps it for ever.
class Holder final : public troupe::Actor<Holder> {
 public:
  Task<> run() {
    auto line = co_await find<Line>("line");
    auto end = co_await line.second();
    board().note("received " + co_await received(end));
    co_await sleepFor(troupe::kForever);
  }
};

}  // namespace

class ChannelTest : public AppTest {};

TEST_F(ChannelTest, CarriesTypedMessagesBothWaysInOrder) {
  runApp(aLine({}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    auto here = co_await line.first();
    auto there = co_await line.second();
    for (const char* text : {"a", "b"}) co_await here.send(text);
    for (const std::int64_t number : {1, 2}) co_await there.send(number);
    EXPECT_EQ(co_await received(there), "a");
    EXPECT_EQ(co_await received(there), "b");
    for (const std::int64_t number : {1, 2}) {
      const auto message = co_await here.receive();
      EXPECT_EQ(*message, number);
      EXPECT_FALSE(message.again());
    }
  });
}

TEST_F(ChannelTest, AFullOneMakesSendersWaitAndAnEmptyOneReceivers) {
  runApp(aLine({.capacity = 2}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    auto here = co_await line.first();
    auto there = co_await line.second();
    self.spawn([](Line::First end) -> Task<> {
      for (const char* text : {"a", "b", "c", "d"}) co_await end.send(text);
      board().note("sent");
    }(here));
    co_await becomes(self, line, "one waits",
                     [](const ChannelStatus& status) { return status.first.sending == 1; });
    for (const char* text : {"a", "b", "c", "d"}) EXPECT_EQ(co_await received(there), text);
    co_await until(self, "all is sent", [] { return board().count("sent") == 1; });
    self.spawn([](Line::Second end) -> Task<> { board().note(co_await received(end)); }(there));
    co_await becomes(self, line, "it waits",
                     [](const ChannelStatus& status) { return status.second.receiving; });
    co_await here.send("e");
    co_await until(self, "it is received", [] { return board().count("e") == 1; });
  });
}

TEST_F(ChannelTest, WaitsNoLongerThanItIsToldAndThenNothingHasHappened) {
  runApp(aLine({.capacity = 1}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    auto here = co_await line.first();
    auto there = co_await line.second();
    const Error none = co_await errorOf(there.within(20ms).receive());
    EXPECT_EQ(none.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(none.what()).find("the channel /line: no message came within 20 ms"),
              std::string::npos)
        << none.what();
    EXPECT_FALSE(co_await there.poll());
    EXPECT_FALSE(co_await there.poll(20ms));
    co_await here.send("a");
    const Error full = co_await errorOf(here.within(20ms).send("b"));
    EXPECT_EQ(full.kind(), ErrorKind::timedOut);
    EXPECT_NE(std::string(full.what()).find("/line: there was no room within 20 ms"), std::string::npos)
        << full.what();
    EXPECT_TRUE(co_await there.poll());
    EXPECT_TRUE(co_await there.poll(20ms));
    EXPECT_EQ(co_await received(there), "a");
    EXPECT_FALSE(co_await there.poll()) << "what was not sent in time is not there";
  });
}

TEST_F(ChannelTest, WhoHasFinishedReceivesStillAndTheOtherComesToTheEnd) {
  runApp(aLine({}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    auto here = co_await line.first();
    auto there = co_await line.second();
    co_await here.send("a");
    co_await here.finish();
    EXPECT_EQ((co_await errorOf(here.send("b"))).kind(), ErrorKind::refused);
    EXPECT_EQ(co_await received(there), "a");
    EXPECT_EQ(co_await received(there), "the end");
    EXPECT_TRUE(co_await there.poll()) << "it need not wait for the end";
    co_await there.send(7);
    const auto answer = co_await here.receive();
    EXPECT_EQ(*answer, 7);
  });
}

TEST_F(ChannelTest, AClosedEndHasGoneAndANewConversationBeginsWhenBothHave) {
  runApp(aLine({}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    {
      auto here = co_await line.first();
      auto there = co_await line.second();
      co_await here.send("a");
      co_await there.send(1);
      co_await here.close();
      co_await here.close();
      EXPECT_EQ((co_await errorOf(here.send("b"))).kind(), ErrorKind::refused) << "it is closed";
      const Error gone = co_await errorOf(there.send(2));
      EXPECT_EQ(gone.kind(), ErrorKind::refused);
      EXPECT_NE(std::string(gone.what()).find("the other end of the channel has gone"), std::string::npos)
          << gone.what();
      EXPECT_EQ((co_await errorOf(line.within(20ms).first())).kind(), ErrorKind::timedOut) << "it has gone";
      EXPECT_EQ(co_await received(there), "a");
      EXPECT_EQ(co_await received(there), "the end");
    }
    auto here = co_await line.first();
    auto there = co_await line.second();
    EXPECT_FALSE(co_await here.poll()) << "nothing is left of what was sent before";
    co_await here.send("c");
    EXPECT_EQ(co_await received(there), "c");
  });
}

TEST_F(ChannelTest, WhoClosesItsEndWhileItWaitsThereIsToldSo) {
  runApp(aLine({.capacity = 1}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    auto here = co_await line.first();
    co_await here.send("a");
    auto sent = here.send("b");
    sent.resume();
    auto given = here.receive();
    given.resume();
    co_await becomes(self, line, "both wait", [](const ChannelStatus& status) {
      return status.first.sending == 1 && status.first.receiving;
    });
    co_await here.close();
    EXPECT_EQ((co_await errorOf(std::move(sent))).kind(), ErrorKind::refused);
    EXPECT_EQ((co_await errorOf(std::move(given))).kind(), ErrorKind::refused);
  });
}

TEST_F(ChannelTest, SendersThatWaitAreToldThatTheOtherEndHasGone) {
  runApp(aLine({.capacity = 1}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    auto here = co_await line.first();
    auto there = co_await line.second();
    co_await here.send("a");
    self.spawn([](Line::First end) -> Task<> {
      const Error error = co_await errorOf(end.send("b"));
      board().note(toString(error.kind()));
    }(here));
    co_await becomes(self, line, "it waits",
                     [](const ChannelStatus& status) { return status.first.sending == 1; });
    co_await there.close();
    co_await until(self, "it is told", [] { return board().count("refused") == 1; });
    const auto end = co_await here.receive();
    EXPECT_FALSE(end);
  });
}

TEST_F(ChannelTest, AnEndBelongsToOneProcessAndOthersWaitForIt) {
  runApp(
      [](troupe::App& app) {
        aLine({.onDeath = OnDeath::wait})(app);
        app.child<Holder>("holder", {.restart = troupe::Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto line = co_await self.find<Line>("line");
        auto here = co_await line.first();
        const Error twice = co_await errorOf(line.first());
        EXPECT_EQ(twice.kind(), ErrorKind::refused);
        EXPECT_NE(std::string(twice.what()).find("has the first end of the channel already"),
                  std::string::npos)
            << twice.what();
        co_await here.send("a");
        co_await until(self, "it is held", [] { return board().count("received a") == 1; });
        const Error held = co_await errorOf(line.within(20ms).second());
        EXPECT_EQ(held.kind(), ErrorKind::timedOut);
        EXPECT_NE(std::string(held.what()).find("claiming the second end of the channel /line"),
                  std::string::npos)
            << held.what();
        self.spawn([](Line from) -> Task<> {
          auto there = co_await from.second();
          board().note(co_await received(there));
          board().note(co_await received(there));
        }(line));
        co_await becomes(self, line, "it is waited for",
                         [](const ChannelStatus& status) { return status.second.claiming == 1; });
        co_await here.send("b");
        co_await killed(self, "holder");
        co_await until(self, "the other goes on", [] { return board().count("b") == 1; });
        EXPECT_EQ(board().count("a again"), 1U) << "it may have died before it was done with it";
      });
}

TEST_F(ChannelTest, TheDeathOfAnEndEndsTheStreamAndItsSuccessorBeginsAnew) {
  runApp(
      [](troupe::App& app) {
        aLine({})(app);
        app.child<Holder>("holder");
      },
      [](Self& self) -> Task<> {
        auto line = co_await self.find<Line>("line");
        for (int i = 1; i <= 3; ++i) {
          auto here = co_await line.first();
          co_await here.send("a");
          co_await here.send("b");
          co_await until(self, "it is received",
                         [i] { return board().count("received a") == static_cast<unsigned>(i); });
          co_await killed(self, "holder");
          const auto end = co_await here.receive();
          EXPECT_FALSE(end);
          EXPECT_EQ((co_await errorOf(here.send("c"))).kind(), ErrorKind::refused);
        }
      });
}

TEST_F(ChannelTest, WhatWasSentBeforeTheDeathOfItsSenderIsReceived) {
  runApp(aLine({}), [](Self& self) -> Task<> {
    auto line = co_await self.find<Line>("line");
    {
      auto here = co_await line.first();
      for (const char* text : {"a", "b"}) co_await here.send(text);
    }
    co_await becomes(self, line, "it has gone",
                     [](const ChannelStatus& status) { return status.first.gone; });
    auto there = co_await line.second();
    EXPECT_EQ(co_await received(there), "a");
    EXPECT_EQ(co_await received(there), "b");
    EXPECT_EQ(co_await received(there), "the end");
  });
}

TEST_F(ChannelTest, HoldsStructsAndRefusesOtherTypesAndTooMuch) {
  runApp(
      [](troupe::App& app) { app.add<Channel<kept::Journal, capnp::Data>>("journals", {.mostBytes = 1000}); },
      [](Self& self) -> Task<> {
        auto line = co_await self.find<Channel<kept::Journal, capnp::Data>>("journals");
        auto here = co_await line.first();
        auto there = co_await line.second();
        co_await here.send([](kept::Journal::Builder journal) { journal.setSum(7); });
        const auto journal = co_await there.receive();
        EXPECT_EQ(journal->getSum(), 7);
        const std::string data(500, 'x');
        co_await there.send(data);
        const auto got = co_await here.receive();
        EXPECT_EQ(got->size(), data.size());
        const std::string large(1000, 'x');
        const Error full = co_await errorOf(there.send(large));
        EXPECT_EQ(full.kind(), ErrorKind::refused);
        EXPECT_NE(std::string(full.what()).find("no room for 10"), std::string::npos) << full.what();
        auto wrong = co_await self.find<Channel<capnp::Data, kept::Journal>>("journals");
        EXPECT_EQ((co_await errorOf(wrong.first())).kind(), ErrorKind::refused);
      });
}

TEST_F(ChannelTest, ASpecThatMakesNoSenseIsRefused) {
  const Ended ended = runToEnd(aLine({.capacity = 0}), [](Self&) -> Task<> { co_return; });
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("the channel \"line\": a capacity of 0 messages"), std::string::npos) << ended.err;
}

}  // namespace tests
