// What a call must do: the behaviours that OTP's gen_server suite proves, and those of Troupe's own promises.
#include <chrono>
#include <csignal>
#include <ctime>

#include "tests/conformance/otp.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using Clock = std::chrono::steady_clock;
using troupe::kForever;
using troupe::Ref;

// Handles messages while others wait.
class Reentrant final : public QuietPuppet<Reentrant> {
 public:
  static constexpr bool kReentrant = true;

  Task<> nap(NapParams in, NapResults out) {
    const auto time = std::chrono::milliseconds(in.getMilliseconds());
    co_await sleepFor(time);
    out.setHandled(++handled_);
  }

 private:
  std::uint32_t handled_ = 0;
};

std::size_t countOf(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

class Calls : public OtpSupervisor {
 protected:
  static Task<bool> onlyMain() {
    const std::string order = co_await orderOf(root());
    co_return order == "b caller main";
  }
  using With = std::function<Task<>(Self&, Ref<Puppet>)>;
  // An app of two puppets, "a" and "b", and main, which acts with a reference to "a".
  static Ended with(const With& act) {
    return runApp(
        [](troupe::App& app) {
          app.supervise({.maxRestarts = 1000});
          app.child<PuppetActor>("a").child<PuppetActor>("b");
        },
        [act](Self& self) -> Task<> {
          auto a = co_await self.find<Puppet>("a");
          co_await act(self, a);
        });
  }
};

TEST_F(Calls, end_with_a_reply) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    for (int i = 0; i < 1000; ++i) {
      const std::string text = "number " + std::to_string(i);
      EXPECT_STREQ((co_await a.echo(text))->getText().cStr(), text.c_str());
    }
  });
}

TEST_F(Calls, that_time_out_raise_in_the_caller_only) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    const auto before = Clock::now();
    const Error error = co_await errorOf(a.within(100ms).nap(400));
    EXPECT_GE(Clock::now() - before, 100ms);
    EXPECT_EQ(error.kind(), ErrorKind::timedOut);
    expectContains(error.what(), "Puppet.nap of /a");
    expectContains(error.what(), "100 ms");
    // The late reply must not be taken for that to another call.
    EXPECT_STREQ((co_await a.echo("next"))->getText().cStr(), "next");
    EXPECT_EQ((co_await a.who())->getGeneration(), 1u) << "the callee knows nothing of it";
    EXPECT_EQ((co_await a.nap(0))->getHandled(), 4u) << "it handled that call all the same";
  });
}

TEST_F(Calls, whose_callee_crashes_end_at_once_with_the_true_cause) {
  struct Crash {
    const char* how;
    ExitKind kind;
    int code;
    const char* text;
  };
  static constexpr Crash kCrashes[] = {
      {"segv", ExitKind::signaled, SIGSEGV, "SIGSEGV"},
      {"abort", ExitKind::signaled, SIGABRT, "SIGABRT"},
      {"kill", ExitKind::signaled, SIGKILL, "SIGKILL"},
      {"throw", ExitKind::exception, 0, "as it was told"},
      {"exit 3", ExitKind::exited, 3, "3"},
  };
  for (const Crash& crash : kCrashes) {
    Board::shared().clear();
    const Ended ended = with([crash](Self&, Ref<Puppet> a) -> Task<> {
      const auto before = Clock::now();
      const Error error = co_await errorOf(a.within(kForever).crash(crash.how));
      EXPECT_LT(Clock::now() - before, 1min);
      EXPECT_EQ(error.kind(), ErrorKind::crashed);
      EXPECT_EQ(error.exitReason().kind, crash.kind) << error.exitReason().toString();
      EXPECT_EQ(error.exitReason().code, crash.code);
      expectContains(error.what(), "Puppet.crash of /a");
      expectContains(error.what(), crash.text);
      EXPECT_EQ((co_await a.who())->getGeneration(), 2u) << "exactly one crash";
    });
    EXPECT_EQ(countOf(ended.err, "\"a\" ended"), 1u) << "exactly one report: " << ended.err;
  }
}

