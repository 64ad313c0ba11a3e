// Kept<T>: state of an actor that its next process inherits.
//
//     troupe::Kept<std::int64_t> balance_{*this, "balance"};             plain memory: trivially copyable
//     troupe::Kept<Ledger, 8192> ledger_{*this, "ledger"};               a Cap'n Proto struct of at most so many bytes
//
//     balance_ += 5;   *balance_;   point_.change().x = 1;   point_->x;
//
// Commit:    what a handler changes counts when its turn ends, together with its answer and its casts, or not at all. What is
//            changed outside of handlers counts when the actor goes back to its event loop, or casts, and no turn is open; what
//            init() changes, when it has ended. A reentrant actor's turns share what it keeps: a turn that ends keeps what
//            others that are still open have changed.
// Survives:  the death of the process, however it comes, and of any supervisor but the root. Not the end of the app, nor of the
//            machine. A child that is deleted, or ends for good, leaves nothing; one that is stopped and restarted by hand goes on.
// Cost:      that of copying T twice for each turn that changes it. Meant for kilobytes: a value has at most 64 KiB, all of an
//            actor's 1 MiB, and there are at most 64. Values of names that are not used any more count too, until the actor goes
//            for good: an actor that is to use them again finds them. Older layouts don't count once a newer one has a value.
// Layout:    a value is found again by its name. Where its type's name, size, alignment or `static constexpr std::uint64_t kLayout`
//            has changed, construction fails with `invalid`, unless a function is given that makes the new from the old:
//
//     troupe::Kept<Point3> point_{*this, "point", {}, [](const Point2& old) { return Point3{old.x, old.y, 0}; }};
//
//            A change that alters none of these is not seen: give the type a kLayout, and count it up. A Cap'n Proto struct may
//            change as its schema may.
// Lifetime:  that of a member of the actor. One that is destroyed loses what the open turn has changed of it.
// Errors:    invalid, from the constructor: a name that is taken, empty or too long, a value too large, a layout that is unknown.
// Threads:   the actor's.
#pragma once

#include <troupe/actor.h>
#include <troupe/error.h>

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace troupe {

namespace detail {

// The place of a kept value in its process.
class KeptPlace {
 public:
  struct Predecessor {
    std::uint64_t fingerprint = 0;
    std::span<const std::byte> value;
  };
  explicit KeptPlace(std::string_view name);
  ~KeptPlace();
  KeptPlace(const KeptPlace&) = delete;
  KeptPlace& operator=(const KeptPlace&) = delete;

  const std::optional<Predecessor>& predecessor() const { return predecessor_; }
  // `self` is given to `write`, which gives the bytes of the value.
  void open(std::uint64_t fingerprint, std::size_t capacity, void* self,
            std::span<const std::byte> (*write)(void* self));
  void touch() const;
  // Its value is not the one that was committed last.
  bool touched() const;
  [[noreturn]] void refuseLayout(std::size_t bytes) const;
  [[noreturn]] void refuseSize(std::size_t bytes, std::size_t capacity) const;

 private:
  std::string name_;
  std::optional<Predecessor> predecessor_;
  std::optional<std::size_t> index_;
};

std::uint64_t fingerprintOf(std::string_view type, std::size_t size, std::size_t alignment,
                            std::uint64_t layout);

template <class T>
std::uint64_t fingerprintOf() {
  if constexpr (requires { T::kLayout; })
    return fingerprintOf(typeid(T).name(), sizeof(T), alignof(T), T::kLayout);
  else
    return fingerprintOf(typeid(T).name(), sizeof(T), alignof(T), 0);
}

template <class New, class Old>
std::optional<New> migrated(const KeptPlace::Predecessor& from, New (*migrate)(const Old&)) {
  static_assert(std::is_trivially_copyable_v<Old>);
  if (from.fingerprint != fingerprintOf<Old>() || from.value.size() != sizeof(Old)) return std::nullopt;
  Old old;
  std::memcpy(&old, from.value.data(), sizeof old);
  return migrate(old);
}

template <class T>
concept CapnpStruct = requires {
  typename T::Reader;
  typename T::Builder;
};

}  // namespace detail

template <class T, std::size_t kMostBytes = 0>
class Kept {
  static_assert(std::is_trivially_copyable_v<T>,
                "a kept value is plain memory, or a Cap'n Proto struct with its size: Kept<Ledger, 8192>");

 public:
  // What a predecessor kept under this name, or `initial`. Each of `migrate` is a function from an older type, taken by const
  // reference, to T.
  template <class... Migrate>
  Kept(ActorBase&, std::string_view name, T initial = T{}, Migrate... migrate)
      : place_(name), value_(initial) {
    const auto& predecessor = place_.predecessor();
    const bool same = predecessor && predecessor->fingerprint == detail::fingerprintOf<T>() &&
                      predecessor->value.size() == sizeof(T);
    if (same) std::memcpy(&value_, predecessor->value.data(), sizeof(T));
    const bool known = !predecessor || same || (takeOver(*predecessor, +migrate) || ...);
    if (!known) place_.refuseLayout(sizeof(T));
    place_.open(detail::fingerprintOf<T>(), sizeof(T), this,
                [](void* self) { return std::as_bytes(std::span(&static_cast<Kept*>(self)->value_, 1)); });
    if (!same) place_.touch();
  }
  Kept(const Kept&) = delete;

  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }

  // What it is now has been committed: it survives this process.
  bool committed() const { return !place_.touched(); }

  // To be changed in place. The reference is not to be kept beyond the turn: later changes through it may be lost.
  T& change() {
    place_.touch();
    return value_;
  }
  Kept& operator=(const T& value) {
    change() = value;
    return *this;
  }
  template <class U>
  Kept& operator+=(const U& by) {
    change() += by;
    return *this;
  }
  template <class U>
  Kept& operator-=(const U& by) {
    change() -= by;
    return *this;
  }
  Kept& operator++() {
    ++change();
    return *this;
  }
  Kept& operator--() {
    --change();
    return *this;
  }

 private:
  template <class Old>
  bool takeOver(const detail::KeptPlace::Predecessor& from, T (*migrate)(const Old&)) {
    const auto made = detail::migrated<T, Old>(from, migrate);
    if (made) value_ = *made;
    return made.has_value();
  }

  detail::KeptPlace place_;
  T value_;
};

