// What an actor's process does before it sleeps.
#include "actor/actor_process.h"
#include "os/cores.h"

namespace troupe::actor {

namespace {
// So long it goes on without the event loop: the timers, and descriptors other than mailbox and reply lane, wait meanwhile.
constexpr auto kLongest = std::chrono::microseconds(200);
constexpr auto kCountCores = std::chrono::milliseconds(5);
// Who waits for a reply looks for that so often before it looks for messages once.
constexpr unsigned kRepliesFirst = 4;
constexpr unsigned kLooks = 2 * kRepliesFirst;
}  // namespace

bool ActorProcess::beforeSleep() {
  settle();
  return lookAgain();
}

void ActorProcess::settle() {
  if (!server_.turnOpen() && !outbox_.paused()) journal_.keep();
  outbox_.flush();
  bodies_.rest();
  if (draining_ && background_.size() == 0 && loop_.drainNotices() == 0) windDown();
  endWhenDrained();
}

// True where something has come. Between looks at the clock: in some virtual machines that takes longer than to look at a pipe.
bool ActorProcess::lookSome() {
  for (unsigned look = 1; look <= kLooks; ++look) {
    if (calls_.size() == 0 || look % kRepliesFirst == 0) server_.look();
    calls_.look();
    if (arrivals() == arrivals_) continue;
    arrivals_ = arrivals();
    return true;
  }
  return false;
}

// True: the event loop has something to do, and must not sleep.
bool ActorProcess::lookAgain() {
  const auto slept = loop_.lastSleep();
  if (slept != loop::Duration::zero() && arrivals() != arrivals_) eagerness_.slept(slept);
  arrivals_ = arrivals();
  const auto howLong = eagerness_.howLong();
  if (howLong == loop::Duration::zero() || ending_ || loop_.hasPosted()) return false;
  const auto began = loop::Clock::now();
  if (began - coresCounted_ > kCountCores) {
    coresCounted_ = began;
    coreToSpare_ = os::coreToSpare();
  }
  if (!coreToSpare_) return false;
  bool found = false;
  for (auto now = began, until = began + howLong; now < until;) {
    const bool came = lookSome();
    if (came) settle();
    now = loop::Clock::now();
    if (!came) continue;
    found = true;
    eagerness_.found();
    if (ending_ || loop_.hasPosted() || now - began > kLongest) return true;
    until = now + howLong;
  }
  if (!found) eagerness_.foundNothing();
  return false;
}

}  // namespace troupe::actor
