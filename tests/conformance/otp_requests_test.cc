// OTP's cases about what a running supervisor can be asked, with processes.
#include <chrono>
#include <csignal>

#include "tests/conformance/otp.h"

namespace tests {

namespace {

void expectError(const Error& error, ErrorKind kind, const std::string& words) {
  EXPECT_EQ(error.kind(), kind) << error.what();
  expectContains(error.what(), words);
}

}  // namespace

class Requests : public OtpSupervisor {};

TEST_F(Requests, child_adm) {
  run(
      {}, [](Group&) {},
      [](Self& self, SupervisorRef s) -> Task<> {
        const auto started = co_await s.startChild<PuppetActor>("a", {});
        EXPECT_EQ(started.path, "/s/a");
        EXPECT_EQ((co_await started.ref<Puppet>().who())->getPid(), started.pid);
        const Error again = co_await errorOf(s.startChild<PuppetActor>("a", {}));
        expectError(again, ErrorKind::invalid, "already started");
        const Error running = co_await errorOf(s.restart("a"));
        expectError(running, ErrorKind::invalid, "it is running");
        const Error inUse = co_await errorOf(s.remove("a"));
        expectError(inUse, ErrorKind::invalid, "it is running");

        co_await s.stop("a");
        EXPECT_FALSE(isAlive(started.pid));
        co_await s.stop("a");
        EXPECT_EQ((co_await s.count()).active, 0u);
        const Error present = co_await errorOf(s.startChild<PuppetActor>("a", {}));
        expectError(present, ErrorKind::invalid, "already present");
        const auto restarted = co_await s.restart("a");
        EXPECT_EQ(restarted.actor, started.actor) << "the same actor: references to it stay good";
        EXPECT_NE(restarted.pid, started.pid);
        co_await s.stop("a");
        co_await s.remove("a");
        EXPECT_EQ(co_await s.count(), ChildCounts{});

        const Error stop = co_await errorOf(s.stop("a"));
        expectError(stop, ErrorKind::gone, "not found");
        const Error restart = co_await errorOf(s.restart("a"));
        expectError(restart, ErrorKind::gone, "not found");
        const Error remove = co_await errorOf(s.remove("a"));
        expectError(remove, ErrorKind::gone, "not found");
        const Error nowhere = co_await errorOf(SupervisorRef("/nowhere").count());
        expectError(nowhere, ErrorKind::gone, "/nowhere");
        const Error noSupervisor = co_await errorOf(SupervisorRef("/main").count());
        expectError(noSupervisor, ErrorKind::invalid, "/main");
        const auto anew = co_await s.startChild<PuppetActor>("a", {});
        EXPECT_NE(anew.actor, started.actor) << "another actor, that only has the path of the first";
        const Error toTheFirst = co_await errorOf(started.ref<Puppet>().within(troupe::kForever).who());
        EXPECT_EQ(toTheFirst.kind(), ErrorKind::gone);
        const auto found = co_await self.findSupervisor("s");
        EXPECT_EQ(found.path(), "/s");
        const Error actor =
            co_await errorOf([](Self& self) -> Task<> { co_await self.findSupervisor("/s/a"); }(self));
        EXPECT_EQ(actor.kind(), ErrorKind::invalid);
      });
}

TEST_F(Requests, child_adm_simple) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        const auto first = co_await s.start("t", "info=1");
        EXPECT_EQ(first.id, "t:1");
        co_await s.start("t", "info=2");
        EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 1, .active = 2, .supervisors = 0, .workers = 2}));
        co_await s.stop("t:1");
        EXPECT_FALSE(isAlive(first.pid));
        co_await s.stop("t:1");
        EXPECT_EQ(co_await orderOf(s), "t:2");
        const Error never = co_await errorOf(s.stop("t:9"));
        expectError(never, ErrorKind::gone, "not found");
        const Error whole = co_await errorOf(s.stop("t"));
        expectError(whole, ErrorKind::invalid, "template");
        const Error restart = co_await errorOf(s.restart("t:2"));
        expectError(restart, ErrorKind::invalid, "instance of a template");
        const Error remove = co_await errorOf(s.remove("t:2"));
        EXPECT_EQ(remove.kind(), ErrorKind::invalid);
      });
}

