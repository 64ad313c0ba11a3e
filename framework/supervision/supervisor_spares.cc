// Hot spares at work: made for those of the children that are to have some, and called when a child is to be started.
#include <algorithm>

#include "actor/spec_codec.h"
#include "os/kill_point.h"
#include "supervision/supervisor.h"

namespace troupe::supervision {

namespace {

// Below a pool there may be others too, which were added at run time.
bool isWorker(const Child& child) { return child.blueprint->role == wire::Role::poolWorker; }

}  // namespace

SparePlace Supervisor::placeOf(const Child& child) const { return isWorker(child) ? 0 : child.key; }

// What was upgraded is started from a program that this process is no copy of.
void Supervisor::provideSpares(const Child& child) {
  if (child.upgraded || upgrades_.contains(child.key)) return;
  if (child.spec.spares > 0) return spares_.provide(placeOf(child), child);
  // It had some before its spec was changed.
  if (!isWorker(child)) spares_.drop(child.key);
}

bool Supervisor::launchSpare(Child& spare) {
  // All workers are made alike; the one that was ready last may have been removed.
  if (isWorker(spare) && !makers_.contains(spare.key)) {
    const auto other = std::ranges::find_if(
        makers_, [](const auto& each) { return each.second.blueprint->role == wire::Role::poolWorker; });
    if (other != makers_.end()) spare.key = other->first;
  }
  if (!makers_.contains(spare.key)) return false;
  if (isWorker(spare)) spare.path = pathBelow(setup_.path, "*");
  try {
    launchChild(spare, {}, {});
    return true;
  } catch (const Error& error) {
    // What is made ahead is made at its start then, which says what is wrong.
    if (!spare.ahead) log_.warning(sparePath(spare.path) + ": " + error.message());
    if (spare.pid != 0) byPid_.erase(spare.pid);
    return false;
  }
}

// Children of a round start one after the other, as each may call those before it. But the fork of the next goes on while this one's
// constructor and init() do, on another core.
void Supervisor::makeNextAhead() {
  if (const auto next = core_.startsNext()) makeAhead(*next);
}

// The process of a start that is about to come: it is told who it is then.
void Supervisor::makeAhead(const Start& start) {
  if (!makers_.contains(start.key) && !declared_.contains(start.id)) return;
  auto spare = newChild(start);
  if (makers_.at(spare->key).upgraded || upgrades_.contains(spare->key)) return;
  // What a temporary child is given moves into its process, and may not be in another's.
  if (spare->isSupervisor() || spare->spec.restart == Restart::temporary) return;
  const SparePlace place = placeOf(*spare);
  spare->part = Part::spare;
  spare->ahead = true;
  spares_.makeAhead(place, std::move(spare));
}

// The spare is that child from here on. Null where there is none, and nothing has changed.
Child* Supervisor::replaceBySpare(Child& child) {
  if (child.upgraded || child.isSupervisor()) return nullptr;
  auto spare = spares_.take(placeOf(child), child.spec);
  if (!spare) return nullptr;
  Child* const placed = place(child, std::move(spare));
  os::killPoint("spareTaken");
  return placed;
}

// `process` is that child from here on, whose own goes.
Child* Supervisor::place(Child& child, std::unique_ptr<Child> process) {
  process->becomeLike(child);
  process->generation = child.generation;
  Child& placed = *process;
  byId_[placed.id] = &placed;
  children_.at(placed.key) = std::move(process);
  return &placed;
}

void Supervisor::call(Child& spare, wire::ReceivedControl& granted) {
  wire::ControlMessage message;
  auto become = message->initBecome();
  become.setPath(spare.path.c_str());
  become.setActor(spare.actor);
  become.setGeneration(spare.generation);
  become.setMaxMessageBytes(spare.spec.maxMessageBytes);
  become.setKept(granted->getGranted().getKept());
  for (os::Fd& descriptor : granted.descriptors())
    if (descriptor.valid()) message.attach(std::move(descriptor));
  // What it was given itself it has from the fork, unless it was somebody else then.
  if (spare.spec.instancesPerProcess > 1) {
    const auto& arguments = makers_.at(spare.key).arguments;
    actor::write(become.initArguments(static_cast<unsigned>(arguments.size())), arguments, message);
    forgetMoved(spare);
  }
  spare.lane->send(std::move(message));
  os::killPoint("spareCalled");
  relayOutput(spare);
}

// Nobody's restart: another one takes its place.
void Supervisor::onSpareEnded(Child& spare, const ExitReason& reason) {
  byPid_.erase(spare.pid);
  relayOutput(spare);
  if (!spare.killedFor)
    log_.info(sparePath(spare.path) + " ended (" + reason.toString() + ")" +
              (spare.ahead ? "" : " and is replaced"));
  spares_.ended(spare);
}

}  // namespace troupe::supervision
