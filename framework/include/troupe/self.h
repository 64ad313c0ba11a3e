// Self: what an actor knows of itself and can ask for. Every actor has the same as member functions (<troupe/actor.h>).
//
// Threads: the actor's event loop.
#pragma once

#include <troupe/logger.h>
#include <troupe/ref.h>
#include <troupe/supervisor_ref.h>
#include <troupe/task.h>

#include <compare>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>

namespace troupe {

namespace actor {
class ActorProcess;
}

// An actor has ended, or will be restarted: what a Monitor tells.
struct Down {
  std::string path;
  std::uint32_t generation = 0;  // which of its processes
  ExitReason reason;
  bool final = false;  // it has gone for good; no more will be told
};

namespace detail {
// Self::spawn, for what has no Self at hand.
void spawnHere(Task<> task);
}  // namespace detail

// Watches one actor, across its restarts. OTP's monitor, but it stays on until the actor has gone for good.
class Monitor {
 public:
  struct State;
  explicit Monitor(std::shared_ptr<State> state) : state_(std::move(state)) {}
  // The next end of one of its processes, in order; none is lost between two calls. Of an actor that is gone already, the
  // final one comes at once.
  Task<Down> next();

 private:
  std::shared_ptr<State> state_;
};

// The process that a message came from.
struct Caller {
  ActorId actor = 0;
  std::uint32_t generation = 0;  // which of the actor's processes
  explicit operator bool() const { return actor != 0; }
  friend bool operator==(const Caller&, const Caller&) = default;
  friend auto operator<=>(const Caller&, const Caller&) = default;
};

// What find() gives for a class that stands for a ready-made actor: the class itself, made from a reference. It says which protocol
// the actor serves.
struct ServedProtocol {
  std::uint64_t id;
  const char* name;
};
template <class T>
concept ReadyMade = std::constructible_from<T, RefBase> && requires {
  { T::served() } -> std::same_as<ServedProtocol>;
};

class Self {
 public:
  explicit Self(actor::ActorProcess& process) : process_(&process) {}

  // "/shop/till"
  const std::string& path() const;
  // "till"
  std::string name() const;
  int pid() const;
  ActorId id() const;
  // Counts the processes that this actor has had, this one included, from 1.
  std::uint32_t generation() const;
  // Lines for the app's log, with this actor's path.
  Logger log() const { return Logger(path()); }

  // The actor of that name: "/shop/till" by its path, "till" by its name in the scope of the own supervisor, then of that one's
  // supervisor, and so on, at last by an app-wide name.
  // Errors: gone, where there is none; invalid, where it does not serve I.
  template <ReadyMade Part>
  Task<Part> find(std::string name) {
    const ServedProtocol served = Part::served();
    RefBase found = co_await findActor(std::move(name), served.id, served.name);
    co_return Part(std::move(found));
  }
  template <class I>
  Task<Ref<I>> find(std::string name) {
    RefBase found = co_await findActor(std::move(name), Protocol<I>::kId, Protocol<I>::kName);
    co_return Ref<I>(std::move(found));
  }
  // Errors: gone, invalid (an actor that is no supervisor).
  Task<SupervisorRef> findSupervisor(std::string name);
  // The one that this actor lives under.
  SupervisorRef supervisor() const;

  Task<> sleepFor(Duration duration);
  // Runs a task beside what else this actor does. It is cancelled when the actor stops, a little after run(), or the function of
  // App::main, has ended: so it must not refer to variables of theirs. An exception that leaves it is a crash.
  void spawn(Task<> task);
  Monitor monitor(const RefBase& actor);
  // Watches that one process: its next() tells its end once, also where it was before, or was that of a process which has handed over
  // to a newer program (SupervisorRef::upgrade). The reason is lost where the actor has had further processes since.
  Monitor monitor(const Caller& process);
  // Who sent the message that is being handled. Errors: invalid, outside of handlers.
  Caller caller() const;

  // Ends this actor in an orderly way, as if its supervisor had asked it to, when the turn at hand is over: with this reason.
  void stop(ExitReason reason = {.kind = ExitKind::shutdown});

 private:
  Task<RefBase> findActor(std::string name, std::uint64_t interfaceId, const char* protocol);
  actor::ActorProcess* process_;
};

}  // namespace troupe