TEST_F(Requests, who_would_wait_for_itself_is_refused) {
  class Suicidal final : public troupe::Actor<Suicidal> {
   public:
    Task<> run() {
      const Error stop = co_await errorOf(self().supervisor().stop(name()));
      EXPECT_EQ(stop.kind(), ErrorKind::invalid);
      const Error below = co_await errorOf(SupervisorRef("/").stop("s"));
      EXPECT_EQ(below.kind(), ErrorKind::invalid);
      Board::shared().note("refused");
      co_await sleepFor(24h);
    }
  };
  run(
      {}, [](Group& s) { s.child<Suicidal>("a"); },
      [](Self& self, SupervisorRef) -> Task<> {
        co_await until(self, "both answers", [] { return Board::shared().count("refused") == 1; });
      });
}

TEST_F(Requests, count_children) {
  const auto children = [](Group& s) {
    s.child<PuppetActor>("a").child<PuppetActor>("b");
    s.supervisor("deep");
    s.each<PuppetActor>("t", {}, Script{});
  };
  run({.maxRestarts = 3}, children, [](Self& self, SupervisorRef s) -> Task<> {
    EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 4, .active = 3, .supervisors = 1, .workers = 2}));
    const auto before = (co_await pidsOf(s)).at("a");
    kill(before, SIGKILL);
    co_await becomesRunning(self, s, "a", before);
    EXPECT_EQ((co_await s.count()).active, 3u);
    co_await s.stop("b");
    EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 4, .active = 2, .supervisors = 1, .workers = 2}));
    co_await s.start("t", "info=1");
    EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 4, .active = 3, .supervisors = 1, .workers = 3}));
  });
}

TEST_F(Requests, count_children_supervisor) {
  constexpr int kChildren = 1000;
  run(
      {.maxRestarts = 5},
      [](Group& s) { s.each<PuppetActor>("t", {.restart = Restart::temporary}, Script{}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        for (int i = 0; i < kChildren; ++i) co_await s.start("t");
        EXPECT_EQ(co_await s.count(),
                  (ChildCounts{.specs = 1, .active = kChildren, .supervisors = 0, .workers = kChildren}));
        auto pids = co_await pidsOf(s);
        EXPECT_EQ(pids.size(), std::size_t{kChildren});
        kill(pids["t:500"], SIGKILL);
        co_await becomesDead(self, pids["t:500"]);
        const auto counts = co_await s.count();
        EXPECT_EQ(counts.active, std::size_t{kChildren - 1});
        EXPECT_EQ((co_await pidsOf(s)).size(), std::size_t{kChildren - 1});
        co_await root().stop("s");
        for (const auto& [id, pid] : pids) EXPECT_FALSE(isAlive(pid)) << id;
      });
}

TEST_F(Requests, count_restarting_children) {
  run(
      {.maxRestarts = 1000},
      [](Group& s) {
        s.child<PuppetActor>("a", {.stop = Stop::brutalKill()}, Script::fails(2, 1000, Does::hangs))
            .child<PuppetActor>("b");
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await crash(self, "/s/a");
        co_await becomesState(self, s, "a", ChildState::restarting);
        EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 2, .active = 1, .supervisors = 0, .workers = 2}));
        co_await s.stop("a");
        EXPECT_EQ((co_await childrenOf(s)).at("a").state, ChildState::stopped);
        EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 2, .active = 1, .supervisors = 0, .workers = 2}));
      });
}

