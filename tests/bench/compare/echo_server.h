// TCP echo servers that are compared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/os/children.h"

namespace troupe::bench {

// Its processes are asked to end when it goes, so that they leave nothing behind, and waited for.
struct EchoServer {
  explicit EchoServer(unsigned onPort = 0) : port(onPort) {}
  ~EchoServer() {
    for (const auto& process : processes) process->kill(SIGTERM);
    for (const auto& process : processes) process->wait();
  }
  EchoServer(EchoServer&&) = default;
  EchoServer& operator=(EchoServer&&) = delete;

  unsigned port;
  std::vector<std::unique_ptr<os::test::Child>> processes = {};
};

// A socket that listens on 127.0.0.1.
struct Listening {
  int fd;
  unsigned port;
};
Listening listenHere();

// A process for each core, all with epoll on one listening socket.
EchoServer startEpollEcho();
// One process.
EchoServer startLibuvEcho();
// A program that says on which port it listens.
EchoServer startEchoProgram(std::vector<std::string> command);

}  // namespace troupe::bench
