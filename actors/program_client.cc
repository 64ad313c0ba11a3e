// The side of a program that its users see. What is called does not refer to the Program, which may be gone when it is awaited.
#include "actor/actor_process.h"
#include "actors/program_run.h"
#include "actors/waiting.h"

#include <troupe/program.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace troupe {

namespace detail {

// Of a Program and its copies.
struct ProgramBinding {
  std::shared_ptr<actors::ProgramRun> run;
  std::array<bool, 2> read = {};  // to the end: output, errors
};

}  // namespace detail

namespace {

using actors::ProgramProtocol;
using actors::ProgramRun;
using detail::ProgramBinding;
using Outcome = ProgramProtocol::Outcome;
using RunOf = std::shared_ptr<ProgramRun>;

// Of one write, which goes whole.
constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

// A command whose input breaks has mostly ended, which is known a moment later.
constexpr Duration kTimeToTell = std::chrono::milliseconds(100);

std::uint64_t nextProgramTicket() {
  static std::uint64_t last = 0;
  return ++last;
}

Task<> castWithdraw(RunOf run, std::uint64_t ticket) { co_await run->program(kForever).withdraw(ticket); }

// A read that nobody waits for any more must not get anything.
class OpenRead {
 public:
  explicit OpenRead(RunOf run) : run_(std::move(run)) {}
  OpenRead(const OpenRead&) = delete;
  ~OpenRead() {
    if (open_ && !run_->end()) actor::ActorProcess::current().spawn(castWithdraw(run_, ticket_));
  }
  std::uint64_t ticket() const { return ticket_; }
  void close() { open_ = false; }

