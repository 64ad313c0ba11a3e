// The echo server with a process for each connection, as a classical forking server does it: a crash costs
// one client.
#include <troupe/troupe.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <iostream>

using namespace std::chrono_literals;

class Connection final : public troupe::Actor<Connection> {
 public:
  Connection(bool upper, troupe::net::Stream peer) : upper_(upper), peer_(std::move(peer)) {}

  troupe::Task<> run() {
    std::array<std::byte, 16 * 1024> buffer;
    while (auto bytes = co_await peer_.readSome(buffer)) {
      if (upper_) std::transform(bytes.data(), bytes.data() + bytes.size(), buffer.data(), toUpper);
      co_await peer_.writeAll(bytes);
    }
  }

 private:
  static std::byte toUpper(std::byte character) {
    return static_cast<std::byte>(std::toupper(std::to_integer<unsigned char>(character)));
  }

  bool upper_;
  troupe::net::Stream peer_;
};

class Acceptor final : public troupe::Actor<Acceptor> {
 public:
  explicit Acceptor(troupe::net::Listener listener) : listener_(std::move(listener)) {}

  troupe::Task<> run() {
    auto connections = co_await findSupervisor("connections");
    co_await listener_.serve([&](troupe::net::Stream peer) { return hand(connections, std::move(peer)); });
  }

 private:
  // The socket moves into the new process. A start that fails costs this client only.
  static troupe::Task<> hand(troupe::SupervisorRef connections, troupe::net::Stream peer) {
    co_await connections.start("connection", std::move(peer));
  }

  troupe::net::Listener listener_;
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  unsigned port = 9696;
  unsigned acceptors = 1;
  unsigned perProcess = 1;
  bool upper = false;
  CLI::App options("A TCP echo server: a process for each connection");
  options.add_option("--port", port, "Port to listen on; 0 lets the system choose")
      ->check(CLI::Range(0, 65535));
  options.add_option("--workers", acceptors, "Number of processes that accept")->check(CLI::Range(1, 64));
  options
      .add_option("--per-process", perProcess, "Connections that one process may serve, one after the other")
      ->check(CLI::Range(1, 1'000'000));
  options.add_flag("--upper", upper, "Answer in upper case");
  try {
    options.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return options.exit(error) == 0 ? 0 : 2;
  }

  auto listener = app.listen("127.0.0.1:" + std::to_string(port));
  app.supervise({.maxRestarts = 1000, .within = 1s});
  app.supervisor("connections", {.maxRestarts = 100, .within = 1s})
      .each<Connection>("connection",
                        {.restart = troupe::Restart::temporary, .instancesPerProcess = perProcess}, upper);
  for (unsigned i = 1; i <= acceptors; ++i) app.child<Acceptor>("acceptor" + std::to_string(i), {}, listener);
  app.ready(
      [listener] { std::cout << "echo_per_connection listens on port " << listener.port() << std::endl; });
  return app.run();
}
