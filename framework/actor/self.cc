#include <troupe/self.h>

#include <troupe/actor.h>

#include <cerrno>

#include "actor/actor_process.h"
#include "os/process.h"

namespace troupe {

namespace {

struct SleepAwaiter {
  loop::Loop& loop;
  Duration duration;
  std::optional<loop::Timer> timer;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    timer.emplace(loop, [waiting] { waiting.resume(); });
    timer->startIn(duration);
  }
  void await_resume() const {}
};

Task<> sleepOn(loop::Loop& loop, Duration duration) { co_await SleepAwaiter{loop, duration, {}}; }

Task<SupervisorRef> supervisorNamed(actor::ActorProcess& process, std::string name) {
  wire::ControlMessage question;
  question->initFind().setName(name.c_str());
  const auto answer = co_await process.requests().ask(std::move(question), kForever,
                                                      "finding the supervisor \"" + name + "\"");
  co_return SupervisorRef(wire::toString(answer->root().getFound().getPath()));
}

}  // namespace

Task<RefBase> actor::actorNamed(ActorProcess& process, std::string name, std::uint64_t interfaceId,
                                std::string protocol) {
  if (name.empty())
    throw Error(ErrorKind::invalid, "finding an actor that serves " + protocol + ": the name is empty");
  wire::ControlMessage question;
  auto find = question->initFind();
  find.setName(name.c_str());
  find.setInterface(interfaceId);
  find.setProtocol(protocol.c_str());
  const auto answer =
      co_await process.requests().ask(std::move(question), kForever, "finding the actor \"" + name + "\"");
  const auto found = answer->root().getFound();
  const wire::ActorId id = found.getActor();
  if (!answer->has(0))
    throw Error::system("finding the actor \"" + name + "\": its address could not be received", EMFILE);
  process.outbox().introduced({id, wire::Lane::mailbox}, answer->take(0), found.getShared());
  co_return RefBase(id, wire::toString(found.getPath()));
}

const std::string& Self::path() const { return process_->path(); }
std::string Self::name() const { return path().substr(path().rfind('/') + 1); }
int Self::pid() const { return os::processId(); }
ActorId Self::id() const { return process_->id(); }
std::uint32_t Self::generation() const { return process_->generation(); }

Task<SupervisorRef> Self::findSupervisor(std::string name) {
  return supervisorNamed(*process_, std::move(name));
}

SupervisorRef Self::supervisor() const {
  const auto slash = path().rfind('/');
  return SupervisorRef(slash == 0 ? "/" : path().substr(0, slash));
}

Task<RefBase> Self::findActor(std::string name, std::uint64_t interfaceId, const char* protocol) {
  return actor::actorNamed(*process_, std::move(name), interfaceId, protocol);
}

Task<> Self::sleepFor(Duration duration) { return sleepOn(process_->loop(), duration); }

void Self::spawn(Task<> task) { process_->spawn(std::move(task)); }

void detail::spawnHere(Task<> task) { actor::ActorProcess::current().spawn(std::move(task)); }

Monitor Self::monitor(const RefBase& actor) {
  if (!actor) throw Error(ErrorKind::invalid, "monitoring an actor: the reference refers to nobody");
  return Monitor(process_->monitors().add(actor.id()));
}

Monitor Self::monitor(const Caller& process) {
  if (!process) throw Error(ErrorKind::invalid, "monitoring a process: no process is given");
  return Monitor(process_->monitors().add(process.actor, process.generation));
}

Caller Self::caller() const { return actor::Server::currentCaller(); }

void Self::stop(ExitReason reason) { process_->stop(std::move(reason)); }

ActorBase::ActorBase() : self_(actor::ActorProcess::current()) {}

}  // namespace troupe
