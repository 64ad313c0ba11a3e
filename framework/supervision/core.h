// The supervision core: decides what a supervisor does, and does nothing itself. Events go in, actions come
// out; it makes no system call, reads no clock and starts no process, so that everything it promises can be
// proved in virtual time.
//
// Semantics: Erlang/OTP 27's supervisor. docs/supervision.md lists the differences. The important ones:
//   nothing blocks, so children of oneForOne restart side by side; giving up has its own reason, which is
//   abnormal; a restart may back off.
// Order:     carry out the actions in the order given, and give events one at a time, in the order in which
//   they happened; what an action causes at once (a failing fork) is given after all actions have been
//   carried out.
// Late:      what names a place or an incarnation that is not the current one, or a timer that was cancelled,
//   is ignored.
// Ownership: keeps its own copies of all that it is given.
// Errors:    the constructor throws `invalid`; a request's error is its answer. Events never throw.
// Threads:   one.
#pragma once

#include "supervision/core_slots.h"
#include "supervision/core_types.h"
#include "supervision/restart_budget.h"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace troupe::supervision {

// Uniform in [0, 1).
using Random = std::function<double()>;

// A live change of specs, as OTP's code_change: what is absent stays as it is. Children are matched by id:
// those that are there take the new spec and keep their process, new ones are added and not started, others
// are kept. The order is then that of the list, followed by the others.
struct Change {
  std::optional<SupervisorSpec> flags = {};
  std::optional<std::vector<ChildDeclaration>> children = {};
};

class Core {
 public:
  // `supervisor` is what errors and reports call it. Children start in the order given.
  // Without `random`, restarts back off without jitter.
  // Errors: invalid, naming supervisor, child, field and value.
  Core(std::string supervisor, const SupervisorSpec& flags, const std::vector<ChildDeclaration>& children,
       Random random = {});
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- Events ---

  // Starts the children one by one. Ends in BecameReady or, where one fails, in Finish{childFailed}.
  Actions begin(Time now);

  enum class Outcome : std::uint8_t { started, ignored };
  // Its init has returned. One that ignores is to end by itself: the start counts as over when ended() says
  // so.
  Actions ready(Time now, ChildKey key, Incarnation incarnation, Outcome outcome, std::string extra = {});

  // The process is no more, or could not be made. Before ready(), that is a failed start. A reason that only
  // the driver knows, such as `hung`, is given here. A restart whose cause is a message counts for nothing: the message goes by
  // OnCrash, so that there is an end to it.
  enum class Cause : std::uint8_t { child, message };
  Actions ended(Time now, ChildKey key, Incarnation incarnation, ExitReason reason,
                Cause cause = Cause::child);

  // It ends by itself in an orderly way: a clean end then counts as `shutdown`.
  Actions leaving(Time now, ChildKey key, Incarnation incarnation);

  Actions timer(Time now, TimerId timer);

  // Stops all children in reverse order, then Finish{why}. Requests not answered yet are answered with an
  // error. Again: no effect; the reason of a stop already under way stays.
  Actions stop(Time now, ExitReason why);

  // --- Requests: each is answered once, by Answer, at once or later ---

  // Adds a child at the end and starts it: Started, when it is ready. Where it fails, the spec is dropped.
  // Errors: invalid (the spec, already started, already present); crashed, with its reason; gone (it was
  // stopped meanwhile).
  Actions startChild(Time now, Caller caller, ChildDeclaration child);

  // Starts a further instance of a template: as startChild.
  Actions startInstance(Time now, Caller caller, const std::string& templateId);

  // Stops a child: Done, when its process has ended, and also where it had none. Its spec stays, unless it is
  // temporary or an instance. Errors: gone (not found; an instance that has ended is fine), invalid (a
  // template; the caller itself).
  Actions stopChild(Time now, Caller caller, const std::string& id);

  // Starts a stopped child again: Started, when it is ready. Where it fails, the spec stays.
  // Errors: invalid (running, restarting, a template or instance), gone (not found), crashed.
  Actions restartChild(Time now, Caller caller, const std::string& id);

  // Drops the spec of a stopped child: Done. Errors: as restartChild.
  Actions deleteChild(Time now, Caller caller, const std::string& id);

  // ChildList, Counts, ChildDeclaration (of a child, template or instance; gone where not found), at once.
  Actions list(Caller caller);
  Actions count(Caller caller);
  Actions spec(Caller caller, const std::string& id);

  // Changes flags and children of the running supervisor: Done. Errors: invalid, and then nothing has
  // changed.
  Actions change(Time now, Caller caller, Change change);

  // --- Looking ---

  const std::string& supervisor() const { return supervisor_; }
  const SupervisorSpec& flags() const { return flags_; }
  bool becameReady() const { return becameReady_; }
  bool finished() const { return phase_ == Phase::finished; }
  // The declared spec of a place, or nothing where it is gone.
  const ChildSpec* specOf(ChildKey key) const;
  // While a round waits until one child is ready: the start that comes then, unless something else happens first.
  std::optional<Start> startsNext();

