// What a turn changes happens as a whole or not at all, wherever its process is killed.
//
// The memory is copied between the steps of a turn. Within a step the process may die between any two stores,
// whose order is the compiler's: so each mixture of a copy and the next one is tried, or a good many of them.
#include "mailbox/recovery.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "mailbox/kept_store.h"
#include "mailbox/settle.h"
#include "mailbox/turn_log.h"
#include "tests/unit/wire/messages.h"

namespace troupe::mailbox {
namespace {

using test::Bytes;

constexpr unsigned kOnDesk = 20;  // of the packet on the desk

// What can be seen of a desk.
struct Outcome {
  std::uint64_t done = 0;
  std::string kept;
  std::map<wire::ActorId, std::vector<Bytes>> unsent;
  bool operator==(const Outcome&) const = default;
};

// The parts of the memory that these tests write to.
class Image {
 public:
  static constexpr std::size_t kEdge = 16u << 10;  // of the log, at both its ends
  explicit Image(DeskMemory& memory) {
    each(memory,
         [this](std::byte* part, std::size_t bytes) { bytes_.insert(bytes_.end(), part, part + bytes); });
  }
  void putInto(DeskMemory& memory) const {
    std::size_t at = 0;
    each(memory, [&](std::byte* part, std::size_t bytes) {
      std::memcpy(part, bytes_.data() + at, bytes);
      at += bytes;
    });
  }
  // The places of the words that differ.
  std::vector<std::size_t> differences(const Image& other) const {
    std::vector<std::size_t> places;
    for (std::size_t at = 0; at < bytes_.size(); at += 8) {
      if (std::memcmp(bytes_.data() + at, other.bytes_.data() + at, 8) != 0) places.push_back(at);
    }
    return places;
  }
  void take(const Image& from, std::size_t place) {
    std::memcpy(bytes_.data() + place, from.bytes_.data() + place, 8);
  }

 private:
  template <class Do>
  static void each(DeskMemory& memory, Do&& act) {
    auto* const base = reinterpret_cast<std::byte*>(&memory);
    act(base, offsetof(DeskMemory, lastFrom));
    act(reinterpret_cast<std::byte*>(&memory.kept), offsetof(KeptMemory, small) + 512);
    act(reinterpret_cast<std::byte*>(&memory.log.extent), 8);
    act(memory.log.bytes, kEdge);
    act(memory.log.bytes + kLogBytes - kEdge, kEdge);
  }
  std::vector<std::byte> bytes_;
};

// The steps are those of Journal::commit() and Outbox::writeFirst().
class Life {
 public:
  explicit Life(DeskMemory& memory) : memory_(memory), log_(memory, 1), kept_(memory.kept) {
    place_ =
        kept_.add("value", 1, 64, [this] { return std::as_bytes(std::span(value_.data(), value_.size())); });
  }
  DeskMemory& memory_;
  TurnLog log_;
  KeptStore kept_;
  std::string value_;
  std::size_t place_;
  struct Sent {
    TurnLog::Handle handle;
    std::ptrdiff_t messages;
  };
  std::map<wire::ActorId, std::vector<Sent>> lines_;
};

class RecoveryTest : public testing::TestWithParam<unsigned> {
 protected:
  RecoveryTest()
      : memory_(os::makeSharedMemory("desk", kDeskBytes)),
        scratchMemory_(os::makeSharedMemory("desk", kDeskBytes)),
        scratch_(scratchMemory_) {
    memory_->layout = kDeskLayout;
    const Bytes packet = test::packetOf(std::vector<Bytes>(kOnDesk, test::callOf(1)));
    std::memcpy(memory_->packets[2], packet.data(), packet.size());
    memory_->slots[2].arrival = 40;
  }

  // As a successor finds it.
  Outcome outcomeOf(const Image& image) {
    image.putInto(*scratch_);
    EXPECT_FALSE(settle(scratchMemory_, 250).ruined);
    Outcome outcome;
    outcome.done = scratch_->slots[2].done;
    KeptStore kept(scratch_->kept);
    if (const auto found = kept.find("value"))
      outcome.kept.assign(reinterpret_cast<const char*>(found->value.data()), found->value.size());
    TurnLog log(*scratch_, 2);
    for (auto& unsent : log.takeUnsent()) outcome.unsent[unsent.to.actor].push_back(std::move(unsent.bytes));
    return outcome;
  }

