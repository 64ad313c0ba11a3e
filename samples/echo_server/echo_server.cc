// A TCP echo server of several processes that share one listening socket. The root binds it once and every
// worker inherits it, so while a worker is dead its siblings accept, and while all are dead the kernel's
// backlog holds the clients.
#include <troupe/troupe.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <iostream>

class EchoWorker final : public troupe::Actor<EchoWorker> {
 public:
  EchoWorker(troupe::net::Listener listener, bool upper) : listener_(std::move(listener)), upper_(upper) {}

  troupe::Task<> run() {
    co_await listener_.serve(
        [upper = upper_](troupe::net::Stream peer) { return echo(std::move(peer), upper); });
  }

 private:
  static troupe::Task<> echo(troupe::net::Stream peer, bool upper) {
    std::array<std::byte, 16 * 1024> buffer;
    while (auto bytes = co_await peer.readSome(buffer)) {
      if (upper) std::transform(bytes.data(), bytes.data() + bytes.size(), buffer.data(), toUpper);
      co_await peer.writeAll(bytes);
    }
  }
  static std::byte toUpper(std::byte character) {
    return static_cast<std::byte>(std::toupper(std::to_integer<unsigned char>(character)));
  }

  troupe::net::Listener listener_;
  bool upper_;
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  unsigned port = 9696;
  unsigned workers = 0;
  bool upper = false;
  CLI::App options("A TCP echo server: a pool of processes over one listening socket");
  options.add_option("--port", port, "Port to listen on; 0 lets the system choose")
      ->check(CLI::Range(0, 65535));
  options.add_option("--workers", workers, "Number of processes; 0: one for each core")
      ->check(CLI::Range(0, 1024));
  options.add_flag("--upper", upper, "Answer in upper case");
  try {
    options.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return options.exit(error) == 0 ? 0 : 2;
  }

  auto listener = app.listen("127.0.0.1:" + std::to_string(port));
  app.pool<EchoWorker>("echo", {.size = workers, .maxRestarts = 1000}, listener, upper);
  app.ready([listener] { std::cout << "echo_server listens on port " << listener.port() << std::endl; });
  return app.run();
}
