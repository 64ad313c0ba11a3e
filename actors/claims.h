// The claims of processes on one thing: who waits for it, in order, who has it, and until when each waits. It decides nothing: that is
// what rules are for (actors/lock_rules.h).
//
// Order:   that of their numbers; a new one has the largest.
// Kept:    whatever changes is told to whoever keeps it. All that is here is made of what was kept.
// Threads: the actor's.
#pragma once

#include <troupe/later.h>
#include <troupe/self.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "actors/alarm.h"
#include "schemas/lock.actor.h"

namespace troupe::actors {

struct Claim {
  enum class State : std::uint32_t {
    waiting,
    holding,
    asleep,  // waits to be notified
    party,   // of a barrier
  };
  Caller owner = {};
  std::uint64_t ticket = 0;  // the owner's name for it
  Instant deadline = kNever;
  Later<LockAnswer> call = {};
  std::uint64_t count = 1;
  State state = State::waiting;
  // What is to be known of it later: plain bits.
  bool notified = false;
  bool late = false;       // its time was over
  bool abandoned = false;  // was told so
  bool reserved = false;
};

class Claims {
 public:
  using Number = std::uint64_t;
  using State = Claim::State;
  // What is known beside.
  struct Note {
    bool flag = false;
    std::string text = {};
  };
  struct Keeping {
    std::function<void(Number, const Claim*)> claim;  // null: it is gone
    std::function<void(const Note&)> note;
  };
  explicit Claims(Keeping keeping) : keeping_(std::move(keeping)) {}

  // As it was kept.
  void restore(Number number, const Claim& claim) { insert(number, claim); }
  void restore(Note note) { note_ = std::move(note); }

  // Behind all others.
  Number add(const Claim& claim);
  // In its place.
  void change(Number number, const Claim& claim);
  Claim take(Number number);

  std::size_t size() const { return all_.size(); }
  const Claim& at(Number number) const { return all_.at(number); }
  std::optional<Number> find(const Caller& owner, std::uint64_t ticket) const;
  // By their tickets.
  std::vector<Number> of(const Caller& owner) const;
  bool has(const Caller& owner, State state) const { return last(owner, state).has_value(); }
  // That of the largest ticket.
  std::optional<Number> last(const Caller& owner, State state) const;
  const std::set<Number>& in(State state) const { return states_[static_cast<std::size_t>(state)].numbers; }
  // What those of that state count, added up.
  std::uint64_t counted(State state) const { return states_[static_cast<std::size_t>(state)].counted; }
  // One whose time is over.
  std::optional<Number> late(Instant now) const;
  Instant nextDeadline() const { return deadlines_.empty() ? kNever : deadlines_.begin()->first; }

  const Note& note() const { return note_; }
  void note(Note note);

 private:
  struct OfState {
    std::set<Number> numbers;
    std::uint64_t counted = 0;
  };
  void insert(Number number, const Claim& claim);
  Claim remove(Number number);

  Keeping keeping_;
  std::map<Number, Claim> all_;
  std::map<std::pair<Caller, std::uint64_t>, Number> tickets_;
  std::set<std::pair<Instant, Number>> deadlines_;
  std::array<OfState, 4> states_;
  Note note_;
};

}  // namespace troupe::actors
