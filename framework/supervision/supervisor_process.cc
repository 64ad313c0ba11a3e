#include "supervision/supervisor_process.h"

#include <csignal>
#include <cstdio>

#include "actor/describe_exception.h"
#include "os/process.h"
#include "os/signals.h"
#include "supervision/supervisor.h"
#include "wire/control_lane.h"
#include "wire/reason_codec.h"

namespace troupe::supervision {

namespace {

class SupervisorProcess {
 public:
  explicit SupervisorProcess(SupervisorAssignment assignment)
      : lane_(loop_, std::move(assignment.control),
              {.message = [this](wire::ReceivedControl& message) { onMessage(message); },
               // What is above has died; the kernel's SIGKILL is on its way.
               .closed = [] { os::endProcess(1); },
               .fault =
                   [this](const std::string& what) {
                     supervisor_.log().warning(supervisor_.path() + ": " + what);
                   },
               .stuck = [] {}}),
        signals_({SIGCHLD, SIGTERM}),
        supervisor_(loop_, {.path = assignment.path,
                            .blueprint = assignment.blueprint,
                            .program = std::move(assignment.program),
                            .up = [this](wire::ControlMessage message) { lane_.send(std::move(message)); },
                            .ready =
                                [this] {
                                  wire::ControlMessage message;
                                  message->initReady();
                                  lane_.send(std::move(message));
                                },
                            .finished = [this](const ExitReason& reason) { finished(reason); },
                            .forgotten = {}}),
        signalPoll_(loop_, signals_.fd(), loop::Interest::readable, [this](bool, bool) { onSignals(); }) {}

  void run() {
    supervisor_.begin();
    loop_.run();
  }

 private:
  void onMessage(wire::ReceivedControl& message) {
    if (message->getTo().size() == 0 && message->getRequest() == 0) {
      if (message->isStop()) return supervisor_.stop({.kind = ExitKind::shutdown});
      if (message->isPing()) {
        wire::ControlMessage pong;
        pong->setPong();
        return lane_.send(std::move(pong));
      }
    }
    supervisor_.fromAbove(message);
  }

  void onSignals() {
    while (const auto signal = signals_.next()) {
      if (*signal == SIGTERM) supervisor_.stop({.kind = ExitKind::shutdown});
    }
    supervisor_.reap();
  }

  void finished(const ExitReason& reason) {
    supervisor_.finishOutput();
    wire::ControlMessage message;
    wire::write(message->initLeaving(), reason);
    lane_.send(std::move(message));
    // What does not fit into the lane must not be lost: it says how the children ended.
    loop_.beforeSleep([this, code = reason.clean() ? 0 : 1] {
      if (lane_.drained()) os::endProcess(code);
      return false;
    });
  }

  loop::Loop loop_;
  wire::ControlLane lane_;
  os::SignalQueue signals_;
  Supervisor supervisor_;
  loop::Poll signalPoll_;
};

}  // namespace

void runSupervisor(SupervisorAssignment assignment) {
  // Nothing may leave this: below on the stack lies the supervisor that this process was forked from.
  try {
    // Never destroyed: the process ends under it.
    (new SupervisorProcess(std::move(assignment)))->run();
  } catch (...) {
    std::fprintf(stderr, "an exception in the event loop: %s\n",
                 actor::describe(std::current_exception()).c_str());
  }
  os::endProcess(1);
}

}  // namespace troupe::supervision