 private:
  RunOf run_;
  std::uint64_t ticket_ = nextProgramTicket();
  bool open_ = true;
};

// The run that this handle stands for: the one that there is when it is first used.
Task<RunOf> runFor(RefBase program, std::shared_ptr<ProgramBinding> binding, Duration wait) {
  if (!binding->run) {
    auto call = Ref<ProgramProtocol>(program).within(actors::callWithin(wait)).attach();
    const auto reply = co_await call;
    // Another one may have asked meanwhile.
    if (!binding->run) binding->run = ProgramRun::of(program, reply->getRun(), reply->getPid());
  }
  co_return binding->run;
}

Error isOver(const std::string& what, const ExitReason& reason) {
  return Error::gone(what + ": its command has ended: " + reason.toString(), reason);
}

// Why the command has ended, also where its output can still be read; nothing where it runs on for so long.
Task<std::optional<ExitReason>> reasonWithin(RunOf run, Duration wait) {
  if (run->end()) co_return run->end();
  auto call = run->program(actors::callWithin(wait)).wait(run->number(), actors::waitOf(wait));
  const auto reply = co_await actors::unlessOver(run, std::move(call));
  if (!reply) co_return run->end();
  if ((*reply)->getOutcome() == Outcome::TIMED_OUT) co_return std::nullopt;
  co_return ExitReason{.kind = static_cast<ExitKind>((*reply)->getKind()),
                       .code = (*reply)->getCode(),
                       .coreDumped = (*reply)->getCoreDumped(),
                       .text = (*reply)->getText().cStr()};
}

Task<> written(RefBase program, std::shared_ptr<ProgramBinding> binding, std::string bytes, Duration wait) {
  const RunOf run = co_await runFor(program, binding, wait);
  const std::string what = "writing to the input of " + program.path();
  std::size_t done = 0;
  const auto soFar = [&](std::size_t more) {
    return std::to_string(done + more) + " of " + std::to_string(bytes.size()) + " bytes";
  };
  while (done < bytes.size()) {
    if (run->end()) throw isOver(what, *run->end());
    const std::string_view piece = std::string_view(bytes).substr(done, kPiece);
    auto call = run->program(actors::callWithin(wait))
                    .write(run->number(), nextProgramTicket(), piece, actors::waitOf(wait));
    const auto reply = co_await actors::unlessOver(run, std::move(call));
    if (!reply) throw isOver(what, *run->end());
    const std::size_t more = (*reply)->getWritten();
    switch ((*reply)->getOutcome()) {
      case Outcome::TIMED_OUT:
        throw actors::waitedInVain(what + ": the command has not read it; " + soFar(more) + " were written",
                                   wait);
      case Outcome::END: {
        const auto end = co_await reasonWithin(run, kTimeToTell);
        if (end) throw isOver(what, *end);
        throw Error::system(what + ": the command reads no more; " + soFar(more) + " were written", EPIPE);
      }
      default: done += more;
    }
  }
}

Task<> inputClosed(RefBase program, std::shared_ptr<ProgramBinding> binding, Duration wait) {
  const RunOf run = co_await runFor(program, binding, wait);
  if (run->end()) co_return;
  auto call = run->program(actors::callWithin(wait)).closeInput(run->number());
  static_cast<void>(co_await actors::unlessOver(run, std::move(call)));
}

struct Wanted {
  bool errors = false;
  bool line = false;
  std::size_t most = 0;
};

Task<std::optional<std::string>> readFrom(RefBase program, std::shared_ptr<ProgramBinding> binding,
                                          Wanted wanted, Duration wait) {
  const RunOf run = co_await runFor(program, binding, wait);
  bool& toTheEnd = binding->read[wanted.errors ? 1 : 0];
  if (toTheEnd || run->end()) co_return std::nullopt;
  OpenRead open(run);
  auto call =
      run->program(actors::callWithin(wait))
          .read(run->number(), open.ticket(), wanted.errors, wanted.line,
                static_cast<std::uint32_t>(std::min(wanted.most, kLongestLine)), actors::waitOf(wait));
  const auto reply = co_await actors::unlessOver(run, std::move(call));
  open.close();
  if (!reply) co_return std::nullopt;
  if ((*reply)->getOutcome() == Outcome::TIMED_OUT)
    throw actors::waitedInVain(std::string("reading the ") + (wanted.errors ? "errors" : "output") + " of " +
                                   program.path() + ": there was nothing",
                               wait);
  toTheEnd = (*reply)->getOutcome() == Outcome::END;
  if (toTheEnd) co_return std::nullopt;
  const auto chars = (*reply)->getBytes().asChars();
  std::string bytes(chars.begin(), chars.size());
  if (wanted.line && bytes.ends_with('\n')) bytes.pop_back();
  co_return bytes;
}

Task<ExitReason> endOf(RefBase program, std::shared_ptr<ProgramBinding> binding, Duration wait) {
  const RunOf run = co_await runFor(program, binding, wait);
  const auto end = co_await reasonWithin(run, wait);
  if (!end) throw actors::waitedInVain("waiting for the end of " + program.path() + ": it runs", wait);
  co_return *end;
}

Task<> signaled(RefBase program, std::shared_ptr<ProgramBinding> binding, int signal, Duration wait) {
  const RunOf run = co_await runFor(program, binding, wait);
  const std::string what = "sending " + signalName(signal) + " to the command of " + program.path();
  if (run->end()) throw isOver(what, *run->end());
  auto call = run->program(actors::callWithin(wait)).signal(run->number(), signal);
  const auto reply = co_await actors::unlessOver(run, std::move(call));
  if (!reply) throw isOver(what, *run->end());
}

Task<int> pidOf(RefBase program, std::shared_ptr<ProgramBinding> binding, Duration wait) {
  const RunOf run = co_await runFor(program, binding, wait);
  co_return run->pid();
}

}  // namespace

Program::Program(RefBase program)
    : RefBase(std::move(program)), binding_(std::make_shared<detail::ProgramBinding>()) {
  deadline_ = kForever;
}

Task<> Program::write(std::string bytes) const {
  return written(*this, binding_, std::move(bytes), deadline_);
}

Task<> Program::closeInput() const { return inputClosed(*this, binding_, deadline_); }

Task<std::optional<std::string>> Program::readLine() const {
  return readFrom(*this, binding_, {.line = true, .most = kLongestLine}, deadline_);
}

Task<std::optional<std::string>> Program::read(std::size_t most) const {
  return readFrom(*this, binding_, {.most = most}, deadline_);
}

Task<std::optional<std::string>> Program::readErrorLine() const {
  return readFrom(*this, binding_, {.errors = true, .line = true, .most = kLongestLine}, deadline_);
}

Task<std::optional<std::string>> Program::readErrors(std::size_t most) const {
  return readFrom(*this, binding_, {.errors = true, .most = most}, deadline_);
}

Task<ExitReason> Program::wait() const { return endOf(*this, binding_, deadline_); }

Task<> Program::signal(int signal) const { return signaled(*this, binding_, signal, deadline_); }

Task<int> Program::pid() const { return pidOf(*this, binding_, deadline_); }

ServedProtocol Program::served() {
  return {Protocol<ProgramProtocol>::kId, Protocol<ProgramProtocol>::kName};
}

}  // namespace troupe
