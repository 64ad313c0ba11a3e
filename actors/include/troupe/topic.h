// Topic<T>: publish and subscribe, as an actor. T is what a value may be (<troupe/value.h>).
//
//     app.add<troupe::Topic<Line>>("lobby", {.slow = troupe::Slow::dropOldest});
//
//     auto lobby = co_await find<troupe::Topic<Line>>("lobby");
//     co_await lobby.publish([&](Line::Builder line) { line.setText("hello"); });
//     auto lines = co_await lobby.subscribe();
//     while (auto line = co_await lines.next()) use(line->getText());
//
// Order:     one for all: each message has a number, from 1 on, without a gap.
// Once:      what publish() was answered for, each living subscription is given once, in that order, unless the topic's policy drops it: then
//            the next message says how many were missed. Nothing else is given twice or left out, whoever dies, the topic included.
// Ownership: a subscription belongs to its process, and ends with it, or with the last copy of the Subscription. A message keeps those
//            that came with it in memory.
// Slow:      the topic keeps messages until all have read them, at most `capacity`. Then, with Slow::block, publish() waits; else the
//            oldest make room, and who has not read them has missed them, or, with Slow::disconnect, its subscription has ended.
// Waiting:   publish() and next() wait for ever, or as long as within() or next() says: then they end with `timedOut`, and nothing has
//            happened. Who dies while waiting waits no longer.
// Errors:    timedOut; refused (the topic is closed, T is not what was declared, a message larger than mostBytes); overloaded (next(): the
//            subscription was too slow, and has ended); and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/message_feed.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>
#include <troupe/value.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace troupe {

// What becomes of a subscriber that has not read the oldest message when there is no room for the next one.
enum class Slow : std::uint8_t {
  block,       // who publishes waits for it
  dropOldest,  // it misses that message, and is told so
  disconnect,  // its subscription ends: its next() throws `overloaded`
};

struct TopicSpec {
  // Messages that not all have read, and the history. What a subscriber was given counts until it asks for the next.
  std::size_t capacity = 1000;
  // So many of the last messages are kept for those who subscribe later; fewer, where there is no room. At most the capacity.
  std::size_t history = 0;
  Slow slow = Slow::block;
  // Of all messages. Those whose publish() waits may take as much again.
  std::size_t mostBytes = std::size_t{64} << 20;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct TopicStatus {
  std::uint64_t last = 0;  // number of the last message; 0: there was none yet
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  // that they take
  std::uint64_t subscribers = 0;
  std::uint64_t reading = 0;     // subscribers that wait for a message
  std::uint64_t publishing = 0;  // that wait for room
  bool closed = false;
};

namespace detail {

class TopicClient : public RefBase {
 public:
  TopicClient(RefBase topic, std::uint64_t type) : RefBase(std::move(topic)), type_(type) {
    deadline_ = kForever;
  }
  void setDeadline(Duration deadline) { deadline_ = deadline; }
  static Task<std::uint64_t> publish(TopicClient client, FillValue fill);
  static Task<std::shared_ptr<MessageFeed>> subscribe(TopicClient client, std::optional<std::uint64_t> after);
  static Task<> close(TopicClient client);
  static Task<TopicStatus> status(TopicClient client);

 private:
  std::uint64_t type_;
};

void declareTopic(Group& group, std::string id, const TopicSpec& spec, std::uint64_t type);
ServedProtocol servedByTopics();

}  // namespace detail

template <class T>
class Topic {
 public:
  using Spec = TopicSpec;

  class Message : public detail::ReadMessage<T> {
   public:
    using detail::ReadMessage<T>::ReadMessage;
    std::uint64_t number() const { return this->message().number; }
    // So many right before it were dropped before this subscription had them.
    std::uint64_t missed() const { return this->message().missed; }
  };

  class Subscription {
   public:
    // The next message; false where the topic is closed and nothing is left. Awaited by one at a time.
    Task<Message> next(Duration within = kForever) {
      return [](std::shared_ptr<detail::MessageFeed> feed, Duration wait) -> Task<Message> {
        detail::FedMessage message = co_await detail::MessageFeed::next(std::move(feed), wait);
        co_return Message(std::move(message));
      }(feed_, within);
    }

   private:
    friend class Topic;
    explicit Subscription(std::shared_ptr<detail::MessageFeed> feed) : feed_(std::move(feed)) {}
    std::shared_ptr<detail::MessageFeed> feed_;
  };

  explicit Topic(RefBase topic) : client_(std::move(topic), detail::valueType<T>()) {}
  // The same, where publish() waits no longer than that.
  Topic within(Duration deadline) const {
    Topic other = *this;
    other.client_.setDeadline(deadline);
    return other;
  }

  // The message's number. `value`: what fills a T::Builder; or a T::Reader; or what a text or data is made of. It is used when the task is
  // awaited.
  template <class V>
  Task<std::uint64_t> publish(V value) const {
    return Client::publish(client_, detail::fillingValue<T>(std::move(value)));
  }
  // To what is published from when this is answered on, and to the history.
  Task<Subscription> subscribe() const { return subscribed(Client::subscribe(client_, std::nullopt)); }
  // To what comes after the message of that number, as far as it is there: where a process before has stopped reading. The first message
  // says what was missed.
  Task<Subscription> subscribeAfter(std::uint64_t number) const {
    return subscribed(Client::subscribe(client_, number));
  }
  // Nothing more can be published. Who subscribes is told when it has read what is left.
  Task<> close() const { return Client::close(client_); }
  Task<TopicStatus> status() const { return Client::status(client_); }

  const std::string& path() const { return client_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served() { return detail::servedByTopics(); }
  static void declare(Group& group, std::string id, const TopicSpec& spec) {
    detail::declareTopic(group, std::move(id), spec, detail::valueType<T>());
  }

 private:
  using Client = detail::TopicClient;
  static Task<Subscription> subscribed(Task<std::shared_ptr<detail::MessageFeed>> task) {
    std::shared_ptr<detail::MessageFeed> feed = co_await task;
    co_return Subscription(std::move(feed));
  }

  Client client_;
};

}  // namespace troupe
