// OTP's cases about the start of a supervisor and of its children, with processes.
#include "tests/conformance/otp.h"

namespace tests {

TEST_F(OtpSupervisor, sup_start_normal) {
  run(
      {}, [](Group&) {},
      [](Self&, SupervisorRef s) -> Task<> {
        EXPECT_EQ(co_await s.count(), ChildCounts{});
        EXPECT_EQ((co_await childrenOf(root())).at("s").state, ChildState::running);
        co_await root().stop("s");
        EXPECT_FALSE((co_await childrenOf(root())).contains("s")) << "it was temporary";
      });
}

TEST_F(OtpSupervisor, sup_start_ignore_init) {
  run(
      {}, [](Group&) {},
      [](Self& self, SupervisorRef s) -> Task<> {
        const auto started =
            co_await s.startChild<PuppetActor>("a", {.restart = Restart::temporary}, "init=ignores");
        EXPECT_TRUE(started.ignored);
        EXPECT_EQ(started.pid, 0);
        EXPECT_EQ(co_await s.count(), ChildCounts{});
        const Error error = co_await errorOf(self.find<Puppet>("/s/a"));
        EXPECT_EQ(error.kind(), ErrorKind::gone);
      });
}

TEST_F(OtpSupervisor, sup_start_ignore_child) {
  run(
      {},
      [](Group& s) { s.child<PuppetActor>("a", {}, Script::parse("init=ignores")).child<PuppetActor>("b"); },
      [](Self&, SupervisorRef s) -> Task<> {
        const auto children = co_await childrenOf(s);
        EXPECT_EQ(children.at("a").state, ChildState::stopped);
        EXPECT_EQ(children.at("a").pid, 0);
        EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 2, .active = 1, .supervisors = 0, .workers = 2}));
      });
}

TEST_F(OtpSupervisor, sup_start_ignore_temporary_child) {
  run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a", {.restart = Restart::temporary}, Script::parse("init=ignores"))
            .child<PuppetActor>("b");
      },
      [](Self&, SupervisorRef s) -> Task<> {
        EXPECT_EQ(co_await orderOf(s), "b");
        EXPECT_EQ(co_await s.count(), (ChildCounts{.specs = 1, .active = 1, .supervisors = 0, .workers = 1}));
      });
}

TEST_F(OtpSupervisor, sup_start_ignore_temporary_child_start_child) {
  run(
      {}, [](Group&) {},
      [](Self&, SupervisorRef s) -> Task<> {
        EXPECT_TRUE((co_await s.startChild<PuppetActor>("a", {.restart = Restart::temporary}, "init=ignores"))
                        .ignored);
        EXPECT_TRUE((co_await s.startChild<PuppetActor>("b", {}, "init=ignores")).ignored);
        EXPECT_EQ(co_await orderOf(s), "b") << "a permanent one that ignores keeps its spec";
      });
}

TEST_F(OtpSupervisor, sup_start_ignore_temporary_child_start_child_simple) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {.restart = Restart::temporary}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        EXPECT_TRUE((co_await s.start("t", "init=ignores")).ignored);
        EXPECT_EQ(co_await orderOf(s), "");
      });
}

TEST_F(OtpSupervisor, sup_start_ignore_permanent_child_start_child_simple) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        EXPECT_TRUE((co_await s.start("t", "init=ignores")).ignored);
        EXPECT_EQ(co_await orderOf(s), "") << "not kept, though it is permanent";
        EXPECT_FALSE((co_await s.start("t", "info=x")).ignored);
        EXPECT_EQ(co_await orderOf(s), "t:2");
      });
}

class StartFailure : public OtpSupervisor {
 protected:
  // The app of a supervisor with "a", then `b`, then "c": it never comes up.
  static Ended failWith(const ChildSpec& spec, const Script& b) {
    return runToEnd(
        [&](troupe::App& app) {
          app.supervisor("s")
              .child<PuppetActor>("a")
              .child<PuppetActor>("b", spec, b)
              .child<PuppetActor>("c");
        },
        [](Self&) -> Task<> {
          Board::shared().note("main");
          co_return;
        });
  }
  static void expectNothingElseStarted() {
    const Board& board = Board::shared();
    EXPECT_EQ(board.count("stopped /s/a"), 1u) << "what had been started is stopped";
    EXPECT_EQ(board.count("init /s/c"), 0u);
    EXPECT_EQ(board.count("main"), 0u);
  }
};

TEST_F(StartFailure, sup_start_fail) {
  const Ended ended = failWith({}, Script::parse("init=throws"));
  EXPECT_EQ(ended.code, 1);
  expectContains(ended.err, "exception: start 1 is to fail");
  expectNothingElseStarted();
}