TEST_F(Requests, do_not_save_child_specs_for_temporary_children) {
  run(
      {}, [](Group& s) { s.child<PuppetActor>("a", {.restart = Restart::temporary}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await s.startChild<PuppetActor>("b", {.restart = Restart::temporary});
        co_await s.stop("a");
        co_await crash(self, "/s/b");
        co_await becomesOrder(self, s, "");
        const Error gone = co_await errorOf(s.spec("b"));
        EXPECT_EQ(gone.kind(), ErrorKind::gone);
        EXPECT_GT((co_await s.startChild<PuppetActor>("a", {})).pid, 0) << "the id is free again";
      });
}

TEST_F(Requests, simple_one_for_one_scale_many_temporary_children) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {.restart = Restart::temporary}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        const auto startAndStop = [s](int count) -> Task<std::chrono::nanoseconds> {
          const auto before = std::chrono::steady_clock::now();
          std::vector<std::string> ids;
          for (int i = 0; i < count; ++i) ids.push_back((co_await s.start("t")).id);
          for (const std::string& id : ids) co_await s.stop(id);
          co_return std::chrono::steady_clock::now() - before;
        };
        co_await startAndStop(20);
        const auto few = co_await startAndStop(40);
        const auto many = co_await startAndStop(400);
        EXPECT_LT(many, 60 * few + 1s) << "about linear is 10; squares are 100";
        EXPECT_EQ(co_await orderOf(s), "");
      });
}

TEST_F(Requests, scale_start_stop_many_children) {
  run(
      {}, [](Group&) {},
      [](Self&, SupervisorRef s) -> Task<> {
        const auto startAndStop = [s](int count) -> Task<std::chrono::nanoseconds> {
          const auto before = std::chrono::steady_clock::now();
          for (int i = 0; i < count; ++i) co_await s.startChild<PuppetActor>("a" + std::to_string(i), {});
          for (int i = 0; i < count; ++i) co_await s.stop("a" + std::to_string(i));
          for (int i = 0; i < count; ++i) co_await s.remove("a" + std::to_string(i));
          co_return std::chrono::steady_clock::now() - before;
        };
        co_await startAndStop(10);
        const auto few = co_await startAndStop(20);
        const auto many = co_await startAndStop(200);
        EXPECT_LT(many, 60 * few + 1s) << "about linear is 10; squares are 100";
        EXPECT_EQ(co_await s.count(), ChildCounts{});
      });
}

TEST_F(Requests, hanging_restart_loop) {
  const auto children = [](Group& s) {
    s.child<PuppetActor>("a", {.stop = Stop::brutalKill()}, Script::fails(2, 2, Does::hangs))
        .child<PuppetActor>("b");
  };
  for (const Strategy strategy : {Strategy::oneForOne, Strategy::restForOne, Strategy::oneForAll}) {
    Board::shared().clear();
    run({.strategy = strategy, .maxRestarts = 8}, children, [](Self& self, SupervisorRef s) -> Task<> {
      co_await crash(self, "/s/a");
      co_await until(self, "its second start", [] { return Board::shared().count("init /s/a") == 2; });
      const Error present = co_await errorOf(s.startChild<PuppetActor>("a", {}));
      expectError(present, ErrorKind::invalid, "already present; it is restarting");
      const Error restart = co_await errorOf(s.restart("a"));
      expectError(restart, ErrorKind::invalid, "it is restarting");
      const Error remove = co_await errorOf(s.remove("a"));
      expectError(remove, ErrorKind::invalid, "it is restarting");
      EXPECT_EQ((co_await childrenOf(s)).at("a").state, ChildState::restarting);
      co_await s.stop("a");
      EXPECT_EQ((co_await childrenOf(s)).at("a").state, ChildState::stopped);
      co_await s.restart("a");
      EXPECT_EQ(Board::shared().count("init /s/a"), 3u);
    });
  }
}

TEST_F(Requests, hanging_restart_loop_stopped_as_a_whole) {
  run(
      {.maxRestarts = 1'000'000},
      [](Group& s) { s.child<PuppetActor>("a", {}, Script::fails(2, 1'000'000)).child<PuppetActor>("b"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await crash(self, "/s/a");
        co_await until(self, "some restarts", [] { return Board::shared().count("init /s/a") > 5; });
        EXPECT_EQ((co_await childrenOf(s)).at("b").state, ChildState::running);
        co_await root().stop("s");
        EXPECT_EQ(Board::shared().count("stopped /s/b"), 1u);
      });
}

TEST_F(Requests, hanging_restart_loop_simple) {
  run(
      {.maxRestarts = 8},
      [](Group& s) {
        s.each<PuppetActor>("t", {.stop = Stop::brutalKill()}, Script::fails(2, 1000, Does::hangs));
      },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await s.start("t");
        co_await crash(self, "/s/t:1");
        co_await becomesState(self, s, "t:1", ChildState::restarting);
        EXPECT_EQ((co_await s.count()).active, 0u);
        co_await s.stop("t:1");
        EXPECT_EQ(co_await orderOf(s), "");
        EXPECT_EQ((co_await s.start("t")).id, "t:2");
      });
}

