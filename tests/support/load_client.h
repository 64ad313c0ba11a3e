// Many TCP clients of an echo server, in one process and one thread. Each sends numbered requests, one after
// the other, and checks that exactly that comes back.
//
// A connection that breaks is an error, unless excuse() has named it before: as one of a server process that
// is killed.
//
// Threads: one; nothing happens outside of runFor() and drain().
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace tests {

class LoadClients {
 public:
  struct Settings {
    unsigned port = 0;
    unsigned clients = 100;
    unsigned requestsPerConnection = 100;  // then it closes, and connects again
    unsigned maxBytes = 3000;              // a request; at least 40
    unsigned seed = 1;
    std::chrono::seconds patience{30};  // for one answer
  };
  struct Ledger {
    std::uint64_t connections = 0;
    std::uint64_t requests = 0;
    std::uint64_t replies = 0;
    std::uint64_t lost = 0;        // excused connections that broke
    std::uint64_t unanswered = 0;  // requests that were lost with them
    std::uint64_t errors = 0;
    std::vector<std::string> texts;  // of the first errors
  };

  explicit LoadClients(Settings settings);
  ~LoadClients();
  LoadClients(const LoadClients&) = delete;
  LoadClients& operator=(const LoadClients&) = delete;

  void runFor(std::chrono::milliseconds time);
  // The connections with these local ports may break from now on. How many of them there are.
  unsigned excuse(const std::set<unsigned>& localPorts);
  // Each client gets the answer to its last request, and closes. False where it takes longer than the
  // patience.
  bool drain();

  const Ledger& ledger() const { return ledger_; }

 private:
  struct Client {
    unsigned number = 0;
    int fd = -1;
    unsigned localPort = 0;
    bool connected = false;
    bool excused = false;
    unsigned requestsLeft = 0;
    std::uint64_t request = 0;
    std::string text;
    std::size_t sent = 0;
    std::size_t received = 0;
    std::chrono::steady_clock::time_point since;
  };

  void step(std::chrono::milliseconds limit);
  void connect(Client& client);
  void onReady(Client& client, unsigned events);
  void beginRequest(Client& client);
  void write(Client& client);
  void read(Client& client);
  void endRequest(Client& client);
  void broken(Client& client, const std::string& how);
  void error(const Client& client, const std::string& what);
  void close(Client& client);
  void watch(Client& client, bool add);
  void checkPatience();

  Settings settings_;
  int epoll_;
  std::vector<Client> clients_;
  std::mt19937 random_;
  bool draining_ = false;
  std::size_t open_ = 0;
  Ledger ledger_;
};

}  // namespace tests