TEST_F(Calls, behind_the_one_that_crashed_are_answered_by_the_next_process) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    std::vector<troupe::Call<Puppet::EchoResults>> waiting;
    auto crashing = a.within(kForever).crash("kill");
    for (int i = 0; i < 100; ++i) waiting.push_back(a.within(5min).echo(std::to_string(i)));
    const Error error = co_await errorOf(std::move(crashing));
    EXPECT_EQ(error.kind(), ErrorKind::crashed);
    for (int i = 0; i < 100; ++i) {
      const auto reply = co_await waiting[static_cast<std::size_t>(i)];
      EXPECT_EQ(std::string(reply->getText().cStr()), std::to_string(i));
    }
    static_cast<void>(self);
  });
}

TEST_F(Calls, to_nobody_fail_at_once_even_without_a_deadline) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    const Ref<Puppet> null;
    const Error nobody =
        co_await errorOf([](Ref<Puppet> null) -> Task<> { co_await null.within(kForever).who(); }(null));
    EXPECT_EQ(nobody.kind(), ErrorKind::invalid);
    expectContains(nobody.what(), "nobody");
    const Ref<Puppet> never(troupe::RefBase(4711, "/never"));
    const Error none = co_await errorOf(never.within(kForever).who());
    EXPECT_EQ(none.kind(), ErrorKind::gone);

    co_await root().startChild<PuppetActor>("short", {.restart = Restart::temporary});
    auto gone = co_await self.find<Puppet>("short");
    co_await root().stop("short");
    const Error dead = co_await errorOf(gone.within(kForever).who());
    EXPECT_EQ(dead.kind(), ErrorKind::gone);
    EXPECT_EQ(dead.exitReason().kind, ExitKind::shutdown);
    expectContains(dead.what(), "Puppet.who of /short");
    const Error stranger =
        co_await errorOf([](Self& self) -> Task<> { co_await self.find<Stranger>("a"); }(self));
    EXPECT_EQ(stranger.kind(), ErrorKind::invalid);
    EXPECT_EQ((co_await a.who())->getGeneration(), 1u);
  });
}

TEST_F(Calls, that_wait_when_their_callee_goes_for_good_fail_at_once) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    static_cast<void>(a);
    co_await root().startChild<PuppetActor>("short", {.restart = Restart::temporary});
    auto gone = co_await self.find<Puppet>("short");
    auto first = gone.within(kForever).crash("exit 3");
    auto second = gone.within(kForever).echo("never read");
    const Error inHand = co_await errorOf(std::move(first));
    EXPECT_EQ(inHand.kind(), ErrorKind::crashed);
    const Error waiting = co_await errorOf(std::move(second));
    EXPECT_EQ(waiting.kind(), ErrorKind::gone);
    EXPECT_EQ(waiting.exitReason().kind, ExitKind::exited);
    EXPECT_EQ(waiting.exitReason().code, 3);
  });
}

TEST_F(Calls, to_oneself_are_an_error) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    const auto reply = co_await a.callSelf();
    expectContains(reply->getError().cStr(), "invalid");
    expectContains(reply->getError().cStr(), "itself");
  });
}

TEST_F(Calls, and_casts_to_the_dead_never_fail_a_cast) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    co_await root().startChild<PuppetActor>("short", {.restart = Restart::temporary});
    auto gone = co_await self.find<Puppet>("short");
    co_await root().stop("short");
    for (int i = 0; i < 1000; ++i) co_await gone.note("lost");
    gone.note("not awaited");
    const Ref<Puppet> never(troupe::RefBase(4711, "/never"));
    for (int i = 0; i < 1000; ++i) co_await never.note("lost");
    co_await a.die("kill");
    for (int i = 0; i < 10; ++i) co_await a.note("kept");
    EXPECT_EQ((co_await a.within(5min).who())->getGeneration(), 2u);
    EXPECT_EQ(Board::shared().count("kept"), 10u);
    EXPECT_EQ(Board::shared().count("lost"), 0u);
  });
}

TEST_F(Calls, in_flight_may_be_answered_in_any_order) {
  runApp([](troupe::App& app) { app.child<Reentrant>("r"); },
         [](Self& self) -> Task<> {
           auto r = (co_await self.find<Puppet>("r")).within(kForever);
           std::vector<troupe::Call<Puppet::NapResults>> calls;
           for (std::uint32_t i = 0; i < 8; ++i) calls.push_back(r.nap(500 * (8 - i)));
           std::uint32_t last = 9;
           for (auto& call : calls) {
             const auto handled = (co_await call)->getHandled();
             EXPECT_LT(handled, last) << "the first one called naps longest";
             last = handled;
           }
         });
}

