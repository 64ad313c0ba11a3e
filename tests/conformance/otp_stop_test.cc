// OTP's cases about stopping: of children, of templates' instances, of the whole supervisor; with processes.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "tests/conformance/otp.h"

namespace tests {

namespace {

using Clock = std::chrono::steady_clock;

Board& board() { return Board::shared(); }

}  // namespace

class Stops : public OtpSupervisor {
 protected:
  // Stops the supervisor under test, as its own supervisor does; how long that took.
  static Task<Clock::duration> stopSupervisor() {
    const auto before = Clock::now();
    co_await root().stop("s");
    co_return Clock::now() - before;
  }
};

TEST_F(Stops, sup_stop_infinity) {
  run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a", {.stop = Stop::infinity()}, Script::parse("stop=naps"));
        s.supervisor("deep", {.stop = Stop::infinity()})
            .child<PuppetActor>("x", {.stop = Stop::infinity()}, Script::parse("stop=naps"));
      },
      [](Self&, SupervisorRef) -> Task<> {
        co_await stopSupervisor();
        EXPECT_EQ(board().count("stopped /s/a"), 1u);
        EXPECT_EQ(board().count("stopped /s/deep/x"), 1u);
      });
}

TEST_F(Stops, sup_stop_timeout) {
  const Ended ended = run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a")
            .child<PuppetActor>("b", {.stop = Stop::within(2s)}, Script::parse("stop=hangs"))
            .child<PuppetActor>("c");
      },
      [](Self&, SupervisorRef s) -> Task<> {
        const auto pids = co_await pidsOf(s);
        EXPECT_GE(co_await stopSupervisor(), 2s);
        for (const auto& [id, pid] : pids) EXPECT_FALSE(isAlive(pid)) << id;
      });
  EXPECT_EQ(board().count("stopped /s/a"), 1u);
  EXPECT_EQ(board().count("stop /s/b"), 1u);
  EXPECT_EQ(board().count("stopped /s/b"), 0u);
  EXPECT_EQ(board().count("stopped /s/c"), 1u);
  expectContains(ended.err, "\"b\" did not stop in order: did not stop in time");
}

TEST_F(Stops, sup_stop_timeout_of_a_child_whose_loop_hangs) {
  run(
      {}, [](Group& s) { s.child<PuppetActor>("a", {.stop = Stop::within(150ms)}).child<PuppetActor>("b"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        auto a = co_await self.find<Puppet>("/s/a");
        co_await a.die("hang");
        co_await s.stop("a");
        EXPECT_EQ((co_await childrenOf(s)).at("a").state, ChildState::stopped);
        EXPECT_EQ((co_await childrenOf(s)).at("b").state, ChildState::running);
      });
}

TEST_F(Stops, sup_stop_timeout_dynamic) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {.stop = Stop::within(2s)}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        co_await s.start("t", "stop=fine");
        co_await s.start("t", "stop=hangs");
        co_await s.start("t", "stop=fine");
        const auto pids = co_await pidsOf(s);
        co_await stopSupervisor();
        for (const auto& [id, pid] : pids) EXPECT_FALSE(isAlive(pid)) << id;
        EXPECT_EQ(board().count("stopped /s/t:1"), 1u);
        EXPECT_EQ(board().count("stopped /s/t:2"), 0u);
        EXPECT_EQ(board().count("stopped /s/t:3"), 1u);
      });
}

TEST_F(Stops, simple_one_for_one_shutdown) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {.stop = Stop::within(3s)}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        for (int i = 0; i < 8; ++i) co_await s.start("t", i % 4 == 0 ? "stop=hangs" : "stop=naps");
        const auto pids = co_await pidsOf(s);
        EXPECT_EQ(pids.size(), 8u);
        const auto took = co_await stopSupervisor();
        for (const auto& [id, pid] : pids) EXPECT_FALSE(isAlive(pid)) << id;
        EXPECT_EQ(board().notesAfter("stopped /s/t").size(), 6u);
        EXPECT_GE(took, 3s);
        EXPECT_LT(took, 1min) << "all in parallel, under one limit";
        // In a row it would be a nap each: the last would have been asked when the first had stopped.
        const auto notes = board().notes();
        const auto firstEnd =
            std::find_if(notes.begin(), notes.end(), [](auto& note) { return note.starts_with("stopped"); });
        EXPECT_GT(
            std::count_if(notes.begin(), firstEnd, [](auto& note) { return note.starts_with("stop /s/t"); }),
            1);
      });
}

TEST_F(Stops, sup_stop_brutal_kill) {
  const Ended ended = run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a").child<PuppetActor>("b", {.stop = Stop::brutalKill()},
                                                     Script::parse("stop=hangs"));
      },
      [](Self&, SupervisorRef s) -> Task<> {
        const auto pids = co_await pidsOf(s);
        co_await stopSupervisor();
        for (const auto& [id, pid] : pids) EXPECT_FALSE(isAlive(pid)) << id;
      });
  EXPECT_EQ(board().count("stop /s/b"), 0u) << "killed without being asked";
  EXPECT_EQ(board().count("stopped /s/a"), 1u);
  EXPECT_EQ(ended.err.find("did not stop in order"), std::string::npos)
      << "that is what the spec says: no failure";
}

TEST_F(Stops, sup_stop_brutal_kill_dynamic) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {.stop = Stop::brutalKill()}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        for (int i = 0; i < 3; ++i) co_await s.start("t", "stop=hangs");
        co_await s.stop("t:2");
        EXPECT_EQ(co_await orderOf(s), "t:1 t:3");
        co_await stopSupervisor();
        EXPECT_TRUE(board().notesAfter("stop ").empty());
      });
}

