#include "node/root.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "os/app_log.h"
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

Root::Root(Setup setup)
    : name_(setup.name),
      attachable_(setup.attachable),
      // Another child may be called "main" too, and is nothing special: App::main alone has the standard input.
      hasMain_(!setup.blueprint->children.empty() && setup.blueprint->children.back()->keepStandardInput),
      signals_({SIGCHLD, SIGINT, SIGTERM}),
      deadLetters_({.app = setup.name,
                    .bytes = setup.deadLetterBytes,
                    .folder = setup.deadLetterFolder,
                    .methodName =
                        [blueprint = setup.blueprint](std::uint64_t interfaceId, std::uint16_t method) {
                          return supervision::methodName(*blueprint, interfaceId, method);
                        },
                    .warn = [this](const std::string& what) { top_.log().warning(what); }}),
      directory_(loop_, {.send = [this](wire::ControlMessage message) { send(std::move(message)); },
                         .warn = [this](const std::string& what) { top_.log().warning(what); },
                         .dead = [this](wire::Letter letter) { deadLetters_.take(std::move(letter)); },
                         .mostLetterBytes = deadLetters_.letters().mostMessageBytes()}),
      top_(loop_, {.path = "/",
                   .blueprint = setup.blueprint,
                   .program = std::move(setup.program),
                   // Not at once: the supervisor must have done with what it is doing.
                   .up =
                       [this](wire::ControlMessage message) {
                         auto looped =
                             std::make_shared<wire::ReceivedControl>(wire::ReceivedControl::looped(message));
                         loop_.post([this, looped] { directory_.onMessage(*looped); });
                       },
                   .ready = std::move(setup.ready),
                   .finished = [this](const ExitReason& reason) { onFinished(reason); },
                   .forgotten = [this](const std::string& id,
                                       const ExitReason& reason) { onForgotten(id, reason); }}),
      clients_(loop_, std::move(setup.key),
               {directory_,
                deadLetters_.letters(),
                {.stopApp = [this] { loop_.post([this] { stopAsAsked("the command troupe stop"); }); },
                 .schema =
                     [blueprint = std::move(setup.blueprint)](std::uint64_t interfaceId) {
                       return supervision::schemaOf(*blueprint, interfaceId);
                     }}},
               [this](const std::string& what) { top_.log().warning(what); }),
      signalPoll_(loop_, signals_.fd(), loop::Interest::readable, [this](bool, bool) { onSignals(); }) {}

void Root::send(wire::ControlMessage message) {
  auto looped = wire::ReceivedControl::looped(message);
  if (Clients::isClient(wire::toString(looped->getTo()))) return clients_.answered(looped);
  top_.fromAbove(looped);
}

int Root::run() {
  os::raiseDescriptorLimit();
  guests_ = os::childrenOfThisProcess();
  os::adoptOrphans();
  os::ignoreBrokenPipes();
  const bool logHasSink = os::logSettings().sink;
  if (!logHasSink) top_.log().takeActors();
  if (attachable_) clients_.open(name_);
  top_.begin();
  if (!finished_) loop_.run();
  if (logHasSink) top_.log().takeActors();
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
  stopAsAsked(signalName(signal));
}

void Root::stopAsAsked(const std::string& why) {
  if (std::exchange(stopping_, true)) return;
  top_.stop({.kind = ExitKind::shutdown, .text = why});
}

void Root::onForgotten(const std::string& id, const ExitReason& reason) {
  clients_.forgotten(id);
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
