// What Python's multiprocessing is known to fail at, and what its own tests prove of it, here. A number is that of the issue in which CPython
// was found to hang, or to lose something, in that place; docs/from-multiprocessing.md lists them all.
#include "tests/conformance/multiprocessing.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "kept.capnp.h"

namespace tests {

class Multiprocessing : public AppTest {};

// --- Pools -------------------------------------------------------------------------------------------------

TEST_F(Multiprocessing, a_pool_whose_workers_die_ends_each_task_66587) {
  runApp([](troupe::App& app) { app.pool<Fragile>("workers", {.size = 2}); },
         [](Self& self) -> Task<> {
           const auto workers = co_await self.find<Puppet>("workers");
           auto inputs = numbers(100);
           for (int i = 0; i < 30; ++i) inputs.insert(inputs.begin() + 3 * i, "segv");
           EXPECT_EQ(co_await echoed(workers, inputs), 100U);
         });
}

TEST_F(Multiprocessing, a_task_ends_however_its_worker_does_96062) {
  runApp([](troupe::App& app) { app.pool<PuppetActor>("workers", {.size = 2}); },
         [](Self& self) -> Task<> {
           const auto workers = (co_await self.find<Puppet>("workers")).within(5min);
           const std::map<std::string, ExitKind> ways{{"kill", ExitKind::signaled},
                                                      {"segv", ExitKind::signaled},
                                                      {"abort", ExitKind::signaled},
                                                      {"exit 3", ExitKind::exited},
                                                      {"throw", ExitKind::exception}};
           for (const auto& [how, kind] : ways) {
             const Error error = co_await errorOf(workers.crash(how));
             EXPECT_EQ(error.kind(), ErrorKind::crashed) << how;
             EXPECT_EQ(error.exitReason().kind, kind) << how;
           }
           EXPECT_EQ(co_await textOf(workers.echo("on")), "on");
         });
}

TEST_F(Multiprocessing, a_pool_recovers_when_all_its_workers_are_killed_82265) {
  runApp([](troupe::App& app) { app.pool<Fragile>("workers", {.size = 3, .maxRestarts = 1000}); },
         [](Self& self) -> Task<> {
           const auto workers = co_await self.find<Puppet>("workers");
           for (int round = 0; round < 3; ++round) {
             const auto pids = co_await pidsOf(SupervisorRef("/workers"));
             for (const auto& [id, pid] : pids) kill(pid, SIGKILL);
             EXPECT_EQ(co_await echoed(workers, numbers(50)), 50U);
           }
         });
}

// There the executor waits for a thread that writes to those who are no more.
TEST_F(Multiprocessing, tasks_with_much_data_end_when_a_worker_dies_meanwhile_94777) {
  runApp([](troupe::App& app) { app.pool<Fragile>("workers", {.size = 2}); },
         [](Self& self) -> Task<> {
           const auto workers = co_await self.find<Puppet>("workers");
           std::vector<std::string> inputs;
           for (std::size_t i = 0; i < 10; ++i) inputs.push_back(patternOf((std::size_t{4} << 20) + i));
           inputs[1].replace(0, 4, "segv");
           EXPECT_EQ(co_await echoed(workers, inputs), 9U);
         });
}

// --- Queues ------------------------------------------------------------------------------------------------

// There the dead keep the lock of the pipe.
TEST_F(Multiprocessing, a_queue_goes_on_when_one_that_gets_is_killed_87971) {
  runApp(
      [](troupe::App& app) {
        app.queue<capnp::Text>("queue");
        app.child<Getter>("getter", kOnce);
      },
      [](Self& self) -> Task<> {
        auto queue = co_await self.find<Texts>("queue");
        co_await becomes(self, queue, "the get waits",
                         [](const QueueSize& size) { return size.getting == 1; });
        co_await killOne(self, "getter");
        co_await queue.put("a");
        const auto item = co_await queue.take();
        EXPECT_STREQ(item->cStr(), "a");
      });
}

TEST_F(Multiprocessing, a_queue_goes_on_when_one_that_puts_is_killed_87971) {
  runApp(
      [](troupe::App& app) {
        app.queue<capnp::Text>("queue", {.capacity = 2});
        app.child<Putter>("putter", kOnce);
      },
      [](Self& self) -> Task<> {
        auto queue = co_await self.find<Texts>("queue");
        co_await becomes(self, queue, "a put waits", [](const QueueSize& size) { return size.putting == 1; });
        co_await killOne(self, "putter");
        for (const char* text : {"of the dead", "of the dead"}) {
          const auto item = co_await queue.take();
          EXPECT_STREQ(item->cStr(), text);
        }
        // The put that waited was of the dead: it may have come to be, in whole, or not.
        co_await queue.put("mine");
        for (std::string text; text != "mine";) {
          const auto item = co_await queue.take();
          text = item->cStr();
        }
      });
}

// There a thread of the putter has it still.
TEST_F(Multiprocessing, what_was_put_is_there_though_its_putter_is_killed_at_once_84376) {
  runApp(
      [](troupe::App& app) {
        app.queue<capnp::Text>("queue");
        app.child<Hasty>("hasty", kOnce);
      },
      [](Self& self) -> Task<> {
        auto queue = co_await self.find<Texts>("queue");
        for (const std::string& text : numbers(100)) {
          const auto item = co_await queue.take();
          EXPECT_EQ(text, item->cStr());
        }
      });
}

// There it is lost without a word, and so was all that came after it.
TEST_F(Multiprocessing, what_can_not_be_sent_is_an_error_of_its_put_and_of_no_other_74599) {
  runApp([](troupe::App& app) { app.queue<kept::Journal>("queue", {.mostBytes = 1 << 20}); },
         [](Self& self) -> Task<> {
           auto queue = co_await self.find<Queue<kept::Journal>>("queue");
           using Journal = kept::Journal::Builder;
           const auto mine = [](int sum) { return [sum](Journal journal) { journal.setSum(sum); }; };
           co_await queue.put(mine(1));
           const auto tooLarge = [](Journal journal) { journal.initLines(1).init(0, 2 << 20); };
           EXPECT_EQ((co_await errorOf(queue.put(tooLarge))).kind(), ErrorKind::refused);
           co_await queue.put(mine(2));
           const auto broken = [](Journal) { throw std::runtime_error("the pen broke"); };
           std::string caught;
           try {
             co_await queue.put(broken);
           } catch (const std::runtime_error& error) {
             caught = error.what();
           }
           EXPECT_EQ(caught, "the pen broke");
           co_await queue.put(mine(3));
           for (int sum = 1; sum <= 3; ++sum) {
             const auto journal = co_await queue.take();
             EXPECT_EQ(journal->getSum(), sum);
           }
         });
}

// --- Locks, processes --------------------------------------------------------------------------------------

TEST_F(Multiprocessing, a_lock_whose_holder_is_killed_is_free_and_says_so_88304) {
  runApp(
      [](troupe::App& app) {
        app.add<Mutex>("mutex");
        app.child<Holder>("holder", kOnce);
      },
      [](Self& self) -> Task<> {
        auto mutex = co_await self.find<Mutex>("mutex");
        co_await isNoted(self, "held");
        co_await killOne(self, "holder");
        const auto held = co_await mutex.lock();
        EXPECT_TRUE(held.abandoned());
      });
}

TEST_F(Multiprocessing, none_is_left_when_the_parent_is_ended_80180) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    board().clear();
    AppRun run([](troupe::App& app) {
      app.child<PuppetActor>("a");
      app.pool<PuppetActor>("workers", {.size = 2});
      app.supervisor("group").supervisor("deep").child<PuppetActor>("b");
      app.ready([] { board().note("ready"); });
    });
    run.waitUntil("all to be there", [] { return board().count("ready") == 1; });
    run.signal(signal);
    // It also looks for what was left.
    EXPECT_EQ(run.wait().code, signal == SIGTERM ? 0 : 128 + SIGKILL);
  }
}