TEST_F(StartFailure, sup_start_fail_in_the_constructor) {
  class Refusing final : public troupe::Actor<Refusing> {
   public:
    Refusing() { throw std::runtime_error("no such table"); }
  };
  const Ended ended =
      runToEnd([](troupe::App& app) { app.child<Refusing>("a"); }, [](Self&) -> Task<> { co_return; });
  EXPECT_EQ(ended.code, 1);
  expectContains(ended.err, "\"a\" failed to start: exception: no such table");
}

TEST_F(StartFailure, sup_start_fail_by_exit) {
  const Ended ended = failWith({}, Script::parse("init=exits"));
  EXPECT_EQ(ended.code, 1);
  expectContains(ended.err, "exited with code 7");
  expectNothingElseStarted();
}

TEST_F(StartFailure, sup_start_fail_not_ready) {
  const Ended ended = failWith({.readyWithin = 200ms}, Script::parse("init=hangs"));
  EXPECT_EQ(ended.code, 1);
  expectContains(ended.err, "did not become ready in time");
  expectNothingElseStarted();
}

TEST_F(OtpSupervisor, sup_start_child_returns_error) {
  run(
      {}, [](Group&) {},
      [](Self&, SupervisorRef s) -> Task<> {
        const Error error = co_await errorOf(s.startChild<PuppetActor>("a", {}, "init=throws"));
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
        EXPECT_EQ(error.exitReason().kind, ExitKind::exception);
        EXPECT_TRUE(error.exitReason().duringStart);
        expectContains(error.what(), "start 1 is to fail");
        EXPECT_EQ(co_await orderOf(s), "") << "the spec is dropped";
        // The name is free again.
        EXPECT_GT((co_await s.startChild<PuppetActor>("a", {})).pid, 0);

        const Error late =
            co_await errorOf(s.startChild<PuppetActor>("b", {.readyWithin = 100ms}, "init=hangs"));
        EXPECT_EQ(late.exitReason().kind, ExitKind::notReady);
        const Error exits = co_await errorOf(s.startChild<PuppetActor>("c", {}, "init=exits"));
        EXPECT_EQ(exits.exitReason().kind, ExitKind::exited);
        EXPECT_EQ(exits.exitReason().code, 7);
        const Error arguments = co_await errorOf(s.startChild<PuppetActor>("d", {}, 3.5, 1));
        EXPECT_EQ(arguments.exitReason().kind, ExitKind::exception);
      });
}

TEST_F(OtpSupervisor, sup_start_restart_child_returns_error) {
  run(
      {}, [](Group& s) { s.child<PuppetActor>("a", {}, Script::fails(2, 2)); },
      [](Self&, SupervisorRef s) -> Task<> {
        co_await s.stop("a");
        const Error error = co_await errorOf(s.restart("a"));
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
        expectContains(error.what(), "start 2 is to fail");
        EXPECT_EQ((co_await childrenOf(s)).at("a").state, ChildState::stopped) << "the spec is kept";
        EXPECT_GT((co_await s.restart("a")).pid, 0);
      });
}

TEST_F(OtpSupervisor, sup_start_child_returns_error_simple) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        const Error error = co_await errorOf(s.start("t", "init=throws"));
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
        EXPECT_EQ(co_await orderOf(s), "");
        const Error none = co_await errorOf(s.start("u"));
        EXPECT_EQ(none.kind(), ErrorKind::gone);
        expectContains(none.what(), "\"u\"");
      });
}

TEST_F(OtpSupervisor, sup_start_map) {
  run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a").child<PuppetActor>("b", {.restart = Restart::transient,
                                                           .stop = Stop::within(3s),
                                                           .readyWithin = 7s,
                                                           .name = "bee",
                                                           .mailboxBytes = 8192});
      },
      [](Self&, SupervisorRef s) -> Task<> {
        const ChildSpec plain = co_await s.spec("a");
        EXPECT_EQ(plain.restart, Restart::permanent);
        EXPECT_EQ(plain.stop, Stop::within(5s));
        EXPECT_EQ(plain.readyWithin, 30s);
        const ChildSpec full = co_await s.spec("b");
        EXPECT_EQ(full.restart, Restart::transient);
        EXPECT_EQ(full.stop, Stop::within(3s));
        EXPECT_EQ(full.readyWithin, 7s);
        EXPECT_EQ(full.name, "bee");
        EXPECT_EQ(full.mailboxBytes, 8192u);
        const Error error = co_await errorOf(s.spec("c"));
        EXPECT_EQ(error.kind(), ErrorKind::gone);
        expectContains(error.what(), "not found");
      });
}

TEST_F(OtpSupervisor, sup_start_map_simple) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {.restart = Restart::transient}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        const std::string id = (co_await s.start("t", "info=x")).id;
        EXPECT_EQ(id, "t:1");
        EXPECT_EQ((co_await s.spec(id)).restart, Restart::transient);
        EXPECT_EQ((co_await s.spec("t")).restart, Restart::transient);
      });
}

