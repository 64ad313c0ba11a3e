// SIGKILL for workers, supervisors, the root, and all of them, in an app whose actors call each other: the
// tree is whole again each time, and nothing is ever left over.
//
// TROUPE_CHAOS_ROUNDS  how many (30)
// TROUPE_CHAOS_SEED    chooses whom to kill
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sstream>

#include "tests/chaos/actors.h"
#include "tests/support/program.h"

namespace tests {
namespace {

constexpr const char* kAppRole = "app";

// All actors that can be called, by path.
const std::vector<std::string> kMembers{"/a", "/m/a",     "/m/b",     "/m/n/a",      "/m/n/b",
                                        "/z", "/m/n/o/a", "/m/n/o/b", "/m/n/o/pool", "/pool"};
// All processes below the root.
const std::vector<std::string> kPaths{
    "/a",       "/m",       "/m/a",        "/m/b",          "/m/n",          "/m/n/a", "/m/n/b",  "/m/n/o",
    "/m/n/o/a", "/m/n/o/b", "/m/n/o/pool", "/m/n/o/pool/1", "/m/n/o/pool/2", "/pool",  "/pool/1", "/pool/2",
    "/pool/3",  "/z",       "/z:spare",    "/m/b:spare",    "/pool/*:spare", "/main"};
const std::vector<std::string> kSupervisors{"/m", "/m/n", "/m/n/o", "/m/n/o/pool", "/pool"};

// Calls the others, one after the other, for as long as it lives.
class Caller final : public Member {
 public:
  explicit Caller(bool calls) : calls_(calls) {}

  troupe::Task<> run() {
    if (!calls_) co_await sleepFor(troupe::kForever);
    for (std::uint64_t number = 1;; ++number) {
      const std::string& path = kMembers[number % kMembers.size()];
      if (path == this->path()) continue;
      try {
        auto& peer = peers_[path];
        if (!peer) peer = co_await find<chaos::Member>(path);
        auto reply = co_await peer.within(5min).triple(number);
        if (reply->getTripled() != 3 * number) unexpected("a wrong reply of " + path);
      } catch (const troupe::Error& error) {
        const bool notYetThere = error.kind() == troupe::ErrorKind::gone && !peers_[path];
        if (error.kind() != troupe::ErrorKind::crashed && !notYetThere) unexpected(error.what());
      }
      co_await sleepFor(1ms);
    }
  }

 private:
  bool calls_;
  std::map<std::string, troupe::Ref<chaos::Member>> peers_;
};

// Says where each member is: by its name, and by a reference that is as old as this process.
troupe::Task<> probe(troupe::Self& self, std::map<std::string, troupe::Ref<chaos::Member>>& known) {
  std::ostringstream text;
  for (const std::string& path : kMembers) {
    try {
      const std::string name = path == "/m/n/b" ? "famous" : path;
      auto found = co_await self.find<chaos::Member>(name);
      auto byName = co_await found.within(5min).locate();
      if (!known[path]) known[path] = found;
      auto byReference = co_await known[path].within(5min).locate();
      text << "at " << path << ' ' << byName->getPid() << ' ' << byReference->getPid() << '\n';
    } catch (const troupe::Error& error) {
      text << "failed " << path << ": " << error.what() << '\n';
    }
  }
  std::cout << text.str() << "probed" << std::endl;
}

int runTheApp(int argc, char** argv) {
  troupe::App app(argc, argv);
  constexpr unsigned kMany = 1'000'000;
  const troupe::SupervisorSpec lasting{.maxRestarts = kMany};
  app.supervise(lasting);
  app.child<Caller>("a", {}, true);
  auto& m = app.supervisor("m", lasting);
  m.child<Caller>("a", {}, true).child<Caller>("b", {.spares = 1}, true);
  auto& n = m.supervisor("n", {.strategy = troupe::Strategy::restForOne, .maxRestarts = kMany});
  n.child<Caller>("a", {}, true).child<Caller>("b", {.name = "famous"}, false);
  auto& o = n.supervisor("o", {.strategy = troupe::Strategy::oneForAll, .maxRestarts = kMany});
  o.child<Caller>("a", {}, true)
      .child<Caller>("b", {}, false)
      .pool<Caller>("pool", {.size = 2, .maxRestarts = kMany}, false);
  app.pool<Caller>("pool", {.size = 3, .spares = 1, .maxRestarts = kMany}, true)
      .child<Caller>("z", {.spares = 1}, false);
  app.main([](troupe::Self& self) -> troupe::Task<> {
    Console console;
    std::map<std::string, troupe::Ref<chaos::Member>> known;
    std::cout << "started" << std::endl;
    while (co_await console.line()) co_await probe(self, known);
  });
  return app.run();
}

std::string parentOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "" : path.substr(0, slash);
}

class KillingTest : public testing::Test {
 protected:
  std::mt19937 random;
  std::unique_ptr<Program> app;
  std::set<pid_t> killed;
  std::string why;  // the tree is not whole

  void start() {
    killed.clear();
    app = std::make_unique<Program>(ownPath(), std::vector<std::string>{kAppRole});
    ASSERT_TRUE(app->waitForLine("started")) << app->errors();
  }

