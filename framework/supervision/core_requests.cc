// Requests: what others ask of a supervisor, and the answers.
#include "supervision/core.h"
#include "supervision/restart_rules.h"
#include "supervision/spec_check.h"

#include <unordered_set>
#include <utility>

namespace troupe::supervision {
namespace {

std::string quoted(const std::string& id) { return '"' + id + '"'; }

ChildDeclaration declarationOf(const Slot& slot) {
  return {.id = slot.name(),
          .spec = *slot.spec,
          .isSupervisor = slot.isSupervisor,
          .isTemplate = slot.isTemplate()};
}

}  // namespace

Actions Core::startChild(Time now, Caller caller, ChildDeclaration child) {
  enter(now);
  doStartChild(caller, child);
  return leave();
}

Actions Core::startInstance(Time now, Caller caller, const std::string& templateId) {
  enter(now);
  doStartInstance(caller, templateId);
  return leave();
}

Actions Core::stopChild(Time now, Caller caller, const std::string& id) {
  enter(now);
  doStopChild(caller, id);
  return leave();
}

Actions Core::restartChild(Time now, Caller caller, const std::string& id) {
  enter(now);
  doRestartChild(caller, id);
  return leave();
}

Actions Core::deleteChild(Time now, Caller caller, const std::string& id) {
  enter(now);
  const std::string what = "delete child " + quoted(id);
  if (Slot* slot = over(caller, what) ? nullptr : findStopped(caller, what, id)) {
    drop(*slot, because(ExitKind::shutdown, "its spec was deleted"));
    answer(caller.token, Done{});
  }
  return leave();
}

Actions Core::change(Time now, Caller caller, Change change) {
  enter(now);
  doChange(caller, change);
  return leave();
}

Actions Core::list(Caller caller) {
  if (finished()) {
    over(caller, "list the children");
  } else {
    answer(caller.token, slots_.list());
  }
  return leave();
}

Actions Core::count(Caller caller) {
  if (finished()) {
    over(caller, "count the children");
  } else {
    answer(caller.token, slots_.counts());
  }
  return leave();
}

Actions Core::spec(Caller caller, const std::string& id) {
  const std::string what = "tell the spec of child " + quoted(id);
  const Slot* slot = slots_.find(id);
  if (finished()) {
    over(caller, what);
  } else if (slot == nullptr) {
    refuse(caller.token, what, "it has no such child (not found)", ErrorKind::gone);
  } else {
    answer(caller.token, declarationOf(*slot));
  }
  return leave();
}

void Core::doStartChild(Caller caller, const ChildDeclaration& child) {
  const std::string what = "start child " + quoted(child.id);
  if (over(caller, what)) return;
  try {
    checkChild(supervisor_, flags_, child);
  } catch (const Error& error) {
    return answer(caller.token, error);
  }
  if (child.isTemplate)
    return refuse(caller.token, what, "a template can't be added to a running supervisor");
  if (const Slot* slot = slots_.find(child.id)) {
    const ChildState state = slot->state();
    const bool started = state == ChildState::running || state == ChildState::starting;
    const std::string why =
        slot->isTemplate() ? "a template of this id is already present"
        : started          ? "a child of this id is already started"
                           : std::string("a child of this id is already present; it is ") + toString(state);
    return refuse(caller.token, what, why);
  }
  if (mustWait()) return defer(caller, what, [this, caller, child] { doStartChild(caller, child); });
  Slot& slot = slots_.add(child, true);
  slot.startWaiter = caller.token;
  start(slot, Attempt::added);
}

void Core::doStartInstance(Caller caller, const std::string& templateId) {
  const std::string what = "start an instance of " + quoted(templateId);
  if (over(caller, what)) return;
  Slot* ofTemplate = slots_.find(templateId);
  if (ofTemplate == nullptr) {
    return refuse(caller.token, what, "it has no such template (not found)", ErrorKind::gone);
  }
  if (!ofTemplate->isTemplate()) return refuse(caller.token, what, "it is a child, not a template");
  if (mustWait())
    return defer(caller, what, [this, caller, templateId] { doStartInstance(caller, templateId); });
  Slot& slot = slots_.addInstance(*ofTemplate);
  slot.startWaiter = caller.token;
  start(slot, Attempt::added);
}

void Core::doRestartChild(Caller caller, const std::string& id) {
  const std::string what = "restart child " + quoted(id);
  if (over(caller, what)) return;
  Slot* slot = findStopped(caller, what, id);
  if (slot == nullptr) return;
  if (mustWait()) return defer(caller, what, [this, caller, id] { doRestartChild(caller, id); });
  slot->restartsInARow = 0;
  slot->startWaiter = caller.token;
  start(*slot, Attempt::byHand);
}

void Core::doStopChild(Caller caller, const std::string& id) {
  const std::string what = "stop child " + quoted(id);
  if (over(caller, what)) return;
  Slot* slot = slots_.find(id);
  if (slot == nullptr) {
    if (slots_.wasInstance(id)) return answer(caller.token, Done{});
    return refuse(caller.token, what, "it has no such child (not found)", ErrorKind::gone);
  }
  if (slot->isTemplate())
    return refuse(caller.token, what, "it is a template: only its instances can be stopped");
  if (slot->key == caller.child) {
    return refuse(caller.token, what,
                  "the caller is this child or lives below it, and would wait for its own end");
  }
  slot->stopWaiters.push_back(caller.token);
  slot->restartsInARow = 0;
  if (round_.step != Round::Step::none) slot->skippedRound = round_.number;
  if (slot->hasProcess()) return askStop(*slot);
  settle(*slot, because(ExitKind::shutdown));
  resumeInitialStart();
}

Slot* Core::findStopped(Caller caller, const std::string& what, const std::string& id) {
  Slot* slot = slots_.find(id);
  if (slot == nullptr) {
    refuse(caller.token, what, "it has no such child (not found)", ErrorKind::gone);
  } else if (slot->isTemplate()) {
    refuse(caller.token, what, "it is a template");
  } else if (slot->instance != 0) {
    refuse(caller.token, what, "it is an instance of a template: it can only be stopped");
  } else if (slot->phase != SlotPhase::stopped) {
    const ChildState state = slot->state();
    refuse(caller.token, what, std::string("it is ") + toString(state));
  } else {
    return slot;
  }
  return nullptr;
}

// --- A live change -----------------------------------------------------------------------------------------

void Core::doChange(Caller caller, const Change& change) {
  const std::string what = "change the specs";
  if (over(caller, what)) return;
  const SupervisorSpec flags = change.flags.value_or(flags_);
  try {
    checkChange(flags, change);
  } catch (const Error& error) {
    return answer(caller.token, error);
  }
  if (mustWait()) return defer(caller, what, [this, caller, change] { doChange(caller, change); });
  flags_ = flags;
  budget_.setLimits(flags_.maxRestarts, flags_.within);
  if (change.children) apply(*change.children);
  answer(caller.token, Done{});
}

void Core::checkChange(const SupervisorSpec& flags, const Change& change) {
  static const std::vector<ChildDeclaration> kNone;
  const auto& children = change.children ? *change.children : kNone;
  checkSupervisor(supervisor_, flags);
  checkChildren(supervisor_, flags, children);
  std::unordered_set<std::string> named;
  for (const ChildDeclaration& child : children) {
    named.insert(child.id);
    const Slot* slot = slots_.find(child.id);
    if (slot == nullptr || slot->isTemplate() == child.isTemplate) continue;
    throw Error(ErrorKind::invalid, "cannot change child " + quoted(child.id) + " of supervisor " +
                                        quoted(supervisor_) +
                                        ": a child can't become a template, nor a template a child");
  }
  for (const ChildKey key : declared()) {
    const Slot& slot = *slots_.find(key);
    if (!named.contains(slot.id)) checkChild(supervisor_, flags, declarationOf(slot));
  }
}

void Core::apply(const std::vector<ChildDeclaration>& children) {
  const std::vector<ChildKey> before = declared();
  std::unordered_set<ChildKey> named;
  for (const ChildDeclaration& child : children) {
    Slot* slot = slots_.find(child.id);
    if (slot == nullptr) {
      slots_.add(child, false);
      continue;
    }
    slots_.replaceSpec(*slot, child);
    slots_.moveToEnd(*slot);
    named.insert(slot->key);
  }
  for (const ChildKey key : before) {
    if (!named.contains(key)) slots_.moveToEnd(*slots_.find(key));
  }
}

std::vector<ChildKey> Core::declared() {
  std::vector<ChildKey> keys;
  for (Slot* slot = slots_.firstFrom(0); slot != nullptr; slot = slots_.firstFrom(slot->rank + 1)) {
    keys.push_back(slot->key);
  }
  return keys;
}

// --- Waiting and answering ---------------------------------------------------------------------------------

bool Core::over(Caller caller, const std::string& what) {
  if (phase_ != Phase::stopping && phase_ != Phase::finished) return false;
  refuse(caller.token, what, "the supervisor is stopping", ErrorKind::gone);
  return true;
}

// OTP serves no request while it starts or restarts children. Here those wait that would disturb the order.
bool Core::mustWait() const { return !becameReady_ || round_.step != Round::Step::none; }

void Core::defer(Caller caller, std::string what, std::function<void()> run) {
  const Slot* slot = slots_.find(caller.child);
  if (slot != nullptr && slot->phase != SlotPhase::running) {
    return refuse(
        caller.token, what,
        "it must wait until the supervisor has started its children, and the caller is or lives below one "
        "of them (" +
            quoted(slot->name()) + ", " + toString(slot->state()) + "): it would wait for itself");
  }
  deferred_.push_back({.caller = caller, .what = std::move(what), .run = std::move(run)});
}

void Core::runDeferred() {
  while (!deferred_.empty() && !mustWait()) {
    const Deferred request = std::move(deferred_.front());
    deferred_.pop_front();
    request.run();
  }
}

void Core::answer(Token token, Result result) {
  actions_.push_back(Answer{.token = token, .result = std::move(result)});
}

void Core::refuse(Token token, const std::string& what, const std::string& why, ErrorKind kind) {
  answer(token, Error(kind, "cannot " + what + " of supervisor " + quoted(supervisor_) + ": " + why));
}

}  // namespace troupe::supervision
