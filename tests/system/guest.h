// Guests of a group: instances of a template, whose processes are one after the other.
#pragma once

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/app_run.h"
#include "tests/support/processes.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

using troupe::ChildSpec;
using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Restart;
using troupe::StartedChild;
using troupe::SupervisorRef;

inline SupervisorRef group() { return SupervisorRef("/group"); }

// Notes its destructor.
class Guest final : public QuietPuppet<Guest> {
 public:
  explicit Guest(std::string name = "nobody", bool shouts = false) : name_(std::move(name)) {
    if (shouts) std::printf("%s is here\n%s has not ended his line", name_.c_str(), name_.c_str());
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() override { Board::shared().note("gone " + name_); }

  void who(WhoParams, WhoResults out) {
    out.setPid(::getpid());
    out.setPath(path().c_str());
    out.setHandled(++handled_);
  }
  void echo(EchoParams in, EchoResults out) {
    if (in.getText() == "a thread") std::thread([] { std::this_thread::sleep_for(1h); }).detach();
    if (in.getText() == "a child" && ::fork() == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) ::pause();
    }
    out.setText(name_.c_str());
  }
  void leave(LeaveParams in) {
    stop({.kind = static_cast<ExitKind>(in.getKind()), .code = in.getCode(), .text = in.getText().cStr()});
  }
  // Without its event loop.
  void nap(NapParams in, NapResults) {
    std::this_thread::sleep_for(std::chrono::milliseconds(in.getMilliseconds()));
  }
  // Asks so many things that a supervisor which does not read has no room for more, and ends.
  void grow(GrowParams in, GrowResults) {
    for (unsigned i = 0; i < in.getBytes(); ++i) spawn(ask());
    stop({.kind = ExitKind::normal});
  }

 private:
  Task<> ask() { static_cast<void>(co_await find<Puppet>(path())); }

  std::string name_;
  unsigned handled_ = 0;
};

inline void tree(troupe::App& app, ChildSpec spec) {
  app.supervise({.maxRestarts = 1000});
  if (spec.restart == Restart::permanent) spec.restart = Restart::temporary;
  if (spec.instancesPerProcess == 1) spec.instancesPerProcess = 100;
  app.supervisor("group", {.maxRestarts = 1000}).each<Guest>("guest", spec);
}

inline AppRun::Describe with(ChildSpec spec) {
  return [spec](troupe::App& app) { tree(app, spec); };
}

struct Visit {
  pid_t pid = 0;
  std::string path;
  std::string name;
};

// Starts one, asks who it is, and stops it.
inline Task<Visit> visit(std::string name, bool shouts = false) {
  const StartedChild started = co_await group().start("guest", name, shouts);
  auto guest = started.ref<Puppet>().within(5min);
  const auto who = co_await guest.who();
  // An instance is new, whoever its process was.
  EXPECT_EQ(who->getHandled(), 1U);
  const std::string said = co_await textOf(guest.echo("name"));
  const Visit seen{who->getPid(), who->getPath().cStr(), said};
  EXPECT_EQ(seen.pid, started.pid);
  EXPECT_EQ(seen.name, name);
  co_await group().stop(started.id);
  const Error error = co_await errorOf(guest.who());
  EXPECT_EQ(error.kind(), ErrorKind::gone) << error.message();
  co_return seen;
}

// Starts one that nobody is introduced to, and stops it.
inline Task<pid_t> passBy(std::string name) {
  const StartedChild started = co_await group().start("guest", name, false);
  co_await group().stop(started.id);
  co_return started.pid;
}

inline std::vector<pid_t> restingNow() {
  std::vector<pid_t> pids;
  for (const Process& process : processesBelow(::getppid())) {
    if (process.path().ends_with(":resting")) pids.push_back(process.pid);
  }
  return pids;
}

}  // namespace tests
