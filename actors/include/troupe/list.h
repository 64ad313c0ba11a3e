// List<T>: items by index, as an actor: multiprocessing.Manager's list. What T may be is said in <troupe/value.h>.
//
//     app.add<troupe::List<capnp::Text>>("words");
//
//     auto words = co_await find<troupe::List<capnp::Text>>("words");
//     co_await words.append("first");
//     if (auto word = co_await words.tryPopFront()) use(*word);
//
// Atomic:    each of these happens as a whole, one after the other, whoever asks. What an index means may be another thing in the next
//            call, where others insert or remove: who shares work takes it by the pop forms.
// Cost:      that of one item, wherever it is; insert() and removeAt() move 8 bytes for each item up to the nearer end.
// Crash:     the items survive the list's own death, and a call that it had in hand is done once, as long as it dies not more often with
//            one call than `child.onCrash` allows. What was popped is its caller's alone: it goes with it (Queue<T> keeps it).
// Errors:    refused (an index that is not there, nothing to pop, no room, T is not what was declared, an item with references to
//            actors); and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/list_client.h>
#include <troupe/value.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

template <class T>
class List {
  using Reader = typename detail::ReaderOf<T>::Type;

 public:
  using Spec = ListSpec;

  class Item {
   public:
    // False: there was none, of the try forms.
    explicit operator bool() const { return held_.reply != nullptr; }
    const Reader* operator->() const { return &value_; }
    const Reader& operator*() const { return value_; }

   private:
    friend class List;
    explicit Item(detail::HeldValue held) : held_(std::move(held)) {
      if (*this) value_ = detail::readValue<T>(held_.value);
    }
    detail::HeldValue held_;
    Reader value_ = {};
  };

  class Page {
   public:
    auto begin() const { return items_.begin(); }
    auto end() const { return items_.end(); }
    std::size_t size() const { return items_.size(); }
    const Item& operator[](std::size_t index) const { return items_[index]; }
    // The index at which the next page begins; nothing after the last one.
    std::optional<std::uint64_t> next() const { return next_; }

   private:
    friend class List;
    std::vector<Item> items_;
    std::optional<std::uint64_t> next_;
  };

  explicit List(RefBase list) : client_(std::move(list), detail::valueType<T>()) {}
  // The same, where no call takes longer than that; 5 s otherwise.
  List within(Duration deadline) const {
    List other = *this;
    other.client_.setDeadline(deadline);
    return other;
  }

  // The index that it has. `value` is used when the task is awaited.
  template <class V>
  Task<std::uint64_t> append(V value) const {
    return client_.insert(std::nullopt, detail::fillingValue<T>(std::move(value)));
  }
  // Before the item that has this index; at the end, where it is the size.
  template <class V>
  Task<> insert(std::uint64_t at, V value) const {
    return inserted(client_.insert(at, detail::fillingValue<T>(std::move(value))));
  }
  Task<Item> get(std::uint64_t at) const { return item(client_.get(at)); }
  template <class V>
  Task<> set(std::uint64_t at, V value) const {
    return client_.set(at, detail::fillingValue<T>(std::move(value)));
  }
  // Each removes an item, and gives it.
  Task<Item> removeAt(std::uint64_t at) const { return item(client_.remove(at, false)); }
  Task<Item> popFront() const { return item(client_.remove(0, false)); }
  Task<Item> popBack() const { return item(client_.remove(std::nullopt, false)); }
  Task<Item> tryPopFront() const { return item(client_.remove(0, true)); }
  Task<Item> tryPopBack() const { return item(client_.remove(std::nullopt, true)); }
  // At most so many items, and as many as come to 256 KiB; at least one, where there is one. Past the end: none.
  Task<Page> page(std::uint64_t from = 0, std::uint32_t most = 1000) const {
    return pageOf(client_, from, most);
  }
  Task<ListSize> size() const { return client_.size(); }
  // How many it had.
  Task<std::uint64_t> clear() const { return client_.clear(); }

  const std::string& path() const { return client_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served() { return detail::servedByLists(); }
  static void declare(Group& group, std::string id, const ListSpec& spec) {
    detail::declareList(group, std::move(id), spec, detail::valueType<T>());
  }

 private:
  static Task<Item> item(Task<detail::HeldValue> task) {
    detail::HeldValue held = co_await task;
    co_return Item(std::move(held));
  }
  static Task<> inserted(Task<std::uint64_t> task) { static_cast<void>(co_await task); }
  static Task<Page> pageOf(detail::ListClient client, std::uint64_t from, std::uint32_t most) {
    detail::HeldItems held = co_await client.page(from, most);
    Page page;
    for (auto& each : held.items) page.items_.push_back(Item(std::move(each)));
    const std::uint64_t next = from + page.size();
    if (next < held.size) page.next_ = next;
    co_return page;
  }

  detail::ListClient client_;
};

}  // namespace troupe
