// Sockets that are shared with, and that move into, other processes.
#include <unistd.h>

#include <array>
#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Restart;
using troupe::SupervisorRef;
using troupe::net::Listener;
using troupe::net::Stream;

// Sends back what it gets, and its pid first.
class Echo final : public troupe::Actor<Echo> {
 public:
  explicit Echo(Stream peer) : peer_(std::move(peer)) {}
  Task<> run() {
    co_await peer_.writeAll(std::to_string(self().pid()) + "\n");
    std::array<std::byte, 4096> buffer;
    while (auto bytes = co_await peer_.readSome(buffer)) {
      if (bytes.text() == "crash") endAs("kill");
      co_await peer_.writeAll(bytes);
    }
  }

 private:
  Stream peer_;
};

class Acceptor final : public troupe::Actor<Acceptor> {
 public:
  explicit Acceptor(Listener listener) : listener_(std::move(listener)) {}
  Task<> run() {
    auto connections = co_await findSupervisor("connections");
    Board::shared().note("acceptor " + std::to_string(self().pid()));
    for (;;) co_await connections.start("connection", co_await listener_.accept());
  }

 private:
  Listener listener_;
};

Task<std::string> readLine(Stream& stream) {
  std::string line;
  std::array<std::byte, 1> buffer;
  while (auto bytes = co_await stream.readSome(buffer)) {
    if (bytes.text() == "\n") break;
    line += bytes.text();
  }
  co_return line;
}

Task<std::string> readToEnd(Stream& stream) {
  std::string text;
  std::array<std::byte, 256> buffer;
  try {
    while (auto bytes = co_await stream.readSome(buffer)) text += bytes.text();
  } catch (const Error&) {}
  co_return text;
}

Task<std::string> ask(Stream& stream, std::string text) {
  co_await stream.writeAll(text + "\n");
  co_return co_await readLine(stream);
}

std::string unixSocket() { return "unix:/tmp/troupe-sockets-test-" + std::to_string(::getpid()) + ".socket"; }

}  // namespace

class Sockets : public AppTest {
 protected:
  // An app with a process for each connection, at that address.
  static void run(const std::string& address, std::function<Task<>(Self&, std::string address)> act) {
    std::string bound;
    runApp(
        [&](troupe::App& app) {
          app.supervise({.maxRestarts = 1000});
          auto listener = app.listen(address);
          bound = listener.address();
          app.supervisor("connections", {.maxRestarts = 100})
              .each<Echo>("connection", {.restart = Restart::temporary});
          app.child<Acceptor>("acceptor", {}, listener);
        },
        [&, act](Self& self) -> Task<> { co_await act(self, bound); });
  }
};

TEST_F(Sockets, MoveIntoAProcessOfTheirOwnWhoseDeathOnlyTheirPeerSees) {
  run("127.0.0.1:0", [](Self& self, std::string address) -> Task<> {
    std::vector<Stream> peers;
    std::vector<int> pids;
    for (int i = 0; i < 5; ++i) {
      peers.push_back(co_await troupe::net::connect(address));
      pids.push_back(std::stoi(co_await readLine(peers.back())));
    }
    for (int i = 0; i < 5; ++i) {
      for (int j = 0; j < i; ++j)
        EXPECT_NE(pids[static_cast<std::size_t>(i)], pids[static_cast<std::size_t>(j)]);
    }
    kill(pids[2], SIGKILL);
    EXPECT_EQ(co_await readToEnd(peers[2]), "");
    co_await peers[4].writeAll("crash");
    EXPECT_EQ(co_await readToEnd(peers[4]), "");
    EXPECT_EQ(co_await ask(peers[0], "still there"), "still there");
    EXPECT_EQ(co_await ask(peers[1], "still there"), "still there");
    EXPECT_EQ(co_await ask(peers[3], "still there"), "still there");
    // A peer that closes ends its process.
    peers[0] = {};
    co_await becomesDead(self, pids[0]);
  });
}

TEST_F(Sockets, ThatListenStayOpenWhileTheirAcceptorIsDown) {
  run(unixSocket(), [](Self& self, std::string address) -> Task<> {
    for (int round = 0; round < 5; ++round) {
      co_await until(self, "an acceptor", [&] {
        return Board::shared().notesAfter("acceptor ").size() > static_cast<std::size_t>(round);
      });
      kill(std::stoi(Board::shared().notesAfter("acceptor ").back()), SIGKILL);
      auto peer = co_await troupe::net::connect(address);
      EXPECT_NE(co_await readLine(peer), "");
      EXPECT_EQ(co_await ask(peer, "round"), "round");
    }
  });
}

TEST_F(Sockets, AreClosedWithTheirSupervisorAndItsNextOneServes) {
  run("127.0.0.1:0", [](Self& self, std::string address) -> Task<> {
    auto peer = co_await troupe::net::connect(address);
    const int pid = std::stoi(co_await readLine(peer));
    const int supervisor = (co_await pidsOf(SupervisorRef("/"))).at("connections");
    kill(supervisor, SIGKILL);
    EXPECT_EQ(co_await readToEnd(peer), "") << "it dies with its supervisor";
    co_await becomesDead(self, pid);
    co_await becomesRunning(self, SupervisorRef("/"), "connections", supervisor);
    auto next = co_await troupe::net::connect(address);
    EXPECT_NE(co_await readLine(next), "");
  });
}

TEST_F(Sockets, MayBeManyAtATime) {
  run("127.0.0.1:0", [](Self& self, std::string address) -> Task<> {
    std::vector<Stream> peers;
    for (int i = 0; i < 100; ++i) peers.push_back(co_await troupe::net::connect(address));
    for (auto& peer : peers) EXPECT_NE(co_await readLine(peer), "");
    for (auto& peer : peers) EXPECT_EQ(co_await ask(peer, "hello"), "hello");
    peers.clear();
    co_await until(self, "their processes to end", std::function<Task<bool>()>([]() -> Task<bool> {
                     const auto counts = co_await SupervisorRef("/connections").count();
                     co_return counts.active == 0;
                   }));
  });
}

TEST_F(Sockets, ThatAreInUseAreAClearErrorOfMain) {
  auto taken = troupe::net::listen("127.0.0.1:0");
  AppRun run([&](troupe::App& app) { app.listen(taken.address()); });
  const Ended& ended = run.wait();
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("error: "), std::string::npos);
  EXPECT_NE(ended.err.find(taken.address()), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("Address already in use"), std::string::npos) << ended.err;
}

TEST_F(Sockets, WithAddressesThatMakeNoSenseAreAClearErrorOfMain) {
  for (const char* address : {"", "nonsense", "127.0.0.1:99999", "127.0.0.1:", "unix:", "1.2.3.4:port"}) {
    AppRun run([&](troupe::App& app) { app.listen(address); });
    const Ended& ended = run.wait();
    EXPECT_EQ(ended.code, 2) << address;
    EXPECT_NE(ended.err.find(std::string("\"") + address), std::string::npos) << address << ": " << ended.err;
  }
}

}  // namespace tests