// Readers and builders are valid until the next change().
template <detail::CapnpStruct T, std::size_t kMostBytes>
class Kept<T, kMostBytes> {
  static_assert(kMostBytes > 0, "say how many bytes it may take: Kept<Ledger, 8192>");

 public:
  Kept(ActorBase&, std::string_view name) : place_(name) {
    if (const auto& predecessor = place_.predecessor()) {
      if (predecessor->fingerprint != fingerprint() || predecessor->value.size() % sizeof(capnp::word) != 0)
        place_.refuseLayout(kMostBytes);
      auto words = kj::heapArray<capnp::word>(predecessor->value.size() / sizeof(capnp::word));
      std::memcpy(words.begin(), predecessor->value.data(), predecessor->value.size());
      capnp::FlatArrayMessageReader reader(words);
      message_.setRoot(reader.getRoot<T>());
    } else {
      message_.initRoot<T>();
    }
    place_.open(fingerprint(), kMostBytes, this,
                [](void* self) { return static_cast<Kept*>(self)->write(); });
    if (!place_.predecessor()) place_.touch();
  }
  // Cap'n Proto's destructors may throw; those of actors may not.
  ~Kept() noexcept {}
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  typename T::Reader operator*() { return message_.getRoot<T>().asReader(); }
  typename T::Builder change() {
    place_.touch();
    return message_.getRoot<T>();
  }

 private:
  // The schema's id; a struct is compatible with itself as Cap'n Proto says.
  static std::uint64_t fingerprint() { return T::_capnpPrivate::typeId; }

  // Without the holes that a builder leaves where something was replaced.
  std::span<const std::byte> write() {
    capnp::MallocMessageBuilder compact;
    compact.setRoot(message_.getRoot<T>().asReader());
    words_ = capnp::messageToFlatArray(compact);
    const auto bytes = words_.asBytes();
    if (bytes.size() > kMostBytes) place_.refuseSize(bytes.size(), kMostBytes);
    return std::as_bytes(std::span(bytes.begin(), bytes.size()));
  }

  detail::KeptPlace place_;
  capnp::MallocMessageBuilder message_;
  kj::Array<capnp::word> words_;
};

}  // namespace troupe
