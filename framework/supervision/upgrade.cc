// The replacement of a child's process by one of a newer program, with no message lost.
//
//   understudy   the newer process runs main and comes as far as its actor; the older one works on
//   handing over the older one ends its turn and lets go of mailbox and desk
//   taking over  the root gives both to the newer one, which constructs the actor and runs init()
//   ready        the newer one is the child; the older one is told to end when its tasks have
// Where the newer one fails, the older one goes on: it was never asked to let go, or it is given back what it has let go of.
// The core hears nothing of it: for the core the child has been running all the time.
#include <troupe/error.h>

#include <utility>

#include "supervision/supervisor.h"
#include "wire/reason_codec.h"

namespace troupe::supervision {

namespace {

// As what follows "the newer process": some reasons have no verb.
std::string withVerb(const ExitReason& why) {
  const bool none =
      why.kind == ExitKind::exception || why.kind == ExitKind::signaled || why.kind == ExitKind::outOfMemory;
  return (none ? "ended: " : "") + why.toString();
}

os::Fd openImage(const std::string& what, const std::string& file) {
  try {
    return os::openProgram(file);
  } catch (const Error& error) {
    throw Error::crashed(
        what + error.message(),
        {.kind = ExitKind::notStarted, .code = error.systemError(), .text = error.message()});
  }
}

}  // namespace

void Supervisor::beginUpgrade(const Asked& asked, const std::string& id, const std::string& file) {
  const std::string what = "upgrading \"" + id + "\" of " + setup_.path + ": ";
  const auto found = byId_.find(id);
  if (found == byId_.end()) throw Error::gone(what + "it has no process now", {});
  Child& child = *found->second;
  if (child.isSupervisor()) throw Error(ErrorKind::invalid, what + "it is a supervisor");
  if (!child.ready || child.askedToStop || child.ended)
    throw Error(ErrorKind::invalid, what + "it is not running");
  if (upgrades_.contains(child.key)) throw Error(ErrorKind::invalid, what + "it is being upgraded already");
  if (file.empty()) throw Error(ErrorKind::invalid, what + "no program is named");
  os::Fd image = openImage(what, file);
  auto next = std::make_unique<Child>();
  next->becomeLike(child);
  next->part = Part::understudy;
  Upgrade& upgrade = upgrades_[child.key];
  upgrade.asked = asked;
  upgrade.file = file;
  upgrade.image = std::move(image);
  upgrade.next = std::move(next);
  try {
    launchChild(*upgrade.next, {}, upgrade.image.duplicate());
  } catch (...) {
    byPid_.erase(upgrade.next->pid);
    upgrades_.erase(child.key);
    throw;
  }
  if (child.spec.readyWithin == kForever) return;
  upgrade.limit = std::make_unique<loop::Timer>(loop_, [this, key = child.key, life = child.incarnation] {
    Upgrade& late = upgrades_.at(key);
    Child* const next = late.next ? late.next.get() : find(key, life);
    if (next == nullptr || late.answered) return;
    late.olderIsLate = late.next && late.handingOver && next->claim == 0;
    kill(*next, {.kind = ExitKind::notReady});
  });
  upgrade.limit->startIn(child.spec.readyWithin);
}

void Supervisor::onPrepared(Child& next) {
  const auto found = upgrades_.find(next.key);
  Child* const old = find(next.key, next.incarnation);
  if (next.part != Part::understudy || found == upgrades_.end() || old == nullptr) return;
  found->second.handingOver = true;
  wire::ControlMessage message;
  message->setHandOver();
  old->lane->send(std::move(message));
}

void Supervisor::onHandedOver(Child& old) {
  const auto found = upgrades_.find(old.key);
  if (old.part != Part::current || found == upgrades_.end() || !found->second.handingOver) return;
  if (std::exchange(found->second.handedOver, true)) return;
  claim(found->second.next ? *found->second.next : old, true);
}

// It is the child from here on, if it was not: the newer process, or the older one again.
void Supervisor::takeOver(Child& child, wire::ReceivedControl& granted) {
  const auto found = upgrades_.find(child.key);
  if (found == upgrades_.end()) return;
  Upgrade& upgrade = found->second;
  wire::ControlMessage message;
  message->setTakeOver(child.generation);
  // The image was taken from among them.
  for (os::Fd& descriptor : granted.descriptors())
    if (descriptor.valid()) message.attach(std::move(descriptor));
  if (child.part == Part::understudy) {
    auto& place = children_.at(child.key);
    upgrade.old = std::move(place);
    upgrade.old->part = Part::retired;
    upgrade.old->watchdog.reset();
    place = std::move(upgrade.next);
    child.part = Part::current;
    byId_[child.id] = &child;
  }
  child.lane->send(std::move(message));
  tellStarted(child);
  // That process may have been seen at work: its end is told now that it is not the child's.
  if (upgrade.failed != 0) tellEnded(child.actor, upgrade.failed, upgrade.failedFor);
  // The older one has been ready all the time, and will not say so again.
  if (child.ready) tellUp(child);
  if (!upgrade.answered) return;
  upgrades_.erase(child.key);
  if (child.spec.watchdog > Duration::zero()) watchHealth(child);
}

void Supervisor::upgraded(Child& child) {
  Upgrade upgrade = std::move(upgrades_.extract(child.key).mapped());
  child.upgraded = makers_.at(child.key).upgraded = true;
  // Those of a pool are made anew for the workers that are not.
  spares_.drop(placeOf(child));
  if (upgrade.old) retire(std::move(upgrade.old));
  answer(upgrade.asked, Started{.key = child.key, .id = child.id});
}

void Supervisor::retire(std::unique_ptr<Child> old) {
  wire::ControlMessage message;
  message->setDrain();
  old->lane->send(std::move(message));
  if (old->spec.stop.limit != kForever) {
    old->watchdog = std::make_unique<loop::Timer>(
        loop_, [this, child = old.get()] { kill(*child, {.kind = ExitKind::stopTimeout}); });
    old->watchdog->startIn(old->spec.stop.limit);
  }
  const pid_t pid = old->pid;
  retired_[pid] = std::move(old);
}

// Tells who asked, and gives the older process back what it has let go of.
void Supervisor::failUpgrade(ChildKey key, const ExitReason& why) {
  Upgrade& upgrade = upgrades_.at(key);
  upgrade.limit.reset();
  const std::string id = upgrade.old ? upgrade.old->id : upgrade.next->id;
  const std::string what = upgrade.olderIsLate ? "the older process has not ended its turn in time"
                                               : "the newer process " + withVerb(why);
  answer(upgrade.asked,
         Error::crashed("upgrading \"" + id + "\" of " + setup_.path + " to " + upgrade.file + ": " + what,
                        why));
  upgrade.answered = true;
  upgrade.next.reset();
  if (!upgrade.handingOver) upgrades_.erase(key);
}

// What is granted goes to another process of the same child.
void Supervisor::passClaim(std::uint64_t claim, Child& child) {
  child.claim = claim;
  claims_[claim] = &child;
}

bool Supervisor::endedInUpgrade(Child& child, const ExitReason& reason) {
  byPid_.erase(child.pid);
  if (child.part == Part::retired) {
    // One that never was the child has no generation.
    if (child.generation != 0) tellEnded(child, reason);
    if (retired_.erase(child.pid) > 0) return true;
  }
  const auto found = upgrades_.find(child.key);
  if (found == upgrades_.end()) return false;
  Upgrade& upgrade = found->second;
  if (child.part == Part::understudy) {
    // Where the older one is about to let go, it gets its own back when it says so; where it has, what was claimed is its, or is
    // claimed for it if the newer one was refused it.
    const auto claimed = child.claim;
    const auto key = child.key;
    const bool handedOver = upgrade.handedOver;
    failUpgrade(key, reason);
    if (claimed != 0) {
      passClaim(claimed, *children_.at(key));
    } else if (handedOver) {
      claim(*children_.at(key), true);
    }
    return true;
  }
  if (child.part == Part::retired) {
    upgrade.old.reset();
    return true;
  }
  const bool late = child.killedFor && child.killedFor->kind == ExitKind::notReady;
  const bool fallsBack = upgrade.old != nullptr && !child.askedToStop && (!child.killedFor || late);
  const auto key = child.key;
  std::uint64_t claimed = child.claim;
  if (upgrade.next) {
    Child& next = *upgrade.next;
    claimed = std::exchange(next.claim, 0);
    next.part = Part::retired;
    kill(next, {.kind = ExitKind::shutdown});
    retired_[next.pid] = std::move(upgrade.next);
  }
  if (!fallsBack) {
    if (!upgrade.answered)
      answer(upgrade.asked, Error::crashed("upgrading \"" + child.id + "\" of " + setup_.path +
                                               ": it ended: " + reason.toString(),
                                           reason));
    if (upgrade.old) retire(std::move(upgrade.old));
    upgrades_.erase(key);
    if (claimed == 0) return false;
    // For the root it goes on to be the process that the endpoints are given to: so its end is told after that.
    child.ended = reason;
    passClaim(claimed, child);
    return true;
  }
  failUpgrade(key, reason);
  auto& place = children_.at(key);
  // For the root it is that process until it is granted the ends, and ends as that one where it is refused them.
  upgrade.failed = upgrade.old->generation = child.generation;
  upgrade.failedFor = reason;
  place = std::move(upgrade.old);
  place->part = Part::current;
  byId_[place->id] = place.get();
  claim(*place, true);
  return true;
}

}  // namespace troupe::supervision