TEST_F(Multiprocessing, a_hundred_processes_are_there_at_once) {
  runApp(
      [](troupe::App& app) {
        app.queue<capnp::Text>("queue");
        app.add<troupe::Event>("all");
        app.each<Guest>("guest", kOnce);
      },
      [](Self& self) -> Task<> {
        auto queue = co_await self.find<Texts>("queue");
        for (int i = 0; i < 100; ++i) co_await SupervisorRef("/").start("guest");
        std::set<std::string> guests;
        while (guests.size() < 100) {
          const auto guest = co_await queue.take();
          EXPECT_TRUE(guests.insert(guest->cStr()).second) << guest->cStr();
        }
        EXPECT_EQ((co_await SupervisorRef("/").count()).active, 103U);
        co_await (co_await self.find<troupe::Event>("all")).set();
        const std::function<Task<bool>()> haveLeft = []() -> Task<bool> {
          const auto counts = co_await SupervisorRef("/").count();
          co_return counts.active == 3;
        };
        co_await until(self, "all have left", haveLeft);
      });
}

// --- Behaviours --------------------------------------------------------------------------------------------

TEST_F(Multiprocessing, a_workers_broken_standard_streams_do_not_matter) {
  runApp([](troupe::App& app) { app.pool<Mute>("workers", {.size = 2}); },
         [](Self& self) -> Task<> {
           const auto workers = (co_await self.find<Puppet>("workers")).within(5min);
           EXPECT_EQ(co_await echoed(workers, numbers(50)), 50U);
           EXPECT_EQ((co_await errorOf(workers.crash("segv"))).kind(), ErrorKind::crashed);
           EXPECT_EQ(co_await echoed(workers, numbers(50)), 50U);
         });
}

