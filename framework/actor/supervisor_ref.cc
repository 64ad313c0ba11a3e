#include <troupe/supervisor_ref.h>

#include "actor/actor_process.h"
#include "actor/spec_codec.h"
#include "wire/reason_codec.h"

namespace troupe {

namespace {

using wire::ControlMessage;
using wire::Manage;

struct Question {
  ControlMessage message;
  Manage::Builder manage;
  explicit Question(const std::string& supervisor) : manage(message->initManage()) {
    manage.setSupervisor(supervisor.c_str());
  }
};

Task<std::shared_ptr<wire::ReceivedControl>> ask(Question question, Duration within, std::string what) {
  auto answer = co_await actor::ActorProcess::current().requests().ask(std::move(question.message), within,
                                                                       std::move(what));
  const auto managed = answer->root().getManaged();
  if (managed.isFailed()) throw wire::read(managed.getFailed());
  co_return answer;
}

Task<StartedChild> askToStart(Question question, Duration within, std::string what) {
  const auto answer = co_await ask(std::move(question), within, std::move(what));
  const auto started = answer->root().getManaged().getStarted();
  co_return StartedChild{.id = wire::toString(started.getId()),
                         .path = wire::toString(started.getPath()),
                         .actor = started.getActor(),
                         .pid = started.getPid(),
                         .ignored = started.getIgnored(),
                         .info = wire::toString(started.getInfo())};
}

Task<> askFor(Question question, Duration within, std::string what) {
  co_await ask(std::move(question), within, std::move(what));
}

// They come in parts, as many as fit a control message.
Task<std::vector<ChildInfo>> askForChildren(std::string supervisor, Duration within, std::string what) {
  std::vector<ChildInfo> children;
  for (bool more = true; more;) {
    Question question(supervisor);
    question.manage.setList();
    question.manage.setFrom(static_cast<std::uint32_t>(children.size()));
    if (!children.empty()) question.manage.setAfter(children.back().id.c_str());
    const auto answer = co_await ask(std::move(question), within, what);
    const auto part = answer->root().getManaged();
    for (const auto child : part.getChildren()) {
      children.push_back({.id = wire::toString(child.getId()),
                          .path = wire::toString(child.getPath()),
                          .state = static_cast<ChildState>(child.getState()),
                          .supervisor = child.getSupervisor(),
                          .restart = static_cast<Restart>(child.getRestart()),
                          .pid = child.getPid()});
    }
    more = part.getMore() && part.getChildren().size() > 0;
  }
  co_return children;
}

Task<ChildCounts> askForCounts(Question question, Duration within, std::string what) {
  const auto answer = co_await ask(std::move(question), within, std::move(what));
  const auto counts = answer->root().getManaged().getCounts();
  co_return ChildCounts{counts.getSpecs(), counts.getActive(), counts.getSupervisors(), counts.getWorkers()};
}

Task<ChildSpec> askForSpec(Question question, Duration within, std::string what) {
  const auto answer = co_await ask(std::move(question), within, std::move(what));
  co_return actor::read(answer->root().getManaged().getSpec());
}

}  // namespace

SupervisorRef SupervisorRef::within(Duration deadline) const {
  SupervisorRef other = *this;
  other.deadline_ = deadline;
  return other;
}

Task<StartedChild> SupervisorRef::startInstance(std::string templateId, ArgumentList arguments) const {
  Question question(path_);
  auto start = question.manage.initStartInstance();
  start.setTemplate(templateId.c_str());
  actor::write(start.initArguments(static_cast<unsigned>(arguments.values().size())), arguments.values(),
               question.message);
  return askToStart(std::move(question), deadline_,
                    "starting an instance of " + templateId + " under " + path_);
}

Task<StartedChild> SupervisorRef::startActor(std::string id, std::string type, ChildSpec spec,
                                             ArgumentList arguments) const {
  Question question(path_);
  auto start = question.manage.initStartChild();
  start.setId(id.c_str());
  start.setType(type.c_str());
  actor::write(start.initSpec(), spec);
  actor::write(start.initArguments(static_cast<unsigned>(arguments.values().size())), arguments.values(),
               question.message);
  return askToStart(std::move(question), deadline_, "starting the child " + id + " under " + path_);
}

Task<> SupervisorRef::stop(std::string id) const {
  Question question(path_);
  question.manage.setStop(id.c_str());
  return askFor(std::move(question), deadline_, "stopping the child " + id + " of " + path_);
}

Task<StartedChild> SupervisorRef::restart(std::string id) const {
  Question question(path_);
  question.manage.setRestart(id.c_str());
  return askToStart(std::move(question), deadline_, "restarting the child " + id + " of " + path_);
}

Task<StartedChild> SupervisorRef::upgrade(std::string id, std::string image) const {
  Question question(path_);
  auto upgrade = question.manage.initUpgrade();
  upgrade.setId(id.c_str());
  upgrade.setImage(image.c_str());
  return askToStart(std::move(question), deadline_,
                    "upgrading the child " + id + " of " + path_ + " to " + image);
}

Task<> SupervisorRef::remove(std::string id) const {
  Question question(path_);
  question.manage.setRemove(id.c_str());
  return askFor(std::move(question), deadline_, "removing the child " + id + " of " + path_);
}

Task<std::vector<ChildInfo>> SupervisorRef::children() const {
  return askForChildren(path_, deadline_, "listing the children of " + path_);
}

Task<ChildCounts> SupervisorRef::count() const {
  Question question(path_);
  question.manage.setCount();
  return askForCounts(std::move(question), deadline_, "counting the children of " + path_);
}

Task<ChildSpec> SupervisorRef::spec(std::string id) const {
  Question question(path_);
  question.manage.setSpec(id.c_str());
  return askForSpec(std::move(question), deadline_, "reading the spec of " + id + " of " + path_);
}

Task<> SupervisorRef::change(SupervisorSpec flags) const {
  Question question(path_);
  actor::write(question.manage.initChangeFlags(), flags);
  return askFor(std::move(question), deadline_, "changing the flags of " + path_);
}

Task<> SupervisorRef::change(std::vector<NamedChildSpec> specs) const {
  Question question(path_);
  auto list = question.manage.initChangeChildren(static_cast<unsigned>(specs.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setId(specs[i].id.string().c_str());
    actor::write(list[i].initSpec(), specs[i].spec);
  }
  return askFor(std::move(question), deadline_, "changing the specs of children of " + path_);
}

}  // namespace troupe
