// TCP echo servers that are compared.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/os/children.h"

namespace troupe::bench {

// Its processes are killed when it goes.
struct EchoServer {
  unsigned port = 0;
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
EchoServer startEchoProgram(const std::string& file);

}  // namespace troupe::bench
