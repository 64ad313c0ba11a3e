#include "supervision/supervisor.h"

#include <troupe/error.h>

#include <csignal>
#include <random>

#include "os/kill_point.h"
#include "os/shared_memory.h"
#include "supervision/launcher.h"
#include "supervision/supervisor_process.h"
#include "wire/reason_codec.h"

namespace troupe::supervision {

namespace {

std::vector<ChildDeclaration> declarationsOf(const Blueprint& blueprint) {
  std::vector<ChildDeclaration> declarations;
  declarations.reserve(blueprint.children.size());
  for (const auto& child : blueprint.children) declarations.push_back(child->declaration);
  return declarations;
}

Random newRandom() {
  return [engine = std::make_shared<std::minstd_rand>(std::random_device{}())] {
    return std::uniform_real_distribution<double>(0, 1)(*engine);
  };
}

// Without the lock on it, which is its process's. Not set where the system has no descriptor left.
os::Fd deskOf(const Child& child, wire::ReceivedControl& granted) {
  if (child.blueprint->role != wire::Role::poolWorker || !granted.has(2)) return {};
  try {
    return os::openSharedMemory(granted.descriptors()[2]);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

Supervisor::Supervisor(loop::Loop& loop, Setup setup)
    : loop_(loop),
      setup_(std::move(setup)),
      out_(loop, 1),
      err_(loop, 2),
      log_(err_, setup_.path),
      core_(setup_.path, setup_.blueprint->flags, declarationsOf(*setup_.blueprint), newRandom()),
      spares_(loop, [this](Child& spare) { return launchSpare(spare); }),
      resting_(loop) {
  for (const auto& child : setup_.blueprint->children) declared_.emplace(child->declaration.id, child);
}

Supervisor::~Supervisor() = default;

void Supervisor::begin() { apply(core_.begin(Clock::now())); }

void Supervisor::stop(const ExitReason& why) {
  spares_.close();
  resting_.close();
  apply(core_.stop(Clock::now(), why));
}

void Supervisor::killAll() {
  for (const auto& [pid, child] : byPid_) kill(*child, {.kind = ExitKind::signaled, .code = SIGKILL});
}

// --- What the core wants done ---

void Supervisor::apply(const Actions& actions) {
  for (const Action& action : actions) {
    std::visit([this](const auto& each) { act(each); }, action);
  }
}

Maker Supervisor::makerFor(const Start& action) {
  const auto made = makers_.find(action.key);
  if (made != makers_.end()) return made->second;
  const auto wanted = wanted_.find(action.id);
  Maker maker;
  if (wanted != wanted_.end()) {
    // Requests for one id are served in the order in which they came.
    maker = std::move(wanted->second.front().maker);
    wanted->second.pop_front();
    if (wanted->second.empty()) wanted_.erase(wanted);
  } else {
    maker.blueprint = declared_.at(action.id);
  }
  makers_.emplace(action.key, maker);
  return maker;
}

std::unique_ptr<Child> Supervisor::newChild(const Start& action) {
  auto child = std::make_unique<Child>();
  child->key = action.key;
  child->incarnation = action.incarnation;
  child->id = action.instance == 0 ? action.id : instanceId(action.id, action.instance);
  child->path = pathBelow(setup_.path, child->id);
  child->blueprint = makerFor(action).blueprint;
  if (const ChildSpec* spec = core_.specOf(action.key)) child->spec = *spec;
  return child;
}

void Supervisor::act(const Start& action) {
  auto child = newChild(action);
  Child& placed = *child;
  byId_[placed.id] = &placed;
  children_[action.key] = std::move(child);
  claim(placed);
}

void Supervisor::act(const AskStop& action) {
  Child* const child = find(action.key, action.incarnation);
  if (child == nullptr) return;
  if (child->pid == 0) return giveUpClaim(*child, {.kind = ExitKind::shutdown});
  child->askedToStop = true;
  wire::ControlMessage message;
  message->setStop();
  child->lane->send(std::move(message));
}

void Supervisor::act(const Kill& action) {
  Child* const child = find(action.key, action.incarnation);
  if (child == nullptr) return;
  if (child->pid == 0) return giveUpClaim(*child, action.why);
  kill(*child, action.why);
}

void Supervisor::act(const ArmTimer& action) {
  auto& timer = timers_[action.timer];
  timer = std::make_unique<loop::Timer>(loop_, [this, id = action.timer] {
    timers_.erase(id);
    apply(core_.timer(Clock::now(), id));
  });
  timer->startAt(action.at);
}

void Supervisor::act(const CancelTimer& action) { timers_.erase(action.timer); }

// Not now: somebody waits for the restart, which may be what follows.
void Supervisor::act(const Report& action) {
  if (!action.serious()) return;
  if (toLog_.empty()) loop_.post([this] { loop_.post([this] { writeLog(); }); });
  toLog_.push_back(action);
}

void Supervisor::writeLog() {
  for (const Report& report : std::exchange(toLog_, {})) log_.warning(toString(report));
}

void Supervisor::act(const Forget& action) {
  makers_.erase(action.key);
  spares_.drop(action.key);
  wire::ControlMessage message;
  auto forget = message->initForget();
  forget.setPath(pathBelow(setup_.path, action.id).c_str());
  wire::write(forget.initReason(), action.final);
  setup_.up(std::move(message));
  if (setup_.forgotten) setup_.forgotten(action.id, action.final);
}

void Supervisor::act(const BecameReady&) { setup_.ready(); }

void Supervisor::act(const Finish& action) {
  spares_.close();
  resting_.close();
  writeLog();
  setup_.finished(action.reason);
}

// --- Endpoints, and the process ---

void Supervisor::claim(Child& child, bool takesOver) {
  const Blueprint& blueprint = *child.blueprint;
  wire::ControlMessage message;
  child.claim = ++lastRequest_;
  message->setRequest(child.claim);
  auto claim = message->initClaim();
  claim.setPath(child.path.c_str());
  claim.setRole(static_cast<std::uint8_t>(blueprint.role));
  const auto& interfaces =
      blueprint.actorClass != nullptr ? blueprint.actorClass->interfaces : blueprint.interfaces;
  auto list = claim.initInterfaces(static_cast<unsigned>(interfaces.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, interfaces[i]);
  claim.setName(child.spec.name.string().c_str());
  claim.setMailboxBytes(child.spec.mailboxBytes);
  claim.setMaxMessageBytes(child.spec.maxMessageBytes);
  claim.setTakesOver(takesOver);
  claim.setRetries(child.spec.onCrash.retries);
  claim.setResting(takesOver ? 0 : reserveResting(child));
  if (child.part == Part::understudy) {
    claim.setImage(true);
    message.attach(std::move(upgrades_.at(child.key).image));
  }
  claims_[child.claim] = &child;
  setup_.up(std::move(message));
  os::killPoint("claimed");
}

void Supervisor::onGrant(wire::ReceivedControl& message) {
  const auto found = claims_.find(message->getRequest());
  if (found == claims_.end()) {
    // Stopped meanwhile: the endpoints go back.
    if (!message->isGranted()) return;
    Child child;
    child.actor = message->getGranted().getActor();
    child.generation = message->getGranted().getGeneration();
    return tellEnded(child, {.kind = ExitKind::shutdown});
  }
  Child* child = found->second;
  claims_.erase(found);
  child->claim = 0;
  if (child->ended) {
    if (message->isGranted()) child->generation = message->getGranted().getGeneration();
    return finishEnd(*child, *child->ended);
  }
  try {
    if (message->isFailed()) throw wire::read(message->getFailed());
    child->actor = message->getGranted().getActor();
    child->generation = message->getGranted().getGeneration();
    os::Fd image = wire::takeImage(message);
    os::Fd desk = deskOf(*child, message);
    if (child->pid != 0) {
      child->desk = std::move(desk);
      return takeOver(*child, message);
    }
    os::killPoint("granted");
    child->upgraded = makers_.at(child->key).upgraded = image.valid();
    const bool kept = message->getGranted().getKept();
    Child* spare = replaceByResting(*child, kept);
    // Who had these ends has ended meanwhile: those that are asked for again are for any process.
    if (spare == nullptr && kept) return claim(*child);
    if (spare == nullptr) spare = replaceBySpare(*child);
    if (spare != nullptr) {
      child = spare;
      call(*child, message);
    } else {
      launchChild(*child, child->isSupervisor() ? wire::GrantedEnds{} : wire::takeEnds(message),
                  std::move(image));
    }
    child->desk = std::move(desk);
    os::killPoint("childNoted");
    tellStarted(*child);
    os::killPoint("childTold");
    makeNextAhead();
  } catch (const Error& error) {
    if (child->pid != 0) return kill(*child, {.kind = ExitKind::notStarted, .text = error.message()});
    resting_.giveUp(child->key);
    endedSoon(*child, {.kind = ExitKind::notStarted, .code = error.systemError(), .text = error.message()});
  }
}

LaunchOrder Supervisor::orderFor(Child& child, wire::GrantedEnds ends, os::Fd image) {
  const Maker& maker = makers_.at(child.key);
  LaunchOrder order;
  order.blueprint = maker.blueprint.get();
  order.spec = child.spec;
  order.image = std::move(image);
  order.ticket.path = child.path;
  order.ticket.spare = child.part == Part::spare;
  order.ticket.assignment.unrehearsed = child.ahead;
  order.ticket.declared = maker.blueprint->declaration.id;
  if (!declared_.contains(order.ticket.declared) && maker.blueprint->actorClass != nullptr) {
    order.ticket.type = maker.blueprint->actorClass->type;
  }
  auto& assignment = order.ticket.assignment;
  assignment.path = child.path;
  assignment.id = child.actor;
  assignment.generation = child.generation;
  assignment.actorClass = maker.blueprint->actorClass;
  assignment.alone = maker.blueprint->role != wire::Role::poolWorker;
  assignment.factory = maker.blueprint->factory;
  assignment.arguments = maker.arguments;
  if (child.isSupervisor()) {
    order.becomeSupervisor = [this, &child](os::Fd control) {
      runSupervisor({.path = child.path,
                     .blueprint = child.blueprint,
                     .program = setup_.program,
                     .control = std::move(control)});
    };
  } else {
    assignment.ends = std::move(ends);
    assignment.maxMessageBytes = child.spec.maxMessageBytes;
    assignment.limits = child.spec.limits;
    assignment.recycleAfter = child.spec.recycleAfter;
    // What was upgraded is its instance's alone.
    const bool newer = child.upgraded || child.part == Part::understudy;
    assignment.instances = newer ? 1 : child.spec.instancesPerProcess;
  }
  return order;
}

void Supervisor::launchChild(Child& child, wire::GrantedEnds ends, os::Fd image) {
  Launched launched = launch(orderFor(child, std::move(ends), std::move(image)), loop_, setup_.program);
  child.pid = launched.pid;
  byPid_[child.pid] = &child;
  forgetMoved(child);
  child.standardOutput = std::move(launched.standardOutput);
  child.standardError = std::move(launched.standardError);
  if (child.part != Part::spare) relayOutput(child);
  child.lane = std::make_unique<wire::ControlLane>(
      loop_, std::move(launched.control),
      wire::ControlLane::Handlers{
          .message = [this, &child](wire::ReceivedControl& message) { fromChild(child, message); },
          .closed = [this, &child] { onLaneClosed(child); },
          .fault = [this, &child](const std::string& what) { log_.warning(child.path + ": " + what); },
          .stuck =
              [this, &child] {
                kill(child, {.kind = ExitKind::hung, .text = "it does not read its control lane"});
              }});
}

// A socket that moved into a process which will not come back must not stay open here: its peer would not see the end.
void Supervisor::forgetMoved(const Child& child) {
  if (child.spec.restart == Restart::temporary) makers_.at(child.key).arguments.clear();
}

void Supervisor::tellStarted(const Child& child) {
  wire::ControlMessage started;
  auto to = started->initStarted();
  to.setActor(child.actor);
  to.setGeneration(child.generation);
  to.setPid(child.pid);
  setup_.up(std::move(started));
}

void Supervisor::tellUp(const Child& child) {
  wire::ControlMessage up;
  auto to = up->initUp();
  to.setActor(child.actor);
  to.setGeneration(child.generation);
  setup_.up(std::move(up));
}

Child* Supervisor::find(ChildKey key, Incarnation incarnation) {
  const auto found = children_.find(key);
  return found != children_.end() && found->second->incarnation == incarnation ? found->second.get()
                                                                               : nullptr;
}

void Supervisor::erase(Child& child) {
  if (child.pid != 0) byPid_.erase(child.pid);
  if (const auto named = byId_.find(child.id); named != byId_.end() && named->second == &child)
    byId_.erase(named);
  children_.erase(child.key);
}

// --- What comes from the children ---

void Supervisor::fromChild(Child& child, wire::ReceivedControl& message) {
  const bool own = message->getFrom().size() == 0;
  switch (message->which()) {
    case wire::Control::PREPARED:
      return child.part == Part::spare ? spares_.prepared(child) : onPrepared(child);
    case wire::Control::HANDED_OVER: return onHandedOver(child);
    case wire::Control::READY:
      if (own) onReady(child, message);
      return;
    case wire::Control::LEAVING:
      if (own) onLeaving(child, wire::read(message->getLeaving()));
      return;
    case wire::Control::PONG: child.pongAwaited = false; return;
    case wire::Control::RESTING:
      if (own) onResting(child, message->getResting());
      return;
    default:
      // Answers would go to the process that is the child now.
      if (child.part == Part::current) sendUp(child, message);
  }
}

void Supervisor::onReady(Child& child, wire::ReceivedControl& message) {
  if (child.ready || child.part != Part::current) return;
  os::killPoint("childReady");
  child.ready = true;
  if (child.spec.watchdog > Duration::zero()) watchHealth(child);
  tellUp(child);
  provideSpares(child);
  if (upgrades_.contains(child.key)) return upgraded(child);
  const auto ready = message->getReady();
  apply(core_.ready(Clock::now(), child.key, child.incarnation,
                    ready.getIgnored() ? Core::Outcome::ignored : Core::Outcome::started,
                    wire::toString(ready.getInfo())));
}

bool Supervisor::maySend(const Child& child, wire::Control::Which which) const {
  switch (which) {
    case wire::Control::FIND:
    case wire::Control::INTRODUCE:
    case wire::Control::WATCH:
    case wire::Control::WATCH_PROCESS:
    case wire::Control::UNWATCH:
    case wire::Control::UNDELIVERABLE:
    case wire::Control::MANAGE: return true;
    case wire::Control::CLAIM:
    case wire::Control::ENDED:
    case wire::Control::FORGET:
    case wire::Control::STARTED:
    case wire::Control::UP:
    case wire::Control::MANAGED: return child.isSupervisor();
    default: return false;
  }
}

void Supervisor::sendUp(Child& child, wire::ReceivedControl& message) {
  const std::string from = wire::toString(message->getFrom());
  const bool fromBelow = !from.empty();
  if (!maySend(child, message->which()) ||
      (fromBelow && (!child.isSupervisor() || !isWithin(from, child.path)))) {
    return log_.warning(child.path + ": a control message that it may not send was dropped");
  }
  auto up = wire::forwarded(message);
  if (!fromBelow) up->setFrom(child.path.c_str());
  setup_.up(std::move(up));
}

// --- What comes from above ---

void Supervisor::fromAbove(wire::ReceivedControl& message) {
  const std::string to = wire::toString(message->getTo());
  if (!to.empty() && to != setup_.path) {
    const auto found = byId_.find(stepBelow(to, setup_.path));
    // It has gone meanwhile. Whoever waits for its answer is told so by the root.
    if (found == byId_.end() || found->second->lane == nullptr) return;
    return found->second->lane->send(wire::forwarded(message));
  }
  switch (message->which()) {
    case wire::Control::GRANTED:
    case wire::Control::FAILED: return onGrant(message);
    case wire::Control::MANAGE: return onManage(message);
    case wire::Control::DROP_ENDS: return resting_.dropEnds(message->getDropEnds());
    default: return;
  }
}

}  // namespace troupe::supervision
