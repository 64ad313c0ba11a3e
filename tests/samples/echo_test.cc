// The two echo servers, as a user runs them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <set>

#include "tests/support/load_client.h"
#include "tests/support/program.h"

namespace tests {
namespace {

// The port that the server says it listens on, once it is ready.
unsigned portOf(Program& server, const std::string& name) {
  const auto line = server.waitForLine(name + " listens on port ");
  EXPECT_TRUE(line) << server.errors();
  return line ? static_cast<unsigned>(std::strtoul(line->substr(line->rfind(' ')).c_str(), nullptr, 10)) : 0;
}

// Sends the text, and gives what comes back until the server closes.
std::string ask(unsigned port, const std::string& text) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    ::shutdown(fd, SHUT_WR);
    char buffer[4096];
    for (ssize_t bytes = 0; (bytes = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(bytes));
    }
  }
  ::close(fd);
  return answer;
}

std::size_t countOf(const Program& server, const std::string& prefix) {
  std::size_t count = 0;
  for (const Process& process : server.processes()) count += process.path().starts_with(prefix) ? 1 : 0;
  return count;
}

void expectOrderlyEnd(Program& server) {
  server.signal(SIGTERM);
  const auto end = server.waitForEnd();
  ASSERT_TRUE(end) << describe(server.processes());
  EXPECT_FALSE(end->signaled);
  EXPECT_EQ(end->code, 0);
  EXPECT_EQ(describe(server.leftovers()), "");
  EXPECT_EQ(describe(server.orphans()), "") << "processes outlived the root";
  EXPECT_EQ(server.errors(), "");
}

class EchoSampleTest : public testing::TestWithParam<const char*> {
 protected:
  std::string name = GetParam();
  Program start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--port", "0"});
    return Program(samplePath(name), std::move(arguments));
  }
  void expectRefused(std::vector<std::string> arguments, const std::string& inMessage) {
    Program server(samplePath(name), std::move(arguments));
    const auto end = server.waitForEnd();
    ASSERT_TRUE(end);
    EXPECT_FALSE(end->signaled);
    EXPECT_EQ(end->code, 2);
    EXPECT_NE(server.errors().find(inMessage), std::string::npos) << server.errors();
    EXPECT_EQ(server.output(), "");
    EXPECT_EQ(describe(server.leftovers()), "");
  }
};

TEST_P(EchoSampleTest, SendsBackWhatItGetsAndEndsInOrderOnSigterm) {
  Program server = start({});
  const unsigned port = portOf(server, name);

  EXPECT_EQ(ask(port, "Hello, echo\n"), "Hello, echo\n");
  LoadClients load({.port = port, .clients = 20, .requestsPerConnection = 20});
  load.runFor(std::chrono::milliseconds(300));
  EXPECT_TRUE(load.drain());

  EXPECT_EQ(load.ledger().errors, 0u) << testing::PrintToString(load.ledger().texts);
  EXPECT_EQ(load.ledger().requests, load.ledger().replies);
  expectOrderlyEnd(server);
}

TEST_P(EchoSampleTest, EndsInOrderOnSigintToo) {
  Program server = start({});
  portOf(server, name);

  server.signal(SIGINT);

  const auto end = server.waitForEnd();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 0);
  EXPECT_EQ(describe(server.leftovers()), "");
}

TEST_P(EchoSampleTest, EndsWhileClientsAreConnected) {
  Program server = start({});
  LoadClients load({.port = portOf(server, name), .clients = 20});
  load.runFor(std::chrono::milliseconds(200));

  expectOrderlyEnd(server);
}

TEST_P(EchoSampleTest, AnswersInUpperCaseWhereAskedTo) {
  Program server = start({"--upper"});

  EXPECT_EQ(ask(portOf(server, name), "Hello, 3 echoes\n"), "HELLO, 3 ECHOES\n");

  expectOrderlyEnd(server);
}

TEST_P(EchoSampleTest, RefusesOptionsThatMakeNoSense) {
  expectRefused({"--port", "65536"}, "65536");
  expectRefused({"--port", "http"}, "http");
  expectRefused({"--workers", "-1"}, "-1");
  expectRefused({"--nonsense"}, "--nonsense");
}

TEST_P(EchoSampleTest, TellsOfAPortThatIsInUse) {
  Program first = start({});
  const std::string port = std::to_string(portOf(first, name));

  expectRefused({"--port", port}, "127.0.0.1:" + port);
}

INSTANTIATE_TEST_SUITE_P(Samples, EchoSampleTest, testing::Values("echo_server", "echo_per_connection"),
                         [](const auto& info) { return std::string(info.param); });

TEST(EchoServerTest, HasAsManyWorkersAsAskedFor) {
  Program server(samplePath("echo_server"), {"--port", "0", "--workers", "3"});
  portOf(server, "echo_server");

  EXPECT_EQ(countOf(server, "/echo/"), 3u) << describe(server.processes());

  expectOrderlyEnd(server);
}

TEST(EchoPerConnectionTest, ServesOneClientAfterTheOtherWithOneProcessWhereAskedTo) {
  Program server(samplePath("echo_per_connection"), {"--port", "0", "--per-process", "100"});
  const unsigned port = portOf(server, "echo_per_connection");
  std::set<pid_t> pids;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(port, "number " + std::to_string(i)), "number " + std::to_string(i));
    EXPECT_TRUE(server.waitUntil([&] {
      for (const Process& process : server.processes()) {
        // One that sleeps has said that it rests.
        if (!process.path().ends_with(":resting") || process.state != 'S') continue;
        pids.insert(process.pid);
        return true;
      }
      return false;
    })) << describe(server.processes());
  }
  EXPECT_EQ(pids.size(), 1u);
  expectOrderlyEnd(server);
}

TEST(EchoPerConnectionTest, HasAsManyAcceptorsAsAskedForAndAProcessForEachClient) {
  Program server(samplePath("echo_per_connection"), {"--port", "0", "--workers", "2"});
  LoadClients load(
      {.port = portOf(server, "echo_per_connection"), .clients = 10, .requestsPerConnection = 1'000'000});

  EXPECT_TRUE(server.waitUntil([&] {
    load.runFor(std::chrono::milliseconds(10));
    return countOf(server, "/connections/connection:") == 10;
  })) << describe(server.processes());
  EXPECT_EQ(countOf(server, "/acceptor"), 2u);

  EXPECT_TRUE(load.drain());
  EXPECT_TRUE(server.waitUntil([&] { return countOf(server, "/connections/connection:") == 0; }))
      << "a process ends with its client";
  expectOrderlyEnd(server);
}

}  // namespace
}  // namespace tests
