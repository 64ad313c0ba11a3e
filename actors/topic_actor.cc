#include "actors/topic_actor.h"

#include <troupe/app.h>

#include <algorithm>

#include "actors/holding.h"
#include "actors/kept_message.h"

namespace troupe::actors {

namespace {

constexpr std::size_t kMostSubscriptions = 50'000;

MessageLog::Limits limitsOf(const TopicSpec& spec) {
  return {.messages = spec.capacity,
          .bytes = spec.mostBytes,
          .history = spec.history,
          .slow = spec.slow == Slow::block        ? MessageLog::Slow::block
                  : spec.slow == Slow::dropOldest ? MessageLog::Slow::dropOldest
                                                  : MessageLog::Slow::disconnect};
}

}  // namespace

TopicActor::TopicActor(const TopicSpec& spec, std::uint64_t type)
    : spec_(spec),
      type_(type),
      table_(*this, MessageLog::tableBytes(limitsOf(spec))),
      log_(table_, 0, limitsOf(spec), "topic", [this](Instant time) { alarm_.at(time); }),
      parties_(self(), [this](const Caller& party, const ExitReason&) { onEnded(party); }),
      alarm_(self(), [this] { log_.onTime(); }) {}

void TopicActor::init() {
  table_.forEach(
      [this](std::uint64_t record, std::span<const std::byte> bytes) { log_.load(record, bytes); });
  for (const auto& [number, reader] : log_.readers()) {
    subscriptions_[{reader.owner, reader.ticket}] = number;
    parties_.watch(reader.owner);
  }
  for (const auto& [number, writer] : log_.writers()) parties_.watch(writer.owner);
  log_.begin();
}

// What the process before could have done, and did not come to.
Task<> TopicActor::run() {
  log_.serve();
  co_await sleepFor(kForever);
}

bool TopicActor::refusesType(std::uint64_t type, auto& out) const {
  if (type == type_) return false;
  out.refuse(otherType("topic"));
  return true;
}

void TopicActor::publish(PublishParams in, PublishResults out) {
  if (refusesType(in.getType(), out)) return;
  if (log_.closed()) return out.refuse("the topic is closed");
  if (log_.write(in.getValue(), caller(), in.getWait(), out)) parties_.watch(caller());
}

void TopicActor::subscribe(SubscribeParams in, SubscribeResults out) {
  if (refusesType(in.getType(), out)) return;
  const Ticket ticket{caller(), in.getTicket()};
  if (subscriptions_.contains(ticket))
    return out.refuse("the ticket " + std::to_string(in.getTicket()) + " is not a new one of the caller's");
  if (log_.readers().size() >= kMostSubscriptions)
    return out.refuse(std::to_string(log_.readers().size()) + " subscribe already, which is the most");
  const Number history = log_.last() - std::min<Number>(log_.last(), spec_.history);
  const Number after =
      in.getResume() ? std::min(in.getAfter(), log_.last()) : std::max(history, log_.oldest() - 1);
  const Number number = log_.readers().empty() ? 1 : log_.readers().rbegin()->first + 1;
  log_.add(number, ticket.first, ticket.second, after);
  subscriptions_[ticket] = number;
  parties_.watch(ticket.first);
  out.setAfter(after);
}

// One that was too far behind has left the log, and its number may be another's by now.
std::optional<TopicActor::Number> TopicActor::readerOf(const Ticket& ticket) {
  const auto found = subscriptions_.find(ticket);
  if (found == subscriptions_.end()) return {};
  const auto reader = log_.readers().find(found->second);
  if (reader != log_.readers().end() && reader->second.owner == ticket.first &&
      reader->second.ticket == ticket.second)
    return found->second;
  subscriptions_.erase(found);
  return {};
}

void TopicActor::read(ReadParams in, ReadResults out) {
  const auto reader = readerOf({caller(), in.getTicket()});
  if (!reader)
    return out.refuse("the caller has no subscription " + std::to_string(in.getTicket()) +
                      " to the topic: it has ended, or never was");
  log_.read(*reader, in.getAfter(), in.getMost(), in.getWait(), out);
}

void TopicActor::letGo(LetGoParams in) {
  const Ticket ticket{caller(), in.getTicket()};
  const auto reader = readerOf(ticket);
  if (!reader) return;
  log_.remove(*reader);
  subscriptions_.erase(ticket);
  log_.serve();
}

void TopicActor::close(CloseParams, CloseResults) {
  log_.close();
  log_.serve();
}

void TopicActor::status(StatusParams, StatusResults out) {
  out.setLast(log_.last());
  out.setMessages(log_.size());
  out.setBytes(log_.bytes());
  out.setSubscribers(log_.readers().size());
  out.setReading(log_.waitingReaders());
  out.setPublishing(log_.writers().size());
  out.setClosed(log_.closed());
}

void TopicActor::onEnded(const Caller& party) {
  log_.dropWritersOf(party);
  for (auto at = subscriptions_.lower_bound({party, 0});
       at != subscriptions_.end() && at->first.first == party;) {
    const Ticket ticket = (at++)->first;
    if (const auto reader = readerOf(ticket)) {
      log_.remove(*reader);
      subscriptions_.erase(ticket);
    }
  }
  log_.serve();
}

}  // namespace troupe::actors

namespace troupe::detail {

void declareTopic(Group& group, std::string id, const TopicSpec& spec, std::uint64_t type) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::invalid, "the topic \"" + id + "\": " + why);
  };
  if (spec.capacity == 0) refuse("a capacity of 0 messages, and at least 1 is needed");
  if (spec.history > spec.capacity)
    refuse("a history of " + std::to_string(spec.history) + " messages, and its capacity is " +
           std::to_string(spec.capacity));
  if (spec.mostBytes == 0 || spec.mostBytes > KeptTable::kMostBytes / 4)
    refuse("room for " + std::to_string(spec.mostBytes) + " bytes, and it has some, and at most " +
           std::to_string(KeptTable::kMostBytes / 4));
  group.child<actors::TopicActor>(std::move(id), actors::mayAnswer(spec.child, spec.mostBytes), spec, type);
}

}  // namespace troupe::detail
