// Clients that are killed, and what they talk to (troupe::Client).
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support/depot.h"
#include "tests/support/killing.h"

namespace tests {
namespace {

constexpr unsigned kKills = 1000;
// After so many everything has been used once.
unsigned firstOf(unsigned kills) { return std::min(kills / 2, 50U); }

const troupe::ClientSpec kPatient{.within = 5min};
Client attach() { return Client::attach("depot", kPatient); }

// A client that calls and casts until it is killed.
int runCustomer() {
  const auto depot = attach();
  const auto a = depot.find<Puppet>("/a");
  std::puts("attached");
  std::fflush(stdout);
  const std::string large(100'000, 'x');
  for (;;) {
    try {
      a.echo("hello");
      a.note(large);
      a.grow(200'000);
    } catch (const troupe::Error&) {
      // It is killed, too.
    }
  }
}

class AttachKillsTest : public DepotTest {};

void expectNoMoreThan(const Footprint& before, Program& depot) {
  EXPECT_TRUE(depot.waitUntil([&] { return fits(footprintOf(depot.pid()), before); }))
      << describe(footprintOf(depot.pid())) << "; before: " << describe(before);
}

TEST_F(AttachKillsTest, AClientThatIsKilledAtAnyMomentLeavesNothing) {
  const auto depot = openDepot();
  const unsigned kills = mostKills(kKills);
  Footprint before;

  for (unsigned i = 0; i < kills; ++i) {
    if (i == firstOf(kills)) {
      EXPECT_TRUE(depot->waitUntil([] { return sessions().empty(); }));
      before = footprintOf(depot->pid());
    }
    Program customer(ownPath(), {"customer"});
    // Also while it attaches.
    const bool waits = i % 4 != 0;
    EXPECT_TRUE(!waits || customer.waitForLine("attached")) << customer.errors();
    customer.readFor(std::chrono::milliseconds(i % 7));
    customer.signal(SIGKILL);
    customer.waitForEnd();
  }

  EXPECT_TRUE(depot->waitUntil([] { return sessions().empty(); }));
  expectNoMoreThan(before, *depot);
  const auto client = attach();
  EXPECT_EQ(echoOf(client.find<Puppet>("a"), "hello"), "hello");
}

TEST_F(AttachKillsTest, WhileActorsAreKilledEveryCallEnds) {
  const auto depot = openDepot();
  const auto client = attach();
  const auto a = client.find<Puppet>("/a").within(5min);
  const unsigned kills = mostKills(kKills);
  unsigned answered = 0;
  Footprint before;

  for (unsigned killed = 0; killed < kills;) {
    if (killed == firstOf(kills)) before = footprintOf(depot->pid());
    const auto actor = actors().at("/a");
    if (actor["pid"].number() > 0 && ::kill(static_cast<pid_t>(actor["pid"].number()), SIGKILL) == 0)
      ++killed;
    for (int i = 0; i < 20; ++i) {
      try {
        a.echo("hello");
        ++answered;
      } catch (const troupe::Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.message();
      }
    }
  }
  EXPECT_GT(answered, kills);
  expectNoMoreThan(before, *depot);
}

TEST_F(AttachKillsTest, TheDeathOfItsSessionCostsOneClient) {
  const auto depot = openDepot();
  const auto one = attach();
  const std::string first = sessions().at(0);
  const auto two = attach();
  const auto a = one.find<Puppet>("/a");

  ::kill(pidOf(first), SIGKILL);

  expectError(failureOf([&] { a.within(5min).echo("hello"); }), ErrorKind::gone, "has closed the connection");
  EXPECT_EQ(echoOf(two.find<Puppet>("/a"), "hello"), "hello");
}

// Its session may be stopped before or after it has begun to talk.
TEST_F(AttachKillsTest, WhereAllAreRestartedWhileItAttachesTheConnectionIsClosed) {
  const auto depot = openDepot({"ONE_FOR_ALL=1"});
  for (unsigned i = 0; i < mostKills(300); ++i) {
    const auto a = actors()["/a"];
    if (a["pid"].number() > 0) ::kill(static_cast<pid_t>(a["pid"].number()), SIGKILL);
    try {
      attach().find<Puppet>("/a");
    } catch (const troupe::Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::gone) << error.message();
    }
  }
  EXPECT_EQ(echoOf(attach().find<Puppet>("/a"), "hello"), "hello");
}

TEST_F(AttachKillsTest, ASessionThatDiesBeforeItIsReadyIsAClosedConnection) {
#ifndef TROUPE_KILL_POINTS
  GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  const std::string ticket = base_ / "ticket";
  std::ofstream(ticket + ".0") << "0";
  const auto depot = openDepot({"TROUPE_KILL_AT=beforeReady@/client@" + std::to_string(::getpid()) + ".1",
                                "TROUPE_KILL_TICKET=" + ticket});

  // It has said that it is open by then.
  const auto error = failureOf([&] {
    Client::attach((base_ / "run/depot.") + std::to_string(depot->pid()), kPatient).find<Puppet>("/a");
  });

  expectError(error, ErrorKind::gone, "has closed the connection");
  EXPECT_FALSE(std::filesystem::exists(ticket + ".0")) << "it was killed";
  EXPECT_EQ(echoOf(attach().find<Puppet>("/a"), "hello"), "hello");
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "customer") return tests::runCustomer();
  return tests::runDepotOrTests(argc, argv);
}