TEST_F(Requests, code_change) {
  run(
      {.maxRestarts = 0, .within = 1h}, [](Group& s) { s.child<PuppetActor>("a").child<PuppetActor>("b"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        const auto before = co_await pidsOf(s);
        const SupervisorSpec flags = {.strategy = Strategy::restForOne, .maxRestarts = 3, .within = 1h};
        co_await s.change(flags);
        const std::vector<troupe::NamedChildSpec> specs = {{"b", {.stop = Stop::within(2s)}},
                                                           {"a", {.stop = Stop::within(1s)}}};
        co_await s.change(specs);
        EXPECT_EQ(co_await pidsOf(s), before) << "running children keep their processes";
        EXPECT_EQ(co_await orderOf(s), "b a");
        EXPECT_EQ((co_await s.spec("a")).stop, Stop::within(1s));

        kill(before.at("b"), SIGKILL);
        co_await becomesRunning(self, s, "a", before.at("a"));
        const SupervisorSpec bad = {.within = 0s};
        const Error error = co_await errorOf(s.change(bad));
        expectError(error, ErrorKind::invalid, "within");
        const std::vector<troupe::NamedChildSpec> badSpecs = {{"a", {.stop = Stop::within(3s)}},
                                                              {"b", {.readyWithin = -1s}}};
        const Error child = co_await errorOf(s.change(badSpecs));
        expectError(child, ErrorKind::invalid, "readyWithin");
        EXPECT_EQ((co_await s.spec("a")).stop, Stop::within(1s)) << "a refused change changes nothing";
        const std::vector<troupe::NamedChildSpec> unknown = {{"c", {}}};
        const Error none = co_await errorOf(s.change(unknown));
        expectError(none, ErrorKind::invalid, "\"c\"");
      });
}

TEST_F(Requests, code_change_simple) {
  run(
      {.maxRestarts = 10}, [](Group& s) { s.each<PuppetActor>("t", {.stop = Stop::brutalKill()}, Script{}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        co_await s.start("t");
        const std::vector<troupe::NamedChildSpec> specs = {{"t", {.restart = Restart::temporary}}};
        co_await s.change(specs);
        EXPECT_EQ((co_await s.spec("t:1")).restart, Restart::temporary)
            << "also those that run go by the new spec";
        const SupervisorSpec flags = {.strategy = Strategy::oneForAll};
        const Error error = co_await errorOf(s.change(flags));
        EXPECT_EQ(error.kind(), ErrorKind::invalid);
        co_await crash(self, "/s/t:1");
        co_await becomesOrder(self, s, "");
      });
}

TEST_F(Requests, format_log) {
  const Ended ended = run(
      {.maxRestarts = 1, .within = 5s}, [](Group& s) { s.child<PuppetActor>("a"); },
      [](Self& self, SupervisorRef s) -> Task<> {
        const int before = (co_await pidsOf(s)).at("a");
        co_await crash(self, "/s/a", "segv");
        co_await becomesRunning(self, s, "a", before);
        co_await crash(self, "/s/a", "throw");
        co_await becomesGone(self, "/s");
      });
  expectContains(ended.err, "supervisor \"/s\": \"a\" ended: killed by SIGSEGV");
  expectContains(ended.err,
                 "supervisor \"/s\": restarting \"a\" (killed by SIGSEGV), restart 1 of at most 1 within 5s");
  expectContains(
      ended.err,
      "supervisor \"/s\": gave up after \"a\" (exception: as it was told): restart 2 of at most 1 within 5s");
}

}  // namespace tests
