// What goes into the supervision core and what comes out of it: plain data.
//
// Ids: an id names a child within its supervisor. An instance of a template is called "template:number".
#pragma once

#include <troupe/error.h>
#include <troupe/exit_reason.h>
#include <troupe/spec.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace troupe::supervision {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

// A place for one process at a time. Counted from 1, never used again in one Core; 0 is nobody.
using ChildKey = std::uint64_t;
// The processes of one place are counted from 1, one for each attempt to start.
using Incarnation = std::uint32_t;
using TimerId = std::uint64_t;
// Chosen by the driver; each request is answered once, under its token.
using Token = std::uint64_t;

// One child as its supervisor is told of it.
struct ChildDeclaration {
  std::string id = {};
  ChildSpec spec = {};
  bool isSupervisor = false;
  // Has no process of its own: its instances are started on demand (OTP's simple_one_for_one).
  bool isTemplate = false;
};

// The fields of a supervisor's spec that are about it as a child of its own supervisor.
ChildSpec asChild(const SupervisorSpec& spec);

// "connection:7"
std::string instanceId(const std::string& templateId, std::uint64_t instance);

// A request's token, and who asks: `child` is the direct child that asks, or below which the one who asks
// lives; 0 for anybody else. It is there to refuse what would wait for itself.
struct Caller {
  Token token = 0;
  ChildKey child = 0;
};

// --- Answers -----------------------------------------------------------------------------------------------

struct Done {};

// A start, a start by hand or a restart by hand has worked. Where the child ignored, there is no process.
struct Started {
  ChildKey key = 0;
  Incarnation incarnation = 0;
  std::string id = {};  // "connection:7" for an instance
  bool ignored = false;
  std::string extra = {};  // what the child said with `ready`
};

struct ChildInfo {
  std::string id = {};
  ChildKey key = 0;
  Incarnation incarnation = 0;
  ChildState state = ChildState::stopped;
  bool isSupervisor = false;
  bool isInstance = false;
  bool significant = false;
  Restart restart = Restart::permanent;
};
// In start order; the instances of a template at its place, oldest first. Templates themselves have no line.
using ChildList = std::vector<ChildInfo>;

struct Counts {
  std::size_t specs = 0;        // children and templates, dead or alive; an instance is none
  std::size_t active = 0;       // running
  std::size_t supervisors = 0;  // children and instances of that kind, dead or alive
  std::size_t workers = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

using Result = std::variant<Done, Started, ChildList, Counts, ChildDeclaration, Error>;

// --- Reports -----------------------------------------------------------------------------------------------

enum class Event : std::uint8_t {
  started,
  ignored,  // its init said that there is nothing to do
  startFailed,
  ended,         // by itself
  restarting,    // it ended or its restart failed, and is now started again: `restarts` includes this one
  stopped,       // as asked
  stopFailed,    // it was asked to stop and ended otherwise, or had to be killed
  gaveUp,        // more than maxRestarts within the window
  autoShutdown,  // a significant child ended, and so the supervisor stops
};

// What happened, for the log. `reason` is the true one, also where the outcome is judged otherwise.
struct Report {
  Event event = Event::ended;
  std::string supervisor = {};
  std::string id = {};
  ChildKey key = 0;
  Incarnation incarnation = 0;
  ExitReason reason = {};
  unsigned restarts = 0;  // within the window, this one included
  unsigned maxRestarts = 0;
  Duration within = {};
  Duration delay = {};  // the back-off before the next attempt
  bool counted = true;  // with `restarting`

  // Whether an operator should see it.
  bool serious() const;
};

// One line, such as: supervisor "shop": restarting "till" (killed by SIGSEGV), restart 2 of at most 3 within
// 5s.
std::string toString(const Report& report);

// --- Actions -----------------------------------------------------------------------------------------------

// Start a process for this place; then say ready() or ended(), also where fork fails. `id` is the declared
// one.
struct Start {
  ChildKey key = 0;
  Incarnation incarnation = 0;
  std::string id = {};
  std::uint64_t instance = 0;  // 0: not an instance
};

// Ask it to stop in an orderly way. It may still be in its init.
struct AskStop {
  ChildKey key = 0;
  Incarnation incarnation = 0;
};

// SIGKILL; then say ended() with what the kernel says: the core puts `why` in its place.
struct Kill {
  ChildKey key = 0;
  Incarnation incarnation = 0;
  ExitReason why = {};
};

// Say timer() not before `at`. Where `at` is not later than now: soon, but after what already waits to be
// handled.
struct ArmTimer {
  TimerId timer = 0;
  Time at = {};
};

struct CancelTimer {
  TimerId timer = 0;
};

struct Answer {
  Token token = 0;
  Result result = Done{};
};

// The place is gone for good: its name is to be closed. Its process, if it had one, has ended.
struct Forget {
  ChildKey key = 0;
  std::string id = {};  // "connection:7" for an instance
  ExitReason final = {};
};

// All children have been started: the supervisor is ready. At most once.
struct BecameReady {};

// The supervisor is to end with this reason. No child has a process any more; nothing follows.
struct Finish {
  ExitReason reason = {};
};

using Action =
    std::variant<Start, AskStop, Kill, ArmTimer, CancelTimer, Answer, Report, Forget, BecameReady, Finish>;
using Actions = std::vector<Action>;

}  // namespace troupe::supervision
