// Answers that a handler leaves for later; who calls; and the end of one process of an actor.
#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Caller;
using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Kept;
using troupe::Later;
using troupe::Ref;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }

// Answers its naps when it is told to: "answer", "refuse", "twice", "large".
class Desk final : public QuietPuppet<Desk> {
 public:
  void nap(NapParams, NapResults out) { waiting_.change().calls[waiting_.change().count++] = out.later(); }
  void grow(GrowParams in, GrowResults out) {
    bytes_ = in.getBytes();
    large_ = out.later();
  }
  void note(NoteParams in) {
    const std::string what = in.getText().cStr();
    if (what == "large") {
      large_.answer([&](auto results) { results.setText(std::string(bytes_, 'x')); });
      return;
    }
    auto& waiting = waiting_.change();
    for (unsigned i = 0; i < waiting.count; ++i) {
      const auto& call = waiting.calls[i];
      if (what == "refuse") call.refuse("not today");
      if (what == "answer") call.answer([&](auto results) { results.setHandled(i + 1); });
      if (what == "twice") call.answer();
    }
    if (what != "twice") waiting.count = 0;
  }
  void who(WhoParams, WhoResults out) {
    out.setPid(self().pid());
    out.setHandled(waiting_->count);
  }

 private:
  struct Waiting {
    unsigned count = 0;
    Later<Puppet::NapResults> calls[8];
  };
  Kept<Waiting> waiting_{*this, "waiting"};
  Later<Puppet::GrowResults> large_;
  std::uint32_t bytes_ = 0;
};

Task<> waitingAre(Self& self, Ref<Puppet> desk, unsigned count) {
  const std::function<Task<bool>()> are = [desk, count]() -> Task<bool> {
    const auto who = co_await desk.who();
    co_return who->getHandled() == count;
  };
  co_await until(self, std::to_string(count) + " calls wait", are);
}

void describe(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  app.child<Desk>("desk");
  app.child<PuppetActor>("other");
}

}  // namespace

class LaterTest : public AppTest {};

TEST_F(LaterTest, AnswersCallsInAnyOrderWhileOthersAreHandled) {
  runApp(&describe, [](Self& self) -> Task<> {
    auto desk = co_await puppetAt(self, "desk");
    auto first = desk.nap(0);
    auto second = desk.nap(0);
    co_await waitingAre(self, desk, 2);
    co_await desk.note("answer");
    EXPECT_EQ((co_await second)->getHandled(), 2U);
    EXPECT_EQ((co_await first)->getHandled(), 1U);
    auto third = desk.nap(0);
    co_await waitingAre(self, desk, 1);
    co_await desk.note("refuse");
    const Error refused = co_await errorOf(std::move(third));
    EXPECT_EQ(refused.kind(), ErrorKind::refused);
    EXPECT_NE(std::string(refused.what()).find("not today"), std::string::npos);
    auto large = desk.grow(1 << 20);
    co_await desk.note("large");
    EXPECT_EQ((co_await large)->getText().size(), std::size_t{1} << 20);
  });
}

TEST_F(LaterTest, TheNextProcessAnswersThem) {
  runApp(&describe, [](Self& self) -> Task<> {
    auto desk = co_await puppetAt(self, "desk");
    for (int i = 0; i < 20; ++i) {
      auto first = desk.nap(0);
      auto second = desk.nap(0);
      co_await waitingAre(self, desk, 2);
      const auto who = co_await desk.who();
      kill(who->getPid(), SIGKILL);
      co_await desk.note("answer");
      EXPECT_EQ((co_await first)->getHandled(), 1U);
      EXPECT_EQ((co_await second)->getHandled(), 2U);
    }
  });
}

TEST_F(LaterTest, OneThatNobodyWaitsForGoesNowhere) {
  runApp(&describe, [](Self& self) -> Task<> {
    auto desk = co_await puppetAt(self, "desk");
    EXPECT_EQ((co_await errorOf(desk.within(1ms).nap(0))).kind(), ErrorKind::timedOut);
    { const auto abandoned = desk.nap(0); }
    auto call = desk.nap(0);
    // The one whose deadline was over may not have been handled at all.
    EXPECT_GE((co_await desk.who())->getHandled(), 2U);
    co_await desk.note("twice");
    co_await desk.note("twice");
    co_await call;
    EXPECT_GE((co_await desk.who())->getHandled(), 2U);
  });
}

