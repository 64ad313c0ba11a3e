#include "simulator.h"

#include <gtest/gtest.h>

#include <csignal>

namespace troupe::supervision::test {

ExitReason reason(ExitKind kind, int code, std::string text) {
  ExitReason reason;
  reason.kind = kind;
  reason.code = code;
  reason.text = std::move(text);
  return reason;
}

ChildDeclaration child(std::string id, ChildSpec spec) {
  return {.id = std::move(id), .spec = std::move(spec)};
}

ChildDeclaration supervisorChild(std::string id, ChildSpec spec) {
  return {.id = std::move(id), .spec = std::move(spec), .isSupervisor = true};
}

ChildDeclaration each(std::string id, ChildSpec spec) {
  return {.id = std::move(id), .spec = std::move(spec), .isTemplate = true};
}

Simulator::Simulator(const SupervisorSpec& flags, const std::vector<ChildDeclaration>& children,
                     Random random)
    : core_("top", flags, children, std::move(random)) {}

// --- Events ------------------------------------------------------------------------------------------------

void Simulator::begin() {
  perform(core_.begin(now_));
  runDue(now_);
}

void Simulator::advance(Duration by) { runDue(now_ + by); }

void Simulator::stop(ExitReason why) {
  perform(core_.stop(now_, std::move(why)));
  runDue(now_);
}

void Simulator::end(const std::string& name, ExitReason why) {
  const ChildKey key = keyOf(name);
  ASSERT_NE(key, 0U) << name << " has no process that could end";
  die(key, alive_.at(key).pid, std::move(why));
  runDue(now_);
}

void Simulator::leave(const std::string& name) {
  const ChildKey key = keyOf(name);
  ASSERT_NE(key, 0U) << name << " has no process";
  perform(core_.leaving(now_, key, alive_.at(key).incarnation));
}

void Simulator::at(Time when, std::function<void()> event) {
  events_.emplace(std::pair(when, ++sequence_), std::move(event));
}

void Simulator::runDue(Time until) {
  while (!events_.empty() && events_.begin()->first.first <= until) {
    auto node = events_.extract(events_.begin());
    now_ = std::max(now_, node.key().first);
    node.mapped()();
  }
  now_ = until;
}

// --- Requests ----------------------------------------------------------------------------------------------

Caller Simulator::caller(const std::string& asker) {
  asked_.insert(++lastToken_);
  return {.token = lastToken_, .child = asker.empty() ? 0 : keyOf(asker)};
}

Token Simulator::startChild(const ChildDeclaration& child, const std::string& asker) {
  const Caller from = caller(asker);
  perform(core_.startChild(now_, from, child));
  runDue(now_);
  return from.token;
}

Token Simulator::startInstance(const std::string& id, const std::string& asker) {
  const Caller from = caller(asker);
  perform(core_.startInstance(now_, from, id));
  runDue(now_);
  return from.token;
}

Token Simulator::stopChild(const std::string& id, const std::string& asker) {
  const Caller from = caller(asker);
  perform(core_.stopChild(now_, from, id));
  runDue(now_);
  return from.token;
}

Token Simulator::restartChild(const std::string& id) {
  const Caller from = caller({});
  perform(core_.restartChild(now_, from, id));
  runDue(now_);
  return from.token;
}

Token Simulator::deleteChild(const std::string& id) {
  const Caller from = caller({});
  perform(core_.deleteChild(now_, from, id));
  runDue(now_);
  return from.token;
}

Token Simulator::change(Change change) {
  const Caller from = caller({});
  perform(core_.change(now_, from, std::move(change)));
  runDue(now_);
  return from.token;
}

template <class T>
T Simulator::askNow(Actions actions) {
  EXPECT_EQ(actions.size(), 1U);
  const auto* answer = std::get_if<Answer>(&actions.front());
  const T* value = answer == nullptr ? nullptr : std::get_if<T>(&answer->result);
  EXPECT_NE(value, nullptr);
  return value == nullptr ? T{} : *value;
}

ChildList Simulator::list() { return askNow<ChildList>(core_.list({})); }
Counts Simulator::counts() { return askNow<Counts>(core_.count({})); }
ChildDeclaration Simulator::spec(const std::string& id) {
  return askNow<ChildDeclaration>(core_.spec({}, id));
}

bool Simulator::has(const std::string& id) {
  for (const ChildInfo& info : list()) {
    if (info.id == id) return true;
  }
  return false;
}

ChildState Simulator::state(const std::string& id) {
  for (const ChildInfo& info : list()) {
    if (info.id == id) return info.state;
  }
  ADD_FAILURE() << "no child " << id;
  return ChildState::stopped;
}

std::vector<std::string> Simulator::ids() {
  std::vector<std::string> ids;
  for (const ChildInfo& info : list()) ids.push_back(info.id);
  return ids;
}

std::string Simulator::error(Token token) const {
  if (!answered(token)) return "not answered";
  const auto* error = std::get_if<Error>(&answers_.at(token));
  return error == nullptr ? "" : error->message();
}

std::optional<ErrorKind> Simulator::errorKind(Token token) const {
  if (!answered(token)) return {};
  const auto* error = std::get_if<Error>(&answers_.at(token));
  return error == nullptr ? std::nullopt : std::optional(error->kind());
}

std::uint64_t Simulator::pid(const std::string& name) const {
  const ChildKey key = keyOf(name);
  return key == 0 ? 0 : alive_.at(key).pid;
}

ChildKey Simulator::keyOf(const std::string& name) const {
  for (const auto& [key, process] : alive_) {
    if (process.name == name) return key;
  }
  return 0;
}

std::vector<Report> Simulator::reports(Event event) const {
  std::vector<Report> found;
  for (const Report& report : reports_) {
    if (report.event == event) found.push_back(report);
  }
  return found;
}

// --- Actions -----------------------------------------------------------------------------------------------

void Simulator::perform(Actions actions) {
  for (const Action& action : actions) {
    EXPECT_TRUE(!finish_ || std::holds_alternative<Answer>(action)) << "nothing but answers follows Finish";
    std::visit([this](const auto& what) { apply(what); }, action);
  }
}

void Simulator::apply(const Start& start) {
  const std::string name = start.instance == 0 ? start.id : instanceId(start.id, start.instance);
  EXPECT_FALSE(alive_.contains(start.key)) << name << ": two processes in one place";
  EXPECT_FALSE(gone_.contains(start.key)) << name << ": started after it was forgotten";
  EXPECT_GT(start.incarnation, lastIncarnation_[start.key]) << name;
  lastIncarnation_[start.key] = start.incarnation;
  log_.push_back("start " + name);
  Process process{.pid = ++lastPid_,
                  .name = name,
                  .incarnation = start.incarnation,
                  .behaviour = behaviourOf(name, start.id)};
  play(start.key, process);
  alive_.emplace(start.key, std::move(process));
}

Behaviour Simulator::behaviourOf(const std::string& name, const std::string& id) {
  for (const std::string& key : {name, id}) {
    auto& queue = once_[key];
    if (queue.empty()) continue;
    Behaviour behaviour = queue.front();
    queue.pop_front();
    return behaviour;
  }
  if (scripts_.contains(name)) return scripts_[name];
  return scripts_.contains(id) ? scripts_[id] : Behaviour{};
}

void Simulator::play(ChildKey key, const Process& process) {
  const Behaviour& behaviour = process.behaviour;
  if (behaviour.init == Behaviour::Init::hang) return;
  at(now_ + behaviour.initTakes, [this, key, pid = process.pid] {
    if (!alive_.contains(key) || alive_.at(key).pid != pid) return;
    const Process self = alive_.at(key);
    if (self.behaviour.init == Behaviour::Init::fail) return die(key, pid, self.behaviour.failure);
    const bool ignores = self.behaviour.init == Behaviour::Init::ignore;
    perform(core_.ready(now_, key, self.incarnation,
                        ignores ? Core::Outcome::ignored : Core::Outcome::started, self.behaviour.extra));
    if (ignores) die(key, pid, normal());
  });
}

void Simulator::die(ChildKey key, std::uint64_t pid, ExitReason why) {
  const auto it = alive_.find(key);
  if (it == alive_.end() || it->second.pid != pid) return;
  const Process process = it->second;
  log_.push_back("end " + process.name);
  alive_.erase(it);
  perform(core_.ended(now_, key, process.incarnation, std::move(why)));
}

Simulator::Process* Simulator::alive(ChildKey key, Incarnation incarnation) {
  const auto it = alive_.find(key);
  return it != alive_.end() && it->second.incarnation == incarnation ? &it->second : nullptr;
}

void Simulator::apply(const AskStop& ask) {
  Process* process = alive(ask.key, ask.incarnation);
  if (process == nullptr) return;  // it ended, and the core has not been told yet
  log_.push_back("ask " + process->name);
  if (process->behaviour.onStop == Behaviour::OnStop::hang) return;
  const bool crashes = process->behaviour.onStop == Behaviour::OnStop::crash;
  at(now_ + process->behaviour.stopTakes,
     [this, key = ask.key, pid = process->pid, crashes] { die(key, pid, crashes ? crash() : shutdown()); });
}

void Simulator::apply(const Kill& kill) {
  Process* process = alive(kill.key, kill.incarnation);
  if (process == nullptr) return;
  log_.push_back("kill " + process->name);
  EXPECT_FALSE(std::exchange(process->killed, true)) << process->name << " was killed twice";
  at(now_,
     [this, key = kill.key, pid = process->pid] { die(key, pid, reason(ExitKind::signaled, SIGKILL)); });
}

void Simulator::apply(const ArmTimer& timer) {
  EXPECT_TRUE(timers_.insert(timer.timer).second) << "a timer's number was used again";
  at(std::max(timer.at, now_), [this, id = timer.timer] {
    if (timers_.erase(id) != 0) perform(core_.timer(now_, id));
  });
}

void Simulator::apply(const CancelTimer& timer) {
  EXPECT_EQ(timers_.erase(timer.timer), 1U) << "a timer was cancelled that is not armed";
}

void Simulator::apply(const Answer& answer) {
  EXPECT_TRUE(asked_.contains(answer.token));
  EXPECT_TRUE(answers_.emplace(answer.token, answer.result).second) << "a request was answered twice";
}

void Simulator::apply(const Report& report) { reports_.push_back(report); }

void Simulator::apply(const Forget& forget) {
  EXPECT_FALSE(alive_.contains(forget.key)) << forget.id << ": forgotten with a process";
  EXPECT_TRUE(gone_.insert(forget.key).second) << forget.id << ": forgotten twice";
  log_.push_back("forget " + forget.id);
  forgotten_[forget.id] = forget.final;
}

void Simulator::apply(const BecameReady&) { EXPECT_FALSE(std::exchange(becameReady_, true)); }

void Simulator::apply(const Finish& finish) {
  EXPECT_TRUE(alive_.empty()) << "children are alive at Finish";
  EXPECT_TRUE(timers_.empty()) << "timers are armed at Finish";
  EXPECT_EQ(unanswered(), 0U) << "requests are open at Finish";
  finish_ = finish.reason;
}

}  // namespace troupe::supervision::test
