// Queue<T>: a bounded queue as an actor: multiprocessing's Queue and JoinableQueue. T is what a value may be
// (<troupe/value.h>).
//
//     app.queue<Dish>("table", {.capacity = 8});
//
//     auto table = co_await find<troupe::Queue<Dish>>("table");
//     co_await table.put([&](Dish::Builder dish) { dish.setName("apple"); });
//     while (auto dish = co_await table.get()) {
//       eat(dish->getName());
//       co_await dish.done();
//     }
//
// Order:     first in, first out; those that wait are served in their order too.
// Ownership: an item belongs to the process that got it until it is done. Where that process ends before, or the Item is destroyed, it
//            goes back to the head of the queue, and says `again()`. What take() gives is done at once: lost if its taker dies.
// Waiting:   put() waits for room, get() and take() for an item, join() until each item that was put is done; for ever, or as long as
//            within() says: then they end with `timedOut`, and nothing has happened. Who dies while waiting waits no longer.
// Crash:     what is in the queue, who has what and who waits survives the queue's own death. What was put has been put, once.
// Errors:    timedOut; refused (the queue is closed, an item is done twice, T is not what was declared); overloaded (the items take
//            more than mostBytes); and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>
#include <troupe/value.h>

#include <capnp/any.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace troupe {

struct QueueSpec {
  // Items that wait in it; more are not put until some are gone. What was given back does not count, so that it always has room.
  std::size_t capacity = 1000;
  // Of all items, those included that are taken and those whose put() waits.
  std::size_t mostBytes = std::size_t{64} << 20;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct QueueSize {
  std::uint64_t queued = 0;
  std::uint64_t taken = 0;    // and not done yet
  std::uint64_t putting = 0;  // puts that wait for room
  std::uint64_t getting = 0;  // gets that wait for an item
  std::uint64_t capacity = 0;
  bool closed = false;
  bool full() const { return queued >= capacity; }
  bool empty() const { return queued == 0; }
};

namespace detail {

// What was got.
class QueueItem {
 public:
  QueueItem() = default;
  QueueItem(RefBase queue, std::uint64_t ticket, std::shared_ptr<const void> reply,
            capnp::AnyPointer::Reader value, std::uint64_t number, std::uint32_t times, bool done);
  QueueItem(QueueItem&& other) noexcept { *this = std::move(other); }
  QueueItem& operator=(QueueItem&& other) noexcept;
  ~QueueItem() { giveBack(); }

  explicit operator bool() const { return reply_ != nullptr; }
  bool again() const { return times_ > 1; }
  capnp::AnyPointer::Reader value() const { return value_; }
  Task<> done();

 private:
  void giveBack();

  RefBase queue_;
  std::uint64_t ticket_ = 0;
  std::shared_ptr<const void> reply_;
  capnp::AnyPointer::Reader value_;
  std::uint64_t number_ = 0;
  std::uint32_t times_ = 0;
  bool done_ = true;
};

class QueueClient : public RefBase {
 public:
  QueueClient(RefBase queue, std::uint64_t type) : RefBase(std::move(queue)), type_(type) {
    deadline_ = kForever;
  }
  static Task<bool> put(QueueClient client, FillValue fill, Duration wait, bool mayBeFull);
  static Task<QueueItem> get(QueueClient client, Duration wait, bool take, bool mayBeEmpty);
  static Task<> join(QueueClient client);
  static Task<QueueSize> size(QueueClient client);
  static Task<> close(QueueClient client);
  void setDeadline(Duration deadline) { deadline_ = deadline; }

 private:
  std::uint64_t type_;
};

void declareQueue(Group& group, std::string id, const QueueSpec& spec, std::uint64_t type);
ServedProtocol servedByQueues();

}  // namespace detail

template <class T>
class Queue {
  using Reader = typename detail::ReaderOf<T>::Type;

 public:
  using Spec = QueueSpec;

  class Item {
   public:
    // False: the queue is closed and has nothing more; or, of try forms, has nothing now.
    explicit operator bool() const { return static_cast<bool>(item_); }
    const Reader* operator->() const { return &value_; }
    const Reader& operator*() const { return value_; }
    // Somebody has had it before, who ended before it was done.
    bool again() const { return item_.again(); }
    // It is over. Errors: refused, where it was done before.
    Task<> done() { return item_.done(); }

   private:
    friend class Queue;
    explicit Item(detail::QueueItem item) : item_(std::move(item)) {
      if (item_) value_ = detail::readValue<T>(item_.value());
    }
    detail::QueueItem item_;
    Reader value_ = {};
  };

  explicit Queue(RefBase queue) : client_(std::move(queue), detail::valueType<T>()) {}
  // The same, where nothing waits longer than that.
  Queue within(Duration deadline) const {
    Queue other = *this;
    other.client_.setDeadline(deadline);
    return other;
  }

  // `value`: what fills a T::Builder; or a T::Reader; or what a text or data is made of. It is used before this returns, or when the
  // task is awaited.
  template <class V>
  Task<> put(V value) const {
    return placed(Client::put(client_, detail::fillingValue<T>(std::move(value)), client_.deadline(), false));
  }
  // False where there is no room now.
  template <class V>
  Task<bool> tryPut(V value) const {
    return Client::put(client_, detail::fillingValue<T>(std::move(value)), Duration::zero(), true);
  }
  Task<Item> get() const { return got(Client::get(client_, client_.deadline(), false, false)); }
  Task<Item> tryGet() const { return got(Client::get(client_, Duration::zero(), false, true)); }
  Task<Item> take() const { return got(Client::get(client_, client_.deadline(), true, false)); }
  Task<Item> tryTake() const { return got(Client::get(client_, Duration::zero(), true, true)); }

  // Until each item that was put is done.
  Task<> join() const { return Client::join(client_); }
  Task<QueueSize> size() const { return Client::size(client_); }
  // Nothing more can be put. Who gets is told when nothing is left, and nothing can come back.
  Task<> close() const { return Client::close(client_); }

  const std::string& path() const { return client_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served() { return detail::servedByQueues(); }
  static void declare(Group& group, std::string id, const QueueSpec& spec) {
    detail::declareQueue(group, std::move(id), spec, detail::valueType<T>());
  }

 private:
  using Client = detail::QueueClient;
  static Task<> placed(Task<bool> put) { static_cast<void>(co_await put); }
  static Task<Item> got(Task<detail::QueueItem> task) { co_return Item(co_await task); }

  Client client_;
};

}  // namespace troupe
