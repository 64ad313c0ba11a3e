// The actor that a queue is.
//
// State: each item and each who waits has a number, in order, and records in a kept table:
//   4n      an item's state, 4n + 1 its content
//   4n + 2  a get that waits
//   4n + 3  a join that waits
// What is in memory beside is made of them. Whatever a turn changes of it counts with the turn (<troupe/kept_table.h>); outside of
// turns, with the answer that is sent after it: so what changes is said before it is answered.
#pragma once

#include <troupe/kept.h>
#include <troupe/kept_table.h>
#include <troupe/queue.h>

#include <map>
#include <set>

#include "actors/alarm.h"
#include "actors/parties.h"
#include "schemas/queue.actor.h"

namespace troupe::actors {

class QueueActor final : public Actor<QueueActor, QueueProtocol> {
 public:
  QueueActor(const QueueSpec& spec, std::uint64_t type);

  void init();
  Task<> run();
  void put(PutParams in, PutResults out);
  void get(GetParams in, GetResults out);
  void done(DoneParams in, DoneResults out);
  void giveBack(GiveBackParams in);
  void join(JoinParams in, JoinResults out);
  void size(SizeParams in, SizeResults out);
  void close(CloseParams in, CloseResults out);

 private:
  using Number = std::uint64_t;
  enum class State : std::uint32_t { queued, putting, taken };
  struct Item {
    State state = State::queued;
    std::uint32_t times = 0;  // it was given to somebody
    Caller owner;             // who has it, or puts it
    std::uint64_t ticket = 0;
    Instant deadline = kNever;
    Later<QueueProtocol::PutResults> put;
  };
  struct Get {
    Caller owner;
    std::uint64_t ticket = 0;
    Instant deadline = kNever;
    std::uint32_t take = 0;
    std::uint32_t reserved = 0;
    Later<QueueProtocol::GetResults> call;
  };
  struct Join {
    Caller owner;
    Instant deadline = kNever;
    Later<QueueProtocol::JoinResults> call;
  };
  struct Counts {
    Number last = 0;
    std::uint64_t closed = 0;
  };

  bool refusesType(std::uint64_t type, auto& out) const;
  bool refusesWait(auto& out) const;
  std::size_t waitBytes() const;
  Number newNumber() { return ++counts_.change().last; }
  std::size_t unfinished() const { return queued_.size() + taken_.size(); }
  bool hasRoom() const { return queued_.size() < spec_.capacity; }

  void load(std::uint64_t record, std::span<const std::byte> bytes);
  template <class T>
  void keep(std::uint64_t record, const T& value);
  void save(Number number, const Item& item);
  void note(Number number, const Item& item);
  void forget(Number number);
  void unname(Number number);
  void dropGet(Number number);
  void serve();
  void give(Number number, const Get& get);
  void settle();
  void answerEnd(const Get& get, QueueProtocol::Outcome outcome);
  void returnItem(Number number);
  void onEnded(const Caller& party);
  void onTime();
  void wake(Instant deadline) { alarm_.at(deadline); }

  QueueSpec spec_;
  std::uint64_t type_;
  KeptTable table_;
  Kept<Counts> counts_;
  std::map<Number, Item> items_;
  std::set<Number> queued_;
  std::set<Number> putting_;
  std::set<Number> taken_;
  std::map<Number, Get> gets_;
  std::map<std::pair<Caller, std::uint64_t>, Number> byTicket_;  // gets that wait, and items that are taken
  std::map<Number, Join> joins_;
  Parties parties_;
  Alarm alarm_;
};

}  // namespace troupe::actors