  template <class T>
  const T& oneOf(const std::vector<T>& all) {
    return all[std::uniform_int_distribution<std::size_t>(0, all.size() - 1)(random)];
  }
  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random); }

  void kill(const std::string& path) {
    for (const Process& process : app->processes()) {
      if (process.path() != path) continue;
      ::kill(process.pid, SIGKILL);
      killed.insert(process.pid);
    }
  }

  // Each process there is, once, below the right parent; no zombie, no stranger. By path.
  std::map<std::string, pid_t> wholeTree() {
    const auto processes = app->processes();
    std::map<std::string, pid_t> byPath{{"", app->pid()}};
    why = "the tree is\n" + describe(processes);
    for (const Process& process : processes) {
      if (process.state == 'Z' || killed.contains(process.pid)) return {};
      if (process.pid != app->pid() && !byPath.emplace(process.path(), process.pid).second) return {};
    }
    if (byPath.size() != kPaths.size() + 1) return {};
    for (const Process& process : processes) {
      if (process.pid == app->pid()) continue;
      const auto parent = byPath.find(parentOf(process.path()));
      if (parent == byPath.end() || parent->second != process.parent) return {};
    }
    for (const std::string& path : kPaths) {
      if (!byPath.contains(path)) return {};
    }
    return byPath;
  }

  // Any worker of a pool will do.
  static bool isAt(const std::map<std::string, pid_t>& tree, const std::string& path, pid_t pid) {
    return std::any_of(tree.begin(), tree.end(), [&](const auto& each) {
      return each.second == pid &&
             (path.ends_with("pool") ? parentOf(each.first) == path : each.first == path);
    });
  }

  bool probesLeadTo(const std::map<std::string, pid_t>& tree) {
    app->send("probe\n");
    unsigned right = 0;
    for (;;) {
      const auto line = app->waitForLine("");
      if (!line) {
        why = "no answer to the probe; the tree is\n" + describe(app->processes());
        return false;
      }
      if (*line == "probed") return right == kMembers.size();
      std::istringstream words(*line);
      std::string at, path;
      pid_t byName = 0;
      pid_t byReference = 0;
      words >> at >> path >> byName >> byReference;
      if (isAt(tree, path, byName) && isAt(tree, path, byReference)) {
        ++right;
      } else {
        why = "the probe says: " + *line + "; the tree is\n" + describe(app->processes());
      }
    }
  }

  bool becomesWhole() {
    return app->waitUntil([this] {
      const auto tree = wholeTree();
      return !tree.empty() && probesLeadTo(tree);
    });
  }

  void expectNothingLeft() {
    EXPECT_TRUE(app->waitForEnd());
    EXPECT_EQ(describe(app->leftovers()), "");
    expectNothingUnexpected();
  }

  void expectOrderlyEnd() {
    expectNothingLeft();
    const auto end = app->waitForEnd();
    EXPECT_TRUE(end && !end->signaled && end->code == 0)
        << "the root ended with " << (end->signaled ? "signal " : "code ") << end->code << "\n"
        << app->errors();
    EXPECT_EQ(describe(app->orphans()), "") << "outlived a root that was stopped in order\n" << app->errors();
  }

  void expectNothingUnexpected() {
    const auto at = app->errors().find("UNEXPECTED");
    if (at != std::string::npos) {
      ADD_FAILURE() << app->errors().substr(at, app->errors().find('\n', at) - at);
    }
  }

  // Returns whom it killed. "the root", "all" and "stopped" are the end of the app.
  std::string strike() {
    switch (below(11)) {
      case 0: app->signal(SIGKILL); return "the root";
      case 1: {
        auto processes = app->processes();
        std::shuffle(processes.begin(), processes.end(), random);
        for (const Process& process : processes) ::kill(process.pid, SIGKILL);
        return "all";
      }
      case 2:
        kill(kPaths[below(static_cast<unsigned>(kPaths.size()) - 1)]);
        app->signal(SIGTERM);
        return "stopped";
      case 3:
      case 4:
      case 5: {
        const std::string path = oneOf(kSupervisors);
        kill(path);
        return path;
      }
      case 6:
      case 7: {
        std::string all;
        for (unsigned left = 2 + below(4); left > 0; --left) {
          const std::string path = kPaths[below(static_cast<unsigned>(kPaths.size()) - 1)];  // all but main
          kill(path);
          all += path + " ";
          app->readFor(std::chrono::milliseconds(below(6)));
        }
        return all;
      }
      default: {
        const std::string path = kPaths[below(static_cast<unsigned>(kPaths.size()) - 1)];
        kill(path);
        return path;
      }
    }
  }
};

TEST_F(KillingTest, TheTreeBecomesWholeAgainAndNothingIsLeftOver) {
  const unsigned seed = fromEnvironment("TROUPE_CHAOS_SEED", std::random_device{}());
  const unsigned rounds = fromEnvironment("TROUPE_CHAOS_ROUNDS", 30);
  std::printf("TROUPE_CHAOS_SEED=%u\n", seed);
  random.seed(seed);
  std::map<std::string, unsigned> counts;
  for (unsigned round = 1; round <= rounds && !HasFailure(); ++round) {
    if (!app) {
      ASSERT_NO_FATAL_FAILURE(start());
      ASSERT_TRUE(becomesWhole()) << "after its start: " << why << app->errors();
    }
    const std::string victims = strike();
    const bool over = victims == "the root" || victims == "all" || victims == "stopped";
    ++counts[over ? victims : "others"];
    if (over) {
      victims == "stopped" ? expectOrderlyEnd() : expectNothingLeft();
      app.reset();
    } else {
      ASSERT_TRUE(becomesWhole()) << "round " << round << ", after the death of " << victims << ": " << why
                                  << app->errors();
      expectNothingUnexpected();
    }
  }
  if (app) {
    app->signal(SIGTERM);
    expectOrderlyEnd();
  }
  std::printf(
      "%u rounds: the root killed %u times, all %u times, others %u times; stopped meanwhile %u times\n",
      rounds, counts["the root"], counts["all"], counts["others"], counts["stopped"]);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == tests::kAppRole) return tests::runTheApp(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
