// An actor's part in its own replacement by a process of a newer program (supervision/upgrade.cc), as the older process.
#include <troupe/error.h>

#include "actor/actor_process.h"
#include "os/kill_point.h"
#include "os/shared_memory.h"

namespace troupe::actor {

void ActorProcess::checkMaySend(const wire::Purpose& what) const {
  if (draining_)
    throw Error::gone(what.text() + ": this process of " + path_ + " has handed over to a newer one", {});
}

const os::Fd& ActorProcess::keptMemory(const wire::Purpose& what) const {
  if (!deskLock_.valid())
    throw Error::gone(what.text() + ": this process of " + path_ + " has handed over to a newer one", {});
  return deskLock_;
}

void ActorProcess::handOver() {
  if (ending_ || handingOver_) return;
  handingOver_ = true;
  server_.stopTaking();
  letGoWhenIdle();
}

// Replies that it has read, and whose bodies it can't open yet, nobody else could free.
void ActorProcess::letGoWhenIdle() {
  if (handingOver_ && !server_.turnOpen() && !calls_.awaitsBodies()) letGo();
}

// From here on the memory is another process's. What was committed and has not left, it sends.
void ActorProcess::letGo() {
  if (outbox_.paused()) return;
  journal_.keep();
  outbox_.flush();
  outbox_.pause();
  calls_.pause();
  bodies_.own().letGo();
  kept_.letGo();
  os::killPoint("letGo");
  os::unlock(deskLock_);
  deskLock_.reset();
  wire::ControlMessage message;
  message->setHandedOver();
  control_.send(std::move(message));
  os::killPoint("handedOver");
}

void ActorProcess::takeBack(wire::ReceivedControl& message) {
  if (!outbox_.paused() || ending_) return;
  try {
    generation_ = message->getTakeOver();
    deskLock_ = message.take(2);
    handingOver_ = false;
    log_.reload();
    desk_.reload();
    kept_.reload();
    kept_.touchAll();
    bodies_.own().takeBack(message.has(3) ? message.take(3) : os::Fd(), generation_);
    calls_.goOn();
    outbox_.goOn(generation_);
    monitors_.watchAgain();
    os::killPoint("tookBack");
    server_.goOnTaking();
  } catch (...) {
    // Something of its own has not come: it could serve nobody, and its successor can.
    crash(std::current_exception());
  }
}

void ActorProcess::drain() {
  if (ending_) return;
  draining_ = true;
  ending_ = ExitReason{.kind = ExitKind::shutdown};
  askedToStop_ = true;
  const Error why = Error::gone("this process of " + path_ + " has handed over to a newer one", {});
  outbox_.retire();
  calls_.failAll(why);
  requests_.close(why);
  loop_.drain();
  if (loop_.drainNotices() == 0) run_.cancelAll();
}

}  // namespace troupe::actor
