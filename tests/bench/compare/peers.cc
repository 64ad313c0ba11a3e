// The same with other means: programs of their own, each of which prints its figure (tests/bench/peers).
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/programs.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

namespace fs = std::filesystem;

const std::string kBuilt = TROUPE_BINARY_DIR "/tests/bench/peers/";
const std::string kSources = TROUPE_SOURCE_DIR "/tests/bench/peers/";

struct Peer {
  std::string who;
  std::string needs;  // a program
  std::vector<std::string> command;
  // How much it does, so that it takes a second or less.
  std::uint64_t trips;
  std::uint64_t messages;
  std::uint64_t larges;
};

std::vector<Peer> present() {
  const std::string erlang =
      "ERL_ZFLAGS=-start_epmd false -erl_epmd_port " + std::to_string(20'000 + ::getpid() % 10'000);
  std::vector<Peer> all = {
      {"Boost message_queue", kBuilt + "boost", {kBuilt + "boost"}, 20'000, 500'000, 300},
      {"ZeroMQ, ipc", kBuilt + "zeromq", {kBuilt + "zeromq"}, 5'000, 800'000, 300},
      {"nng, ipc", kBuilt + "nng", {kBuilt + "nng"}, 5'000, 40'000, 300},
      {"iceoryx, WaitSet", kBuilt + "iceoryx", {kBuilt + "iceoryx", "waiting"}, 10'000, 200'000, 300},
      {"iceoryx, polling", kBuilt + "iceoryx", {kBuilt + "iceoryx", "polling"}, 50'000, 200'000, 300},
      {"Cap'n Proto RPC", kBuilt + "capnp_rpc", {kBuilt + "capnp_rpc"}, 5'000, 30'000, 300},
      {"gRPC, Unix socket", kBuilt + "grpc", {kBuilt + "grpc"}, 3'000, 40'000, 100},
      {"CAF io", kBuilt + "caf", {kBuilt + "caf"}, 2'000, 40'000, 100},
      {"Erlang, two nodes",
       inPath("escript"),
       {inPath("env"), erlang, inPath("escript"), kSources + "erlang.erl"},
       5'000,
       100'000,
       100},
      {"Python multiprocessing",
       inPath("python3"),
       {inPath("python3"), kSources + "python.py"},
       10'000,
       100'000,
       50},
      {"Node process.send", inPath("node"), {inPath("node"), kSources + "node.js"}, 5'000, 50'000, 50},
  };
  std::erase_if(all, [](const Peer& peer) { return !isProgram(peer.needs); });
  return all;
}

// A new folder to run in, for sockets.
class Folder {
 public:
  Folder() : path_((fs::temp_directory_path() / "troupe-bench.XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) failOfSystem("no folder to run in");
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

[[noreturn]] void become(std::vector<std::string> command, const std::string& folder, int output) {
  std::vector<char*> arguments;
  for (std::string& each : command) arguments.push_back(each.data());
  arguments.push_back(nullptr);
  if (::chdir(folder.c_str()) != 0) failOfSystem("can't go to " + folder);
  ::dup2(output, STDOUT_FILENO);
  ::execv(arguments[0], arguments.data());
  failOfSystem("can't run " + command.front());
}

double measure(std::vector<std::string> command, const std::string& folder, const std::string& workload,
               std::uint64_t count) {
  command.push_back(workload);
  command.push_back(std::to_string(count));
  std::string own = folder + "/XXXXXX";
  if (::mkdtemp(own.data()) == nullptr) failOfSystem("no folder to run in");
  int output[2];
  if (::pipe2(output, O_CLOEXEC) < 0) failOfSystem("no pipe");
  os::test::Child process([&]() -> int { become(command, own, output[1]); });
  ::close(output[1]);
  std::string text;  // a line; processes that it leaves may keep the pipe open
  char part[256];
  for (ssize_t got; text.find('\n') == std::string::npos; text.append(part, static_cast<std::size_t>(got))) {
    got = ::read(output[0], part, sizeof part);
    if (got <= 0) break;
  }
  ::close(output[0]);
  const int code = process.exitCode();
  if (code != 0) fail(command.front() + " ended with code " + std::to_string(code));
  const double value = std::atof(text.c_str());
  if (!(value > 0)) fail(command.front() + " has printed no figure: " + text);
  return value;
}

}  // namespace

void addPeers(Figures& figures) {
  const auto folder = std::make_shared<const Folder>();
  for (const Peer& peer : present()) {
    const auto add = [&](const char* figure, const char* unit, const char* workload, std::uint64_t count) {
      figures.push_back({figure, peer.who, unit, [command = peer.command, folder, workload, count] {
                           return measure(command, folder->path(), workload, effort(count) + 4);
                         }});
    };
    add("round trip, 64 bytes", "us", "round-trip", peer.trips);
    add("one way, 64 bytes, 1 to 1", "M/s", "one-way", peer.messages);
    add("one way, 64 bytes, 4 to 1", "M/s", "four-to-one", peer.messages);
    add("one way, 1 MiB, all read", "GB/s", "large", peer.larges);
  }
}

}  // namespace troupe::bench
