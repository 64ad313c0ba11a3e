// The demonstration: an echo server of supervised processes keeps serving while its processes are killed.
// Some hundred clients, coroutines of one actor, check every byte that comes back. A client whose server
// process is killed loses its connection, and connects again; no other client may notice anything.
#include <troupe/troupe.h>
#include <CLI/CLI.hpp>

#include <array>
#include <iostream>
#include <random>
#include <vector>

#include "server.h"

using namespace std::chrono_literals;

namespace {

constexpr auto kKillEvery = 100ms;

struct Options {
  unsigned seconds = 10;
  unsigned clients = 300;
  unsigned workers = 4;
  unsigned seed = std::random_device{}();
  bool log = false;
};

class Demonstration {
 public:
  Demonstration(troupe::Self& self, Options options)
      : self_(self), options_(options), server_(options.workers, options.log), random_(options.seed) {}

  troupe::Task<> run() {
    std::cout << "The server before:\n"
              << server_.tree() << "\n"
              << options_.clients << " clients, " << options_.seconds << " seconds, SIGKILL for one of "
              << options_.workers << " workers every " << kKillEvery.count() << " ms (seed " << options_.seed
              << ") ..." << std::endl;
    running_ = options_.clients;
    for (unsigned number = 1; number <= options_.clients; ++number) self_.spawn(client(number));
    pids_ = server_.workers();
    for (unsigned second = 1; second <= options_.seconds; ++second) {
      const auto end = std::chrono::steady_clock::now() + 1s;
      while (std::chrono::steady_clock::now() < end) {
        co_await self_.sleepFor(kKillEvery);
        killOne();
      }
      std::cout << second << " s: " << requests_ << " requests answered, " << kills_ << " workers killed"
                << std::endl;
    }
    over_ = true;
    for (unsigned patience = 1000; !recovered() && patience > 0; --patience) co_await self_.sleepFor(10ms);
    std::cout << "\nThe server after:\n" << server_.tree() << '\n';
    summarize();
  }

 private:
  // One request after the other; connects again now and then, and after a loss.
  troupe::Task<> client(unsigned number) {
    for (unsigned request = 0; !over_;) {
      unsigned port = 0;
      try {
        auto stream = co_await troupe::net::connect(server_.address());
        const std::string address = stream.address();
        port = static_cast<unsigned>(std::stoul(address.substr(address.rfind(':') + 1)));
        for (unsigned i = 0; i < 100 && !over_; ++i) co_await exchange(stream, number, ++request);
      } catch (const troupe::Error& error) {
        if (killed_.contains(port)) {
          ++lost_;
        } else {
          errors_.push_back("client " + std::to_string(number) + ": " + error.what());
        }
      }
      // The port may be another connection's from now on.
      killed_.erase(port);
    }
    --running_;
  }

  troupe::Task<> exchange(troupe::net::Stream& stream, unsigned number, unsigned request) {
    const std::string text = "client " + std::to_string(number) + ", request " + std::to_string(request) +
                             std::string(1 + (number * request) % 1000, '.') + "\n";
    co_await stream.writeAll(text);
    std::string answer;
    while (answer.size() < text.size()) {
      std::array<std::byte, 2048> buffer;
      const auto bytes = co_await stream.readSome(buffer);
      if (!bytes) throw troupe::Error(troupe::ErrorKind::gone, "the server has closed the connection");
      answer += bytes.text();
    }
    if (answer != text)
      throw troupe::Error(troupe::ErrorKind::invalid, "another answer than the request: " + answer);
    ++requests_;
  }

  // A connection is lost by the kill only if the worker had it at that moment.
  void killOne() {
    const auto workers = look();
    if (workers.empty()) return;
    auto victim = workers.begin();
    std::advance(victim, std::uniform_int_distribution<std::size_t>(0, workers.size() - 1)(random_));
    auto ports = Server::kill(victim->second);
    if (!ports) return;  // the last one to be killed, which has no successor yet
    killed_.merge(*ports);
    ++kills_;
  }

  // The workers that there are; counts those that have been started since the last look.
  std::map<std::string, pid_t> look() {
    auto workers = server_.workers();
    for (const auto& [path, pid] : workers) {
      if (std::exchange(pids_[path], pid) != pid) ++restarts_;
    }
    return workers;
  }
  bool recovered() { return look().size() == options_.workers && restarts_ == kills_ && running_ == 0; }

  void summarize() {
    const bool whole = recovered();
    const bool inOrder = server_.stop();
    std::cout << "requests answered:                          " << requests_
              << "\nworkers killed:                             " << kills_
              << "\nworkers restarted:                          " << restarts_
              << "\nconnections lost by a kill, and made again: " << lost_
              << "\nerrors of other clients:                    " << errors_.size()
              << "\nserver whole again:                         " << (whole ? "yes" : "no")
              << "\nserver stopped in order:                    " << (inOrder ? "yes" : "no") << std::endl;
    if (!errors_.empty()) std::cout << "the first: " << errors_.front() << std::endl;
    if (!errors_.empty() || !whole || !inOrder || requests_ == 0)
      self_.stop({.kind = troupe::ExitKind::exited, .code = 1});
  }

  troupe::Self& self_;
  Options options_;
  Server server_;
  std::mt19937 random_;
  bool over_ = false;
  unsigned running_ = 0;       // clients
  std::set<unsigned> killed_;  // clients' ports of connections to workers that have been killed
  std::map<std::string, pid_t> pids_;
  std::uint64_t requests_ = 0;
  unsigned kills_ = 0;
  unsigned restarts_ = 0;
  unsigned lost_ = 0;
  std::vector<std::string> errors_;
};

}  // namespace

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  Options options;
  CLI::App usage("An echo server keeps serving while its processes are killed");
  usage.add_option("--seconds", options.seconds, "How long")->check(CLI::Range(1, 86'400));
  usage.add_option("--clients", options.clients, "Concurrent connections")->check(CLI::Range(1, 4000));
  usage.add_option("--workers", options.workers, "Processes of the server")->check(CLI::Range(1, 64));
  usage.add_option("--seed", options.seed, "Chooses whom to kill");
  usage.add_flag("--log", options.log, "Show the server's log");
  try {
    usage.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage.exit(error) == 0 ? 0 : 2;
  }
  app.main([options](troupe::Self& self) -> troupe::Task<> {
    Demonstration demonstration(self, options);
    co_await demonstration.run();
  });
  return app.run();
}
