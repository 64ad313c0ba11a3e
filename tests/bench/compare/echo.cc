// TCP echo, with connections that stay and with new ones: the samples beside servers written by hand.
#include <fcntl.h>

#include <cstdlib>

#include "tests/bench/compare/echo_load.h"
#include "tests/bench/compare/echo_server.h"
#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/programs.h"

namespace troupe::bench {

namespace {

struct Server {
  std::string who;
  std::function<EchoServer()> start;
};

void addProgram(std::vector<Server>& servers, const std::string& who,
                const std::vector<std::string>& command) {
  if (isProgram(command.front())) servers.push_back({who, [command] { return startEchoProgram(command); }});
}

std::vector<Server> servers() {
  std::vector<Server> all = {{"prefork, epoll", startEpollEcho}, {"libuv, one process", startLibuvEcho}};
  const std::string samples = TROUPE_BINARY_DIR "/samples/";
  addProgram(all, "Troupe, a pool", {samples + "echo_server", "--port", "0"});
  addProgram(all, "Troupe, an actor a connection", {samples + "echo_per_connection", "--port", "0"});
  return all;
}

// A process for each connection costs what its start costs: only new connections show it.
std::vector<Server> serversOfNew() {
  std::vector<Server> all = servers();
  addProgram(all, "Troupe, an actor each, 1,000 a process",
             {TROUPE_BINARY_DIR "/samples/echo_per_connection", "--port", "0", "--per-process", "1000"});
  addProgram(all, "fork, a process a connection", {TROUPE_BINARY_DIR "/tests/bench/fork_echo"});
  addProgram(all, "Python's ForkingTCPServer",
             {inPath("python3"), TROUPE_SOURCE_DIR "/tests/bench/servers/fork_echo.py"});
  return all;
}

double thousandsASecond(const Server& server, EchoLoad load) {
  const EchoServer running = server.start();
  load.port = running.port;
  return static_cast<double>(load.requests) / runEchoLoad(load) * 1e6;
}

}  // namespace

EchoServer startEchoProgram(std::vector<std::string> command) {
  const std::string file = command.front();
  std::vector<char*> arguments;
  for (std::string& each : command) arguments.push_back(each.data());
  arguments.push_back(nullptr);
  int output[2];
  if (::pipe2(output, O_CLOEXEC) < 0) failOfSystem("no pipe");
  EchoServer server;
  server.processes.push_back(std::make_unique<os::test::Child>([&] {
    ::dup2(output[1], STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    failOfSystem("can't run " + file);
    return 1;
  }));
  ::close(output[1]);
  const std::string before = " port ";
  std::string text;
  while (text.find('\n') == std::string::npos) {
    char part[256];
    if (!os::test::becomesReadable(output[0])) fail(file + " does not say that it listens");
    const ssize_t got = ::read(output[0], part, sizeof part);
    if (got <= 0) fail(file + " has ended instead of listening");
    text.append(part, static_cast<std::size_t>(got));
  }
  const auto at = text.find(before);
  if (at == std::string::npos) fail(file + " does not say its port: " + text);
  server.port = static_cast<unsigned>(std::atoi(text.c_str() + at + before.size()));
  return server;
}

void addEcho(Figures& figures) {
  for (const unsigned connections : {1U, 50U, 200U}) {
    for (const Server& server : servers()) {
      const std::string workload =
          "TCP echo, " + std::to_string(connections) + " connection" + (connections == 1 ? "" : "s");
      figures.push_back({workload, server.who, "k/s", [=] {
                           const std::uint64_t requests = effort(connections == 1 ? 10'000 : 30'000);
                           return thousandsASecond(server,
                                                   {.connections = connections, .requests = requests});
                         }});
    }
  }
  for (const Server& server : serversOfNew()) {
    figures.push_back({"TCP, a connection for each request", server.who, "k/s", [=] {
                         return thousandsASecond(
                             server, {.connections = 20, .requests = effort(1500), .churn = true});
                       }});
  }
}

}  // namespace troupe::bench
