// What actors ask of a supervisor (troupe::SupervisorRef), and its answers.
#include <troupe/error.h>

#include <algorithm>

#include "actor/spec_codec.h"
#include "supervision/supervisor.h"
#include "wire/reason_codec.h"

namespace troupe::supervision {

namespace {

// So much of the children goes into one answer: with all that stands around them it fits a control message.
constexpr std::size_t kPartBytes = 32 * 1024;
// What the fixed fields of one child take, generously.
constexpr std::size_t kFixedBytes = 80;

}  // namespace

void Supervisor::onManage(wire::ReceivedControl& message) {
  const Token token = ++lastToken_;
  Caller caller{.token = token};
  const std::string from = wire::toString(message->getFrom());
  if (isWithin(from, setup_.path) && from != setup_.path) {
    const auto asker = byId_.find(stepBelow(from, setup_.path));
    if (asker != byId_.end()) caller.child = asker->second->key;
  }
  const Asked asked{.from = from,
                    .request = message->getRequest(),
                    .have = message->getManage().getFrom(),
                    .last = wire::toString(message->getManage().getAfter())};
  if (message->getManage().isUpgrade()) {
    const auto upgrade = message->getManage().getUpgrade();
    try {
      return beginUpgrade(asked, wire::toString(upgrade.getId()), wire::toString(upgrade.getImage()));
    } catch (const Error& error) {
      return answer(asked, error);
    }
  }
  asked_.emplace(token, asked);
  try {
    apply(request(caller, message));
  } catch (const Error& error) {
    act(Answer{.token = token, .result = error});
  }
}

Actions Supervisor::request(Caller caller, wire::ReceivedControl& message) {
  const auto now = Clock::now();
  const auto manage = message->getManage();
  switch (manage.which()) {
    case wire::Manage::START_INSTANCE: {
      const std::string id = wire::toString(manage.getStartInstance().getTemplate());
      const auto declared = declared_.find(id);
      if (declared != declared_.end() && declared->second->declaration.isTemplate) {
        wanted_[id].push_back(
            {caller.token,
             {declared->second, actor::read(manage.getStartInstance().getArguments(), message)}});
      }
      return core_.startInstance(now, caller, id);
    }
    case wire::Manage::START_CHILD: return requestStartChild(caller, manage.getStartChild(), message);
    case wire::Manage::STOP: return core_.stopChild(now, caller, wire::toString(manage.getStop()));
    case wire::Manage::RESTART: return core_.restartChild(now, caller, wire::toString(manage.getRestart()));
    case wire::Manage::REMOVE: return core_.deleteChild(now, caller, wire::toString(manage.getRemove()));
    case wire::Manage::LIST: return core_.list(caller);
    case wire::Manage::COUNT: return core_.count(caller);
    case wire::Manage::SPEC: return core_.spec(caller, wire::toString(manage.getSpec()));
    case wire::Manage::CHANGE_FLAGS: {
      Change change;
      change.flags = core_.flags();
      actor::read(manage.getChangeFlags(), *change.flags);
      return core_.change(now, caller, change);
    }
    case wire::Manage::CHANGE_CHILDREN: return requestChange(caller, manage.getChangeChildren());
    case wire::Manage::UPGRADE: break;
  }
  throw Error(ErrorKind::invalid, setup_.path + ": a request that this version does not know");
}

Actions Supervisor::requestStartChild(Caller caller, wire::Manage::StartChild::Reader asked,
                                      wire::ReceivedControl& message) {
  const std::string type = wire::toString(asked.getType());
  const auto* constructible = detail::findConstructible(type);
  if (constructible == nullptr) {
    throw Error(ErrorKind::invalid, "starting the child \"" + wire::toString(asked.getId()) + "\" under " +
                                        setup_.path + ": this program has no actor class " +
                                        detail::readableType(type.c_str()));
  }
  auto blueprint = std::make_shared<Blueprint>();
  blueprint->declaration = {.id = wire::toString(asked.getId()), .spec = actor::read(asked.getSpec())};
  blueprint->actorClass = constructible->actorClass;
  blueprint->factory = constructible->factory;
  const ChildDeclaration declaration = blueprint->declaration;
  wanted_[declaration.id].push_back(
      {caller.token, {std::move(blueprint), actor::read(asked.getArguments(), message)}});
  return core_.startChild(Clock::now(), caller, declaration);
}

Actions Supervisor::requestChange(Caller caller, capnp::List<wire::NamedSpec>::Reader specs) {
  Change change;
  change.children.emplace();
  for (const auto named : specs) {
    ChildDeclaration declaration{.id = wire::toString(named.getId()), .spec = actor::read(named.getSpec())};
    const auto declared = declared_.find(declaration.id);
    if (declared != declared_.end()) {
      declaration.isSupervisor = declared->second->declaration.isSupervisor;
      declaration.isTemplate = declared->second->declaration.isTemplate;
    } else if (!byId_.contains(declaration.id)) {
      throw Error(ErrorKind::invalid, "changing the specs of " + setup_.path + ": it has no child \"" +
                                          declaration.id + "\"; a new one is added by starting it");
    }
    change.children->push_back(std::move(declaration));
  }
  return core_.change(Clock::now(), caller, change);
}

void Supervisor::act(const Answer& action) {
  const auto found = asked_.find(action.token);
  if (found == asked_.end()) return;
  const Asked asked = std::move(found->second);
  asked_.erase(found);
  // A start that was refused at once never takes what was wanted for it.
  for (auto it = wanted_.begin(); it != wanted_.end();) {
    std::erase_if(it->second, [&](const Wanted& wanted) { return wanted.token == action.token; });
    it = it->second.empty() ? wanted_.erase(it) : std::next(it);
  }
  answer(asked, action.result);
}

void Supervisor::answer(const Asked& asked, const Result& result) {
  wire::ControlMessage message;
  message->setTo(asked.from.c_str());
  message->setRequest(asked.request);
  write(message->initManaged(), result, asked);
  setup_.up(std::move(message));
}

void Supervisor::write(wire::Managed::Builder to, const Result& result, const Asked& asked) {
  if (const auto* started = std::get_if<Started>(&result)) return write(to, *started);
  if (const auto* children = std::get_if<ChildList>(&result)) return write(to, *children, asked);
  if (const auto* error = std::get_if<Error>(&result)) return wire::write(to.initFailed(), *error);
  if (const auto* declaration = std::get_if<ChildDeclaration>(&result))
    return actor::write(to.initSpec(), declaration->spec);
  if (const auto* counts = std::get_if<Counts>(&result)) {
    auto out = to.initCounts();
    out.setSpecs(static_cast<std::uint32_t>(counts->specs));
    out.setActive(static_cast<std::uint32_t>(counts->active));
    out.setSupervisors(static_cast<std::uint32_t>(counts->supervisors));
    out.setWorkers(static_cast<std::uint32_t>(counts->workers));
    return;
  }
  to.setDone();
}

void Supervisor::write(wire::Managed::Builder to, const Started& started) {
  auto out = to.initStarted();
  out.setId(started.id.c_str());
  out.setPath(pathBelow(setup_.path, started.id).c_str());
  out.setIgnored(started.ignored);
  out.setInfo(started.extra.c_str());
  if (const auto found = children_.find(started.key); found != children_.end()) {
    out.setActor(found->second->actor);
    out.setPid(found->second->pid);
  }
}

// As many as fit one message, at least one. Whoever asks on gets each child that is there all the while once: where the last one
// that it has is gone, those behind it have moved up.
void Supervisor::write(wire::Managed::Builder to, const ChildList& children, const Asked& asked) {
  std::size_t first = std::min(asked.have, children.size());
  if (first > 0 && children[first - 1].id != asked.last) {
    const auto last = std::ranges::find(children, asked.last, &ChildInfo::id);
    first = last == children.end() ? first - 1 : static_cast<std::size_t>(last - children.begin()) + 1;
  }
  std::size_t end = first;
  for (std::size_t bytes = 0; end < children.size(); ++end) {
    bytes += kFixedBytes + 2 * children[end].id.size() + setup_.path.size();
    if (end > first && bytes > kPartBytes) break;
  }
  to.setMore(end < children.size());
  auto list = to.initChildren(static_cast<unsigned>(end - first));
  for (unsigned i = 0; i < list.size(); ++i) {
    const ChildInfo& child = children[first + i];
    list[i].setId(child.id.c_str());
    list[i].setPath(pathBelow(setup_.path, child.id).c_str());
    list[i].setState(static_cast<std::uint8_t>(child.state));
    list[i].setSupervisor(child.isSupervisor);
    list[i].setRestart(static_cast<std::uint8_t>(child.restart));
    const auto found = children_.find(child.key);
    if (found != children_.end()) list[i].setPid(found->second->pid);
  }
}

}  // namespace troupe::supervision
