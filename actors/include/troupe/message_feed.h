// What one who reads a topic or a channel knows of it. For <troupe/topic.h> and <troupe/channel.h>, which have what programs use.
#pragma once

#include <troupe/ref.h>
#include <troupe/spec.h>
#include <troupe/task.h>
#include <troupe/value.h>

#include <capnp/any.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

namespace troupe::detail {

struct FedMessage {
  std::shared_ptr<const void> reply;  // null: none will come
  capnp::AnyPointer::Reader value;
  std::uint64_t number = 0;
  std::uint64_t missed = 0;  // right before it
  bool again = false;
};

// A subscription, or an end of a channel: given up when it goes. What it was told and has not given out yet, it has.
class MessageFeed {
 public:
  // `what`: "the topic", for errors. It has a ticket at once, with which it is subscribed or claimed; nothing is read before that is done.
  MessageFeed(RefBase log, std::uint32_t most, const char* what);
  ~MessageFeed();
  MessageFeed(const MessageFeed&) = delete;
  MessageFeed& operator=(const MessageFeed&) = delete;

  const RefBase& log() const { return log_; }
  std::uint64_t ticket() const { return ticket_; }
  // It has what came up to there.
  void beginAfter(std::uint64_t number) { after_ = number; }

  // Errors: timedOut, after which nothing is lost; invalid, where somebody else waits for the next one.
  static Task<FedMessage> next(std::shared_ptr<MessageFeed> feed, Duration wait);
  // Whether next() has to wait no longer.
  static Task<bool> poll(std::shared_ptr<MessageFeed> feed, Duration wait);

 private:
  // False: nothing came within `wait`.
  static Task<bool> fetch(std::shared_ptr<MessageFeed> feed, Duration wait);
  Error behind(std::uint64_t missed) const;

  RefBase log_;
  std::uint32_t most_;
  const char* what_;
  std::uint64_t ticket_;
  std::uint64_t after_ = 0;
  bool asking_ = false;
  std::deque<FedMessage> told_;
};

// What a FedMessage is to those who know its type.
template <class T>
class ReadMessage {
  using Reader = typename ReaderOf<T>::Type;

 public:
  explicit ReadMessage(FedMessage message) : message_(std::move(message)) {
    if (*this) value_ = readValue<T>(message_.value);
  }
  // False: there is none, and none will come.
  explicit operator bool() const { return message_.reply != nullptr; }
  const Reader* operator->() const { return &value_; }
  const Reader& operator*() const { return value_; }

 protected:
  const FedMessage& message() const { return message_; }

 private:
  FedMessage message_;
  Reader value_ = {};
};

}  // namespace troupe::detail