TEST_F(OtpSupervisor, sup_start_map_faulty_specs) {
  run(
      {}, [](Group&) {},
      [](Self&, SupervisorRef s) -> Task<> {
        const std::vector<std::pair<ChildSpec, std::string>> faulty = {
            {{.readyWithin = -1s}, "readyWithin"},
            {{.stop = Stop::within(-1s)}, "stop.limit"},
            {{.restart = Restart::temporary, .significant = true}, "significant"},
            {{.backOff = {.first = 2s, .limit = 1s}}, "backOff.limit"},
            {{.watchdog = -1s}, "watchdog"},
            {{.name = "with space"}, "name"},
        };
        for (const auto& [spec, field] : faulty) {
          const Error error = co_await errorOf(s.startChild<PuppetActor>("a", spec));
          EXPECT_EQ(error.kind(), ErrorKind::invalid) << field;
          expectContains(error.what(), field);
        }
        static const std::vector<std::string> kIds = {"", "a/b", "a:b", "..", "a b"};
        for (const std::string& id : kIds) {
          EXPECT_EQ((co_await errorOf(s.startChild<PuppetActor>(id, {}))).kind(), ErrorKind::invalid) << id;
        }
        EXPECT_EQ(co_await orderOf(s), "");
      });
}

TEST_F(OtpSupervisor, extra_return) {
  run(
      {},
      [](Group& s) {
        s.child<PuppetActor>("a", {}, Script::parse("info=extra")).each<PuppetActor>("t", {}, Script{});
      },
      [](Self&, SupervisorRef s) -> Task<> {
        EXPECT_EQ((co_await s.startChild<PuppetActor>("b", {}, "info=fruit")).info, "fruit");
        EXPECT_EQ((co_await s.start("t", "info=bread")).info, "bread");
        co_await s.stop("a");
        EXPECT_EQ((co_await s.restart("a")).info, "extra");
      });
}

TEST_F(OtpSupervisor, child_specs) {
  runApp(
      [](troupe::App& app) {
        Group& s = app.supervisor("s", {.autoShutdown = AutoShutdown::anySignificant});
        s.child<PuppetActor>("a", {.restart = Restart::transient, .significant = true});
        const auto refused = [&](const std::string& id, const ChildSpec& spec, const std::string& word) {
          try {
            s.child<PuppetActor>(id, spec);
            ADD_FAILURE() << id << " was accepted, in spite of " << word;
          } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid);
            expectContains(error.what(), word);
            expectContains(error.what(), "\"" + id + "\"");
          }
        };
        refused("a", {}, "already");
        refused("b", {.significant = true}, "significant");
        refused("c", {.readyWithin = 0s}, "readyWithin");
        refused("", {}, "id");
      },
      [](Self&) -> Task<> { EXPECT_EQ(co_await orderOf(SupervisorRef("/s")), "a"); });
}

TEST_F(OtpSupervisor, sup_flags) {
  runApp(
      [](troupe::App& app) {
        const auto refused = [&](const SupervisorSpec& spec, const std::string& word) {
          try {
            app.supervisor("s", spec);
            ADD_FAILURE() << "accepted, in spite of " << word;
          } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid);
            expectContains(error.what(), word);
          }
        };
        refused({.within = 0s}, "within");
        refused({.strategy = static_cast<Strategy>(9)}, "strategy");
        refused({.autoShutdown = static_cast<AutoShutdown>(9)}, "autoShutdown");
        refused({.restart = static_cast<Restart>(9)}, "restart");
        refused({.readyWithin = 0s}, "readyWithin");
      },
      [](Self&) -> Task<> { EXPECT_EQ(co_await orderOf(SupervisorRef("/")), "main"); });
}

TEST_F(StartFailure, faulty_application_shutdown) {
  const Ended ended = runToEnd(
      [](troupe::App& app) {
        app.child<PuppetActor>("top").supervisor("one").supervisor("two").child<PuppetActor>(
            "deep", {}, Script::parse("init=throws"));
      },
      [](Self&) -> Task<> { co_return; });
  EXPECT_EQ(ended.code, 1);
  expectContains(ended.err, "\"one\" failed to start");
  expectContains(ended.err, "start 1 is to fail");
  EXPECT_EQ(Board::shared().count("stopped /top"), 1u);
}

TEST_F(OtpSupervisor, already_started_outside_supervisor) {
  run(
      {}, [](Group& s) { s.child<PuppetActor>("a", {.name = "bee"}); },
      [](Self& self, SupervisorRef s) -> Task<> {
        const Error error = co_await errorOf(root().startChild<PuppetActor>("other", {.name = "bee"}));
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
        expectContains(error.what(), "the name \"bee\" is taken by /s/a");
        co_await s.stop("a");
        co_await s.remove("a");
        co_await root().startChild<PuppetActor>("other", {.name = "bee"});
        EXPECT_EQ((co_await self.find<Puppet>("bee")).path(), "/other");
      });
}

}  // namespace tests
