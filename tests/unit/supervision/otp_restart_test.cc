// OTP's supervisor suite, part by part, under its names: strategies, restart types, escalation.
#include "simulator.h"

#include <gtest/gtest.h>

namespace troupe::supervision::test {
namespace {

using Log = std::vector<std::string>;

std::vector<ChildDeclaration> abc() { return {child("a"), child("b"), child("c")}; }

std::map<std::string, std::uint64_t> pids(const Simulator& sim) {
  return {{"a", sim.pid("a")}, {"b", sim.pid("b")}, {"c", sim.pid("c")}};
}

ExitKind finishKind(const Simulator& sim) {
  EXPECT_TRUE(sim.finished());
  return sim.finished() ? sim.finished()->kind : ExitKind::normal;
}

TEST(OtpSupervisor, multiple_restarts) {
  Simulator sim({.strategy = Strategy::oneForOne, .maxRestarts = 1, .within = 1s}, {child("a")});
  sim.begin();
  for (int i = 0; i < 20; ++i) {
    sim.end("a", crash());
    EXPECT_NE(sim.pid("a"), 0U);
    sim.advance(1001ms);
  }
  EXPECT_FALSE(sim.finished());
}

TEST(OtpSupervisor, one_for_one) {
  Simulator sim({.strategy = Strategy::oneForOne, .maxRestarts = 2, .within = 3600s}, abc());
  sim.begin();
  auto before = pids(sim);

  sim.end("b", crash());

  EXPECT_EQ(sim.pid("a"), before["a"]);
  EXPECT_NE(sim.pid("b"), before["b"]);
  EXPECT_NE(sim.pid("b"), 0U);
  EXPECT_EQ(sim.pid("c"), before["c"]);

  sim.end("a", crash());
  EXPECT_FALSE(sim.finished());
  sim.end("a", crash());
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached) << "the crash over the limit";
  EXPECT_FALSE(sim.finished()->clean()) << "so that a transient supervisor is restarted";
  EXPECT_EQ(sim.living(), 0U);
}

TEST(OtpSupervisor, one_for_one_escalation) {
  Simulator sim({.strategy = Strategy::oneForOne, .maxRestarts = 4, .within = 3600s},
                {child("a"), child("b")});
  sim.begin();
  sim.script("a", fails("no"));
  sim.takeLog();

  sim.end("a", crash());

  EXPECT_EQ(sim.takeLog(), (Log{"end a", "start a", "end a", "start a", "end a", "start a", "end a",
                                "start a", "end a", "ask b", "end b"}));
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
  EXPECT_NE(sim.finished()->text.find("\"a\""), std::string::npos);
}

TEST(OtpSupervisor, one_for_all) {
  Simulator sim({.strategy = Strategy::oneForAll, .maxRestarts = 2, .within = 3600s}, abc());
  sim.begin();
  auto before = pids(sim);

  sim.end("b", crash());

  for (const char* name : {"a", "b", "c"}) {
    EXPECT_NE(sim.pid(name), before[name]);
    EXPECT_NE(sim.pid(name), 0U);
  }
  EXPECT_EQ(sim.living(), 3U);
  ASSERT_EQ(sim.reports(Event::restarting).size(), 1U) << "the whole round counts once";
  EXPECT_EQ(sim.reports(Event::restarting)[0].restarts, 1U);

  sim.end("c", crash());
  EXPECT_FALSE(sim.finished());
  sim.end("a", crash());
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
}

TEST(OtpSupervisor, one_for_all_escalation) {
  Simulator sim({.strategy = Strategy::oneForAll, .maxRestarts = 4, .within = 3600s},
                {child("a"), child("b")});
  sim.begin();
  sim.script("b", fails("no"));

  sim.end("a", crash());

  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
  EXPECT_EQ(sim.living(), 0U);
  EXPECT_EQ(sim.reports(Event::startFailed).size(), 4U);
}

TEST(OtpSupervisor, one_for_all_other_child_fails_restart) {
  Simulator sim({.strategy = Strategy::oneForAll, .maxRestarts = 3, .within = 3600s},
                {child("a"), child("b")});
  sim.begin();
  sim.next("b", fails("no"));
  sim.takeLog();

  sim.end("a", crash());

  EXPECT_EQ(sim.takeLog(), (Log{"end a", "ask b", "end b", "start a", "start b", "end b",  // first round
                                "ask a", "end a", "start a", "start b"}));
  EXPECT_FALSE(sim.finished());
}

TEST(OtpSupervisor, rest_for_one) {
  Simulator sim({.strategy = Strategy::restForOne, .maxRestarts = 2, .within = 3600s}, abc());
  sim.begin();
  auto before = pids(sim);

  sim.end("b", crash());

  EXPECT_EQ(sim.pid("a"), before["a"]) << "started earlier: left alone";
  EXPECT_NE(sim.pid("b"), before["b"]);
  EXPECT_NE(sim.pid("c"), before["c"]) << "started later: restarted too";
  EXPECT_EQ(sim.living(), 3U);

  sim.end("c", crash());
  EXPECT_FALSE(sim.finished());
  sim.end("b", crash());
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
}

TEST(OtpSupervisor, rest_for_one_escalation) {
  Simulator sim({.strategy = Strategy::restForOne, .maxRestarts = 4, .within = 3600s},
                {child("a"), child("b")});
  sim.begin();
  sim.script("b", fails("no"));
  sim.end("a", crash());
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
}

TEST(OtpSupervisor, rest_for_one_other_child_fails_restart) {
  Simulator sim({.strategy = Strategy::restForOne, .maxRestarts = 3, .within = 3600s},
                {child("a"), child("b")});
  sim.begin();
  sim.next("b", fails("no"));
  sim.takeLog();

  sim.end("a", crash());

  EXPECT_EQ(sim.takeLog(), (Log{"end a", "ask b", "end b", "start a", "start b", "end b", "start b"}))
      << "the retry starts at the one that failed";
  EXPECT_FALSE(sim.finished());
}

TEST(OtpSupervisor, simple_one_for_one) {
  Simulator sim({.maxRestarts = 2, .within = 3600s}, {each("t")});
  sim.begin();
  for (int i = 0; i < 2; ++i) sim.startInstance("t");
  const auto first = sim.pid("t:1");
  const auto second = sim.pid("t:2");

  sim.end("t:1", crash());

  EXPECT_NE(sim.pid("t:1"), first);
  EXPECT_NE(sim.pid("t:1"), 0U);
  EXPECT_EQ(sim.pid("t:2"), second);
  sim.end("t:2", crash());
  EXPECT_FALSE(sim.finished());
  sim.end("t:2", crash());
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
}

TEST(OtpSupervisor, simple_one_for_one_shutdown) {
  Simulator sim({}, {each("t", {.stop = Stop::within(2s)})});
  sim.script("t", {.stopTakes = 1s});
  sim.script("t:3", {.stopTakes = 1h});
  sim.script("t:5", {.stopTakes = 1h});
  sim.begin();
  for (int i = 0; i < 5; ++i) sim.startInstance("t");

  sim.stop();
  sim.advance(1s);
  EXPECT_EQ(sim.living(), 2U) << "stopped side by side";
  sim.advance(1s);

  EXPECT_EQ(sim.finished(), shutdown()) << "the time for all is that for one";
  EXPECT_EQ(sim.reports(Event::stopFailed).size(), 2U);
}

TEST(OtpSupervisor, simple_one_for_one_escalation) {
  Simulator sim({.maxRestarts = 4, .within = 3600s}, {each("t")});
  sim.begin();
  for (int i = 0; i < 2; ++i) sim.startInstance("t");
  sim.script("t:1", fails("no"));
  sim.end("t:1", crash());
  EXPECT_EQ(finishKind(sim), ExitKind::limitReached);
  EXPECT_EQ(sim.forgotten().size(), 2U) << "instances are not brought back";
}

TEST(OtpSupervisor, simple_one_for_one_restart_ignore) {
  Simulator sim({.maxRestarts = 1}, {each("t")});
  sim.begin();
  sim.startInstance("t");
  sim.next("t:1", ignores());
  sim.end("t:1", crash());
  EXPECT_TRUE(sim.list().empty());
  EXPECT_FALSE(sim.finished());
}

// --- Restart types -----------------------------------------------------------------------------------------

enum class After { restarted, kept, gone };

After afterEnd(Restart restart, const ExitReason& why) {
  Simulator sim({}, {child("a", {.restart = restart})});
  sim.begin();
  sim.end("a", why);
  EXPECT_FALSE(sim.finished());
  if (sim.pid("a") != 0) return After::restarted;
  return sim.has("a") ? After::kept : After::gone;
}

TEST(OtpSupervisor, permanent_normal) { EXPECT_EQ(afterEnd(Restart::permanent, normal()), After::restarted); }
TEST(OtpSupervisor, transient_normal) { EXPECT_EQ(afterEnd(Restart::transient, normal()), After::kept); }
TEST(OtpSupervisor, temporary_normal) { EXPECT_EQ(afterEnd(Restart::temporary, normal()), After::gone); }
TEST(OtpSupervisor, permanent_shutdown) {
  EXPECT_EQ(afterEnd(Restart::permanent, shutdown()), After::restarted);
}
TEST(OtpSupervisor, transient_shutdown) { EXPECT_EQ(afterEnd(Restart::transient, shutdown()), After::kept); }
TEST(OtpSupervisor, temporary_shutdown) { EXPECT_EQ(afterEnd(Restart::temporary, shutdown()), After::gone); }
TEST(OtpSupervisor, permanent_abnormal) {
  EXPECT_EQ(afterEnd(Restart::permanent, crash()), After::restarted);
}
TEST(OtpSupervisor, transient_abnormal) {
  EXPECT_EQ(afterEnd(Restart::transient, crash()), After::restarted);
}
TEST(OtpSupervisor, temporary_abnormal) { EXPECT_EQ(afterEnd(Restart::temporary, crash()), After::gone); }

TEST(OtpSupervisor, temporary_bystander) {
  for (const Strategy strategy : {Strategy::oneForAll, Strategy::restForOne}) {
    Simulator sim({.strategy = strategy},
                  {child("a"), child("b", {.restart = Restart::temporary}), child("c")});
    sim.begin();

    sim.end("a", crash());

    EXPECT_EQ(sim.ids(), (Log{"a", "c"}));
    EXPECT_EQ(sim.living(), 2U);
    EXPECT_TRUE(sim.forgotten().contains("b"));
  }
}

TEST(OtpSupervisor, faulty_application_shutdown) {
  Simulator inner({}, {child("deep")});
  inner.script("deep", fails("no such port"));
  inner.begin();
  ASSERT_TRUE(inner.finished());

  Simulator outer({}, {child("a"), supervisorChild("inner")});
  outer.script("inner", {.init = Behaviour::Init::fail, .failure = *inner.finished()});
  outer.begin();

  ASSERT_TRUE(outer.finished());
  EXPECT_EQ(outer.finished()->toString(),
            "could not start its children: child \"inner\" failed to start: could not start its children: "
            "child \"deep\" failed to start: exception: no such port");
}

TEST(OtpSupervisor, format_log_shows_supervisor_child_reason_and_count) {
  Simulator sim({.maxRestarts = 1, .within = 5s},
                {child("till", {.backOff = {.first = 250ms, .jitter = 0}})});
  sim.begin();
  sim.end("till", crash());
  sim.advance(250ms);
  sim.end("till", crash());

  ASSERT_EQ(sim.reports(Event::restarting).size(), 1U);
  EXPECT_EQ(toString(sim.reports(Event::restarting)[0]),
            "supervisor \"top\": restarting \"till\" (killed by SIGSEGV), restart 1 of at most 1 within 5s, "
            "after 250ms");
  EXPECT_EQ(toString(sim.reports(Event::ended).at(0)),
            "supervisor \"top\": \"till\" ended: killed by SIGSEGV");
  EXPECT_EQ(
      toString(sim.reports(Event::gaveUp).at(0)),
      "supervisor \"top\": gave up after \"till\" (killed by SIGSEGV): restart 2 of at most 1 within 5s");
  EXPECT_EQ(toString(sim.reports(Event::started).at(0)), "supervisor \"top\": started \"till\"");
}

}  // namespace
}  // namespace troupe::supervision::test
