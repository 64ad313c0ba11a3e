// Echo servers under load while their processes are killed: who is not on a killed process notices nothing.
//
// TROUPE_CHAOS_SECONDS  how long (5)
// TROUPE_CHAOS_SEED     chooses whom to kill
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/support/load_client.h"
#include "tests/support/program.h"

namespace tests {
namespace {

using Clock = std::chrono::steady_clock;

struct Server {
  const char* name;
  const char* sample;
  std::vector<std::string> arguments;
  std::string victims;  // how the paths of those that get killed begin
  std::size_t atRest;   // processes without a client
  unsigned requestsPerConnection;
};

void PrintTo(const Server& server, std::ostream* to) { *to << server.name; }

class EchoChaosTest : public testing::TestWithParam<Server> {
 protected:
  const Server& server = GetParam();
  std::mt19937 random;
  unsigned kills = 0;
  unsigned excused = 0;

  void SetUp() override {
    const unsigned seed = fromEnvironment("TROUPE_CHAOS_SEED", std::random_device{}());
    std::printf("TROUPE_CHAOS_SEED=%u\n", seed);
    random.seed(seed);
  }

  unsigned portOf(Program& program) {
    const auto line = program.waitForLine("listens on port ");
    EXPECT_TRUE(line) << program.errors();
    return line ? static_cast<unsigned>(std::strtoul(line->substr(line->rfind(' ')).c_str(), nullptr, 10))
                : 0;
  }

  // It stands still while its connections are looked up, so none comes or goes in between.
  void killOne(const Program& program, LoadClients& load) {
    std::vector<pid_t> victims;
    for (const Process& process : program.processes()) {
      if (process.path().starts_with(server.victims)) victims.push_back(process.pid);
    }
    if (victims.empty()) return;
    const pid_t victim = victims[std::uniform_int_distribution<std::size_t>(0, victims.size() - 1)(random)];
    if (!freeze(victim)) return;
    excused += load.excuse(peerPorts(victim));
    ::kill(victim, SIGKILL);
    ++kills;
  }

  bool isAtRest(const Program& program) {
    const auto processes = program.processes();
    for (const Process& process : processes) {
      if (process.pid != program.pid() && process.path().empty()) return false;
      if (process.state == 'Z') return false;
    }
    return processes.size() == server.atRest;
  }
};

TEST_P(EchoChaosTest, NoClientOffTheKilledProcessesSeesAnError) {
  const std::size_t ownDescriptors = descriptorsOf(::getpid());
  {
    Program program(samplePath(server.sample), server.arguments);
    const unsigned port = portOf(program);
    ASSERT_TRUE(program.waitUntil([&] { return isAtRest(program); })) << describe(program.processes());
    const std::size_t descriptors = descriptorsOf(program.pid());

    LoadClients load({.port = port,
                      .clients = 300,
                      .requestsPerConnection = server.requestsPerConnection,
                      .seed = static_cast<unsigned>(random())});
    const auto end = Clock::now() + std::chrono::seconds(fromEnvironment("TROUPE_CHAOS_SECONDS", 5));
    while (Clock::now() < end) {
      load.runFor(std::chrono::milliseconds(50));
      killOne(program, load);
      program.readFor(std::chrono::milliseconds(0));
    }
    EXPECT_TRUE(load.drain());

    const auto& ledger = load.ledger();
    std::cout << server.name << ": " << ledger.replies << " requests answered on " << ledger.connections
              << " connections, " << kills << " kills, " << ledger.lost << " of " << excused
              << " connections lost by them, " << ledger.errors << " errors" << std::endl;
    EXPECT_EQ(ledger.errors, 0u) << testing::PrintToString(ledger.texts);
    EXPECT_EQ(ledger.requests, ledger.replies + ledger.unanswered);
    EXPECT_GT(kills, 0u);
    EXPECT_GT(ledger.replies, 0u);
    EXPECT_TRUE(program.waitUntil([&] { return isAtRest(program); })) << describe(program.processes());
    EXPECT_TRUE(program.waitUntil([&] { return descriptorsOf(program.pid()) == descriptors; }))
        << "the root has " << descriptorsOf(program.pid()) << " descriptors, and had " << descriptors;

    program.signal(SIGTERM);
    const auto ended = program.waitForEnd();
    ASSERT_TRUE(ended) << describe(program.processes());
    EXPECT_FALSE(ended->signaled);
    EXPECT_EQ(ended->code, 0);
    EXPECT_EQ(describe(program.leftovers()), "");
    EXPECT_EQ(describe(program.orphans()), "");
  }
  EXPECT_EQ(descriptorsOf(::getpid()), ownDescriptors);
}

INSTANTIATE_TEST_SUITE_P(
    Chaos, EchoChaosTest,
    testing::Values(
        Server{"workers", "echo_server", {"--port", "0", "--workers", "4"}, "/echo/", 6, 100},
        Server{"connections", "echo_per_connection", {"--port", "0"}, "/connections/connection:", 3, 1000},
        Server{"acceptors", "echo_per_connection", {"--port", "0", "--workers", "2"}, "/acceptor", 4, 100}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tests
