#include "node/root.h"

#include <algorithm>
#include <csignal>

#include "os/limits.h"
#include "os/process.h"

namespace troupe::node {

namespace {

constexpr int kStopped = 1;
// Signals that come so close together are one wish: timeout(1), for one, sends SIGTERM twice.
constexpr auto kOneWish = std::chrono::milliseconds(100);

int exitCodeOf(const ExitReason& reason) {
  if (reason.clean()) return 0;
  if (reason.kind == ExitKind::exited && reason.code != 0) return reason.code;
  if (reason.kind == ExitKind::signaled) return 128 + reason.code;
  return kStopped;
}

}  // namespace

Root::Root(std::shared_ptr<const supervision::Blueprint> blueprint, supervision::Program program,
           std::function<void()> ready)
    // Another child may be called "main" too, and is nothing special: App::main alone has the standard input.
    : hasMain_(!blueprint->children.empty() && blueprint->children.back()->keepStandardInput),
      signals_({SIGCHLD, SIGINT, SIGTERM}),
      directory_(loop_, {.send =
                             [this](wire::ControlMessage message) {
                               auto looped = wire::ReceivedControl::looped(message);
                               top_.fromAbove(looped);
                             },
                         .warn = [this](const std::string& what) { top_.log().warning(what); }}),
      top_(loop_, {.path = "/",
                   .blueprint = std::move(blueprint),
                   .program = std::move(program),
                   // Not at once: the supervisor must have done with what it is doing.
                   .up =
                       [this](wire::ControlMessage message) {
                         auto looped =
                             std::make_shared<wire::ReceivedControl>(wire::ReceivedControl::looped(message));
                         loop_.post([this, looped] { directory_.onMessage(*looped); });
                       },
                   .ready = std::move(ready),
                   .finished = [this](const ExitReason& reason) { onFinished(reason); },
                   .forgotten = [this](const std::string& id,
                                       const ExitReason& reason) { onForgotten(id, reason); }}),
      signalPoll_(loop_, signals_.fd(), loop::Interest::readable, [this](bool, bool) { onSignals(); }) {}

int Root::run() {
  os::raiseDescriptorLimit();
  guests_ = os::childrenOfThisProcess();
  os::adoptOrphans();
  os::ignoreBrokenPipes();
  top_.begin();
  if (!finished_) loop_.run();
  top_.finishOutput();
  endStrangers();
  return code_;
}

void Root::onSignals() {
  while (const auto signal = signals_.next()) {
    if (*signal != SIGCHLD) onStopSignal(*signal);
  }
  top_.reap();
}

void Root::onStopSignal(int signal) {
  const auto now = loop::Clock::now();
  const bool again = stopSignal_ != loop::Clock::time_point() && now - stopSignal_ >= kOneWish;
  if (stopSignal_ == loop::Clock::time_point()) stopSignal_ = now;
  if (again) {
    top_.log().warning("killing all processes: " + signalName(signal) + " came again");
    code_ = 128 + signal;
    return top_.killAll();
  }
  if (stopping_) return;
  stopping_ = true;
  top_.stop({.kind = ExitKind::shutdown, .text = signalName(signal)});
}

void Root::onForgotten(const std::string& id, const ExitReason& reason) {
  if (!hasMain_ || id != "main" || finished_) return;
  if (!stopping_) code_ = exitCodeOf(reason);
  stopping_ = true;
  loop_.post([this, reason] { top_.stop({.kind = ExitKind::shutdown, .text = "main has ended"}); });
}

void Root::onFinished(const ExitReason& reason) {
  finished_ = true;
  if (!reason.clean()) {
    code_ = kStopped;
    top_.log().warning("the app ends: " + reason.toString());
  }
  loop_.stop();
}

// What actors have started besides, and did not end with them: programs of a shell, and the like. They were adopted.
void Root::endStrangers() {
  const auto deadline = loop::Clock::now() + std::chrono::seconds(5);
  while (loop::Clock::now() < deadline) {
    while (os::reapChild()) {}
    auto left = os::childrenOfThisProcess();
    std::erase_if(left, [this](pid_t pid) { return std::ranges::find(guests_, pid) != guests_.end(); });
    if (left.empty()) return;
    for (const pid_t pid : left) os::sendSignal(pid, SIGKILL);
    os::waitForChild(std::chrono::milliseconds(100));
  }
}

}  // namespace troupe::node