 private:
  enum class Phase : std::uint8_t { fresh, starting, running, stopping, finished };
  enum class TimerUse : std::uint8_t { ready, stop, restart, stopInstances };
  struct Timer {
    ChildKey key = 0;
    TimerUse use = TimerUse::ready;
  };

  // One round at a time brings up the children from `from` on: it stops those that live, last to first, and
  // then starts all of them, first to last. The supervisor's own start is a round with nothing to stop.
  struct Round {
    enum class Step : std::uint8_t { none, stopping, starting };
    Step step = Step::none;
    std::uint64_t number = 0;
    Rank from = 0;
    Rank cursor = 0;       // with `starting`: where to look for the next one
    ChildKey current = 0;  // with `starting`: the one that is being started
  };

  // Stops what has a process in [from, below), one by one from the end; `below` falls as they end.
  struct Sweep {
    bool active = false;
    Rank from = 0;
    Rank below = Slots::kEnd;
  };

  // A request that has to wait until no round is under way.
  struct Deferred {
    Caller caller;
    std::string what;
    std::function<void()> run;
  };

  // core.cc: each event runs between these two.
  void enter(Time now);
  Actions leave();
  Slot* current(ChildKey key, Incarnation incarnation);
  void arm(Slot& slot, TimerUse use, Time at);
  void disarm(Slot& slot);
  void report(Event event, const Slot& slot, ExitReason reason, Duration delay = {});
  void kill(Slot& slot, ExitReason why);
  ExitReason takeReason(Slot& slot, ExitReason reported);
  // The slot goes for good. Its waiters are answered.
  void drop(Slot& slot, const ExitReason& reason);
  // The slot stays without a process, or goes where nothing may be kept of it.
  void settle(Slot& slot, const ExitReason& reason);
  void answerStopWaiters(std::vector<Token> waiters);
  void answerStartWaiter(Slot& slot, Result result);

  // core_start.cc
  void start(Slot& slot, Attempt attempt);
  void becomeReady(Slot& slot, std::string extra);
  void endIgnoring(Slot& slot, const ExitReason& reason);
  void failStart(Slot& slot, const ExitReason& reason);
  void continueRound();
  void endRound();
  void abandonRound(const Slot& failed);
  void resumeInitialStart();

  // core_restart.cc
  void endRunning(Slot& slot, const ExitReason& reason, Cause cause);
  void scheduleRestart(Slot& slot, const ExitReason& cause);
  Duration nextDelay(Slot& slot);
  bool spend(Slot& slot, const ExitReason& cause, Duration delay);
  void restart(Slot& slot);
  void beginRound(Rank from);
  void requeue(Slot& slot);
  bool inSweep(const Slot& slot) const;

  // core_stop.cc
  void askStop(Slot& slot);
  void askStopInstances(Slot& ofTemplate);
  void killInstances(const Slot& ofTemplate);
  void endStopping(Slot& slot, const ExitReason& reason);
  void endSwept(Slot& slot, const ExitReason& reason);
  void settleSwept(Slot& slot, const ExitReason& reason);
  void sweepFrom(Rank from);
  void advanceSweep();
  void stopAll(ExitReason why);
  void finish();

  // core_requests.cc
  void doStartChild(Caller caller, const ChildDeclaration& child);
  void doStartInstance(Caller caller, const std::string& templateId);
  void doRestartChild(Caller caller, const std::string& id);
  void doStopChild(Caller caller, const std::string& id);
  void doChange(Caller caller, const Change& change);
  void checkChange(const SupervisorSpec& flags, const Change& change);
  void apply(const std::vector<ChildDeclaration>& children);
  std::vector<ChildKey> declared();
  bool over(Caller caller, const std::string& what);
  bool mustWait() const;
  void defer(Caller caller, std::string what, std::function<void()> run);
  void runDeferred();
  void answer(Token token, Result result);
  void refuse(Token token, const std::string& what, const std::string& why,
              ErrorKind kind = ErrorKind::invalid);
  // A child with a spec of its own and without a process or a hope of one; else null, and refused.
  Slot* findStopped(Caller caller, const std::string& what, const std::string& id);

  std::string supervisor_;
  SupervisorSpec flags_;
  Random random_;
  RestartBudget budget_;
  Slots slots_;
  Phase phase_ = Phase::fresh;
  bool becameReady_ = false;
  bool shutDownWhenReady_ = false;
  Round round_;
  Sweep sweep_;
  ExitReason finishReason_;
  std::deque<Deferred> deferred_;
  std::unordered_map<TimerId, Timer> timers_;
  TimerId lastTimer_ = 0;
  Time now_ = {};
  Actions actions_;
};

}  // namespace troupe::supervision
