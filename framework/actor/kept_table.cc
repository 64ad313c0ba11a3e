#include <troupe/kept.h>
#include <troupe/kept_table.h>

#include <algorithm>

#include "actor/actor_process.h"
#include "mailbox/kept_records.h"
#include "os/shared_memory.h"

namespace troupe {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kStep = std::size_t{1} << 20;
constexpr std::size_t kApart = std::size_t{1} << 40;

constexpr std::size_t wholePages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// The halves follow the desk in its memory, which is there as far as it is used. Where each begins does not depend on how much it may
// hold: the next process may be of a program that says otherwise.
class Halves {
 public:
  explicit Halves(std::size_t mostBytes) : span_(wholePages(4 * mostBytes) + kStep) {}

  std::byte* reach(unsigned half, std::size_t bytes) {
    Half& at = halves_[half];
    // What a predecessor left that was allowed more.
    if (!at.mapping.valid()) span_ = std::max(span_, 4 * wholePages(bytes) + kStep);
    if (bytes > span_)
      throw Error(ErrorKind::overloaded, "the open turns of this actor change more than there is room for");
    const os::Fd& memory = actor::ActorProcess::current().keptMemory("changing a kept table");
    if (bytes > at.reached) {
      const std::size_t upTo =
          std::min(wholePages(std::max(bytes, at.reached + std::min(at.reached, kStep))), span_);
      os::reserve(memory, startOf(half), upTo);
      at.reached = upTo;
    }
    if (!at.mapping.valid()) at.mapping = os::Mapping(memory, startOf(half), span_);
    return static_cast<std::byte*>(at.mapping.data());
  }
  void drop(unsigned half) {
    os::punchHole(actor::ActorProcess::current().keptMemory("changing a kept table"), startOf(half), span_);
    halves_[half].reached = 0;
  }

 private:
  struct Half {
    std::size_t reached = 0;  // bytes that are there
    os::Mapping mapping;
  };
  static std::size_t startOf(unsigned half) { return wholePages(mailbox::kDeskBytes) + half * kApart; }

  std::size_t span_;
  Half halves_[2];
};

// What goes wrong, with whose table it is.
template <class Do>
auto said(Do act) {
  try {
    return act();
  } catch (const Error& error) {
    throw Error::restored(
        error.kind(), "the kept table of " + actor::ActorProcess::current().path() + ": " + error.message(),
        error.exitReason(), error.systemError());
  }
}

}  // namespace

struct KeptTable::State {
  State(ActorBase& actor, std::size_t mostBytes)
      : halves(mostBytes),
        records({.reach = [this](unsigned half, std::size_t bytes) { return halves.reach(half, bytes); },
                 .drop = [this](unsigned half) { halves.drop(half); }},
                mostBytes),
        head(actor, "troupe.table") {
    said([&] { records.open(*head); });
  }

  // Another process changes it once this one has handed over.
  const mailbox::KeptRecords& readable() const {
    static_cast<void>(actor::ActorProcess::current().keptMemory("reading a kept table"));
    return records;
  }
  template <class Change>
  auto change(Change change) {
    return said([&] {
      if (head.committed()) records.committed(*head);
      const auto result = change();
      head = records.head();
      return result;
    });
  }
  Halves halves;
  mailbox::KeptRecords records;
  Kept<mailbox::KeptRecords::Head> head;
};

KeptTable::KeptTable(ActorBase& actor, std::size_t mostBytes) {
  if (mostBytes > kMostBytes)
    throw Error(ErrorKind::invalid, "the kept table of " + actor::ActorProcess::current().path() + ": " +
                                        std::to_string(mostBytes) + " bytes are more than the " +
                                        std::to_string(kMostBytes) + " that one may have");
  state_ = std::make_unique<State>(actor, mostBytes);
}

KeptTable::~KeptTable() = default;

void KeptTable::put(std::uint64_t number, std::span<const std::byte> content) {
  state_->change([&] {
    state_->records.put(number, content);
    return true;
  });
}

bool KeptTable::erase(std::uint64_t number) {
  if (!state_->records.find(number)) return false;
  return state_->change([&] { return state_->records.erase(number); });
}

std::optional<std::span<const std::byte>> KeptTable::find(std::uint64_t number) const {
  return state_->readable().find(number);
}

std::optional<std::uint64_t> KeptTable::next(std::uint64_t from) const {
  return state_->readable().next(from);
}

void KeptTable::forEach(const std::function<void(std::uint64_t, std::span<const std::byte>)>& each) const {
  state_->readable().forEach(each);
}

std::size_t KeptTable::size() const { return state_->records.size(); }

std::size_t KeptTable::bytes() const { return state_->records.bytes(); }

}  // namespace troupe
