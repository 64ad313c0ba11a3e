#include "actors/queue_actor.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "actors/kept_message.h"

namespace troupe::actors {

namespace {

// For those who wait, beside the items.
constexpr std::size_t kWaitBytes = 8u << 20;
constexpr std::size_t kBytesOfOne = 128;
// Answers in one turn, which may hold back 1 MiB; the others follow outside of it.
constexpr unsigned kToldAtOnce = 1000;

template <class T>
T valueOf(std::span<const std::byte> bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() != sizeof(T))
    throw Error(ErrorKind::invalid, "the records of a queue are of another layout: it must begin anew");
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

QueueActor::QueueActor(const QueueSpec& spec, std::uint64_t type)
    : spec_(spec),
      type_(type),
      table_(*this, spec.mostBytes + kWaitBytes),
      counts_(*this, "counts"),
      parties_(self(), [this](const Caller& party, const ExitReason&) { onEnded(party); }),
      alarm_(self(), [this] { onTime(); }) {}

// --- What is kept ---

void QueueActor::load(std::uint64_t record, std::span<const std::byte> bytes) {
  const Number number = record / 4;
  switch (record % 4) {
    case 0: return note(number, valueOf<Item>(bytes));
    case 2: {
      const Get get = valueOf<Get>(bytes);
      gets_[number] = get;
      byTicket_[{get.owner, get.ticket}] = number;
      return;
    }
    case 3: joins_[number] = valueOf<Join>(bytes); return;
    default: return;
  }
}

template <class T>
void QueueActor::keep(std::uint64_t record, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  table_.put(record, std::as_bytes(std::span(&value, 1)));
}

void QueueActor::save(Number number, const Item& item) {
  keep(4 * number, item);
  note(number, item);
}

void QueueActor::note(Number number, const Item& item) {
  unname(number);
  items_[number] = item;
  if (item.state == State::taken) byTicket_[{item.owner, item.ticket}] = number;
  queued_.erase(number);
  putting_.erase(number);
  taken_.erase(number);
  (item.state == State::queued ? queued_ : item.state == State::putting ? putting_ : taken_).insert(number);
}

void QueueActor::unname(Number number) {
  const auto item = items_.find(number);
  if (item != items_.end() && item->second.state == State::taken)
    byTicket_.erase({item->second.owner, item->second.ticket});
}

void QueueActor::forget(Number number) {
  table_.erase(4 * number);
  table_.erase(4 * number + 1);
  unname(number);
  items_.erase(number);
  queued_.erase(number);
  putting_.erase(number);
  taken_.erase(number);
}

void QueueActor::init() {
  table_.forEach([this](std::uint64_t record, std::span<const std::byte> bytes) { load(record, bytes); });
  for (const auto& [number, item] : items_) {
    parties_.watch(item.owner);
    wake(item.deadline);
  }
  for (const auto& [number, get] : gets_) {
    parties_.watch(get.owner);
    wake(get.deadline);
  }
  for (const auto& [number, join] : joins_) {
    parties_.watch(join.owner);
    wake(join.deadline);
  }
}

// What the process before could have done, and did not come to.
Task<> QueueActor::run() {
  serve();
  co_await sleepFor(kForever);
}

// --- What it is asked ---

bool QueueActor::refusesType(std::uint64_t type, auto& out) const {
  if (type == type_) return false;
  out.refuse("the queue holds items of another type than those the caller puts or gets");
  return true;
}

std::size_t QueueActor::waitBytes() const { return (gets_.size() + joins_.size()) * kBytesOfOne; }

bool QueueActor::refusesWait(auto& out) const {
  if (waitBytes() + kBytesOfOne <= kWaitBytes) return false;
  out.refuse(std::to_string(gets_.size() + joins_.size()) + " wait for the queue already, which is the most");
  return true;
}

void QueueActor::put(PutParams in, PutResults out) {
  if (refusesType(in.getType(), out)) return;
  if (counts_->closed != 0) return out.refuse("the queue is closed");
  const bool waits = !hasRoom() || !putting_.empty();
  if (waits && in.getWait() == 0) return out.setFull(true);
  const GivenValue item(in.getItem(), "queue");
  if (!item.refused().empty()) return out.refuse(item.refused());
  const std::size_t bytes = item.bytes().size();
  const std::size_t taken = table_.bytes() - std::min(table_.bytes(), waitBytes());
  if (taken + bytes + 2 * kBytesOfOne > spec_.mostBytes)
    return out.refuse("no room for " + std::to_string(bytes) + " bytes: the items take " +
                      std::to_string(taken) + " of " + std::to_string(spec_.mostBytes));
  const Number number = newNumber();
  table_.put(4 * number + 1, item.bytes());
  if (!waits) {
    save(number, {});
    return serve();
  }
  const Item waiting{
      .state = State::putting, .owner = caller(), .deadline = instantIn(in.getWait()), .put = out.later()};
  save(number, waiting);
  parties_.watch(waiting.owner);
  wake(waiting.deadline);
}

void QueueActor::get(GetParams in, GetResults out) {
  if (refusesType(in.getType(), out)) return;
  if (in.getWait() != 0 && refusesWait(out)) return;
  const Get get{.owner = caller(),
                .ticket = in.getTicket(),
                .deadline = instantIn(in.getWait()),
                .take = in.getTake() ? 1U : 0U,
                .call = out.later()};
  if (!queued_.empty()) {
    give(*queued_.begin(), get);
    return serve();
  }
  if (counts_->closed != 0 && unfinished() == 0 && putting_.empty())
    return answerEnd(get, QueueProtocol::Outcome::CLOSED);
  if (in.getWait() == 0) return answerEnd(get, QueueProtocol::Outcome::EMPTY);
  const Number number = newNumber();
  keep(4 * number + 2, get);
  gets_[number] = get;
  byTicket_[{get.owner, get.ticket}] = number;
  parties_.watch(get.owner);
  wake(get.deadline);
}

void QueueActor::done(DoneParams in, DoneResults out) {
  const Number number = in.getNumber();
  const auto item = items_.find(number);
  if (item == items_.end() || item->second.state != State::taken || item->second.owner != caller())
    return out.refuse("item " + std::to_string(number) +
                      " of the queue is not the caller's: it is done already, or was given to another");
  forget(number);
  serve();
}

void QueueActor::giveBack(GiveBackParams in) {
  const auto found = byTicket_.find({caller(), in.getTicket()});
  if (found == byTicket_.end()) return;
  const Number number = found->second;
  if (gets_.contains(number)) return dropGet(number);
  returnItem(number);
  serve();
}

void QueueActor::join(JoinParams in, JoinResults out) {
  if (unfinished() == 0 && putting_.empty()) return out.setDone(true);
  if (in.getWait() == 0 || refusesWait(out)) return;
  const Join join{.owner = caller(), .deadline = instantIn(in.getWait()), .call = out.later()};
  const Number number = newNumber();
  keep(4 * number + 3, join);
  joins_[number] = join;
  parties_.watch(join.owner);
  wake(join.deadline);
}

void QueueActor::size(SizeParams, SizeResults out) {
  out.setQueued(queued_.size());
  out.setTaken(taken_.size());
  out.setPutting(putting_.size());
  out.setGetting(gets_.size());
  out.setCapacity(spec_.capacity);
  out.setClosed(counts_->closed != 0);
}

void QueueActor::close(CloseParams, CloseResults) {
  counts_.change().closed = 1;
  serve();
}

// --- What follows from that ---

// Gives items to those who wait for some, and room to those who wait for room.
void QueueActor::serve() {
  for (;;) {
    if (!queued_.empty() && !gets_.empty()) {
      const Get get = gets_.begin()->second;
      dropGet(gets_.begin()->first);
      give(*queued_.begin(), get);
    } else if (hasRoom() && !putting_.empty()) {
      const Number number = *putting_.begin();
      const auto call = items_.at(number).put;
      save(number, {});
      call.answer();
    } else {
      break;
    }
  }
  settle();
}

void QueueActor::give(Number number, const Get& get) {
  Item item = items_.at(number);
  ++item.times;
  const auto kept = *table_.find(4 * number + 1);
  const std::vector<std::byte> content(kept.begin(), kept.end());
  if (get.take != 0) {
    forget(number);
  } else {
    item.state = State::taken;
    item.owner = get.owner;
    item.ticket = get.ticket;
    save(number, item);
    parties_.watch(get.owner);
  }
  withValue(content, [&](capnp::AnyPointer::Reader value) {
    get.call.answer([&](QueueProtocol::GetResults::Builder results) {
      results.setOutcome(QueueProtocol::Outcome::ITEM);
      results.setNumber(number);
      results.setTimes(item.times);
      results.getItem().set(value);
    });
  });
}

// An item is done, or none will come any more: who waits for that is told.
void QueueActor::settle() {
  if (unfinished() > 0 || !putting_.empty()) return;
  unsigned told = 0;
  for (; !joins_.empty() && told < kToldAtOnce; ++told) {
    const auto [number, join] = *joins_.begin();
    table_.erase(4 * number + 3);
    joins_.erase(number);
    join.call.answer([](QueueProtocol::JoinResults::Builder results) { results.setDone(true); });
  }
  for (; counts_->closed != 0 && !gets_.empty() && told < kToldAtOnce; ++told) {
    const Get get = gets_.begin()->second;
    dropGet(gets_.begin()->first);
    answerEnd(get, QueueProtocol::Outcome::CLOSED);
  }
  if (told == kToldAtOnce) wake(now());
}

void QueueActor::dropGet(Number number) {
  const auto get = gets_.find(number);
  byTicket_.erase({get->second.owner, get->second.ticket});
  gets_.erase(get);
  table_.erase(4 * number + 2);
}

void QueueActor::answerEnd(const Get& get, QueueProtocol::Outcome outcome) {
  get.call.answer([&](QueueProtocol::GetResults::Builder results) { results.setOutcome(outcome); });
}

// Its number is smaller than those of items that were put later: so it goes to the head.
void QueueActor::returnItem(Number number) {
  Item item = items_.at(number);
  item.state = State::queued;
  item.owner = {};
  item.ticket = 0;
  save(number, item);
}

void QueueActor::onEnded(const Caller& party) {
  for (const auto& [number, get] : std::map(gets_)) {
    if (get.owner == party) dropGet(number);
  }
  std::erase_if(joins_, [&](const auto& each) {
    return each.second.owner == party && table_.erase(4 * each.first + 3);
  });
  std::vector<Number> its;
  for (const auto& [number, item] : items_) {
    if (item.owner == party) its.push_back(number);
  }
  for (const Number number : its) {
    if (items_.at(number).state == State::taken) {
      returnItem(number);
    } else {
      forget(number);  // its put has never been answered
    }
  }
  serve();
}

// One after the other, each with its answer: who dies in between leaves the others waiting, and not forgotten.
void QueueActor::onTime() {
  const Instant time = now();
  Instant next = kNever;
  const auto isDue = [&](Instant deadline) {
    if (deadline > time) next = std::min(next, deadline);
    return deadline <= time;
  };
  for (const Number number : std::set(putting_)) {
    const Item item = items_.at(number);
    if (!isDue(item.deadline)) continue;
    forget(number);
    item.put.answer([](QueueProtocol::PutResults::Builder results) { results.setFull(true); });
  }
  for (const auto& [number, get] : std::map(gets_)) {
    if (!isDue(get.deadline)) continue;
    dropGet(number);
    answerEnd(get, QueueProtocol::Outcome::EMPTY);
  }
  for (const auto& [number, join] : std::map(joins_)) {
    if (!isDue(join.deadline)) continue;
    table_.erase(4 * number + 3);
    joins_.erase(number);
    join.call.answer();
  }
  serve();
  wake(next);
}

}  // namespace troupe::actors

namespace troupe::detail {

void declareQueue(Group& group, std::string id, const QueueSpec& spec, std::uint64_t type) {
  if (spec.capacity == 0)
    throw Error(ErrorKind::invalid,
                "the queue \"" + id + "\": a capacity of 0 items, and at least 1 is needed");
  group.child<actors::QueueActor>(std::move(id), actors::mayAnswer(spec.child, spec.mostBytes), spec, type);
}

}  // namespace troupe::detail
