// One process of a supervisor's, from the moment its endpoints are asked for until it has been reaped.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "os/fd.h"
#include "os/process.h"
#include "supervision/blueprint.h"
#include "supervision/output_relay.h"
#include "wire/control_lane.h"

namespace troupe::supervision {

// How to make the process of a place: kept as long as the place is.
struct Maker {
  std::shared_ptr<const Blueprint> blueprint;
  std::vector<Argument> arguments;
  bool upgraded = false;  // its program is another than its supervisor's
};

// What a process is to its child's place.
enum class Part : std::uint8_t {
  current,     // it is the child
  understudy,  // of a newer program: it waits to take over
  retired,     // it has handed over, and ends by and by
  spare,       // it waits to become the child, or another one of the same pool (spares.h)
  resting,     // it has been an instance of a template, and waits to be the next (resting.h)
};

struct Child {
  ChildKey key = 0;
  Incarnation incarnation = 0;
  std::string id;
  std::string path;
  ChildSpec spec;
  std::shared_ptr<const Blueprint> blueprint;

  std::uint64_t claim = 0;  // the request for its endpoints; 0 once it was answered
  wire::ActorId actor = 0;
  std::uint32_t generation = 0;
  pid_t pid = 0;  // 0 before the fork
  // What it prints, until that is relayed.
  os::Fd standardOutput = {};
  os::Fd standardError = {};
  OutputRelay::SourceId relayedOutput = 0;
  OutputRelay::SourceId relayedError = 0;
  std::unique_ptr<wire::ControlLane> lane;
  os::Fd desk = {};  // of a pool's worker: whether it dies with a message in hand
  bool ready = false;
  bool upgraded = false;  // its program is another than its supervisor's
  bool askedToStop = false;
  bool reaped = false;
  std::optional<ExitReason> said;       // why it ends, in its own words
  std::optional<ExitReason> killedFor;  // why this supervisor killed it
  std::optional<ExitReason> ended;      // it has, while endpoints were on their way to its successor
  std::unique_ptr<loop::Timer> watchdog;
  bool pongAwaited = false;
  Part part = Part::current;
  bool ahead = false;      // a spare for the start that comes next
  bool keepsEnds = false;  // resting: it has those of `actor` still, as new

  bool isSupervisor() const { return blueprint->declaration.isSupervisor; }
  // The process goes on, and is no child for now.
  void rest(bool withEnds) {
    part = Part::resting;
    keepsEnds = withEnds;
    ready = askedToStop = pongAwaited = false;
    said.reset();
    watchdog.reset();
  }
  // Another process of the same child: who it is, and nothing of what the other has come to.
  void becomeLike(const Child& other) {
    key = other.key;
    incarnation = other.incarnation;
    id = other.id;
    path = other.path;
    spec = other.spec;
    blueprint = other.blueprint;
    actor = other.actor;
  }
};

// What stands before each line that it prints.
std::string prefixOf(const Child& child);

// True where a process that was made with `made` can be a child with `wanted`: of what it can't be told later, all is the same.
bool isMadeLike(const ChildSpec& made, const ChildSpec& wanted);

// Why a process ended: pure, from what the kernel says, what it said itself, and what was done to it.
ExitReason reasonOf(const Child& child, const os::ProcessEnd& end, bool outOfMemory);

}  // namespace troupe::supervision
