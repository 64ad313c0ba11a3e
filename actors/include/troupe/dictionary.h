// Dictionary<K, V>: entries by key, as an actor: multiprocessing.Manager's dict, with atomic updates. What K and V may be is said in
// <troupe/value.h>.
//
//     app.add<troupe::Dictionary<capnp::Text, Price>>("prices", {.mostBytes = 16 << 20});
//
//     auto prices = co_await find<troupe::Dictionary<capnp::Text, Price>>("prices");
//     co_await prices.put("apple", [](Price::Builder price) { price.setCents(70); });
//     if (auto price = co_await prices.get("apple")) use(price->getCents());
//
// Atomic:    each of these happens as a whole, one after the other, whoever asks. An entry's version is of its last change, and of no
//            other: putIf() and removeIf() do nothing where it is another one by now, and update() tries again.
// Pages:     in the order of the keys. Each entry is whole; what changes between two pages may be seen or not.
// Watching:  Watch tells of each key that has changed since, in the order of their last changes, and of its latest state only. It costs
//            the dictionary no memory, however slow it is.
// Crash:     the entries survive the dictionary's own death, and a call that it had in hand is done once, as long as it dies not more
//            often with one call than `child.onCrash` allows. Whoever else dies takes nothing with it.
// Errors:    refused (no room, a key of more than 4,096 bytes, K or V are not what was declared, a value with references to actors);
//            and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/dictionary_client.h>
#include <troupe/value.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

template <class K, class V>
class Dictionary {
  using KeyOf = detail::KeyOf<K>;
  using Argument = typename KeyOf::Argument;
  using Reader = typename detail::ReaderOf<V>::Type;

 public:
  using Spec = DictionarySpec;
  // std::string, std::vector<std::byte> or std::uint64_t.
  using Key = typename KeyOf::Key;

  class Entry {
   public:
    // False: there is none.
    explicit operator bool() const { return entry_.version != 0; }
    const Reader* operator->() const { return &value_; }
    const Reader& operator*() const { return value_; }
    // 0 where there is none.
    std::uint64_t version() const { return entry_.version; }
    Key key() const { return KeyOf::keyOf(entry_.key); }

   private:
    friend class Dictionary;
    explicit Entry(detail::HeldEntry entry) : entry_(std::move(entry)) {
      if (*this) value_ = detail::readValue<V>(entry_.held.value);
    }
    detail::HeldEntry entry_;
    Reader value_ = {};
  };

  class Page {
   public:
    auto begin() const { return entries_.begin(); }
    auto end() const { return entries_.end(); }
    std::size_t size() const { return entries_.size(); }
    const Entry& operator[](std::size_t index) const { return entries_[index]; }
    // Where the next page begins; nothing after the last one.
    const std::optional<Key>& next() const { return next_; }

   private:
    friend class Dictionary;
    std::vector<Entry> entries_;
    std::optional<Key> next_;
  };

  class Change {
   public:
    // False: the dictionary has gone for good.
    explicit operator bool() const { return change_.kind != detail::DictionaryChange::Kind::gone; }
    Key key() const { return KeyOf::keyOf(change_.key); }
    std::uint64_t version() const { return change_.version; }
    bool removed() const { return change_.kind == detail::DictionaryChange::Kind::removed; }
    // No key: what was told before counts no more, since all was removed, or more than is remembered (DictionarySpec). What is there
    // is told next, as if it were new.
    bool anew() const { return change_.kind == detail::DictionaryChange::Kind::anew; }

   private:
    friend class Dictionary;
    explicit Change(detail::DictionaryChange change) : change_(std::move(change)) {}
    detail::DictionaryChange change_;
  };

  class Watch {
   public:
    // The next change since the watch began. Awaited by one at a time. Errors: timedOut, after which nothing is lost: ask again.
    Task<Change> next(Duration within = kForever) {
      return [](std::shared_ptr<detail::DictionaryWatch> watch, Duration deadline) -> Task<Change> {
        detail::DictionaryChange change = co_await watch->next(deadline);
        co_return Change(std::move(change));
      }(watch_, within);
    }

   private:
    friend class Dictionary;
    explicit Watch(std::shared_ptr<detail::DictionaryWatch> watch) : watch_(std::move(watch)) {}
    std::shared_ptr<detail::DictionaryWatch> watch_;
  };