  std::map<wire::ActorId, std::vector<Bytes>> unsentAt(std::uint64_t extent) {
    std::memcpy(static_cast<void*>(&*scratch_), &*memory_, kDeskBytes);
    scratch_->log.extent = extent;
    EXPECT_EQ(recover(*scratch_), Recovered::fine);
    TurnLog log(*scratch_, 1);
    std::map<wire::ActorId, std::vector<Bytes>> found;
    for (auto& unsent : log.takeUnsent()) found[unsent.to.actor].push_back(std::move(unsent.bytes));
    return found;
  }

  // Runs one step. Wherever it is cut short, a successor finds one of the two.
  void step(const std::function<void()>& act, const Outcome& before, const Outcome& after) {
    const Image first(*memory_);
    act();
    const Image last(*memory_);
    const auto places = first.differences(last);
    check(first, before, after);
    check(last, before, after);
    for (const bool upwards : {true, false}) {
      Image mixed = first;
      for (std::size_t i = 0; i < places.size(); i += 1 + places.size() / 16) {
        for (std::size_t j = 0; j <= i; ++j) mixed.take(last, places[upwards ? j : places.size() - 1 - j]);
        check(mixed, before, after);
      }
    }
    for (int i = 0; i < 6; ++i) {
      Image mixed = first;
      for (const std::size_t place : places) {
        if (random_() % 2 == 0) mixed.take(last, place);
      }
      check(mixed, before, after);
    }
  }
  void step(const std::function<void()>& act, const Outcome& both) { step(act, both, both); }

  void check(const Image& image, const Outcome& before, const Outcome& after) {
    ++checked_;
    const Outcome found = outcomeOf(image);
    ASSERT_TRUE(found == before || found == after)
        << "done " << found.done << " kept \"" << found.kept << "\" lines " << found.unsent.size();
    // Doing it again changes nothing.
    const Image settled(*scratch_);
    ASSERT_EQ(outcomeOf(settled), found);
  }

  // Some casts outside of any turn, made where they are sent from.
  void castInPlace(Life& life, wire::ActorId to, Outcome& now) {
    Life::Sent sent{TurnLog::kNoRecord, 0};
    step([&] { sent.handle = life.log_.beginPacket({to}); }, now);
    for (std::size_t i = upTo(3); i > 0; --i) {
      const Bytes message = test::callOf(random_(), std::string(upTo(300), 'y'));
      Outcome next = now;
      next.unsent[to].push_back(message);
      std::byte* const place = life.log_.roomInPacket(message.size());
      step([&] { std::memcpy(place, message.data(), message.size()); }, now);
      step([&] { life.log_.grow(message.size()); }, now, next);
      now = next;
      ++sent.messages;
    }
    if (sent.messages > 0) life.lines_[to].push_back(sent);
    if (upTo(1) == 0) step([&] { life.log_.endPacket(); }, now);
  }

  std::size_t upTo(std::size_t most) { return random_() % (most + 1); }

