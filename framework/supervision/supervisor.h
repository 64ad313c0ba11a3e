// The supervisor at work: carries out what the core (supervision/core.h) decides, with processes, lanes and timers, and tells
// the core what happens to them. It is the same in the root and in a nested supervisor's process; only what is above differs.
//
// Nothing here blocks. Endpoints for a child are asked of the root before each start; a child is forked when they come.
//
// Threads: the loop's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loop/loop.h"
#include "os/limits.h"
#include "supervision/child.h"
#include "supervision/core.h"
#include "supervision/launcher.h"
#include "supervision/log.h"
#include "supervision/output_relay.h"
#include "supervision/resting.h"
#include "supervision/spares.h"
#include "wire/control_message.h"

namespace troupe::supervision {

class Supervisor {
 public:
  struct Setup {
    std::string path;
    std::shared_ptr<const Blueprint> blueprint;
    Program program;
    std::function<void(wire::ControlMessage)> up;     // towards the root
    std::function<void()> ready;                      // all children have been started
    std::function<void(const ExitReason&)> finished;  // all children are down; the last thing that is called
    std::function<void(const std::string& id, const ExitReason&)> forgotten;  // a child has gone for good
  };
  // Errors: invalid, where the specs make no sense.
  Supervisor(loop::Loop& loop, Setup setup);
  ~Supervisor();

  void begin();
  void stop(const ExitReason& why);
  // SIGKILL for all that runs, at once. stop() must have been called.
  void killAll();

  // A message from above: for this supervisor, or for a process below it.
  void fromAbove(wire::ReceivedControl& message);
  // Signals have come that say that children have ended. Those that are not this supervisor's are reaped too.
  void reap();
  // Writes what the children's output holds back; to be called before the process ends.
  void finishOutput();

  const std::string& path() const { return setup_.path; }
  Log& log() { return log_; }
  std::size_t processes() const { return byPid_.size(); }

 private:
  // A start by hand whose child has no place yet.
  struct Wanted {
    Token token = 0;
    Maker maker;
  };
  struct Asked {
    std::string from;
    std::uint64_t request = 0;
    // Of a list that comes in parts: what the one who asks has already.
    std::size_t have = 0;
    std::string last = {};
  };

  // The replacement of a child's process by one of a newer program.
  struct Upgrade {
    Asked asked;
    std::string file;
    os::Fd image;                 // until its ends are asked for
    std::unique_ptr<Child> next;  // until it takes over
    std::unique_ptr<Child> old;   // from then on, until the other one is ready
    bool handingOver = false;     // the older one was asked to let go, or has
    bool olderIsLate = false;     // it had not let go when the time was over
    bool handedOver = false;      // it has
    bool answered = false;        // it has failed, and the older one is to have its mailbox back
    std::uint32_t failed = 0;     // the generation of the newer process that has
    ExitReason failedFor = {};
    std::unique_ptr<loop::Timer> limit;
  };

  void apply(const Actions& actions);
  void act(const Start& action);
  void act(const AskStop& action);
  void act(const Kill& action);
  void act(const ArmTimer& action);
  void act(const CancelTimer& action);
  void act(const Answer& action);
  void act(const Report& action);
  void writeLog();
  void act(const Forget& action);
  void act(const BecameReady& action);
  void act(const Finish& action);

  Maker makerFor(const Start& action);
  std::unique_ptr<Child> newChild(const Start& action);
  void claim(Child& child, bool takesOver = false);
  void onGrant(wire::ReceivedControl& message);
  void launchChild(Child& child, wire::GrantedEnds ends, os::Fd image);
  LaunchOrder orderFor(Child& child, wire::GrantedEnds ends, os::Fd image);
  void forgetMoved(const Child& child);
  void tellStarted(const Child& child);
  void tellUp(const Child& child);
  Child* find(ChildKey key, Incarnation incarnation);
  void erase(Child& child);

