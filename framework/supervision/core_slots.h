// The places of a supervisor's children, with their order and their counts. Used by Core alone.
//
// A place ("slot") has a process in the phases starting, ignoring, running and stopping. Everything here
// costs at most the logarithm of the number of slots, apart from what walks over all of them by name.
// References to slots stay valid until the slot itself is removed.
#pragma once

#include "supervision/core_types.h"

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::supervision {

// The position in the start order. Grows; not dense.
using Rank = std::uint64_t;

enum class SlotPhase : std::uint8_t {
  stopped,
  queued,  // its turn in a round of starts is still to come
  starting,
  ignoring,  // said that it has nothing to do, and is about to end
  running,
  waiting,  // for its restart timer
  stopping,
};

enum class Attempt : std::uint8_t {
  initial,  // the supervisor's own start depends on it
  added,    // startChild or startInstance: where it fails, the slot goes
  byHand,   // restartChild
  restart,
};

// What a template has beside a slot.
struct Instances {
  std::map<std::uint64_t, ChildKey> byNumber;
  std::uint64_t next = 1;
  std::size_t live = 0;  // with a process
  bool stopAsked = false;
};

struct Slot {
  ChildKey key = 0;
  std::string id;  // the declared one; for an instance, its template's
  std::shared_ptr<const ChildSpec> spec;
  bool isSupervisor = false;
  bool byHand = false;                   // added by startChild
  std::uint64_t instance = 0;            // 0: not an instance
  ChildKey templateKey = 0;              // of an instance
  Rank rank = 0;                         // of an instance, its template's
  std::unique_ptr<Instances> instances;  // of a template

  SlotPhase phase = SlotPhase::stopped;  // changed by Slots::enter only
  Attempt attempt = Attempt::initial;
  Incarnation incarnation = 0;
  bool wasReady = false;           // in any incarnation
  TimerId timer = 0;               // of its phase; 0: none
  std::uint64_t skippedRound = 0;  // stopped by hand in that round, which therefore leaves it stopped
  unsigned restartsInARow = 0;     // for the back-off
  bool counted = false;            // with `waiting`: its restart has been counted already
  ExitReason restartCause = {};    // with `waiting`
  std::optional<Token> startWaiter;
  std::vector<Token> stopWaiters;

  // Of the current incarnation:
  bool becameReady = false;
  bool leaving = false;
  bool askedToStop = false;
  Time readyBy = {};  // when its start has failed
  Time readyAt = {};
  std::optional<ExitReason> killedFor;

  bool isTemplate() const { return instances != nullptr; }
  bool hasProcess() const;
  std::string name() const { return instance == 0 ? id : instanceId(id, instance); }
  ChildState state() const;
};

class Slots {
 public:
  Slot& add(const ChildDeclaration& child, bool byHand);
  Slot& addInstance(Slot& ofTemplate);
  void remove(Slot& slot);

  Slot* find(ChildKey key);
  const Slot* find(ChildKey key) const;

  // A child, a template, or an instance by its "template:number".
  Slot* find(const std::string& name);
  // Whether `name` is that of an instance that was there once.
  bool wasInstance(const std::string& name);

  void enter(Slot& slot, SlotPhase phase);

  // The slot with the highest rank in [from, below), or null. Instances are not among them.
  Slot* lastIn(Rank from, Rank below);
  // The slot with the lowest rank >= from, or null.
  Slot* firstFrom(Rank from);

  // Gives `slot` the place at the end of the order.
  void moveToEnd(Slot& slot);
  void replaceSpec(Slot& slot, const ChildDeclaration& child);

  std::vector<ChildKey> instancesOf(const Slot& ofTemplate) const;
  ChildList list() const;
  const Counts& counts() const { return counts_; }
  // Significant children that are running, being started or waiting for a restart.
  std::size_t significantAlive() const { return significantAlive_; }

  static constexpr Rank kEnd = std::numeric_limits<Rank>::max();

 private:
  void count(const Slot& slot, bool in);
  std::size_t& kindCount(const Slot& slot) {
    return slot.isSupervisor ? counts_.supervisors : counts_.workers;
  }

  std::unordered_map<ChildKey, Slot> slots_;
  std::map<Rank, ChildKey> order_;
  std::unordered_map<std::string, ChildKey> ids_;
  ChildKey lastKey_ = 0;
  Rank lastRank_ = 0;
  Counts counts_;
  std::size_t significantAlive_ = 0;
};

}  // namespace troupe::supervision
