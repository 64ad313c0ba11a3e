// The scene of OTP's cases: an app whose supervisor "/s" is the one under test, and a main that acts on it.
#pragma once

#include <functional>
#include <string>

#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

using troupe::AutoShutdown;
using troupe::ChildCounts;
using troupe::ChildSpec;
using troupe::ChildState;
using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::ExitReason;
using troupe::Group;
using troupe::Restart;
using troupe::Stop;
using troupe::Strategy;
using troupe::SupervisorRef;
using troupe::SupervisorSpec;

class OtpSupervisor : public AppTest {
 protected:
  using Children = std::function<void(Group&)>;
  using Act = std::function<Task<>(Self&, SupervisorRef)>;

  // "/s" is temporary: when it gives up, the app goes on without it.
  static Ended run(SupervisorSpec flags, const Children& children, const Act& act) {
    if (flags.restart == Restart::permanent) flags.restart = Restart::temporary;
    return runApp(
        [&](troupe::App& app) {
          app.supervise({.maxRestarts = 1000, .within = std::chrono::seconds(1)});
          children(app.supervisor("s", flags));
        },
        [act](Self& self) -> Task<> { co_await act(self, SupervisorRef("/s")); });
  }

  static SupervisorRef root() { return SupervisorRef("/"); }
  static Task<> crash(Self& self, std::string path, std::string how = "kill") {
    auto puppet = co_await self.find<Puppet>(path);
    co_await puppet.die(how);
  }
  static Task<> becomesOrder(Self& self, SupervisorRef s, std::string order) {
    return until(self, "the children to be " + order,
                 [s, order]() -> Task<bool> { co_return co_await orderOf(s) == order; });
  }
  static Task<> becomesGone(Self& self, std::string path) {
    return until(self, path + " to be gone", [path]() -> Task<bool> {
      const auto children = co_await childrenOf(SupervisorRef("/"));
      co_return !children.contains(path.substr(1));
    });
  }
};

inline void expectContains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "there is no \"" << part << "\" in: " << text;
}

}  // namespace tests
