// Channel<A, B>: a pair of ends between two processes, as an actor: multiprocessing's Pipe. The first end sends As and receives Bs, the
// second sends Bs and receives As. What they may be is said in <troupe/value.h>.
//
//     app.add<troupe::Channel<Ask, Answer>>("line", {.capacity = 16});
//
//     auto line = co_await find<troupe::Channel<Ask, Answer>>("line");   // in one actor
//     auto end = co_await line.first();
//     co_await end.send([](Ask::Builder ask) { ask.setText("why?"); });
//     auto answer = co_await end.receive();
//
//     auto end = co_await line.second();                                 // in another, that has found the line too
//     while (auto ask = co_await end.receive()) co_await end.send(answerTo(*ask));
//
// Ends:      an end belongs to the process that has claimed it, until the last copy of the End is destroyed, or it is closed, or the process
//            dies. first() and second() wait until the end is free.
// Death:     with OnDeath::endOfStream, its end has gone: the other end receives what was sent before, then the end of the stream, and
//            can't send any more. When both ends have gone, both are free again, and a new conversation begins, with nothing of the old one.
//            With OnDeath::wait, the end is free again: whoever claims it next goes on with the conversation, and the other end sees
//            nothing but time. Who has closed its end has gone in both cases.
// Order:     first in, first out, each way.
// Once:      what send() was answered for is received once. What one has received it has when it receives or polls again; where it
//            dies before, and another goes on, that one message is received again, and says `again()`.
// Waiting:   send() waits while `capacity` messages are on their way, receive() for a message, first() and second() for the end; for ever,
//            or as long as within() says: then they end with `timedOut`, and nothing has happened. Who dies while waiting waits no longer.
// Crash:     what is on its way, who has the ends and who waits survives the channel's own death.
// Errors:    timedOut; refused (the other end has gone; this end is closed, or has finished; the process has that end already; A or B are
//            not what was declared; a message larger than mostBytes); and those of calls.
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
#include <string>
#include <utility>

namespace troupe {

// What becomes of an end whose process dies, or lets it go without closing it.
enum class OnDeath : std::uint8_t { endOfStream, wait };

struct ChannelSpec {
  // Messages each way that were sent and that who receives does not have yet.
  std::size_t capacity = 1000;
  OnDeath onDeath = OnDeath::endOfStream;
  // Of all messages one way. Those whose send() waits may take as much again.
  std::size_t mostBytes = std::size_t{64} << 20;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct ChannelEndStatus {
  bool owned = false;  // by a process
  bool gone = false;
  std::uint64_t claiming = 0;  // that wait for the end
  std::uint64_t unread = 0;    // messages on their way to it
  bool receiving = false;      // it waits for one
  std::uint64_t sending = 0;   // sends that wait for room
};

struct ChannelStatus {
  ChannelEndStatus first;
  ChannelEndStatus second;
};

namespace detail {

class ChannelClient : public RefBase {
 public:
  ChannelClient(RefBase channel, std::uint64_t type) : RefBase(std::move(channel)), type_(type) {
    deadline_ = kForever;
  }
  void setDeadline(Duration deadline) { deadline_ = deadline; }
  static Task<std::shared_ptr<MessageFeed>> claim(ChannelClient client, std::uint8_t end);
  static Task<ChannelStatus> status(ChannelClient client);

 private:
  std::uint64_t type_;
};

Task<> sendFrom(std::shared_ptr<MessageFeed> end, FillValue fill, Duration wait);
Task<> finishEnd(std::shared_ptr<MessageFeed> end);
Task<> closeEnd(std::shared_ptr<MessageFeed> end);

void declareChannel(Group& group, std::string id, const ChannelSpec& spec, std::uint64_t type);
ServedProtocol servedByChannels();

}  // namespace detail

template <class A, class B>
class Channel {
 public:
  using Spec = ChannelSpec;

  // Sends Outs, and receives Ins. Copies are the same end.
  template <class Out, class In>
  class End {
   public:
    class Message : public detail::ReadMessage<In> {
     public:
      using detail::ReadMessage<In>::ReadMessage;
      // It was given before to a process that has died, or to a receive() that was given up.
      bool again() const { return this->message().again; }
    };

    // The same, where nothing waits longer than that.
    End within(Duration deadline) const {
      End other = *this;
      other.wait_ = deadline;
      return other;
    }
    // `value`: what fills an Out::Builder; or an Out::Reader; or what a text or data is made of. It is used when the task is awaited.
    template <class V>
    Task<> send(V value) const {
      return detail::sendFrom(feed_, detail::fillingValue<Out>(std::move(value)), wait_);
    }
    // False at the end of the stream: the other end has gone, or has finished, and all is received. Awaited by one at a time.
    Task<Message> receive() const {
      return [](std::shared_ptr<detail::MessageFeed> feed, Duration wait) -> Task<Message> {
        detail::FedMessage message = co_await detail::MessageFeed::next(std::move(feed), wait);
        co_return Message(std::move(message));
      }(feed_, wait_);
    }
    // Whether receive() has to wait no longer, after so long at most.
    Task<bool> poll(Duration wait = Duration::zero()) const { return detail::MessageFeed::poll(feed_, wait); }
    // Nothing more is sent: the other end receives the end of the stream after what was sent. It can go on sending.
    Task<> finish() const { return detail::finishEnd(feed_); }
    // The end has gone, for both ways. What is on its way to it is dropped. A second time is fine.
    Task<> close() const { return detail::closeEnd(feed_); }

   private:
    friend class Channel;
    End(std::shared_ptr<detail::MessageFeed> feed, Duration wait) : feed_(std::move(feed)), wait_(wait) {}
    std::shared_ptr<detail::MessageFeed> feed_;
    Duration wait_;
  };
  using First = End<A, B>;
  using Second = End<B, A>;

  explicit Channel(RefBase channel) : client_(std::move(channel), kType) {}
  // The same, where nothing waits longer than that, what its ends do included.
  Channel within(Duration deadline) const {
    Channel other = *this;
    other.client_.setDeadline(deadline);
    return other;
  }

  Task<First> first() const { return claimed<First>(client_, 0); }
  Task<Second> second() const { return claimed<Second>(client_, 1); }
  Task<ChannelStatus> status() const { return Client::status(client_); }

  const std::string& path() const { return client_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served() { return detail::servedByChannels(); }
  static void declare(Group& group, std::string id, const ChannelSpec& spec) {
    detail::declareChannel(group, std::move(id), spec, kType);
  }

 private:
  using Client = detail::ChannelClient;
  // Another one where they change places.
  static constexpr std::uint64_t kType = detail::valueType<A>() * 3 + detail::valueType<B>();
  template <class E>
  static Task<E> claimed(Client client, std::uint8_t end) {
    std::shared_ptr<detail::MessageFeed> feed = co_await Client::claim(client, end);
    co_return E(std::move(feed), client.deadline());
  }

  Client client_;
};

}  // namespace troupe