  explicit Dictionary(RefBase dictionary) : client_(std::move(dictionary), kType) {}
  // The same, where no call takes longer than that; 5 s otherwise.
  Dictionary within(Duration deadline) const {
    Dictionary other = *this;
    other.client_.setDeadline(deadline);
    return other;
  }

  Task<Entry> get(Argument key) const { return entry(client_, KeyOf::bytesOf(key)); }
  // The version that the entry has now. `value` is used when the task is awaited.
  template <class Value>
  Task<std::uint64_t> put(Argument key, Value value) const {
    return client_.put(KeyOf::bytesOf(key), detail::fillingValue<V>(std::move(value)), std::nullopt);
  }
  // Where the entry is of that version, or, with 0, where there is none. 0: it is not, and nothing was done.
  template <class Value>
  Task<std::uint64_t> putIf(Argument key, std::uint64_t version, Value value) const {
    return client_.put(KeyOf::bytesOf(key), detail::fillingValue<V>(std::move(value)), version);
  }
  // Makes the entry from what it is, again and again until nobody has changed it meanwhile: by a function of a std::optional<Reader>
  // that returns the value, or, of structs, fills the builder that it is given too.
  template <class Update>
  Task<std::uint64_t> update(Argument key, Update update) const {
    return updated(client_, KeyOf::bytesOf(key), std::move(update));
  }
  // False where there was none.
  Task<bool> remove(Argument key) const { return client_.remove(KeyOf::bytesOf(key), std::nullopt); }
  // False where it is not of that version.
  Task<bool> removeIf(Argument key, std::uint64_t version) const {
    return client_.remove(KeyOf::bytesOf(key), version);
  }
  // Removes it, and gives what it was.
  Task<Entry> pop(Argument key) const { return popped(client_, KeyOf::bytesOf(key)); }
  // At most so many entries, and as many as come to 256 KiB; at least one, where there is one.
  Task<Page> page(Argument from, std::uint32_t most = 1000) const {
    return pageOf(client_, KeyOf::bytesOf(from), most);
  }
  Task<Page> page() const { return pageOf(client_, {}, 1000); }
  Task<DictionarySize> size() const { return client_.size(); }
  // How many it had.
  Task<std::uint64_t> clear() const { return client_.clear(); }
  // All keys, or one. It begins when this is answered.
  Task<Watch> watch() const { return watching(client_, std::nullopt); }
  Task<Watch> watch(Argument key) const { return watching(client_, KeyOf::bytesOf(key)); }

  const std::string& path() const { return client_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served() { return detail::servedByDictionaries(); }
  static void declare(Group& group, std::string id, const DictionarySpec& spec) {
    detail::declareDictionary(group, std::move(id), spec, kType);
  }

 private:
  static constexpr std::uint64_t kType = detail::valueType<V>() * 3 + KeyOf::kType;
  using Client = detail::DictionaryClient;

  static Task<Entry> entry(Client client, std::string key) {
    detail::HeldEntry held = co_await client.get(std::move(key));
    co_return Entry(std::move(held));
  }
  static Task<Entry> popped(Client client, std::string key) {
    detail::HeldEntry held = co_await client.pop(std::move(key));
    co_return Entry(std::move(held));
  }
  static Task<Page> pageOf(Client client, std::string from, std::uint32_t most) {
    detail::HeldEntries held = co_await client.page(std::move(from), most);
    Page page;
    for (auto& each : held.entries) page.entries_.push_back(Entry(std::move(each)));
    if (held.next) page.next_ = KeyOf::keyOf(*held.next);
    co_return page;
  }
  static Task<Watch> watching(Client client, std::optional<std::string> key) {
    std::shared_ptr<detail::DictionaryWatch> watch = co_await client.watch(std::move(key));
    co_return Watch(std::move(watch));
  }
  template <class Update>
  static Task<std::uint64_t> updated(Client client, std::string key, Update update) {
    for (;;) {
      detail::HeldEntry held = co_await client.get(key);
      const Entry old(std::move(held));
      std::optional<Reader> value;
      if (old) value = *old;
      detail::FillValue fill;
      if constexpr (std::invocable<Update&, std::optional<Reader>>) {
        fill = detail::fillingValue<V>(update(value));
      } else {
        fill = [&](capnp::AnyPointer::Builder to) { update(value, to.initAs<V>()); };
      }
      const std::uint64_t version = co_await client.put(key, std::move(fill), old.version());
      if (version != 0) co_return version;
    }
  }

  Client client_;
};

}  // namespace troupe