TEST_F(Calls, have_absolute_deadlines) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    // The time before it is awaited counts.
    auto call = a.within(5s).nap(60'000);
    co_await self.sleepFor(5100ms);
    const auto before = Clock::now();
    const Error error = co_await errorOf(std::move(call));
    EXPECT_EQ(error.kind(), ErrorKind::timedOut);
    EXPECT_LT(Clock::now() - before, 4500ms);
  });
}

TEST_F(Calls, in_a_cycle_end_by_their_deadlines) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    auto b = co_await self.find<Puppet>("b");
    // a waits for b, and b for a: neither takes the other's call before it gives up. Once one has, the other may be served.
    auto busy = a.within(5min).nap(300);
    auto alsoBusy = b.within(5min).nap(300);
    auto first = a.within(5min).relay(b, "ping", 300);
    auto second = b.within(5min).relay(a, "pong", 300);
    co_await busy;
    co_await alsoBusy;
    int crashed = 0;
    for (auto* const each : {&first, &second}) {
      try {
        co_await *each;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::crashed) << "an error that leaves a handler is a crash";
        expectContains(error.what(), "no reply within 300 ms");
        ++crashed;
      }
    }
    EXPECT_GE(crashed, 1);
    EXPECT_STREQ((co_await a.within(5min).echo("alive"))->getText().cStr(), "alive");
    EXPECT_STREQ((co_await b.within(5min).echo("alive"))->getText().cStr(), "alive");
  });
}

// OTP's 500,000 messages in the caller's own queue: here a mailbox holds few packets, and the rest waits in its many senders.
TEST_F(Calls, are_not_slowed_by_what_waits_in_the_callers_own_mailbox) {
  class Flood final : public troupe::Actor<Flood> {
   public:
    Task<> run() {
      auto caller = co_await find<Puppet>("caller");
      for (int i = 0; i < 100'000; ++i) co_await caller.note("");
    }
  };
  class Caller final : public QuietPuppet<Caller> {
   public:
    void note(NoteParams) { ++notes_; }
    // Begins when its mailbox and those of its senders are full, and calls.
    Task<> nap(NapParams in, NapResults out) {
      auto b = co_await find<Puppet>("b");
      co_await sleepFor(200ms);
      const auto before = notes_;
      const auto start = std::clock();
      for (std::uint32_t i = 0; i < in.getMilliseconds(); ++i) co_await b.within(kForever).echo("x");
      EXPECT_EQ(notes_, before) << "one message at a time";
      out.setHandled(static_cast<std::uint32_t>((std::clock() - start) * 1'000'000 / CLOCKS_PER_SEC));
    }

   private:
    std::uint64_t notes_ = 0;
  };
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("b").child<Caller>("caller");
        for (int i = 0; i < 4; ++i)
          app.child<Flood>("flood" + std::to_string(i), {.restart = Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto caller = (co_await self.find<Puppet>("caller")).within(kForever);
        const auto full = (co_await caller.nap(300))->getHandled();
        co_await until(self, "all to be taken", std::function<Task<bool>()>([] { return onlyMain(); }));
        const auto empty = (co_await caller.nap(300))->getHandled();
        EXPECT_LT(full, 20 * empty + 200'000) << "microseconds of its processor time for 300 calls";
      });
}

TEST_F(Calls, a_stop_that_times_out_leaves_the_asker_free_and_goes_on) {
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("a", {.stop = Stop::within(3s)}, Script::parse("stop=hangs"));
      },
      [](Self& self) -> Task<> {
        const int pid = (co_await pidsOf(root())).at("a");
        const Error error = co_await errorOf(root().within(50ms).stop("a"));
        EXPECT_EQ(error.kind(), ErrorKind::timedOut);
        expectContains(error.what(), "stopping the child a of /");
        EXPECT_TRUE(isAlive(pid));
        co_await becomesState(self, root(), "a", ChildState::stopped);
      });
}

