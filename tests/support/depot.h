// An app of puppets to attach to, and what tests ask of it from outside.
#pragma once

#include <csignal>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/client_fixture.h"
#include "tests/support/puppet.h"

namespace tests {

using troupe::Client;
using troupe::ClientRef;
using troupe::ErrorKind;

inline constexpr std::size_t kMiB = 1 << 20;

// The main of the test program as that app ("depot"), or of the tests of one. In the environment:
// WITH_KEY: the key is "a secret"; ONE_FOR_ALL: the root's strategy.
int runDepotOrTests(int argc, char** argv);

template <class F>
troupe::Error failureOf(F f) {
  try {
    f();
  } catch (const troupe::Error& error) {
    return error;
  }
  return {ErrorKind::invalid, "there was no error"};
}

inline void expectError(const troupe::Error& error, ErrorKind kind, const std::string& words) {
  EXPECT_EQ(error.kind(), kind) << error.message();
  EXPECT_NE(error.message().find(words), std::string::npos) << error.message();
}

class DepotTest : public ClientTest {
 protected:
  std::unique_ptr<Program> openDepot(std::vector<std::string> environment = {}) {
    auto depot = std::make_unique<Program>(ownPath(), std::vector<std::string>{"depot"}, environment);
    EXPECT_TRUE(depot->waitForLine("open")) << depot->errors();
    return depot;
  }
  troupe::os::Fd connectTo(const Program& depot) const {
    return troupe::os::connectToClientSocket(
        {"depot", depot.pid(), (base_ / "run/depot.") + std::to_string(depot.pid())}, kPatience);
  }
  // The sessions of clients that there are.
  static std::vector<std::string> sessions() {
    std::vector<std::string> paths;
    for (const auto& [path, actor] : actors()) {
      if (path.starts_with("/client@")) paths.push_back(path);
    }
    return paths;
  }
  static pid_t pidOf(const std::string& path) {
    return static_cast<pid_t>(actors().at(path)["pid"].number());
  }
  static std::size_t descriptorsOf(pid_t pid) {
    return static_cast<std::size_t>(std::distance(
        fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), fs::directory_iterator()));
  }
  static std::string echoOf(const ClientRef<Puppet>& puppet, const std::string& text) {
    return puppet.echo(text)->getText().cStr();
  }
};

}  // namespace tests