TEST_F(Multiprocessing, messages_of_any_size_stay_whole_and_apart) {
  runApp([](troupe::App& app) { app.pool<Fragile>("workers", {.size = 3}); },
         [](Self& self) -> Task<> {
           const auto workers = co_await self.find<Puppet>("workers");
           std::vector<std::string> inputs;
           for (const std::size_t around : {2, 8, 64, 512, 3900, 4000, 4096, 8192, 65'536, 1 << 20, 4 << 20})
             for (std::size_t bytes = around - 2; bytes < around + 3; ++bytes)
               inputs.push_back(patternOf(bytes));
           for (int round = 0; round < 3; ++round) {
             EXPECT_EQ(co_await echoed(workers, inputs), inputs.size());
             std::ranges::reverse(inputs);
           }
         });
}

// In the root, in main and in the workers, while they start, talk, wait, crash and stop.
TEST_F(Multiprocessing, interrupted_system_calls_are_gone_on_with) {
  runApp(
      [](troupe::App& app) {
        app.pool<Stormy>("workers", {.size = 2});
        app.queue<capnp::Text>("queue", {.capacity = 3});
        app.each<Stormy>("another", kOnce);
      },
      [](Self& self) -> Task<> {
        raiseStorm();
        const auto workers = (co_await self.find<Puppet>("workers")).within(5min);
        auto queue = co_await self.find<Texts>("queue");
        for (int round = 0; round < 5; ++round) {
          auto inputs = numbers(100);
          inputs.push_back(patternOf(1 << 20));
          EXPECT_EQ(co_await echoed(workers, inputs), 101U);
          EXPECT_EQ((co_await errorOf(workers.crash("kill"))).kind(), ErrorKind::crashed);
          const auto another = co_await SupervisorRef("/").start("another");
          EXPECT_EQ(co_await textOf(another.ref<Puppet>().within(5min).echo("hello")), "hello");
          co_await SupervisorRef("/").stop(another.id);
          EXPECT_EQ((co_await errorOf(queue.within(20ms).get())).kind(), ErrorKind::timedOut);
          co_await queue.put("a");
          const auto item = co_await queue.take();
          EXPECT_STREQ(item->cStr(), "a");
        }
      },
      &raiseStorm);
}

// What has no name goes with the last who has it: nobody needs to have the time to remove it.
TEST_F(Multiprocessing, shared_memory_has_no_name_that_could_outlive_a_kill) {
  AppRun run([](troupe::App& app) {
    app.queue<capnp::Text>("queue");
    app.pool<Fragile>("workers", {.size = 2});
    app.main([](Self& self) -> Task<> {
      const auto workers = co_await self.find<Puppet>("workers");
      auto queue = co_await self.find<Texts>("queue");
      co_await queue.put(patternOf(1 << 20));
      const std::vector<std::string> large{patternOf(1 << 20)};
      EXPECT_EQ(co_await echoed(workers, large), 1U);
      board().note("has sent");
      co_await self.sleepFor(troupe::kForever);
    });
  });
  run.waitUntil("all to have shared memory", [] { return board().count("has sent") == 1; });
  unsigned shared = 0;
  for (const auto& [path, pid] : run.processes()) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find(" rw-s ") == std::string::npos) continue;
      ++shared;
      const bool nameless =
          line.find("/memfd:") != std::string::npos || line.ends_with("/dev/zero (deleted)");
      EXPECT_TRUE(nameless) << path << ": " << line;
    }
  }
  EXPECT_GT(shared, 10U);
  run.signal(SIGKILL);
  EXPECT_EQ(run.wait().code, 128 + SIGKILL);
}

}  // namespace tests
