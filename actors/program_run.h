// One run of a command, as a process knows of it that uses its streams: who waits for something of it, and how it has ended.
//
// The actor that keeps a command dies with it, and keeps nothing. So each process that waits for something of it watches that process: what
// it has answered before its end counts, and after that nobody waits for it any more.
//
// Threads: the actor's.
#pragma once

#include <troupe/self.h>

#include <coroutine>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "schemas/program.actor.h"

namespace troupe::actors {

class ProgramRun {
 public:
  ProgramRun(RefBase program, std::uint32_t number, int pid)
      : program_(std::move(program)), number_(number), pid_(pid) {}
  // Of that number; each is watched once.
  static std::shared_ptr<ProgramRun> of(const RefBase& program, std::uint32_t number, int pid);

  Ref<ProgramProtocol> program(Duration deadline) const {
    return Ref<ProgramProtocol>(program_).within(deadline);
  }
  const std::string& path() const { return program_.path(); }
  std::uint32_t number() const { return number_; }
  int pid() const { return pid_; }
  const std::optional<ExitReason>& end() const { return end_; }
  // The first that is said of it counts.
  void note(const ExitReason& reason) {
    if (!end_) end_ = reason;
  }

  // Until it has ended, or something else wakes the one who waits.
  class Wait {
   public:
    explicit Wait(ProgramRun& run) : run_(run) {}
    Wait(const Wait&) = delete;
    ~Wait() { run_.waiting_.erase(this); }
    bool await_ready() const { return run_.end_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiting) {
      waiting_ = waiting;
      run_.waiting_.insert(this);
    }
    void await_resume() { run_.waiting_.erase(this); }

   private:
    friend class ProgramRun;
    ProgramRun& run_;
    std::coroutine_handle<> waiting_;
  };

 private:
  struct Watched;
  static Task<> watch(std::shared_ptr<ProgramRun> run, Self self, Monitor monitor);
  void wakeAll();

  RefBase program_;
  std::uint32_t number_;
  int pid_;
  std::optional<ExitReason> end_;
  std::set<Wait*> waiting_;
};

// A call to it, until that is over or the run is.
template <class R>
class UnlessOver {
 public:
  UnlessOver(ProgramRun& run, Call<R> call) : call_(std::move(call)), wait_(run) {}
  bool await_ready() const { return call_.await_ready() || wait_.await_ready(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    wait_.await_suspend(waiting);
    call_.await_suspend(waiting);
  }
  // Nothing where the run was over first.
  std::optional<Reply<R>> await_resume() {
    wait_.await_resume();
    if (!call_.await_ready()) return std::nullopt;
    return call_.await_resume();
  }

 private:
  Call<R> call_;
  ProgramRun::Wait wait_;
};

// Nothing where the run was over first: run->end() is set then.
template <class R>
Task<std::optional<Reply<R>>> unlessOver(std::shared_ptr<ProgramRun> run, Call<R> call) {
  std::optional<Reply<R>> reply;
  UnlessOver<R> either(*run, std::move(call));
  try {
    reply = co_await either;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::crashed && error.kind() != ErrorKind::gone) throw;
    run->note(error.exitReason());
  }
  if (reply && reply.value()->getOutcome() == ProgramProtocol::Outcome::OVER) {
    ProgramRun::Wait untilTold(*run);
    co_await untilTold;
    reply.reset();
  }
  co_return reply;
}

}  // namespace troupe::actors
