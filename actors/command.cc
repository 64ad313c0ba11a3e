#include "actors/command.h"

#include <algorithm>
#include <utility>

#include "os/process.h"

namespace troupe::actors {

namespace {

constexpr int kStandardOutput = 1;
constexpr int kStandardError = 2;

bool holdsNul(const std::string& text) { return text.find('\0') != std::string::npos; }

std::vector<std::string> environmentOf(const CommandOrder& order) {
  if (order.inheritEnvironment) return os::environmentWith(order.environment);
  std::vector<std::string> all;
  for (const auto& [name, value] : order.environment)
    all.push_back(std::string(name).append("=").append(value));
  return all;
}

// Where the command writes: a pipe whose other end is this process's, its own output, or nowhere.
struct Sink {
  os::Fd own;
  int fd = -1;
};
Sink sinkFor(StreamTo to, int standard, os::Fd& reader) {
  switch (to) {
    case StreamTo::log: return {.own = {}, .fd = standard};
    case StreamTo::nowhere: return {};
    case StreamTo::reader: break;
  }
  os::OutputPipe pipe = os::makeOutputPipe();
  reader = std::move(pipe.reader);
  Sink sink{.own = std::move(pipe.writer)};
  sink.fd = sink.own.get();
  return sink;
}

Error failureOf(const os::GuardReport& report, const std::string& name, const std::string& directory) {
  using Step = os::GuardReport::Step;
  switch (report.step) {
    case Step::directory:
      return Error::system("cannot run " + name + " in the directory " + directory, report.value);
    case Step::fork: return Error::system("cannot make a process to run " + name, report.value);
    case Step::session:
    case Step::streams: return Error::system("cannot prepare a process to run " + name, report.value);
    case Step::exec: break;
  }
  return Error::system("cannot run " + name, report.value);
}

ExitReason reasonOf(const os::GuardReport& report) {
  if (report.signaled)
    return {.kind = ExitKind::signaled, .code = report.value, .coreDumped = report.coreDumped};
  if (report.value == 0) return {.kind = ExitKind::normal};
  return {.kind = ExitKind::exited, .code = report.value};
}

}  // namespace

void check(const CommandOrder& order, const std::string& what) {
  const auto refuse = [&](const std::string& why) { throw Error(ErrorKind::invalid, what + ": " + why); };
  if (order.argv.empty() || order.argv.front().empty()) refuse("argv names no program");
  if (std::ranges::any_of(order.argv, holdsNul)) refuse("a NUL character in argv");
  if (holdsNul(order.directory)) refuse("a NUL character in the name of its directory");
  for (const auto& [name, value] : order.environment) {
    if (name.empty() || name.find('=') != std::string::npos || holdsNul(name) || holdsNul(value))
      refuse(std::string("\"")
                 .append(name)
                 .append("\" with the value \"")
                 .append(value)
                 .append("\" can't be a variable of the environment"));
  }
}

Command::Owned Command::start(const CommandOrder& order, const std::string& keeper, Hooks hooks) {
  return Owned(new Command(order, keeper, std::move(hooks)));
}

Command::Command(const CommandOrder& order, const std::string& keeper, Hooks hooks)
    : hooks_(std::move(hooks)), name_(order.argv.front()), directory_(order.directory) {
  os::OutputPipe input;
  if (order.input) input = os::makeInputPipe();
  const Sink output = sinkFor(order.output, kStandardOutput, readers_[0]);
  const Sink errors = sinkFor(order.errors, kStandardError, readers_[1]);
  input_ = std::move(input.writer);
  guard_ = os::startGuarded({.arguments = order.argv,
                             .environment = environmentOf(order),
                             .directory = order.directory,
                             .input = input.reader.get(),
                             .output = output.fd,
                             .errors = errors.fd},
                            keeper + ":guard");
  loop::Loop& loop = loop::currentLoop();
  guardPoll_ = std::make_unique<loop::Poll>(loop, guard_.channel.get(), loop::Interest::readable,
                                            [this](bool, bool) { onReport(); });
}

// --- Its streams ---

long Command::read(Outlet outlet, char* into, std::size_t room) {
  return os::readOutput(readerOf(outlet).get(), into, room);
}

void Command::wantRead(Outlet outlet, bool on) {
  auto& poll = readPollOf(outlet);
  if (!poll) {
    if (!on) return;
    poll = std::make_unique<loop::Poll>(loop::currentLoop(), readerOf(outlet).get(), loop::Interest::none,
                                        [this, outlet](bool, bool) { hooks_.readable(outlet); });
  }
  poll->want(on ? loop::Interest::readable : loop::Interest::none);
}

os::InputWrite Command::write(std::string_view bytes) { return os::writeInput(input_.get(), bytes); }

void Command::wantWrite(bool on) {
  if (!input_.valid() || (!inputPoll_ && !on)) return;
  if (!inputPoll_)
    inputPoll_ = std::make_unique<loop::Poll>(loop::currentLoop(), input_.get(), loop::Interest::none,
                                              [this](bool, bool) { hooks_.writable(); });
  inputPoll_->want(on ? loop::Interest::writable : loop::Interest::none);
}

void Command::closeInput() {
  inputPoll_.reset();
  input_.reset();
}

// --- Its end ---

void Command::give(os::GuardOrder order, int signal) {
  if (!ended_) os::order(guard_.channel.get(), order, signal);
}

void Command::letGo() {
  if (ended_) {
    delete this;
    return;
  }
  abandoned_ = true;
  hooks_ = {};
  closeInput();
  readPolls_ = {};
  readers_ = {};
  kill();
}

void Command::onReport() {
  for (;;) {
    os::GuardReport report;
    switch (os::nextReport(guard_.channel.get(), report)) {
      case os::GuardState::nothing: return;
      case os::GuardState::ended: return onGuardEnded();
      case os::GuardState::reported: note(report);
    }
  }
}

void Command::note(const os::GuardReport& report) {
  switch (report.kind) {
    case os::GuardReport::Kind::started:
      pid_ = report.value;
      if (hooks_.started) hooks_.started();
      return;
    case os::GuardReport::Kind::failed: failure_ = failureOf(report, name_, directory_); return;
    case os::GuardReport::Kind::ended: reason_ = reasonOf(report); return;
  }
}

// The hook comes last: it may let go of this, and of itself.
void Command::onGuardEnded() {
  guardPoll_.reset();
  guard_.channel.reset();
  // It is ending: nothing else closes its end.
  os::reapGuard(guard_.pid);
  ended_ = true;
  if (abandoned_) {
    delete this;
    return;
  }
  if (const auto ended = std::move(hooks_.ended)) ended();
}

}  // namespace troupe::actors
