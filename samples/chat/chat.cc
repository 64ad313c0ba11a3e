// A chat by TCP: whoever connects says a name, hears what was said last, and from then on all that is said. Each connection is a process
// of its own, so a crash costs one of them its connection, and the others nothing. Who reads too slowly holds nobody up: it is told how
// many lines it has missed.
#include <troupe/troupe.h>

#include <array>
#include <iostream>
#include <optional>
#include <string>

#include "line.actor.h"

using namespace std::chrono_literals;
using Lobby = troupe::Topic<Line>;

class Connection final : public troupe::Actor<Connection> {
 public:
  explicit Connection(troupe::net::Stream peer) : peer_(std::move(peer)) {}

  troupe::Task<> run() {
    co_await peer_.writeAll("Your name?\n");
    const auto name = co_await nextLine();
    if (!name) co_return;
    auto lobby = co_await find<Lobby>("lobby");
    auto lines = co_await lobby.subscribe();
    spawn(hear(lines));
    while (auto text = co_await nextLine()) {
      co_await lobby.publish([&](Line::Builder line) {
        line.setFrom(*name);
        line.setText(*text);
      });
    }
  }

 private:
  troupe::Task<> hear(Lobby::Subscription lines) {
    while (auto line = co_await lines.next()) {
      std::string text = std::string(line->getFrom().cStr()) + ": " + line->getText().cStr() + "\n";
      if (line.missed() > 0) text.insert(0, "(" + std::to_string(line.missed()) + " lines missed)\n");
      co_await peer_.writeAll(text);
    }
  }

  // Nothing where the peer has left, or does not know when to stop.
  troupe::Task<std::optional<std::string>> nextLine() {
    std::array<std::byte, 4096> buffer;
    while (read_.find('\n') == std::string::npos) {
      const auto bytes = co_await peer_.readSome(buffer);
      if (!bytes || read_.size() > buffer.size()) co_return std::nullopt;
      read_ += bytes.text();
    }
    const std::string line = read_.substr(0, read_.find('\n'));
    read_.erase(0, line.size() + 1);
    co_return line;
  }

  troupe::net::Stream peer_;
  std::string read_;
};

class Door final : public troupe::Actor<Door> {
 public:
  explicit Door(troupe::net::Listener listener) : listener_(std::move(listener)) {}

  troupe::Task<> run() {
    auto connections = co_await findSupervisor("connections");
    for (;;) {
      troupe::net::Stream peer = co_await listener_.accept();
      co_await connections.start("connection", std::move(peer));  // the socket moves into the new process
    }
  }

 private:
  troupe::net::Listener listener_;
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  auto listener = app.listen("127.0.0.1:" + std::string(argc > 1 ? argv[1] : "9697"));
  app.add<Lobby>("lobby", {.capacity = 100, .history = 10, .slow = troupe::Slow::dropOldest});
  app.supervisor("connections", {.maxRestarts = 100, .within = 1s})
      .each<Connection>("connection", {.restart = troupe::Restart::temporary});
  app.child<Door>("door", {}, listener);
  app.ready([listener] { std::cout << "chat listens on port " << listener.port() << std::endl; });
  return app.run();
}