TEST_F(Calls, a_stop_with_a_reason_is_told_with_it) {
  with([](Self& self, Ref<Puppet> a) -> Task<> {
    auto monitor = self.monitor(a);
    co_await a.leave(static_cast<std::uint16_t>(ExitKind::exited), 5, "tired");
    const auto down = co_await monitor.next();
    EXPECT_EQ(down.reason.kind, ExitKind::exited);
    EXPECT_EQ(down.reason.code, 5);
    EXPECT_EQ(down.reason.text, "tired");
  });
}

TEST_F(Calls, a_name_is_free_again_when_a_failed_start_returns) {
  with([](Self& self, Ref<Puppet>) -> Task<> {
    for (int i = 0; i < 5; ++i) {
      const Error error =
          co_await errorOf(root().startChild<PuppetActor>("n", {.name = "en"}, "init=throws"));
      EXPECT_EQ(error.kind(), ErrorKind::crashed);
      const Error gone =
          co_await errorOf([](Self& self) -> Task<> { co_await self.find<Puppet>("en"); }(self));
      EXPECT_EQ(gone.kind(), ErrorKind::gone);
    }
    co_await root().startChild<PuppetActor>("m", {.name = "en"});
    EXPECT_EQ((co_await self.find<Puppet>("en")).path(), "/m");
  });
}

TEST_F(Calls, that_are_refused_bring_the_text_and_cost_nothing) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    const Error error = co_await errorOf(a.deny("insufficient funds"));
    EXPECT_EQ(error.kind(), ErrorKind::refused);
    EXPECT_EQ(error.message(), "Puppet.deny of /a refused: insufficient funds");
    EXPECT_EQ((co_await a.who())->getGeneration(), 1u);
  });
}

TEST_F(Calls, that_are_too_large_are_invalid_and_name_the_limit) {
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("a", {.maxMessageBytes = 0});
        app.child<PuppetActor>("b", {.maxMessageBytes = 100'000});
      },
      [](Self& self) -> Task<> {
        auto a = (co_await self.find<Puppet>("a")).within(5min);
        auto b = (co_await self.find<Puppet>("b")).within(5min);
        const Error request = co_await errorOf(
            [](Ref<Puppet> a) -> Task<> { co_await a.echo(std::string(70'000'000, 'x')); }(a));
        EXPECT_EQ(request.kind(), ErrorKind::invalid);
        expectContains(request.what(), "67108864");
        expectContains(request.what(), "Puppet.echo of /a");
        const Error cast = co_await errorOf(
            [](Ref<Puppet> a) -> Task<> { co_await a.note(std::string(70'000'000, 'x')); }(a));
        EXPECT_EQ(cast.kind(), ErrorKind::invalid);
        const Error reply = co_await errorOf(a.grow(5000));
        EXPECT_EQ(reply.kind(), ErrorKind::invalid);
        expectContains(reply.what(), "4064");
        expectContains((co_await errorOf(b.grow(110'000))).what(), "100000");
        EXPECT_EQ((co_await a.grow(3900))->getText().size(), 3900u);
        EXPECT_EQ((co_await b.grow(90'000))->getText().size(), 90'000u);
        EXPECT_EQ((co_await a.who())->getGeneration(), 1u);
      });
}

TEST_F(Calls, of_a_method_that_the_callee_does_not_know_are_invalid) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    const Ref<Stranger> stranger{troupe::RefBase(a)};
    const Error error = co_await errorOf(stranger.knock());
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    expectContains(error.what(), "/a serves no method 0 of interface");
    EXPECT_EQ((co_await a.who())->getGeneration(), 1u);
  });
}

TEST_F(Calls, that_have_expired_are_not_handled) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    auto slow = a.within(5min).nap(2000);
    const Error error = co_await errorOf(a.within(50ms).crash("kill"));
    EXPECT_EQ(error.kind(), ErrorKind::timedOut);
    co_await slow;
    EXPECT_EQ((co_await a.who())->getGeneration(), 1u)
        << "nobody waits for it any more: it does not get to do harm";
  });
}

TEST_F(Calls, that_are_abandoned_disturb_nobody) {
  with([](Self&, Ref<Puppet> a) -> Task<> {
    for (int i = 0; i < 100; ++i) {
      auto abandoned = a.echo("abandoned " + std::to_string(i));
      static_cast<void>(abandoned);
    }
    EXPECT_STREQ((co_await a.echo("mine"))->getText().cStr(), "mine");
  });
}

}  // namespace tests
