// A process that is an actor: its event loop, its lanes, and its life from construction to the end.
//
// Life:    construct, init() -> ready -> handlers and run() -> [stop: turn at hand ends, run() cancelled, stopping()] -> end.
//          The process ends by runActor() itself, never by returning; or goes on as the next instance (instances.cc).
// Crash:   an exception that leaves any of the actor's functions: its text is sent ahead, and the process ends with code 1.
#pragma once

#include <troupe/actor.h>
#include <troupe/actor_class.h>
#include <troupe/self.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actor/bodies.h"
#include "actor/eagerness.h"
#include "actor/monitors.h"
#include "actor/pending_calls.h"
#include "actor/requests.h"
#include "actor/server.h"
#include "loop/loop.h"
#include "loop/task_group.h"
#include "mailbox/journal.h"
#include "os/signals.h"
#include "wire/control_lane.h"

namespace troupe::actor {

// What a process needs to become a certain actor.
struct Assignment {
  std::string path;
  std::string program = {};  // as titles name it
  wire::ActorId id = 0;
  std::uint32_t generation = 0;
  bool tookOver = false;     // from a process of an older program
  bool alone = true;         // no other actor reads its mailbox
  bool unrehearsed = false;  // of a spare: it is called at once
  os::Fd control = {};
  wire::GrantedEnds ends = {};
  mailbox::MappedDesk memory = {};  // the desk among the ends, where it is mapped already
  std::size_t maxMessageBytes = 0;
  Limits limits = {};
  unsigned recycleAfter = 0;
  unsigned instances = 1;  // so many it may be, one after the other
  const detail::ActorClass* actorClass = nullptr;
  detail::ActorFactory factory = {};
  std::vector<Argument> arguments = {};
  // Called just before the process ends by itself, with the reason that its supervisor is told.
  std::function<void(const ExitReason&)> leaving = {};
};

// "/shop/till (program)"
std::string titleOf(const std::string& path, const std::string& program);

// Tells the supervisor why there will be no actor, and ends the process.
[[noreturn]] void failToStart(const os::Fd& control, const std::string& text, int error);
// The same with what `step` throws: nothing may leave it where the supervisor that this process was forked from lies below on the stack.
void orFailToStart(const os::Fd& control, const std::function<void()>& step);

// Where the ends are not there yet: of a process that is to take over from another one of the same actor, or a hot spare. Waits
// until it may begin, and fills in what it is told of who it is.
void awaitTakeOver(Assignment& assignment);

// Of a process that was one instance of a template, which ended for that reason, and has nothing left of it but ends that are as
// new: waits until it is the next.
void awaitNext(Assignment& assignment, const ExitReason& before);

// Becomes that actor, and those after it, until the process ends. The process must be settled (os/process.h).
[[noreturn]] void runActor(Assignment assignment);

class ActorProcess {
 public:
  explicit ActorProcess(Assignment assignment);
  ~ActorProcess();
  // The one that this process is. Errors: invalid, in a process that is no actor.
  static ActorProcess& current();

  // Returns where the process may be another: once nothing refers to it, it is to be destroyed.
  void run();
  // Why it has ended then.
  const ExitReason& ending() const { return *ending_; }
  // For the next one: the lane to the supervisor, and the ends, where nothing has ever come to them.
  void leaveTo(Assignment& next);

  const std::string& path() const { return path_; }
  wire::ActorId id() const { return id_; }
  std::uint32_t generation() const { return generation_; }
  loop::Loop& loop() { return loop_; }
  mailbox::Outbox& outbox() { return outbox_; }
  mailbox::KeptStore& kept() { return kept_; }
  // What it keeps lies in. Errors: gone, where another process has that now.
  const os::Fd& keptMemory(const wire::Purpose& what) const;
  Server& server() { return server_; }
  PendingCalls& calls() { return calls_; }
  // Where this actor's large messages are built.
  wire::ArenaMemory& arena() { return bodies_.own(); }
  Requests& requests() { return requests_; }
  Monitors& monitors() { return monitors_; }
  // Throws `gone` where this process has handed over to a newer one, and can't send any more.
  void checkMaySend(const wire::Purpose& what) const;
  void spawn(Task<> task) { background_.spawn(std::move(task)); }
  // Ends it in an orderly way, from the loop. Where it is stopping already, a reason that is not clean takes the place of the first.
  void stop(ExitReason reason);
  // True now and then: whoever works on without waiting should let the loop have its turn.
  bool yieldNow() { return ++operations_ % 256 == 0; }

