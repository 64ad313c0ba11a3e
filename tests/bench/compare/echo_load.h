// Clients of a TCP echo server on this machine, in one process: each sends 64 bytes, and checks that they
// come back.
#pragma once

#include <cstdint>

namespace troupe::bench {

struct EchoLoad {
  unsigned port = 0;
  unsigned connections = 1;  // at a time
  std::uint64_t requests = 0;
  bool churn = false;  // a new connection for each request
};

// Nanoseconds that the requests take. Without churn, all connections have been served once before.
double runEchoLoad(const EchoLoad& load);

}  // namespace troupe::bench
