// A supervisor of random shape under random events: what must always hold is checked by the simulator with
// every action, and the rest here.
#include "simulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace troupe::supervision::test {
namespace {

class Chaos {
 public:
  explicit Chaos(unsigned seed) : random_(seed), flags_(someFlags()), children_(someChildren()) {
    sim_.emplace(flags_, children_, [this] { return std::uniform_real_distribution<>(0, 1)(random_); });
  }

  void run() {
    sim_->begin();
    for (int i = 0; i < 300 && !sim_->finished(); ++i) {
      misbehave();
      act();
      check();
    }
    // Whatever hangs has a limit, unless its spec says otherwise; so nobody hangs from here on.
    if (!sim_->finished()) sim_->stop();
    sim_->advance(1h);
    ASSERT_TRUE(sim_->finished()) << "stop always leads to Finish";
    EXPECT_EQ(sim_->living(), 0U);
    EXPECT_EQ(sim_->unanswered(), 0U);
    checkBudget();
  }

 private:
  unsigned below(unsigned end) { return std::uniform_int_distribution<unsigned>(0, end - 1)(random_); }
  bool once(unsigned in) { return below(in) == 0; }

  SupervisorSpec someFlags() {
    return {.strategy = static_cast<Strategy>(below(3)),
            .maxRestarts = below(12),
            .within = 1s * (1 + below(10)),
            .autoShutdown = static_cast<AutoShutdown>(below(3))};
  }

  ChildSpec someSpec(bool mayBeSignificant) {
    ChildSpec spec{.restart = static_cast<Restart>(below(3)),
                   .stop = once(3) ? Stop::brutalKill() : Stop::within(1s * (1 + below(3))),
                   .readyWithin = 1s * (1 + below(5))};
    if (once(4)) spec.backOff = {.first = 100ms * (1 + below(20))};
    spec.significant = mayBeSignificant && once(3) && spec.restart != Restart::permanent &&
                       flags_.autoShutdown != AutoShutdown::never;
    return spec;
  }

  std::vector<ChildDeclaration> someChildren() {
    std::vector<ChildDeclaration> children;
    for (unsigned i = 0, count = below(6); i < count; ++i) {
      children.push_back(child("c" + std::to_string(i), someSpec(true)));
    }
    if (flags_.strategy == Strategy::oneForOne) {
      for (const char* id : {"t", "u"}) children.push_back(each(id, someSpec(false)));
    }
    return children;
  }

  Behaviour someBehaviour() {
    Behaviour behaviour{.initTakes = once(2) ? 0ms : 100ms * below(30),
                        .failure = reason(ExitKind::exited, 1),
                        .stopTakes = once(2) ? 0ms : 100ms * below(30)};
    const unsigned kind = below(20);
    if (kind == 0) behaviour.init = Behaviour::Init::hang;
    if (kind == 1) behaviour.init = Behaviour::Init::ignore;
    if (kind == 2 || kind == 3) behaviour.init = Behaviour::Init::fail;
    behaviour.onStop = static_cast<Behaviour::OnStop>(std::min(below(6), 2U));
    return behaviour;
  }

  std::string someName() {
    const unsigned kind = below(4);
    if (kind == 0 && flags_.strategy == Strategy::oneForOne) {
      return instanceId(once(2) ? "t" : "u", 1 + below(20));
    }
    return "c" + std::to_string(below(8));
  }

  void misbehave() { sim_->script(someName(), someBehaviour()); }

  void act() {
    const std::string name = someName();
    const std::string asker = once(5) ? someName() : "";
    switch (below(12)) {
      case 0:
      case 1: sim_->advance(10ms * below(200)); break;
      case 2:
      case 3: end(name, once(2) ? crash() : normal()); break;
      case 4: end(name, reason(ExitKind::hung)); break;
      case 5: sim_->startChild(child("c" + std::to_string(below(8)), someSpec(true)), asker); break;
      case 6: sim_->startInstance(once(2) ? "t" : "u", asker); break;
      case 7: sim_->stopChild(name, asker); break;
      case 8: sim_->restartChild(name); break;
      case 9: sim_->deleteChild(name); break;
      case 10: changeSomething(); break;
      case 11:
        if (once(20)) sim_->stop();
        break;
      default: break;
    }
  }

  void end(const std::string& name, const ExitReason& why) {
    if (sim_->pid(name) != 0) sim_->end(name, why);
  }

  void changeSomething() {
    flagsStay_ = false;
    SupervisorSpec flags = sim_->core().flags();
    flags.maxRestarts = below(12);
    if (flags_.strategy != Strategy::oneForOne) flags.strategy = static_cast<Strategy>(below(3));
    Change change{.flags = flags, .children = {}};
    if (once(2)) change.children = {{child("c" + std::to_string(below(8)), someSpec(true))}};
    sim_->change(std::move(change));
  }

  // The counts kept along the way are those of the list.
  void check() {
    if (sim_->finished()) return;
    const Counts counts = sim_->counts();
    const ChildList list = sim_->list();
    const auto running = std::count_if(
        list.begin(), list.end(), [](const ChildInfo& info) { return info.state == ChildState::running; });
    EXPECT_EQ(counts.active, static_cast<std::size_t>(running));
    EXPECT_EQ(counts.workers, list.size());
    std::size_t processes = 0;
    for (const ChildInfo& info : list) processes += sim_->pid(info.id) != 0;
    EXPECT_EQ(processes, sim_->living()) << "a process has no place";
  }

  void checkBudget() {
    if (!flagsStay_) return;
    for (const Report& report : sim_->reports(Event::restarting))
      EXPECT_LE(report.restarts, flags_.maxRestarts);
    for (const Report& report : sim_->reports(Event::gaveUp))
      EXPECT_EQ(report.restarts, flags_.maxRestarts + 1);
  }

  std::mt19937 random_;
  SupervisorSpec flags_;
  std::vector<ChildDeclaration> children_;
  std::optional<Simulator> sim_;
  bool flagsStay_ = true;
};

TEST(SupervisionModel, HoldsUnderRandomEvents) {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos(seed).run();
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SupervisionModel, TheFirstStartIsInOrderWhateverTheTimesAre) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<ChildDeclaration> children;
    std::vector<std::string> starts;
    for (int i = 0; i < 10; ++i) {
      children.push_back(child("c" + std::to_string(i)));
      starts.push_back("start c" + std::to_string(i));
    }
    Simulator sim({.strategy = static_cast<Strategy>(seed % 3)}, children);
    for (const ChildDeclaration& child : children)
      sim.script(child.id, {.initTakes = 1ms * (random() % 1000)});
    sim.begin();
    sim.advance(10s);
    EXPECT_TRUE(sim.becameReady());
    EXPECT_EQ(sim.takeLog(), starts);
  }
}

}  // namespace
}  // namespace troupe::supervision::test