 private:
  void construct();
  void started(Start start);
  void onControl(wire::ReceivedControl& message);
  void onNotice(wire::ReceivedControl& message);
  void onIntroduced(mailbox::Destination to, wire::ReceivedControl& answer);
  void introduce(mailbox::Destination to);
  void closeLane(mailbox::Destination to, const Error& why);
  void watch(wire::ActorId actor);
  void watchProcess(wire::ActorId actor, std::uint32_t generation);
  void stopAsAsked();
  // upgrade.cc
  void handOver();
  void letGoWhenIdle();
  void letGo();
  void takeBack(wire::ReceivedControl& message);
  void drain();
  void windDown();
  void endWhenDrained();
  // waiting.cc
  bool beforeSleep();
  void settle();
  bool lookAgain();
  bool lookSome();
  std::uint64_t arrivals() const { return server_.arrivals() + calls_.arrivals(); }
  void giveUpUnsent();
  [[noreturn]] void crash(std::exception_ptr exception);
  void end(const ExitReason& reason);
  // instances.cc
  bool makesWay(const ExitReason& reason);
  bool cancelTasks();
  void sayLeaving(const ExitReason& reason);
  void fault(const std::string& what);

  std::string path_;
  wire::ActorId id_;
  std::uint32_t generation_;
  const bool tookOver_;
  const Limits limits_;
  const unsigned recycleAfter_;
  const unsigned instances_;
  const detail::ActorClass& class_;
  detail::ActorFactory factory_;
  std::vector<Argument> arguments_;
  std::function<void(const ExitReason&)> leaving_;

  loop::Loop loop_;
  os::Fd deskLock_;
  wire::ControlLane control_;
  Bodies bodies_;
  mailbox::MappedDesk memory_;
  mailbox::TurnLog log_;
  mailbox::KeptStore kept_;
  mailbox::Outbox outbox_;
  mailbox::Desk desk_;
  mailbox::Journal journal_;
  PendingCalls calls_;
  std::vector<mailbox::Destination> unreachable_;  // their lanes are asked for again by and by
  loop::Timer again_;
  Requests requests_;
  Monitors monitors_;
  os::SignalQueue signals_;
  loop::Poll signalPoll_;
  std::size_t unsent_ = 0;  // packets, when it was last looked
  loop::Timer unsentFor_;
  loop::TaskGroup run_;
  loop::TaskGroup background_;  // what was spawned
  loop::TaskGroup life_;        // init() and stopping()
  Server server_;
  std::unique_ptr<ActorBase> actor_;
  bool ready_ = false;
  std::optional<ExitReason> ending_;
  bool askedToStop_ = false;
  bool signalled_ = false;  // SIGTERM: who sends that wants the process gone
  bool over_ = false;       // the process goes on without this actor
  bool windingDown_ = false;
  bool drained_ = false;
  bool handingOver_ = false;
  bool draining_ = false;
  unsigned operations_ = 0;
  Eagerness eagerness_;
  std::uint64_t arrivals_ = 0;  // when it last looked
  bool coreToSpare_ = false;
  loop::Clock::time_point coresCounted_ = {};
};

// The actor of that name, as Self::find gives it. Errors: gone, invalid.
Task<RefBase> actorNamed(ActorProcess& process, std::string name, std::uint64_t interfaceId,
                         std::string protocol);

}  // namespace troupe::actor
