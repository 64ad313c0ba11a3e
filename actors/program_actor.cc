#include "actors/program_actor.h"

#include <algorithm>
#include <array>

#include "actors/kept_message.h"
#include "actors/waiting.h"
#include "os/guard.h"
#include "os/process.h"

namespace troupe::actors {

namespace {

constexpr std::size_t kMostWaiting = 10'000;
constexpr std::size_t kMostWriteBytes = std::size_t{64} << 20;
constexpr std::size_t kChunk = std::size_t{64} << 10;
constexpr std::size_t kMostOfRead = std::size_t{16} << 20;
constexpr std::array kOutlets{Outlet::output, Outlet::errors};

CommandOrder orderOf(const ProgramSpec& spec) {
  return {.argv = spec.argv,
          .environment = spec.environment,
          .inheritEnvironment = spec.inheritEnvironment,
          .directory = spec.directory,
          .input = spec.input,
          .output = spec.output,
          .errors = spec.errors};
}

}  // namespace

// --- What was read ---

void Inflow::add(std::string_view bytes) {
  bytes_.erase(0, std::exchange(given_, 0));
  bytes_.append(bytes);
}

std::size_t Inflow::line() {
  const std::size_t end = rest().find('\n', searched_);
  if (end != std::string_view::npos) return end + 1;
  searched_ = rest().size();
  return 0;
}

void Inflow::drop(std::size_t bytes) {
  given_ += bytes;
  searched_ = 0;
  if (given_ == bytes_.size()) {
    bytes_.clear();
    given_ = 0;
  }
}

// --- Its life ---

ProgramActor::ProgramActor(const ProgramSpec& spec)
    : spec_(spec),
      parties_(self(), [this](const Caller& party, const ExitReason&) { onPartyEnded(party); }),
      alarm_(self(), [this] { onTime(); }) {}

Task<> ProgramActor::init() {
  // What a guard that is killed had below it comes to this process.
  os::adoptOrphans();
  command_ = Command::start(orderOf(spec_), path(),
                            {.started = [this] { started_.happen(); },
                             .readable = [this](Outlet outlet) { serve(outlet); },
                             .writable = [this] { pour(); },
                             .ended = [this] { onEnded(); }});
  co_await started_;
  const auto& failure = command_->failure();
  if (!failure) co_return;
  stop({.kind = ExitKind::notStarted, .code = failure->systemError(), .text = failure->message()});
  co_await sleepFor(kForever);
}

Task<> ProgramActor::run() {
  co_await over_;
  stop(reason());
}

Task<> ProgramActor::stopping() {
  stopping_ = true;
  if (command_->ended()) co_return;
  bool killed = false;
  loop::Timer limit(loop::currentLoop(), [&] {
    killed = true;
    command_->kill();
  });
  command_->stop(spec_.stopSignal);
  if (spec_.stopWithin != kForever) limit.startIn(spec_.stopWithin);
  co_await ended_;
  if (killed)
    stop({.kind = ExitKind::stopTimeout,
          .text = spec_.argv.front() + " did not end within " + inWords(spec_.stopWithin) + " of " +
                  signalName(spec_.stopSignal)});
}

ExitReason ProgramActor::reason() const {
  return stopping_ ? ExitReason{.kind = ExitKind::shutdown} : command_->reason();
}

void ProgramActor::onEnded() {
  os::endChildren();
  started_.happen();
  ended_.happen();
  breakInput();
  for (const Waiter& waiter : std::exchange(waiters_, {})) answer(waiter);
  // All of it is here: who else had the other ends is dead.
  for (const Outlet outlet : kOutlets) {
    Source& source = sourceOf(outlet);
    while (command_->hasOutlet(outlet) && source.inflow.rest().size() < kMostOfRead &&
           readMore(outlet, true)) {}
    source.over = true;
  }
  for (const Outlet outlet : kOutlets) serve(outlet);
  keepUntil_ = instantIn(waitOf(spec_.keepOutput));
  alarm_.at(keepUntil_);
  lookIfOver();
}

void ProgramActor::lookIfOver() {
  if (!command_->ended()) return;
  const bool unread =
      std::ranges::any_of(sources_, [](const Source& source) { return !source.inflow.rest().empty(); });
  if (!unread || keepUntil_ <= now()) over_.happen();
}

// --- What it is asked ---

void ProgramActor::attach(AttachParams, AttachResults out) {
  out.setRun(self().generation());
  out.setPid(command_->pid());
}

bool ProgramActor::refusesToWait(auto& out) const {
  const std::size_t waiting =
      sources_[0].reads.size() + sources_[1].reads.size() + writes_.size() + waiters_.size();
  if (waiting < kMostWaiting) return false;
  out.refuse(std::to_string(waiting) + " wait for the command already, which is the most");
  return true;
}

template <class P>
P ProgramActor::party(std::uint64_t ticket, std::int64_t wait) {
  P party;
  party.owner = caller();
  party.ticket = ticket;
  party.deadline = instantIn(wait);
  parties_.watch(party.owner);
  alarm_.at(party.deadline);
  return party;
}

void ProgramActor::write(WriteParams in, WriteResults out) {
  if (isOver(in.getRun())) return out.setOutcome(Outcome::OVER);
  if (!spec_.input) return out.refuse("its input is empty, as its spec says");
  if (closeInput_) return out.refuse("its input was closed before");
  if (!command_->hasInput()) return out.setOutcome(Outcome::END);
  const auto chars = in.getBytes().asChars();
  const std::string_view bytes(chars.begin(), chars.size());
  if (refusesToWait(out)) return;
  if (writeBytes_ + bytes.size() > kMostWriteBytes)
    return out.refuse(std::to_string(writeBytes_) + " bytes wait for the command to read them already");
  os::InputWrite wrote;
  if (writes_.empty()) wrote = command_->write(bytes);
  out.setWritten(wrote.bytes);
  if (wrote.error != 0) return out.setOutcome(Outcome::END);
  if (wrote.bytes == bytes.size()) return;
  if (in.getWait() == 0) return out.setOutcome(Outcome::TIMED_OUT);
  Write& write = writes_.emplace_back(party<Write>(in.getTicket(), in.getWait()));
  write.bytes = bytes;
  write.written = wrote.bytes;
  write.call = out.later();
  writeBytes_ += bytes.size();
  command_->wantWrite(true);
}

void ProgramActor::closeInput(CloseInputParams in, CloseInputResults out) {
  if (isOver(in.getRun())) return out.setOutcome(Outcome::OVER);
  closeInput_ = true;
  pour();
}

void ProgramActor::read(ReadParams in, ReadResults out) {
  if (isOver(in.getRun())) return out.setOutcome(Outcome::OVER);
  const Outlet outlet = in.getErrors() ? Outlet::errors : Outlet::output;
  if (!command_->hasOutlet(outlet))
    return out.refuse(in.getErrors() ? "its errors can't be read, as its spec says"
                                     : "its output can't be read, as its spec says");
  if (refusesToWait(out)) return;
  Read& read = sourceOf(outlet).reads.emplace_back(party<Read>(in.getTicket(), in.getWait()));
  read.line = in.getLine();
  read.most = std::clamp<std::size_t>(in.getMost(), 1, kMostOfRead);
  read.call = out.later();
  serve(outlet);
}

void ProgramActor::withdraw(WithdrawParams in) {
  const auto isIt = [owner = caller(), ticket = in.getTicket()](const Party& party) {
    return party.owner == owner && party.ticket == ticket;
  };
  for (Source& source : sources_) std::erase_if(source.reads, isIt);
  // Who comes after it may want less.
  for (const Outlet outlet : kOutlets) serve(outlet);
}

void ProgramActor::signal(SignalParams in, SignalResults out) {
  if (isOver(in.getRun()) || command_->ended()) return out.setOutcome(Outcome::OVER);
  if (in.getSignal() < 1 || in.getSignal() > SIGRTMAX)
    return out.refuse("there is no signal of the number " + std::to_string(in.getSignal()));
  command_->signal(in.getSignal());
}

void ProgramActor::wait(WaitParams in, WaitResults out) {
  if (isOver(in.getRun())) return out.setOutcome(Outcome::OVER);
  if (!command_->ended() && in.getWait() == 0) return out.setOutcome(Outcome::TIMED_OUT);
  if (refusesToWait(out)) return;
  Waiter waiter = party<Waiter>(0, in.getWait());
  waiter.call = out.later();
  if (command_->ended()) return answer(waiter);
  waiters_.push_back(waiter);
}

void ProgramActor::answer(const Waiter& waiter) const {
  waiter.call.answer([why = reason()](ProgramProtocol::WaitResults::Builder results) {
    results.setOutcome(Outcome::END);
    results.setKind(static_cast<std::uint16_t>(why.kind));
    results.setCode(why.code);
    results.setCoreDumped(why.coreDumped);
    results.setText(why.text);
  });
}

// --- What follows from that ---

// How many bytes this read gets now; nothing, where it has to wait.
std::optional<std::size_t> ProgramActor::available(Source& source, const Read& read) {
  const std::size_t rest = source.inflow.rest().size();
  if (!read.line) return rest > 0 || source.over ? std::optional(std::min(rest, read.most)) : std::nullopt;
  // Its end does not count, so that no piece consists of nothing else.
  if (const std::size_t line = source.inflow.line(); line > 0)
    return line - 1 <= read.most ? line : read.most;
  if (rest > read.most || source.over) return std::min(rest, read.most);
  return std::nullopt;
}

// False where there is nothing more for now.
bool ProgramActor::readMore(Outlet outlet, bool all) {
  static std::array<char, kChunk> chunk;
  Source& source = sourceOf(outlet);
  if (source.over) return false;
  const long got = command_->read(outlet, chunk.data(), chunk.size());
  if (got > 0) source.inflow.add({chunk.data(), static_cast<std::size_t>(got)});
  if (got == 0) source.over = true;
  return got > 0 || (got == 0 && !all);
}

// Gives what there is to those who wait for it, first come, first served, and reads no more than they want.
void ProgramActor::serve(Outlet outlet) {
  Source& source = sourceOf(outlet);
  while (!source.reads.empty()) {
    const auto bytes = available(source, source.reads.front());
    if (!bytes) {
      if (readMore(outlet, false)) continue;
      break;
    }
    const Read read = source.reads.front();
    source.reads.pop_front();
    const std::string_view given = source.inflow.rest().substr(0, *bytes);
    read.call.answer([&](ProgramProtocol::ReadResults::Builder results) {
      results.setOutcome(given.empty() ? Outcome::END : Outcome::DONE);
      results.setBytes({reinterpret_cast<const kj::byte*>(given.data()), given.size()});
    });
    source.inflow.drop(*bytes);
    if (keepUntil_ != kNever) alarm_.at(keepUntil_ = instantIn(waitOf(spec_.keepOutput)));
  }
  if (command_->hasOutlet(outlet)) command_->wantRead(outlet, !source.reads.empty());
  lookIfOver();
}

void ProgramActor::pour() {
  while (!writes_.empty()) {
    Write& write = writes_.front();
    const os::InputWrite wrote = command_->write(std::string_view(write.bytes).substr(write.written));
    if (wrote.error != 0) return breakInput();
    write.written += wrote.bytes;
    if (write.written < write.bytes.size()) return command_->wantWrite(true);
    const auto call = write.call;
    const std::size_t bytes = write.bytes.size();
    writeBytes_ -= bytes;
    writes_.pop_front();
    call.answer([&](ProgramProtocol::WriteResults::Builder results) { results.setWritten(bytes); });
  }
  command_->wantWrite(false);
  if (closeInput_) command_->closeInput();
}

// The command reads no more.
void ProgramActor::breakInput() {
  command_->closeInput();
  writeBytes_ = 0;
  for (const Write& write : std::exchange(writes_, {})) {
    write.call.answer([&](ProgramProtocol::WriteResults::Builder results) {
      results.setOutcome(Outcome::END);
      results.setWritten(write.written);
    });
  }
}

// What it has begun to write goes on: half of it would be worse.
void ProgramActor::onPartyEnded(const Caller& ended) {
  const auto isIts = [&](const Party& party) { return party.owner == ended; };
  for (Source& source : sources_) std::erase_if(source.reads, isIts);
  std::erase_if(waiters_, isIts);
  std::erase_if(writes_, [&](const Write& write) {
    if (!isIts(write) || write.written > 0) return false;
    writeBytes_ -= write.bytes.size();
    return true;
  });
  for (const Outlet outlet : kOutlets) serve(outlet);
}

void ProgramActor::onTime() {
  const Instant time = now();
  const auto passed = [&](const auto& party) {
    if (party.deadline > time) {
      alarm_.at(party.deadline);
      return false;
    }
    party.call.answer([](auto results) { results.setOutcome(Outcome::TIMED_OUT); });
    return true;
  };
  for (Source& source : sources_) std::erase_if(source.reads, passed);
  std::erase_if(waiters_, passed);
  std::erase_if(writes_, [&](const Write& write) {
    if (write.deadline > time) {
      alarm_.at(write.deadline);
      return false;
    }
    write.call.answer([&](ProgramProtocol::WriteResults::Builder results) {
      results.setOutcome(Outcome::TIMED_OUT);
      results.setWritten(write.written);
    });
    writeBytes_ -= write.bytes.size();
    return true;
  });
  // What waits behind one that is gone has its turn.
  pour();
  for (const Outlet outlet : kOutlets) serve(outlet);
  if (keepUntil_ != kNever && keepUntil_ > time) alarm_.at(keepUntil_);
  lookIfOver();
}

}  // namespace troupe::actors

namespace troupe {

void Program::declare(Group& group, std::string id, const ProgramSpec& spec) {
  const std::string what = "the program \"" + id + "\"";
  actors::check(actors::orderOf(spec), what);
  if (spec.stopSignal < 1 || spec.stopSignal > SIGRTMAX)
    throw Error(ErrorKind::invalid,
                what + ": " + std::to_string(spec.stopSignal) + " is no signal to stop it by");
  if (spec.stopWithin < Duration::zero() || spec.keepOutput < Duration::zero())
    throw Error(ErrorKind::invalid, what + ": a negative time");
  ChildSpec child = actors::mayAnswer(spec.child, actors::kMostOfRead);
  // Time to kill it, and to reap what is left.
  constexpr Duration kMore = std::chrono::seconds(10);
  child.stop = spec.stopWithin > kForever - kMore ? Stop::infinity() : Stop::within(spec.stopWithin + kMore);
  group.child<actors::ProgramActor>(std::move(id), child, spec);
}

}  // namespace troupe
