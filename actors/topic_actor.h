// The actor that a topic is: a log of messages, and who subscribes to it.
#pragma once

#include <troupe/kept_table.h>
#include <troupe/topic.h>

#include <map>
#include <optional>
#include <utility>

#include "actors/alarm.h"
#include "actors/message_log.h"
#include "actors/parties.h"

namespace troupe::actors {

class TopicActor final : public Actor<TopicActor, TopicProtocol> {
 public:
  TopicActor(const TopicSpec& spec, std::uint64_t type);

  void init();
  Task<> run();
  void publish(PublishParams in, PublishResults out);
  void subscribe(SubscribeParams in, SubscribeResults out);
  void read(ReadParams in, ReadResults out);
  void letGo(LetGoParams in);
  void close(CloseParams in, CloseResults out);
  void status(StatusParams in, StatusResults out);

 private:
  using Number = MessageLog::Number;
  using Ticket = std::pair<Caller, std::uint64_t>;

  bool refusesType(std::uint64_t type, auto& out) const;
  // The reader that it stands for; nothing, where that has ended.
  std::optional<Number> readerOf(const Ticket& ticket);
  void onEnded(const Caller& party);

  TopicSpec spec_;
  std::uint64_t type_;
  KeptTable table_;
  MessageLog log_;
  std::map<Ticket, Number>
      subscriptions_;  // those of readers that were too far behind are there until they are used
  Parties parties_;
  Alarm alarm_;
};

}  // namespace troupe::actors