  void fromChild(Child& child, wire::ReceivedControl& message);
  void onReady(Child& child, wire::ReceivedControl& message);
  void sendUp(Child& child, wire::ReceivedControl& message);
  bool maySend(const Child& child, wire::Control::Which which) const;
  void kill(Child& child, ExitReason why);
  void onLeaving(Child& child, ExitReason reason);
  void onLaneClosed(Child& child);
  void watchHealth(Child& child);
  void onEnd(Child& child, const os::ProcessEnd& end);
  void finishEnd(Child& child, const ExitReason& reason);
  static ExitReason toldReason(const Child& child, const ExitReason& reason);
  void giveUpClaim(Child& child, const ExitReason& why);
  void endedSoon(const Child& child, ExitReason reason);
  void tellEnded(const Child& child, const ExitReason& reason, bool keepsEnds = false);
  void tellEnded(wire::ActorId actor, std::uint32_t generation, const ExitReason& reason,
                 bool keepsEnds = false);

  // supervisor_spares.cc
  SparePlace placeOf(const Child& child) const;
  void provideSpares(const Child& child);
  bool launchSpare(Child& spare);
  void makeNextAhead();
  void makeAhead(const Start& start);
  Child* replaceBySpare(Child& child);
  Child* place(Child& child, std::unique_ptr<Child> process);
  void call(Child& spare, wire::ReceivedControl& granted);
  void onSpareEnded(Child& spare, const ExitReason& reason);

  // supervisor_instances.cc
  void onResting(Child& child, wire::Control::Resting::Reader resting);
  wire::ActorId reserveResting(const Child& child);
  Child* replaceByResting(Child& child, bool withEnds);
  void dropEnds(const Child& process);
  void onRestingEnded(Child& process);

  // supervisor_output.cc
  void relayOutput(Child& child);
  void renameOutput(const Child& child);

  // upgrade.cc
  void beginUpgrade(const Asked& asked, const std::string& id, const std::string& file);
  void onPrepared(Child& next);
  void onHandedOver(Child& old);
  void takeOver(Child& child, wire::ReceivedControl& granted);
  void upgraded(Child& child);
  void failUpgrade(ChildKey key, const ExitReason& why);
  void retire(std::unique_ptr<Child> old);
  void passClaim(std::uint64_t claim, Child& child);
  // True where the end of this process is no end of its child, or not yet.
  bool endedInUpgrade(Child& child, const ExitReason& reason);

  // supervisor_requests.cc
  void onManage(wire::ReceivedControl& message);
  Actions request(Caller caller, wire::ReceivedControl& message);
  Actions requestStartChild(Caller caller, wire::Manage::StartChild::Reader asked,
                            wire::ReceivedControl& message);
  Actions requestChange(Caller caller, capnp::List<wire::NamedSpec>::Reader specs);
  void answer(const Asked& asked, const Result& result);
  void write(wire::Managed::Builder to, const Result& result, const Asked& asked);
  void write(wire::Managed::Builder to, const Started& started);
  void write(wire::Managed::Builder to, const ChildList& children, const Asked& asked);

  loop::Loop& loop_;
  Setup setup_;
  OutputRelay out_;
  OutputRelay err_;
  Log log_;
  std::vector<Report> toLog_;
  Core core_;
  os::OutOfMemoryWatch outOfMemory_;
  std::unordered_map<ChildKey, std::unique_ptr<Child>> children_;
  std::unordered_map<pid_t, Child*> byPid_;
  std::unordered_map<std::string, Child*> byId_;
  std::unordered_map<std::uint64_t, Child*> claims_;
  Spares spares_;
  Resting resting_;
  std::unordered_map<ChildKey, Upgrade> upgrades_;
  std::unordered_map<pid_t, std::unique_ptr<Child>> retired_;
  std::unordered_map<ChildKey, Maker> makers_;
  std::map<std::string, std::shared_ptr<const Blueprint>> declared_;
  std::map<std::string, std::deque<Wanted>> wanted_;  // by the declared id
  std::unordered_map<Token, Asked> asked_;
  std::unordered_map<TimerId, std::unique_ptr<loop::Timer>> timers_;
  std::uint64_t lastRequest_ = 0;
  Token lastToken_ = 0;
};

}  // namespace troupe::supervision