TEST_F(LaterTest, EndsWhenItsActorGoesForGood) {
  runApp(&describe, [](Self& self) -> Task<> {
    auto desk = co_await puppetAt(self, "desk");
    auto call = desk.within(troupe::kForever).nap(0);
    co_await waitingAre(self, desk, 1);
    co_await SupervisorRef("/").stop("desk");
    co_await SupervisorRef("/").remove("desk");
    EXPECT_EQ((co_await errorOf(std::move(call))).kind(), ErrorKind::gone);
  });
}

// --- Who calls ---

namespace {

// Watches the process that called it with crash(), and notes what it is told.
class Watcher final : public QuietPuppet<Watcher> {
 public:
  void echo(EchoParams, EchoResults out) {
    const Caller from = caller();
    out.setText(std::to_string(from.actor) + "/" + std::to_string(from.generation));
  }
  void nap(NapParams, NapResults) {
    last_ = caller();
    spawn(watch(monitor(*last_)));
  }
  // Again, though it may have ended.
  void leave(LeaveParams) { spawn(watch(monitor(*last_))); }
  void who(WhoParams, WhoResults out) { out.setPid(self().pid()); }

 private:
  static Task<> watch(troupe::Monitor monitor) {
    const auto down = co_await monitor.next();
    EXPECT_TRUE(down.final);
    board().note("ended " + std::to_string(down.generation) + " " + down.reason.toString());
    EXPECT_EQ((co_await errorOf(monitor.next())).kind(), ErrorKind::gone);
  }

  Kept<Caller> last_{*this, "last"};
};

// Passes on what it is asked to the watcher.
class Client final : public QuietPuppet<Client> {
 public:
  Task<> echo(EchoParams, EchoResults out) {
    auto watcher = co_await find<Puppet>("/watcher");
    const auto reply = co_await watcher.echo("");
    const std::string text = reply->getText().cStr();
    const std::string own = std::to_string(self().id()) + "/" + std::to_string(self().generation());
    EXPECT_EQ(text, own);
    out.setText(text);
  }
  Task<> nap(NapParams, NapResults) {
    auto watcher = co_await find<Puppet>("/watcher");
    co_await watcher.nap(0);
  }
  void who(WhoParams, WhoResults out) { out.setPid(self().pid()); }
};

void watched(troupe::App& app) {
  app.supervise({.maxRestarts = 1000});
  app.child<Watcher>("watcher");
  app.child<Client>("client");
}

}  // namespace

TEST_F(LaterTest, AHandlerKnowsWhichProcessCalls) {
  runApp(&watched, [](Self& self) -> Task<> {
    auto client = co_await puppetAt(self, "client");
    const std::string first = co_await textOf(client.echo(""));
    const auto who = co_await client.who();
    kill(who->getPid(), SIGKILL);
    EXPECT_NE(co_await textOf(client.echo("")), first);
    EXPECT_THROW(static_cast<void>(self.caller()), Error);
  });
}

TEST_F(LaterTest, TheEndOfThatProcessIsToldOnce) {
  runApp(&watched, [](Self& self) -> Task<> {
    auto client = co_await puppetAt(self, "client");
    auto watcher = co_await puppetAt(self, "watcher");
    co_await client.nap(0);
    auto who = co_await client.who();
    kill(who->getPid(), SIGKILL);
    co_await until(self, "the end is told", [] { return board().count("ended 1 killed by SIGKILL") == 1; });
    // The next one's end is not its business.
    const auto next = co_await client.who();
    kill(next->getPid(), SIGKILL);
    co_await client.who();
    // Watched when it has ended long ago, also by another process of the watcher.
    co_await watcher.leave(0, 0, "");
    co_await until(self, "an earlier end is told", [] { return board().notesAfter("ended 1 ").size() == 2; });
    kill((co_await watcher.who())->getPid(), SIGKILL);
    co_await watcher.leave(0, 0, "");
    co_await until(self, "an earlier end is told again",
                   [] { return board().notesAfter("ended 1 ").size() == 3; });
    EXPECT_EQ(board().notesAfter("ended ").size(), 3U);
  });
}

TEST_F(LaterTest, TheEndOfOneThatHasGoneForGoodIsToldToo) {
  runApp(&watched, [](Self& self) -> Task<> {
    auto client = co_await puppetAt(self, "client");
    auto watcher = co_await puppetAt(self, "watcher");
    co_await client.nap(0);
    co_await SupervisorRef("/").stop("client");
    co_await until(self, "its end is told", [] { return board().notesAfter("ended 1 ").size() == 1; });
    co_await SupervisorRef("/").remove("client");
    co_await watcher.leave(0, 0, "");
    co_await until(self, "it is told again", [] { return board().notesAfter("ended 1 ").size() == 2; });
  });
}

}  // namespace tests
