// Runs a supervision core in virtual time: children are played by scripts, and every action is checked
// against what must always hold (never two processes in one place, nothing alive at Finish, each request
// answered once, ...).
#pragma once

#include "supervision/core.h"

#include <troupe/exit_reason.h>
#include <troupe/spec.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::supervision::test {

using namespace std::chrono_literals;

// How one process behaves.
struct Behaviour {
  enum class Init : std::uint8_t { ready, ignore, fail, hang };
  enum class OnStop : std::uint8_t { obey, hang, crash };
  Init init = Init::ready;
  Duration initTakes = {};
  std::string extra = {};
  ExitReason failure = {};
  OnStop onStop = OnStop::obey;
  Duration stopTakes = {};
};

ExitReason reason(ExitKind kind, int code = 0, std::string text = {});
inline ExitReason crash() { return reason(ExitKind::signaled, 11); }
inline ExitReason normal() { return reason(ExitKind::normal); }
inline ExitReason shutdown() { return reason(ExitKind::shutdown); }
inline Behaviour fails(std::string text) {
  return {.init = Behaviour::Init::fail, .failure = reason(ExitKind::exception, 0, std::move(text))};
}
inline Behaviour ignores() { return {.init = Behaviour::Init::ignore}; }
inline Behaviour hangs() { return {.init = Behaviour::Init::hang}; }
inline Behaviour hangsOnStop() { return {.onStop = Behaviour::OnStop::hang}; }

// A child, a supervisor, a template.
ChildDeclaration child(std::string id, ChildSpec spec = {});
ChildDeclaration supervisorChild(std::string id, ChildSpec spec = {});
ChildDeclaration each(std::string id, ChildSpec spec = {});

class Simulator {
 public:
  explicit Simulator(const SupervisorSpec& flags = {}, const std::vector<ChildDeclaration>& children = {},
                     Random random = {});

  // From now on, each process of this name ("a", "t:1", or "t" for all instances of t) behaves so.
  void script(const std::string& name, Behaviour behaviour) { scripts_[name] = std::move(behaviour); }
  // The next process of this name behaves so, once.
  void next(const std::string& name, Behaviour behaviour) { once_[name].push_back(std::move(behaviour)); }

  // Events. Each is followed by all that is due at the same moment.
  void begin();
  void advance(Duration by);
  void stop(ExitReason why = shutdown());
  void end(const std::string& name, ExitReason why);
  void leave(const std::string& name);

  // Requests, answered by the core; what is due at the moment is done before they return.
  Token startChild(const ChildDeclaration& child, const std::string& asker = {});
  Token startInstance(const std::string& id, const std::string& asker = {});
  Token stopChild(const std::string& id, const std::string& asker = {});
  Token restartChild(const std::string& id);
  Token deleteChild(const std::string& id);
  Token change(Change change);

  bool answered(Token token) const { return answers_.contains(token); }
  bool ok(Token token) const { return answered(token) && !std::holds_alternative<Error>(answers_.at(token)); }
  // The text of the error; empty where there is none.
  std::string error(Token token) const;
  std::optional<ErrorKind> errorKind(Token token) const;
  Started started(Token token) const { return std::get<Started>(answers_.at(token)); }

  // 0: it has no process that is alive. A number is never used again.
  std::uint64_t pid(const std::string& name) const;
  std::size_t living() const { return alive_.size(); }
  ChildState state(const std::string& id);
  bool has(const std::string& id);
  std::vector<std::string> ids();
  ChildList list();
  Counts counts();
  ChildDeclaration spec(const std::string& id);

  bool becameReady() const { return becameReady_; }
  const std::optional<ExitReason>& finished() const { return finish_; }
  // "start a", "ask a", "kill a", "end a", "forget a", in order; empties it.
  std::vector<std::string> takeLog() { return std::exchange(log_, {}); }
  std::vector<Report> reports(Event event) const;
  const std::map<std::string, ExitReason>& forgotten() const { return forgotten_; }
  Duration now() const { return now_.time_since_epoch(); }
  Core& core() { return core_; }
  std::size_t unanswered() const { return asked_.size() - answers_.size(); }

 private:
  struct Process {
    std::uint64_t pid = 0;
    std::string name;
    Incarnation incarnation = 0;
    Behaviour behaviour;
    bool killed = false;
  };

  void at(Time when, std::function<void()> event);
  void runDue(Time until);
  void perform(Actions actions);
  void apply(const Start& start);
  void apply(const AskStop& ask);
  void apply(const Kill& kill);
  void apply(const ArmTimer& timer);
  void apply(const CancelTimer& timer);
  void apply(const Answer& answer);
  void apply(const Report& report);
  void apply(const Forget& forget);
  void apply(const BecameReady&);
  void apply(const Finish& finish);
  void play(ChildKey key, const Process& process);
  void die(ChildKey key, std::uint64_t pid, ExitReason why);
  Process* alive(ChildKey key, Incarnation incarnation);
  Behaviour behaviourOf(const std::string& name, const std::string& id);
  Caller caller(const std::string& asker);
  ChildKey keyOf(const std::string& name) const;
  template <class T>
  T askNow(Actions actions);

  Core core_;
  Time now_{};
  std::uint64_t sequence_ = 0;
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> events_;
  std::map<std::string, Behaviour> scripts_;
  std::map<std::string, std::deque<Behaviour>> once_;
  std::map<ChildKey, Process> alive_;
  std::set<ChildKey> gone_;
  std::map<ChildKey, Incarnation> lastIncarnation_;
  std::set<TimerId> timers_;
  std::set<Token> asked_;
  std::map<Token, Result> answers_;
  std::map<std::string, ExitReason> forgotten_;
  std::vector<std::string> log_;
  std::vector<Report> reports_;
  std::uint64_t lastPid_ = 0;
  Token lastToken_ = 0;
  bool becameReady_ = false;
  std::optional<ExitReason> finish_;
};

}  // namespace troupe::supervision::test