  std::mt19937 random_{GetParam()};
  MappedDesk memory_;
  os::Fd scratchMemory_;
  MappedDesk scratch_;
  unsigned checked_ = 0;
};

TEST_P(RecoveryTest, FindsATurnAsAWholeOrNotAtAllWhereverItsProcessDies) {
  // At the end of the memory of the log, so that the turn goes on at its start; or at the start.
  const auto start = static_cast<std::uint32_t>(upTo(1) == 0 ? 0 : kLogBytes - 8 * upTo(200));
  memory_->log.extent = LogExtent{start, start}.packed();
  Life life(*memory_);
  TurnLog& log = life.log_;
  Outcome now;
  for (unsigned turn = 0; turn < 8; ++turn) {
    Outcome next = now;
    next.done |= 1ULL << turn;
    step([&] { memory_->slots[2].begun |= 1ULL << turn; }, now);
    step([&] { log.addDone(2, turn, 40); }, now);
    const bool keeps = upTo(1) == 0;
    if (keeps) {
      next.kept = life.value_ = std::string(upTo(64), static_cast<char>('a' + turn));
      life.kept_.touch(life.place_);
      step([&] { life.kept_.addTo(log); }, now);
    }
    for (std::size_t i = upTo(3); i > 0; --i) {
      const wire::ActorId to = 1 + upTo(2);
      const Bytes message = test::callOf(random_(), std::string(upTo(300), 'x'));
      next.unsent[to].push_back(message);
      step([&] { life.lines_[to].push_back({log.addMessage({to}, 0, message), 1}); }, now);
    }
    step([&] { log.commit(); }, now, next);
    ASSERT_EQ(outcomeOf(Image(*memory_)), next) << "from here on it counts";
    now = next;
    step([&] { memory_->slots[2].done |= 1ULL << turn; }, now);
    if (keeps) step([&] { life.kept_.carryOut(); }, now);
    step([&] { log.carriedOut(); }, now);
    if (upTo(1) == 0) castInPlace(life, 1 + upTo(2), now);
    for (auto& [to, line] : life.lines_) {
      if (line.empty() || upTo(2) == 0) continue;
      const auto sent = line.front();
      std::uint64_t number = 0;
      step([&] { number = log.number(static_cast<std::size_t>(sent.messages)); }, now);
      step([&] { log.setNumber(sent.handle, number); }, now);
      next = now;
      auto& unsent = next.unsent[to];
      unsent.erase(unsent.begin(), unsent.begin() + sent.messages);
      if (unsent.empty()) next.unsent.erase(to);
      step([&] { log.release(sent.handle); }, now, next);
      line.erase(line.begin());
      now = next;
    }
    if (HasFatalFailure()) FAIL() << "turn " << turn;
  }
  EXPECT_GT(checked_, 200U);
}

TEST_P(RecoveryTest, FindsWhatWasMovedOnceAndInItsOrder) {
  TurnLog log(*memory_, 1);
  Outcome now;
  const auto add = [&](wire::ActorId to, const Bytes& message) {
    now.unsent[to].push_back(message);
    return log.addMessage({to}, 0, message);
  };
  // Some wait; others come and go, until the log begins again at its start, and those that wait are moved.
  for (unsigned i = 0; i < 5; ++i) add(1 + i % 2, test::callOf(i));
  log.commit();
  log.carriedOut();
  const Bytes filler = test::callOf(9, std::string(3000, 'x'));
  unsigned moves = 0;
  for (int turn = 0; turn < 4000 && moves < 4; ++turn) {
    const std::uint64_t before = memory_->log.extent;
    log.makeRoom(TurnLog::bytesOf(filler.size()));
    const std::uint64_t moved = memory_->log.extent;
    if (moved != before) {
      ++moves;
      ASSERT_TRUE(unsentAt(before) == now.unsent)
          << turn << ": what is copied does not count before the store";
      ASSERT_TRUE(unsentAt(moved) == now.unsent) << turn;
    }
    const auto handle = log.addMessage({3}, 0, filler);
    Outcome next = now;
    next.unsent[3].push_back(filler);
    log.commit();
    if (moved != before) {
      ASSERT_TRUE(unsentAt(memory_->log.extent) == next.unsent) << turn;
    }
    log.release(handle);
    log.carriedOut();
  }
  EXPECT_GE(moves, 4U);
}

TEST_P(RecoveryTest, BearsAnyMemory) {
  for (int round = 0; round < 60; ++round) {
    auto* const words = reinterpret_cast<std::uint64_t*>(&*memory_);
    const std::size_t count = kDeskBytes / 8;
    // Some of it, or some bytes here and there: a good log makes them reach farther.
    Life life(*memory_);
    for (std::size_t i = upTo(20); i > 0; --i) {
      life.log_.addMessage({upTo(3)}, 0, test::callOf(1));
      life.log_.addDone(upTo(kDeskSlots - 1), 1, upTo(3));
    }
    life.log_.commit();
    if (upTo(1) == 0) {
      const Bytes message = test::callOf(2);
      life.log_.beginPacket({upTo(3)});
      std::memcpy(life.log_.roomInPacket(message.size()), message.data(), message.size());
      life.log_.grow(message.size());
    }
    const std::size_t log = offsetof(DeskMemory, log) / 8;
    for (std::size_t i = upTo(40); i > 0; --i) {
      const std::size_t place = upTo(2) == 0 ? upTo(count - 1) : log + upTo(kPageBytes / 8 * 3);
      words[place] = upTo(1) == 0 ? random_() : std::uint64_t{random_()} << 32 | upTo(64) * 8;
    }
    if (round % 3 == 0) memory_->log.extent = std::uint64_t{random_()} << 32 | random_();
    memory_->layout = kDeskLayout;
    if (recover(*memory_) == Recovered::fine) {
      TurnLog successor(*memory_, 2);
      for (const auto& unsent : successor.takeUnsent()) {
        if (upTo(1) == 0) successor.release(unsent.handle);
      }
      try {
        for (int i = 0; i < 5; ++i) {
          successor.addMessage({1}, 0, test::callOf(1));
          successor.commit();
          successor.carriedOut();
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::overloaded);
      }
    }
    std::memset(static_cast<void*>(&*memory_), 0, offsetof(DeskMemory, log) + kPageBytes * 4);
    memory_->layout = kDeskLayout;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RecoveryTest, testing::Range(1U, 9U));

}  // namespace
}  // namespace troupe::mailbox