TEST_F(Stops, sup_stop_race) {
  // All but the first end by themselves while the tree stops.
  run(
      {.maxRestarts = 3},
      [](Group& s) {
        s.child<PuppetActor>("a");
        for (int i = 0; i < 8; ++i) {
          s.child<PuppetActor>("b" + std::to_string(i),
                               {.restart = i % 2 == 0 ? Restart::permanent : Restart::transient},
                               Script::parse(i % 3 == 0 ? "stop=exits" : "stop=naps"));
        }
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        const auto pids = co_await pidsOf(s);
        self.spawn([](Self& self, std::map<std::string, int> pids) -> Task<> {
          co_await until(self, "the stop to begin", [] { return !board().notesAfter("stop ").empty(); });
          for (const auto& [id, pid] : pids) {
            if (id != "a") kill(pid, SIGTERM);
          }
        }(self, pids));
        co_await stopSupervisor();
        for (const auto& [id, pid] : pids) EXPECT_FALSE(isAlive(pid)) << id;
        EXPECT_EQ(board().count("stopped /s/a"), 1u);
        EXPECT_EQ(board().notesAfter("init ").size(), 9u) << "none was started again";
      });
}

TEST_F(Stops, sup_stop_non_shutdown_exit_dynamic) {
  const Ended ended = run(
      {.maxRestarts = 0}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        co_await s.start("t", "stop=exits");
        co_await s.start("t", "stop=throws");
        co_await s.start("t", "stop=fine");
        co_await stopSupervisor();
      });
  expectContains(ended.err, "\"t:1\" did not stop in order: exited with code 7");
  expectContains(ended.err, "\"t:2\" did not stop in order: exception: the stop is to fail");
  EXPECT_EQ(ended.err.find("gave up"), std::string::npos);
}

TEST_F(Stops, sup_stop_while_a_child_starts) {
  run(
      {}, [](Group& s) { s.child<PuppetActor>("a"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        self.spawn([](SupervisorRef s) -> Task<> {
          const Error error = co_await errorOf(s.startChild<PuppetActor>("slow", {}, "init=hangs"));
          EXPECT_EQ(error.kind(), ErrorKind::gone);
          board().note("told");
        }(s));
        co_await until(self, "its init", [] { return board().count("init /s/slow") == 1; });
        co_await s.stop("slow");
        co_await until(self, "the answer", [] { return board().count("told") == 1; });
        EXPECT_EQ((co_await childrenOf(s)).at("slow").state, ChildState::stopped) << "a stop keeps the spec";
      });
}

TEST_F(Stops, child_unlink) {
  // A child that cut its own tie is stopped without a hang: here it closes its control lane, and goes on.
  class Untied final : public troupe::Actor<Untied> {
   public:
    Task<> run() {
      co_await sleepFor(0ms);
      // What is a socket in here is the control lane.
      for (int fd = 3; fd < 64; ++fd) {
        if (const auto target = readLink(fd); target.starts_with("socket:")) ::close(fd);
      }
      Board::shared().note("untied");
      endAs("hang");
    }

   private:
    static std::string readLink(int fd) {
      char target[64] = {};
      const auto size =
          ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1);
      return size > 0 ? target : "";
    }
  };
  run(
      {},
      [](Group& s) {
        s.child<Untied>("a", {.restart = Restart::temporary, .stop = Stop::infinity()})
            .child<PuppetActor>("b");
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        const int pid = (co_await pidsOf(s)).at("a");
        co_await until(self, "its lane to be cut", [] { return board().count("untied") == 1; });
        co_await s.stop("a");
        EXPECT_FALSE(isAlive(pid));
      });
}

TEST_F(Stops, order_of_children) {
  run(
      {.strategy = Strategy::oneForAll, .maxRestarts = 5},
      [](Group& s) {
        for (const char* id : {"a", "b", "c", "d"}) s.child<PuppetActor>(id);
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        EXPECT_EQ(co_await orderOf(s), "a b c d");
        const auto before = co_await pidsOf(s);
        kill(before.at("b"), SIGKILL);
        co_await becomesRunning(self, s, "d", before.at("d"));
        EXPECT_EQ(co_await orderOf(s), "a b c d");
        co_await stopSupervisor();
      });
  const std::vector<std::string> expected = {"init /s/a", "init /s/b",    "init /s/c", "init /s/d",  //
                                             "stop /s/d", "stopped /s/d", "stop /s/c", "stopped /s/c",
                                             "stop /s/a", "stopped /s/a",                            //
                                             "init /s/a", "init /s/b",    "init /s/c", "init /s/d",  //
                                             "stop /s/d", "stopped /s/d", "stop /s/c", "stopped /s/c",
                                             "stop /s/b", "stopped /s/b", "stop /s/a", "stopped /s/a"};
  EXPECT_EQ(board().notes(), expected);
}

TEST_F(Stops, order_of_a_whole_tree) {
  run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a");
        s.supervisor("deep").child<PuppetActor>("x").child<PuppetActor>("y");
        s.child<PuppetActor>("z");
      },
      [](Self&, SupervisorRef) -> Task<> { co_await stopSupervisor(); });
  EXPECT_EQ(board().notesAfter("init /s/"), (std::vector<std::string>{"a", "deep/x", "deep/y", "z"}));
  EXPECT_EQ(board().notesAfter("stopped /s/"), (std::vector<std::string>{"z", "deep/y", "deep/x", "a"}));
}

}  // namespace tests
